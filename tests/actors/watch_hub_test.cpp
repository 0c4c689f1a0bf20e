// Watch hubs of three nodes and a session that watches on the third: what is committed reaches it once, in order,
// whatever is lost between the hubs.
#include "actors/watch_hub.hpp"

#include <caf/typed_event_based_actor.hpp>

#include "actors/session.hpp"
#include "actors/watch_frames.hpp"
#include "protocol/limits.hpp"
#include "tests/actors/fake_replica.hpp"
#include "tests/actors/watcher.hpp"
#include "tests/support/await.hpp"
#include "tests/support/random.hpp"
#include "tests/support/temp_dir.hpp"

namespace cairn::actors::test {
namespace {

using cluster::ReplicaId;
using cluster::Role;
using cluster::directory::ShardId;

constexpr AccountId account{7};
constexpr ShardId shard{2};
constexpr std::uint64_t renew = 1;

// Two replicas on nodes m and n; sessions on node x, and on m.
std::shared_ptr<const cluster::ClusterMap> map_of_two() {
  const auto name = [](const std::string& text) { return cluster::directory::NodeName::parse(text).value(); };
  cluster::directory::SlotMap map;
  cluster::directory::Shard one;
  one.id = shard;
  one.slots = {cluster::directory::all_slots};
  one.replicas = {{ReplicaId{1}, name("m")}, {ReplicaId{2}, name("n")}};
  map.shards = {one};
  return std::make_shared<cluster::ClusterMap>(std::move(map));
}

// A router that only listens.
RouterActor::behavior_type listening_router(RouterActor::pointer, std::shared_ptr<Events<LeaderHeard>> heard) {
  return {
      [](const Propose&) { return Answer{}; },
      [](const Ask&) { return Answer{}; },
      [](const AnswersReceived&) {},
      [](const RelayRequests&) {},
      [](const LinkChanged&) {},
      [](const ReplicaChanged&) {},
      [heard](const LeaderHeard& message) { heard->add(message); },
      [](const MapChanged&) {},
      [](const StepDue&) {},
      [](const TimerFired&) {},
  };
}

class WatchHubTest : public ActorTest {
 protected:
  struct Node {
    explicit Node(std::string own) : name(std::move(own)) {}
    std::string name;
    std::shared_ptr<Routes> routes = std::make_shared<Routes>();
    std::shared_ptr<FakeNetwork> network = std::make_shared<FakeNetwork>();
    WatchHubActor hub;
    std::atomic<bool> drops = false;   // what it sends is lost, and nobody notices
    std::atomic<bool> stalls = false;  // the next frame that it sends keeps its hub until `released`
    Events<int> stalled, released;
  };

  void SetUp() override {
    keys_ = storage::KeyRing::open_or_create(folder_ / "keys").value();
    for (auto* node : {&m_, &n_, &x_}) {
      node->routes->set_map(map_of_two());
      node->network->carry = [this, node](const FakeNetwork::Sent& sent) {
        ASSERT_EQ(sent.channel, Channel::watch);
        if (node->drops) return;
        if (node->stalls.exchange(false)) {
          node->stalled.add(1);
          node->released.wait_count(1);
        }
        if (const auto hub = at(sent.to).routes->watch_hub())
          caf::anon_send(hub, WatchReceived{node->name, sent.frame});
      };
      start_hub(*node);
    }
    shard_->query = [this](const cluster::Query& query) -> cluster::QueryResult {
      return changes(std::get<cluster::ReadChanges>(query));
    };
    shard_->asked = [this](const Ask& ask) { floors_.add(ask.floor); };
    x_.routes->set_shard(system_.spawn(fake_replica, shard_));
    heard_ = std::make_shared<Events<LeaderHeard>>();
    x_.routes->set_router(system_.spawn(listening_router, heard_));
    session_ = system_.spawn(session, SessionIdentity{account, "ada", ClientId{3}, "device", {}}, keys_, x_.routes);
  }

  void TearDown() override {
    kill(session_);
    kill(x_.routes->router());
    kill(x_.routes->shard());
    for (auto* node : {&m_, &n_, &x_}) {
      kill(node->hub);
      kill(node->routes->replica(shard));
      node->hub = WatchHubActor{};
      node->routes->set_watch_hub({});
      node->routes->set_replica(shard, {});
    }
    x_.routes->set_router({});
    x_.routes->set_shard({});
    session_ = SessionActor{};
    system_.await_all_actors_done();
    for (auto* node : {&m_, &n_, &x_}) node->network->carry = nullptr;
  }

