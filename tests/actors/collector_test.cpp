// The collector over shards that the test plays: it sweeps with the marks of all of them, or not at all.
#include <caf/typed_event_based_actor.hpp>

#include "actors/blocks.hpp"
#include "protocol/digest.hpp"
#include "tests/actors/fake_replica.hpp"

namespace cairn::actors::test {
namespace {

using cluster::directory::SlotRange;

struct ShardOf {
  std::uint32_t id;
  std::vector<SlotRange> slots;
};

std::shared_ptr<const cluster::ClusterMap> map_of(std::uint64_t epoch, const std::vector<ShardOf>& shards) {
  cluster::directory::SlotMap map;
  map.epoch.value = epoch;
  for (const auto& one : shards) {
    cluster::directory::Shard shard;
    shard.id.value = one.id;
    shard.slots = one.slots;
    map.shards.push_back(std::move(shard));
  }
  return std::make_shared<cluster::ClusterMap>(std::move(map));
}

const std::vector<ShardOf> two{{1, {}}, {2, {{0, 99}}}, {3, {{100, slot_count - 1}}}};

// A block writer that keeps what it is told to sweep.
BlockWriterActor::behavior_type keeping_writer(BlockWriterActor::pointer, std::shared_ptr<Events<SweepBlocks>> kept) {
  return {
      [](const PutSealed&) {},
      [](const GetSealed&) {},
      [](const FindSealed&) {},
      [](const FlushBlocks&) {},
      [kept](const SweepBlocks& message) {
        kept->add(message);
        message.reply(storage::SweepReport{});
      },
      [](const SweepStep&) {},
      [](const GetBlockStats&) {},
      [](const TimerFired&) {},
  };
}

class CollectorTest : public ActorTest {
 protected:
  void SetUp() override {
    shard_->asked = [this](const Ask& ask) { asked_.add(ask); };
    shard_->query = [this](const cluster::Query& query) { return references(query); };
    routes_->set_map(map_of(1, two));
    routes_->set_shard(system_.spawn(fake_replica, shard_));
    routes_->set_block_writer(system_.spawn(keeping_writer, swept_));
    cluster::Config::Blocks config;
    collector_ = system_.spawn(collector, config, routes_);
  }
  void TearDown() override {
    caf::anon_send_exit(collector_, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(routes_->shard(), caf::exit_reason::user_shutdown);
    caf::anon_send_exit(routes_->block_writer(), caf::exit_reason::user_shutdown);
    collector_ = CollectorActor{};
    routes_->set_shard({});
    routes_->set_block_writer({});
    system_.await_all_actors_done();
  }

  // Each shard has two pages with a block of its own on each, and one that both have.
  cluster::QueryResult references(const cluster::Query& query) {
    const auto& asked = std::get<cluster::ListReferences>(query);
    const auto shard = asked_.all().back().target.shard;
    if (shard == failing_) return Error{Errc::unavailable, "no leader"};
    on_page_();
    const auto block = [&](int page) { return sha256(std::to_string(shard) + "/" + std::to_string(page)); };
    if (asked.after.empty()) return cluster::References{{block(1), sha256("shared")}, "next"};
    return cluster::References{{block(2)}, {}};
  }

  Result<storage::SweepReport> collect() {
    Answered<storage::SweepReport> answered;
    caf::anon_send(collector_, CollectNow{answered.reply()});
    return answered.get();
  }

  std::shared_ptr<Routes> routes_ = std::make_shared<Routes>();
  std::shared_ptr<FakeShard> shard_ = std::make_shared<FakeShard>();
  std::shared_ptr<Events<SweepBlocks>> swept_ = std::make_shared<Events<SweepBlocks>>();
  Events<Ask> asked_;
  std::atomic<std::uint32_t> failing_ = 0;
  std::function<void()> on_page_ = [] {};
  CollectorActor collector_;
};

TEST_F(CollectorTest, SweepsWithTheMarksOfEveryShard) {
  ASSERT_TRUE(collect());
  const auto asked = asked_.all();
  ASSERT_EQ(asked.size(), 4u) << "the directory's shard has no drives";
  for (const auto& ask : asked) {
    EXPECT_TRUE(ask.linearizable);
    EXPECT_EQ(ask.target.slot, whole_shard);
  }
  EXPECT_EQ(asked[0].target.shard, 2u);
  EXPECT_EQ(asked[2].target.shard, 3u);
  ASSERT_EQ(swept_->all().size(), 1u);
  const auto& marks = *swept_->all()[0].marks;
  EXPECT_EQ(marks.size(), 5u);
  EXPECT_TRUE(std::is_sorted(marks.begin(), marks.end()));
}

TEST_F(CollectorTest, SweepsNothingIfOneShardIsSilent) {
  failing_ = 3;
  EXPECT_EQ(collect().error().code, Errc::unavailable);
  EXPECT_TRUE(swept_->all().empty());
  failing_ = 0;
  EXPECT_TRUE(collect()) << "the next one is whole again";
  EXPECT_EQ(swept_->all()[0].marks->size(), 5u);
}

TEST_F(CollectorTest, SweepsNothingIfSlotsMovedMeanwhile) {
  on_page_ = [this] { routes_->set_map(map_of(2, {{1, {}}, {2, {{0, 98}}}, {3, {{99, slot_count - 1}}}})); };
  EXPECT_EQ(collect().error().code, Errc::unavailable);
  EXPECT_TRUE(swept_->all().empty());
}

TEST_F(CollectorTest, ANewEpochWithTheSameSlotsIsNoReasonToStop) {
  on_page_ = [this] { routes_->set_map(map_of(2, two)); };
  EXPECT_TRUE(collect());
}

TEST_F(CollectorTest, DoesNothingWithoutAShardForEverySlot) {
  routes_->set_map(std::make_shared<cluster::ClusterMap>());
  EXPECT_EQ(collect().error().code, Errc::unavailable);
  routes_->set_map(map_of(1, {{1, {}}, {2, {{0, 99}}}}));
  EXPECT_EQ(collect().error().code, Errc::unavailable);
  EXPECT_TRUE(asked_.all().empty());
  EXPECT_TRUE(swept_->all().empty());
}

}  // namespace
}  // namespace cairn::actors::test
