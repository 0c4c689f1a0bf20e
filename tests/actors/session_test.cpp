// A session against a shard that the test plays: rights, bounds, receipts and watches.
#include "actors/session.hpp"

#include <atomic>

#include "actors/watch_hub.hpp"
#include "protocol/digest.hpp"
#include "protocol/limits.hpp"
#include "tests/actors/fake_replica.hpp"
#include "tests/actors/watcher.hpp"
#include "tests/support/temp_dir.hpp"

namespace cairn::actors::test {
namespace {

constexpr AccountId account{7};
constexpr ClientId client{3};

class SessionTest : public ActorTest {
 protected:
  void SetUp() override {
    keys_ = storage::KeyRing::open_or_create(folder_ / "keys").value();
    shard_->query = [this](const cluster::Query& query) -> cluster::QueryResult {
      if (const auto* asked = std::get_if<cluster::ReadChanges>(&query)) return changes(*asked);
      return Usage{1, 2, 3};
    };
    routes_->set_shard(system_.spawn(fake_replica, shard_));
    start_hub();
    session_ = system_.spawn(session, SessionIdentity{account, "ada", client, "device", {}}, keys_, routes_);
  }

  void TearDown() override {
    stop(session_);
    session_ = SessionActor{};
    stop(hub_);
    stop(routes_->shard());
    routes_->set_shard({});
    routes_->set_watch_hub({});
    hub_ = WatchHubActor{};
    system_.await_all_actors_done();
  }

  template <class Actor>
  void stop(const Actor& actor) {
    if (!actor) return;
    caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
    wait_for_end(actor);
  }
  template <class Actor>
  void wait_for_end(const Actor& actor) {
    std::promise<void> ended;
    actor->attach_functor([&] { ended.set_value(); });
    ASSERT_EQ(ended.get_future().wait_for(patience), std::future_status::ready);
  }

  void start_hub() {
    hub_ = system_.spawn(watch_hub, std::size_t{16}, std::string("here"), routes_,
                         std::shared_ptr<NodeNetwork>(std::make_shared<FakeNetwork>()));
    routes_->set_watch_hub(hub_);
  }

  cluster::QueryResult changes(const cluster::ReadChanges& asked) {
    ++reads_;
    if (refuse_reads_.load() > 0) {
      --refuse_reads_;
      return Error{Errc::unavailable, "no leader"};
    }
    ChangePage page;
    page.cursor = asked.after;
    while (page.events.size() < asked.limit && page.cursor.value < end_) {
      ++page.cursor.value;
      page.events.push_back({page.cursor, EntryId{page.cursor.value}, {}});
    }
    page.more = page.cursor.value < end_;
    return page;
  }

  void grow(std::uint64_t end) {
    end_ = end;
    caf::anon_send(hub_, JournalGrew{account.value, end});
  }

  Result<std::uint64_t> watch(Watcher& watcher, std::uint64_t cursor = 0) {
    Answered<std::uint64_t> number;
    caf::anon_send(session_, SessionWatch{Cursor{cursor}, watcher.target(), number.reply()});
    return number.get();
  }

  Result<cluster::QueryResult> usage() {
    Answered<cluster::QueryResult> answered;
    caf::anon_send(session_, SessionQuery{cluster::GetUsage{account}, answered.reply()});
    return answered.get();
  }

  Result<CommitResult> commit(ClientId from, std::vector<Receipt> receipts = {}) {
    Answered<CommitResult> answered;
    caf::anon_send(session_,
                   SessionCommit{Commit{{from, 1}, 0, {MakeFolder{}}, std::move(receipts)}, answered.reply()});
    return answered.get();
  }