  template <class Actor>
  void kill(const Actor& actor) {
    if (!actor) return;
    std::promise<void> ended;
    actor->attach_functor([&] { ended.set_value(); });
    caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
    ASSERT_EQ(ended.get_future().wait_for(patience), std::future_status::ready);
  }

  void start_hub(Node& node) {
    node.hub =
        system_.spawn(watch_hub, std::size_t{16}, node.name, node.routes, std::shared_ptr<NodeNetwork>(node.network));
    node.routes->set_watch_hub(node.hub);
  }
  Node& at(const std::string& name) { return name == "m" ? m_ : name == "n" ? n_ : x_; }

  cluster::QueryResult changes(const cluster::ReadChanges& asked) {
    ChangePage page;
    page.cursor = asked.after;
    while (page.events.size() < asked.limit && page.cursor.value < end_) {
      ++page.cursor.value;
      page.events.push_back({page.cursor, EntryId{page.cursor.value}, {}});
    }
    page.more = page.cursor.value < end_;
    return page;
  }

  // The log's index is the journal's end here.
  void commit() { shard_->index = ++end_; }
  void tell_growth(Node& leader) {
    caf::anon_send(leader.hub, JournalGrew{account.value, end_, shard.value, end_, true});
  }
  void lead(Node& node, std::uint64_t replica, std::uint64_t term) {
    caf::anon_send(node.hub,
                   ReplicaChanged{shard, ReplicaId{replica}, Role::leader, term, ReplicaId{replica}, true, end_});
  }
  void follow(Node& node, std::uint64_t replica, std::uint64_t term) {
    caf::anon_send(node.hub, ReplicaChanged{shard, ReplicaId{replica}, Role::follower, term, {}, false, end_});
  }
  // The node's own replica says so when it is asked.
  void replica_leads(Node& node) {
    const auto replica = std::make_shared<FakeShard>();
    auto& status = replica->status;
    status.report = {shard, ReplicaId{1}, {}, Role::leader, 1, false, true, {}, {}};
    status.leader = ReplicaId{1};
    status.applied = end_;
    node.routes->set_replica(shard, system_.spawn(fake_shard_replica, replica));
  }
  void link(Node& a, Node& b, bool up) {
    caf::anon_send(a.hub, LinkChanged{b.name, up, 1});
    caf::anon_send(b.hub, LinkChanged{a.name, up, 1});
  }
  void watch() {
    Answered<std::uint64_t> number;
    caf::anon_send(session_, SessionWatch{Cursor{0}, watcher_.target(), number.reply()});
    ASSERT_TRUE(number.get());
  }
  // The leader's node knows that somebody watches on x.
  void watch_settled(Node& leader, std::uint64_t replica) {
    lead(leader, replica, 1);
    watch();
    commit();
    tell_growth(leader);
    ASSERT_TRUE(watcher_.reached(1));
    ASSERT_TRUE(heard_->wait_count(1));
  }
  void expect_each_once() {
    std::uint64_t next = 1;
    for (const auto& page : watcher_.pages.all()) {
      EXPECT_EQ(page.first, next);
      next = page.last + 1;
    }
  }