  ::cairn::test::TempDir folder_;
  std::shared_ptr<const storage::KeyRing> keys_;
  std::shared_ptr<FakeShard> shard_ = std::make_shared<FakeShard>();
  std::shared_ptr<Routes> routes_ = std::make_shared<Routes>();
  WatchHubActor hub_;
  SessionActor session_;
  std::atomic<std::uint64_t> end_ = 0;
  std::atomic<int> reads_ = 0;
  std::atomic<int> refuse_reads_ = 0;
};

TEST_F(SessionTest, PagesComeInOrderOneAtATime) {
  Watcher watcher;
  watcher.take_at_once = false;
  end_ = 1'000;
  ASSERT_TRUE(watch(watcher));
  std::uint64_t expected = 1;
  for (std::size_t page = 0; expected <= 1'000; ++page) {
    ASSERT_TRUE(watcher.pages.wait_count(page + 1));
    const auto all = watcher.pages.all();
    ASSERT_EQ(all.size(), page + 1) << "the next page must wait until this one was taken";
    EXPECT_EQ(all[page].first, expected);
    expected = all[page].last + 1;
    grow(1'000);
    ASSERT_TRUE(usage());
    all[page].reply(true);
  }
  EXPECT_EQ(expected, 1'001u);
}

TEST_F(SessionTest, AWatchResumesBehindItsCursorAndGoesOn) {
  Watcher watcher;
  end_ = 10;
  ASSERT_TRUE(watch(watcher, 7));
  ASSERT_TRUE(watcher.reached(10));
  grow(12);
  ASSERT_TRUE(watcher.reached(12));
  const auto all = watcher.pages.all();
  EXPECT_EQ(all.front().first, 8u);
  for (std::size_t i = 1; i < all.size(); ++i) EXPECT_EQ(all[i].first, all[i - 1].last + 1);
}

TEST_F(SessionTest, NothingIsMissedWhenTheHubCrashes) {
  Watcher watcher;
  ASSERT_TRUE(watch(watcher));
  grow(1);
  ASSERT_TRUE(watcher.reached(1));
  caf::anon_send_exit(hub_, caf::exit_reason::unhandled_exception);
  wait_for_end(hub_);
  end_ = 5;  // nobody is told of this
  reads_ = 0;
  start_hub();
  ASSERT_TRUE(watcher.reached(5));
  EXPECT_LT(reads_, 10) << "while the hub was away nothing must spin";
  grow(6);
  ASSERT_TRUE(watcher.reached(6)) << "subscribed again";
}

TEST_F(SessionTest, AHubThatIsAwayForAWhileIsNotAskedInALoop) {
  Watcher watcher;
  ASSERT_TRUE(watch(watcher));
  grow(1);
  ASSERT_TRUE(watcher.reached(1));
  reads_ = 0;
  stop(hub_);
  Events<int> none;
  const auto until = std::chrono::steady_clock::now() + 300ms;
  while (std::chrono::steady_clock::now() < until) ASSERT_TRUE(usage());
  EXPECT_LT(reads_, 10);
}

TEST_F(SessionTest, AShardThatIsAwayIsAskedAgain) {
  Watcher watcher;
  refuse_reads_ = 2;
  end_ = 3;
  ASSERT_TRUE(watch(watcher));
  EXPECT_TRUE(watcher.reached(3));
}

TEST_F(SessionTest, ARefusedPageEndsItsWatch) {
  Watcher watcher;
  watcher.take_at_once = false;
  end_ = 1;
  ASSERT_TRUE(watch(watcher));
  ASSERT_TRUE(watcher.pages.wait_count(1));
  watcher.pages.all()[0].reply(false);
  ASSERT_TRUE(watcher.ended.wait_count(1));
  EXPECT_EQ(watcher.ended.all()[0], Errc::cancelled);
}

TEST_F(SessionTest, WatchesEndWithTheirSession) {
  Watcher watcher;
  ASSERT_TRUE(watch(watcher));
  stop(session_);
  ASSERT_TRUE(watcher.ended.wait_count(1));
  EXPECT_EQ(watcher.ended.all()[0], Errc::unavailable);
}

TEST_F(SessionTest, WatchesAreBounded) {
  std::vector<std::unique_ptr<Watcher>> watchers;
  std::uint64_t first = 0;
  for (std::size_t i = 0; i < limits::max_watches_per_session; ++i) {
    watchers.push_back(std::make_unique<Watcher>());
    const auto number = watch(*watchers.back());
    ASSERT_TRUE(number);
    if (!first) first = *number;
  }
  Watcher beyond;
  EXPECT_EQ(watch(beyond).error().code, Errc::busy);
  caf::anon_send(session_, SessionUnwatch{first});
  EXPECT_TRUE(watch(beyond));
  stop(session_);
  session_ = SessionActor{};
}

TEST_F(SessionTest, RevokedAnswersEverythingAndEndsWatches) {
  Watcher watcher;
  ASSERT_TRUE(watch(watcher));
  caf::anon_send(session_, SessionRevoked{});
  ASSERT_TRUE(watcher.ended.wait_count(1));
  EXPECT_EQ(watcher.ended.all()[0], Errc::revoked_token);
  EXPECT_EQ(usage().error().code, Errc::revoked_token);
  EXPECT_EQ(commit(client).error().code, Errc::revoked_token);
  EXPECT_EQ(watch(watcher).error().code, Errc::revoked_token);
  Answered<Receipt> receipt;
  caf::anon_send(session_, SessionPutBlock{sha256("x"), "x", receipt.reply()});
  EXPECT_EQ(receipt.get().error().code, Errc::revoked_token);
}

TEST_F(SessionTest, CommitsUnderAnotherClientIdAreRefused) {
  const auto refused = commit(ClientId{99});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::permission_denied);
  EXPECT_NE(refused.error().message.find("clientId"), std::string::npos);
}

TEST_F(SessionTest, ReceiptsThatDoNotHoldAreRefusedBeforeTheShardIsAsked) {
  const auto now =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  const Receipt good = keys_->sign({sha256("x"), 1, account, Timestamp{now}, {}});
  auto forged = good;
  forged.bytes = 2;
  const auto old = keys_->sign({sha256("x"), 1, account, Timestamp{now - 100'000'000}, {}});
  const auto foreign = keys_->sign({sha256("x"), 1, AccountId{8}, Timestamp{now}, {}});
  for (const auto& receipt : {forged, old, foreign})
    EXPECT_EQ(commit(client, {good, receipt}).error().code, Errc::bad_receipt);
  shard_->command = [](const cluster::Command& command) -> cluster::CommandResult {
    EXPECT_EQ(std::get<cluster::CommitChanges>(command.body).proven.size(), 1u);
    return CommitResult{{}, Cursor{4}};
  };
  const auto done = commit(client, {good});
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(done->cursor.value, 4u);
}

// A sealer that keeps what it is given.
SealerActor::behavior_type keeping_sealer(SealerActor::pointer, std::shared_ptr<Events<StoreBlock>> kept) {
  return {
      [kept](const StoreBlock& message) { kept->add(message); },
      [](const FetchBlock& message) {
        message.reply(Error{Errc::not_found, "none"});
      },
      [](const ReadBlock&) {},
      [](const OpenBlock&) {},
  };
}

TEST_F(SessionTest, BlocksBeyondTheBoundWaitUntilOthersAreStored) {
  const auto kept = std::make_shared<Events<StoreBlock>>();
  const auto fake = system_.spawn(keeping_sealer, kept);
  routes_->set_sealer(0, fake);
  constexpr std::size_t bytes = 4u << 20;
  constexpr auto bound = limits::max_session_block_bytes_in_flight / bytes;
  std::vector<Answered<Receipt>> answers(bound + 3);
  for (auto& answer : answers)
    caf::anon_send(session_, SessionPutBlock{sha256("x"), Bytes(bytes, 'x'), answer.reply()});
  ASSERT_TRUE(kept->wait_count(bound));
  ASSERT_TRUE(usage());
  EXPECT_EQ(kept->all().size(), bound);
  kept->all()[0].reply(Receipt{});
  EXPECT_TRUE(kept->wait_count(bound + 1));
  EXPECT_TRUE(answers[0].get());
  caf::anon_send(session_, SessionRevoked{});
  EXPECT_EQ(answers.back().get().error().code, Errc::revoked_token) << "what waits is told";
  stop(fake);
  routes_->set_sealer(0, {});
}

TEST_F(SessionTest, WhatWasAskedIsAnsweredWhenTheSessionEnds) {
  const auto kept = std::make_shared<Events<StoreBlock>>();
  const auto fake = system_.spawn(keeping_sealer, kept);
  routes_->set_sealer(0, fake);
  std::vector<Answered<Receipt>> answers(12);
  for (auto& answer : answers)
    caf::anon_send(session_, SessionPutBlock{sha256("x"), Bytes(4u << 20, 'x'), answer.reply()});
  ASSERT_TRUE(kept->wait_count(8));
  stop(session_);
  session_ = SessionActor{};
  EXPECT_EQ(answers.back().get().error().code, Errc::unavailable);
  kept->all()[0].reply(Receipt{});
  EXPECT_TRUE(answers[0].get()) << "a block that was stored is told to who still waits";
  stop(fake);
  routes_->set_sealer(0, {});
}

TEST_F(SessionTest, EndsWithTheDoorThatWouldTellOfRevocations) {
  const auto door = hub_;  // any actor
  const auto opened =
      system_.spawn(session, SessionIdentity{account, "ada", client, "device", door.address()}, keys_, routes_);
  std::promise<void> ended;
  opened->attach_functor([&] { ended.set_value(); });
  stop(door);
  EXPECT_EQ(ended.get_future().wait_for(patience), std::future_status::ready);
}

// Of one shard that has every slot.
std::shared_ptr<const cluster::ClusterMap> map_of(std::uint32_t id) {
  cluster::directory::SlotMap map;
  cluster::directory::Shard shard;
  shard.id.value = id;
  shard.slots = {cluster::directory::all_slots};
  map.shards = {shard};
  return std::make_shared<cluster::ClusterMap>(std::move(map));
}

class SessionFloorTest : public SessionTest {
 protected:
  void SetUp() override {
    SessionTest::SetUp();
    shard_->asked = [this](const Ask& message) { asked_.add(message); };
    shard_->command = [](const cluster::Command&) -> cluster::CommandResult { return CommitResult{{}, Cursor{4}}; };
    routes_->set_map(map_of(2));
    open({});
  }
  void open(cluster::Seen seen) {
    stop(session_);
    cluster::Floor floor;
    floor.raise(seen);
    session_ = system_.spawn(session, SessionIdentity{account, "ada", client, "device", {}, floor}, keys_, routes_);
  }
  Ask last_read() {
    EXPECT_TRUE(usage());
    return asked_.all().back();
  }
  Events<Ask> asked_;
};

TEST_F(SessionFloorTest, TheFirstReadOfASessionThatHasSeenNothingIsLinearizable) {
  shard_->index = 12;
  EXPECT_TRUE(last_read().linearizable);
  const auto next = last_read();
  EXPECT_FALSE(next.linearizable);
  EXPECT_EQ(next.floor, 12u);
  EXPECT_EQ(next.target.shard, 2u);
  EXPECT_EQ(next.target.slot, slot_of(account).value);
}

TEST_F(SessionFloorTest, WhatOpenedTheSessionIsItsFloor) {
  open({true, cluster::directory::ShardId{2}, 40});
  const auto first = last_read();
  EXPECT_FALSE(first.linearizable);
  EXPECT_EQ(first.floor, 40u);
}

TEST_F(SessionFloorTest, AUserSeesTheirOwnWrites) {
  open({true, cluster::directory::ShardId{2}, 40});
  shard_->index = 55;
  ASSERT_TRUE(commit(client));
  shard_->index = 50;  // a replica that lags, and answers all the same
  EXPECT_EQ(last_read().floor, 55u);
  EXPECT_EQ(last_read().floor, 55u) << "and never goes back";
}

TEST_F(SessionFloorTest, InAnotherShardTheFloorBeginsAnew) {
  open({true, cluster::directory::ShardId{2}, 900});
  routes_->set_map(map_of(3));
  shard_->index = 7;
  const auto first = last_read();
  EXPECT_TRUE(first.linearizable);
  EXPECT_EQ(first.target.shard, 3u);
  const auto second = last_read();
  EXPECT_FALSE(second.linearizable);
  EXPECT_EQ(second.floor, 7u);
}

TEST_F(SessionFloorTest, AWatchReadsNoOlderThanWhatItWasToldOf) {
  open({true, cluster::directory::ShardId{2}, 40});
  Watcher watcher;
  ASSERT_TRUE(watch(watcher));
  ASSERT_TRUE(asked_.wait_count(1));
  ASSERT_TRUE(usage()) << "so the watch has found nothing by now";
  end_ = 1;
  caf::anon_send(hub_, JournalGrew{account.value, 1, 2, 70, true});
  ASSERT_TRUE(watcher.reached(1));
  EXPECT_TRUE(asked_.wait([](const auto& all) {
    return std::any_of(all.begin(), all.end(), [](const Ask& one) { return !one.linearizable && one.floor == 70; });
  }));
}

TEST_F(SessionFloorTest, RefusalsOfAShardAreErrorsThatMayBeRetried) {
  for (const auto& [served, code] :
       {std::pair(Served::not_leader, Errc::unavailable), std::pair(Served::not_here, Errc::unavailable),
        std::pair(Served::behind, Errc::unavailable), std::pair(Served::unknown, Errc::unavailable),
        std::pair(Served::busy, Errc::busy)}) {
    shard_->raw = [served](const Target&, bool) { return Answer{{}, served, 99, 0}; };
    EXPECT_EQ(std::get<Error>(*usage()).code, code);
    EXPECT_EQ(commit(client).error().code, code);
  }
  shard_->raw = nullptr;
  EXPECT_TRUE(last_read().linearizable) << "what was refused has shown nothing";
}

TEST_F(SessionTest, AShardThatIsNotThereIsUnavailableAtOnce) {
  const auto replica = routes_->shard();
  routes_->set_shard({});
  EXPECT_EQ(std::get<Error>(*usage()).code, Errc::unavailable);
  routes_->set_shard(replica);
}

}  // namespace
}  // namespace cairn::actors::test