  ::cairn::test::TempDir folder_;
  std::shared_ptr<const storage::KeyRing> keys_;
  Node m_{"m"}, n_{"n"}, x_{"x"};
  std::shared_ptr<FakeShard> shard_ = std::make_shared<FakeShard>();
  std::shared_ptr<Events<LeaderHeard>> heard_;
  Watcher watcher_;
  SessionActor session_;
  Events<std::uint64_t> floors_;
  std::atomic<std::uint64_t> end_ = 0;
};

TEST_F(WatchHubTest, GrowthAtTheLeadersNodeReachesAWatcherOnAnother) {
  watch_settled(m_, 1);
  for (int i = 0; i < 5; ++i) {
    commit();
    tell_growth(m_);
  }
  EXPECT_TRUE(watcher_.reached(6));
  expect_each_once();
}

TEST_F(WatchHubTest, GrowthOfABatchLeavesInOneFrame) {
  watch_settled(m_, 1);
  m_.stalls = true;
  commit();
  tell_growth(m_);
  ASSERT_TRUE(m_.stalled.wait_count(1));
  const auto before = m_.network->sent.all().size();
  for (std::uint64_t other = 1; other <= 500; ++other)
    caf::anon_send(m_.hub, JournalGrew{100 + other, 1, shard.value, 9, true});
  commit();
  tell_growth(m_);
  m_.released.add(1);
  // The watcher may see all that is committed when the stalled frame arrives, before the batch's own is sent.
  ASSERT_TRUE(watcher_.reached(3));
  ASSERT_TRUE(m_.network->sent.wait_count(before + 1));
  const auto frames = m_.network->sent.all();
  ASSERT_EQ(frames.size(), before + 1);
  EXPECT_GE(std::get<Growths>(decode_watch_frame(frames.back().frame).value()).growths.size(), 501u);
}

TEST_F(WatchHubTest, ALeaderThatDiesRightAfterACommitTakesNothingWithIt) {
  watch_settled(m_, 1);
  commit();  // and its growth is never told
  kill(m_.hub);
  lead(n_, 2, 2);
  EXPECT_TRUE(watcher_.reached(2));
  ASSERT_TRUE(heard_->wait([](const auto& all) { return !all.empty() && all.back().term == 2; }));
  EXPECT_EQ(heard_->all().back().replica, ReplicaId{2});
  EXPECT_EQ(heard_->all().back().shard, shard);
  commit();
  tell_growth(n_);
  EXPECT_TRUE(watcher_.reached(3));
  expect_each_once();
  start_hub(m_);
}

TEST_F(WatchHubTest, WhatAnnouncesTheLeaderIsReadAtItsIndex) {
  watch_settled(m_, 1);
  commit();
  shard_->index = 0;  // a replica that says nothing of how far it is
  lead(n_, 2, 2);
  EXPECT_TRUE(watcher_.reached(2));
  EXPECT_TRUE(floors_.wait([](const auto& all) { return std::count(all.begin(), all.end(), 2u) > 0; }));
}

TEST_F(WatchHubTest, AFrameThatIsLostWithItsLinkIsMadeUpFor) {
  watch_settled(m_, 1);
  m_.drops = true;
  commit();
  tell_growth(m_);
  commit();
  tell_growth(m_);
  link(m_, x_, false);
  m_.drops = false;
  link(m_, x_, true);
  EXPECT_TRUE(watcher_.reached(3));
  expect_each_once();
}

TEST_F(WatchHubTest, AFrameThatCannotBeSentIsMadeUpFor) {
  watch_settled(m_, 1);
  m_.network->cut("x");
  commit();
  tell_growth(m_);
  ASSERT_TRUE(m_.network->refused.wait_count(1));
  m_.network->heal("x");
  caf::anon_send(m_.hub, TimerFired{renew});
  EXPECT_TRUE(watcher_.reached(2));
  expect_each_once();
}

TEST_F(WatchHubTest, AWatcherLooksWhileTheLeadersNodeIsOutOfSight) {
  watch_settled(m_, 1);
  x_.network->cut("m");
  link(m_, x_, false);
  commit();
  caf::anon_send(x_.hub, TimerFired{renew});
  EXPECT_TRUE(watcher_.reached(2)) << "through another replica";
}

TEST_F(WatchHubTest, WhatWasCommittedBeforeTheInterestWasKnownIsSeen) {
  lead(m_, 1, 1);
  ASSERT_TRUE(m_.network->sent.wait_count(1));
  x_.drops = true;  // its interest is on the way
  watch();
  commit();
  tell_growth(m_);  // nobody has asked for it yet
  x_.drops = false;
  link(m_, x_, true);
  EXPECT_TRUE(watcher_.reached(1));
}

TEST_F(WatchHubTest, WhatWasCommittedWhileNobodyWantedToKnowIsSeen) {
  lead(m_, 1, 1);
  ASSERT_TRUE(m_.network->sent.wait_count(1));
  EXPECT_FALSE(m_.routes->growth_wanted());
  commit();  // and its replica tells nobody
  commit();
  replica_leads(m_);
  watch();
  EXPECT_TRUE(watcher_.reached(2));
  EXPECT_TRUE(floors_.wait([](const auto& all) { return std::count(all.begin(), all.end(), 2u) > 0; }))
      << "where the leader is now, not where it was when it took office";
  EXPECT_TRUE(m_.routes->growth_wanted()) << "by the watcher's node";
  EXPECT_TRUE(x_.routes->growth_wanted()) << "by the watcher";
}

TEST_F(WatchHubTest, ReplicasTellOfGrowthWhileItIsWanted) {
  const auto wanted = [](Node& node, bool is) {
    return ::cairn::test::comes_true(patience, [&] { return node.routes->growth_wanted() == is; });
  };
  watch_settled(m_, 1);
  EXPECT_TRUE(wanted(m_, true));  // its page may have come before the word of its interest
  link(m_, x_, false);
  caf::anon_send(m_.hub, TimerFired{renew});
  EXPECT_TRUE(wanted(m_, false));
  EXPECT_TRUE(x_.routes->growth_wanted());
  kill(session_);
  EXPECT_TRUE(wanted(x_, false));
}

TEST_F(WatchHubTest, AHubThatRestartsOnTheLeadersNodeIsToldWhoLeads) {
  watch_settled(m_, 1);
  kill(m_.hub);
  commit();  // to nobody
  replica_leads(m_);
  start_hub(m_);
  caf::anon_send(x_.hub, TimerFired{renew});
  // Whichever comes first, the replica's word or the interest.
  EXPECT_TRUE(watcher_.reached(2));
  expect_each_once();
}

TEST_F(WatchHubTest, AHubThatRestartsOnTheWatchersNodeAsksAnew) {
  watch_settled(m_, 1);
  kill(x_.hub);
  commit();
  tell_growth(m_);
  start_hub(x_);
  ASSERT_TRUE(watcher_.reached(2));
  commit();
  tell_growth(m_);
  EXPECT_TRUE(watcher_.reached(3));
  expect_each_once();
}

TEST_F(WatchHubTest, AnUnsettledLeaderAndAFollowerAnnounceNothing) {
  watch();
  caf::anon_send(m_.hub, ReplicaChanged{shard, ReplicaId{1}, Role::leader, 5, ReplicaId{1}, false, 1});
  follow(n_, 2, 5);
  link(m_, x_, true);
  link(n_, x_, true);
  lead(n_, 2, 6);
  ASSERT_TRUE(heard_->wait_count(1));
  EXPECT_EQ(heard_->all()[0].term, 6u);
}

TEST_F(WatchHubTest, WhatFollowersApplyIsNotForwarded) {
  watch_settled(m_, 1);
  const auto before = n_.network->sent.all().size();
  caf::anon_send(n_.hub, JournalGrew{account.value, 9, shard.value, 9, false});
  lead(n_, 2, 2);
  ASSERT_TRUE(heard_->wait([](const auto& all) { return all.back().term == 2; }));
  for (auto i = before; i < n_.network->sent.all().size(); ++i)
    EXPECT_FALSE(std::holds_alternative<Growths>(decode_watch_frame(n_.network->sent.all()[i].frame).value()));
}

TEST_F(WatchHubTest, InterestThatIsNotRenewedRunsOut) {
  lead(m_, 1, 1);
  caf::anon_send(m_.hub, WatchReceived{"z", encode(WatchFrame(Interest{0ms, true, true}))});
  const auto to_z = [](const auto& all) {
    return std::count_if(all.begin(), all.end(), [](const auto& sent) { return sent.to == "z"; });
  };
  ASSERT_TRUE(m_.network->sent.wait([&](const auto& all) { return to_z(all) == 1; })) << "fresh: told who leads";
  caf::anon_send(m_.hub, TimerFired{renew});
  watch_settled(m_, 1);
  EXPECT_EQ(to_z(m_.network->sent.all()), 1) << "the growth was for x alone";
}

TEST_F(WatchHubTest, BadFramesAreDropped) {
  caf::anon_send(m_.hub, WatchReceived{"x", "nonsense"});
  watch_settled(m_, 1);
}

// Leaders die before they tell, frames and links are lost; in the end, when all works again, everything was seen.
TEST_F(WatchHubTest, NothingIsMissedAndNothingRepeated) {
  ::cairn::test::Random random(11);
  watch_settled(m_, 1);
  std::uint64_t term = 1;
  Node* leader = &m_;
  for (int step = 0; step < 300; ++step) {
    const auto chance = random.below(100);
    if (chance < 60) {
      commit();
      if (random.below(4)) tell_growth(*leader);
      if (random.one_in(10)) follow(*leader, leader == &m_ ? 1 : 2, term);
    } else if (chance < 70) {
      leader = leader == &m_ ? &n_ : &m_;
      lead(*leader, leader == &m_ ? 1 : 2, ++term);
    } else if (chance < 80) {
      leader->drops = !leader->drops;
    } else if (chance < 90) {
      link(*leader, x_, random.one_in(2));
    } else {
      caf::anon_send(x_.hub, TimerFired{renew});
    }
  }
  for (auto* node : {&m_, &n_, &x_}) node->drops = false;
  for (auto* node : {&m_, &n_}) {
    link(*node, x_, false);
    link(*node, x_, true);
  }
  lead(*leader, leader == &m_ ? 1 : 2, ++term);
  EXPECT_TRUE(watcher_.reached(end_));
  expect_each_once();
}

}  // namespace
}  // namespace cairn::actors::test
