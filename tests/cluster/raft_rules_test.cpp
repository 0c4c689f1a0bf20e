// The rules of consensus, one replica at a time: what it stores, counts, promises and refuses for given
// messages at given times.
#include <gtest/gtest.h>

#include "cluster/raft.hpp"
#include "protocol/digest.hpp"

namespace cairn::cluster {
namespace {

using namespace std::chrono_literals;
using storage::HardState;
using storage::LogEntry;

constexpr auto no_op = static_cast<std::uint8_t>(EntryKindInLog::no_op);
constexpr auto command = static_cast<std::uint8_t>(EntryKindInLog::command);
constexpr auto configuration_kind = static_cast<std::uint8_t>(EntryKindInLog::configuration);

Configuration voters(std::initializer_list<std::uint64_t> ids) {
  Configuration out;
  for (const auto id : ids) out = out.with_voter(ReplicaId{id});
  return out;
}

LogEntry entry(std::uint64_t index, std::uint64_t term, Bytes body = {}) { return {index, term, command, body}; }

/// Replica 1 of three, whose disk stores at once.
class One {
 public:
  explicit One(RaftOptions options = {}, HardState hard_state = {}, std::vector<LogEntry> log = {},
               Configuration founders = voters({1, 2, 3}))
      : raft_(ReplicaId{1}, options, recovered(hard_state, log, founders), now, 7) {}

  Raft* operator->() { return &raft_; }
  void hear(std::uint64_t from, std::uint64_t term, MessageBody body) {
    raft_.receive({ReplicaId{from}, ReplicaId{1}, term, std::move(body)}, now);
    settle();
  }
  void tick(Duration later) {
    now += later;
    raft_.tick(now);
    settle();
  }
  void settle() {
    for (;;) {
      auto ready = raft_.take_ready(now);
      if (ready.empty()) return;
      for (auto& message : ready.messages) sent.push_back(std::move(message));
      for (const auto& read : ready.reads) reads.push_back(read.read);
      failed_reads += ready.failed_reads.size();
      if (ready.snapshot_keep) keeps.push_back(std::move(*ready.snapshot_keep));
      if (ready.store) raft_.stored(ready.store->number, now);
    }
  }
  /// The messages of one kind that were sent since the last call, to anybody.
  template <class Body>
  std::vector<Body> take() {
    std::vector<Body> out;
    for (const auto& message : sent)
      if (const auto* body = std::get_if<Body>(&message.body)) out.push_back(*body);
    sent.clear();
    return out;
  }
  /// Is elected with the vote of 2.
  void win() {
    sent.clear();
    raft_.tick(now = std::max(now, raft_.deadline()));
    settle();
    hear(2, raft_.term() + 1, VoteAnswer{true, true});
    hear(2, raft_.term(), VoteAnswer{false, true});
    last_round_ = 0;
    (void)round();
    sent.clear();
  }
  /// Leads, and 2 has its log: the round that goes with it is confirmed.
  void settle_in_office() {
    win();
    acknowledge(2);
    (void)round();
    sent.clear();
  }
  void acknowledge(std::uint64_t from) {
    hear(from, raft_.term(), AppendAnswer{true, raft_.log().last_index(), 0, round()});
  }
  /// The newest round that was sent.
  std::uint64_t round() {
    for (const auto& message : sent) {
      if (const auto* beat = std::get_if<Heartbeat>(&message.body)) last_round_ = std::max(last_round_, beat->round);
      if (const auto* append = std::get_if<Append>(&message.body)) last_round_ = std::max(last_round_, append->round);
    }
    return last_round_;
  }

  Instant now{1'000'000};
  std::vector<Message> sent;
  std::vector<std::uint64_t> reads;
  std::size_t failed_reads = 0;
  std::vector<SnapshotKeep> keeps;

 private:
  static RaftRecovered recovered(HardState hard_state, const std::vector<LogEntry>& entries,
                                 const Configuration& founders) {
    RaftRecovered out{hard_state, {0, 0, founders}, RaftLog()};
    for (const auto& item : entries) out.log.restore(item, 0);
    return out;
  }
  Raft raft_;
  std::uint64_t last_round_ = 0;
};

RaftOptions with_leases() {
  RaftOptions options;
  options.lease_reads = true;
  options.clock_drift_ppm = 10'000;
  return options;
}

TEST(RaftElections, AVoteIsKeptOverARestart) {
  struct Case {
    const char* what;
    HardState stored;
    std::uint64_t from, term;
    bool granted;
  };
  const Case cases[] = {{"the same candidate asks again", {5, 2}, 2, 5, true},
                        {"another of the same term", {5, 2}, 3, 5, false},
                        {"no vote yet in this term", {5, 0}, 3, 5, true},
                        {"another of a later term", {5, 2}, 3, 6, true},
                        {"one of an earlier term", {5, 0}, 3, 4, false}};
  for (const auto& c : cases) {
    One one({}, c.stored);
    one.hear(c.from, c.term, VoteRequest{});
    const auto answers = one.take<VoteAnswer>();
    ASSERT_EQ(answers.size(), 1u) << c.what;
    EXPECT_EQ(answers[0].granted, c.granted) << c.what;
  }
}

TEST(RaftElections, OnlyALogThatIsAsLongGetsAVote) {
  struct Case {
    std::uint64_t last_index, last_term;
    bool granted;
  };
  for (const auto& c : {Case{2, 2, true}, Case{1, 3, true}, Case{9, 1, false}, Case{1, 2, false}})
    for (const bool pre : {true, false}) {
      One one({}, {2, 0}, {entry(1, 1), entry(2, 2)});
      one.hear(2, 4, VoteRequest{pre, false, c.last_index, c.last_term});
      const auto answers = one.take<VoteAnswer>();
      ASSERT_EQ(answers.size(), 1u);
      EXPECT_EQ(answers[0].granted, c.granted) << c.last_index << "/" << c.last_term;
      EXPECT_EQ(one->term(), pre ? 2u : 4u) << "a pre-vote changes nobody's term";
    }
}

TEST(RaftElections, VotesOfAnEarlierTermOrTwiceFromOneDoNotCount) {
  One one({}, {}, {}, voters({1, 2, 3, 4, 5}));
  one.tick(one->deadline() - one.now);
  for (const std::uint64_t id : {2, 3}) one.hear(id, 1, VoteAnswer{true, true});
  ASSERT_EQ(one->role(), Role::candidate);
  one.hear(2, 1, VoteAnswer{false, true});
  one.hear(2, 1, VoteAnswer{false, true});
  EXPECT_EQ(one->role(), Role::candidate) << "2 and itself are not three";
  one.tick(one->deadline() - one.now);
  for (const std::uint64_t id : {2, 3}) one.hear(id, 2, VoteAnswer{true, true});
  ASSERT_EQ(one->term(), 2u);
  one.hear(2, 2, VoteAnswer{false, true});
  one.hear(3, 1, VoteAnswer{false, true});
  EXPECT_EQ(one->role(), Role::candidate) << "the vote of 3 is for term 1";
  one.hear(4, 2, VoteAnswer{false, true});
  EXPECT_EQ(one->role(), Role::leader);
}

TEST(RaftElections, APromiseHoldsForTheShortestTimeout) {
  struct Case {
    const char* what;
    Duration after;         // the leader of term 3 was heard
    std::uint64_t moved_to; // the term that was taken up without a vote meanwhile
    VoteRequest request;
    bool granted;
  };
  const auto timeout = RaftOptions{}.election_timeout;
  const Case cases[] = {{"within the timeout", timeout - 1us, 3, {false, false, 0, 0}, false},
                        {"a pre-vote within it", timeout - 1us, 3, {true, false, 0, 0}, false},
                        {"in a term taken up meanwhile", timeout - 1us, 4, {false, false, 0, 0}, false},
                        {"the leader asked for it", timeout - 1us, 3, {false, true, 0, 0}, true},
                        {"the leader asked, term taken up", timeout - 1us, 4, {false, true, 0, 0}, true},
                        {"after it", timeout, 3, {false, false, 0, 0}, true},
                        {"after it, term taken up", timeout, 4, {false, false, 0, 0}, true}};
  for (const auto& c : cases) {
    One one(with_leases());
    one.hear(2, 3, Heartbeat{0, 1, false});
    if (c.moved_to > 3) one.hear(3, c.moved_to, VoteAnswer{true, false});
    ASSERT_EQ(one->term(), c.moved_to);
    one.sent.clear();
    one.now += c.after;
    one.hear(3, 4, c.request);
    bool granted = false;
    for (const auto& answer : one.take<VoteAnswer>()) granted |= answer.granted;
    EXPECT_EQ(granted, c.granted) << c.what;
  }
}

TEST(RaftElections, ARestartedReplicaKeepsThePromisesThatItForgot) {
  for (const bool leases : {true, false}) {
    One one(leases ? with_leases() : RaftOptions{}, {3, 0});
    one.hear(3, 4, VoteRequest{});
    EXPECT_EQ(one.take<VoteAnswer>().size(), leases ? 0u : 1u);
    one.now += RaftOptions{}.election_timeout;
    one.hear(3, 4, VoteRequest{});
    EXPECT_TRUE(one.take<VoteAnswer>().at(0).granted);
  }
}

TEST(RaftFollowing, MessagesOfAnEarlierLeaderChangeNothing) {
  const MessageBody old[] = {Append{0, 0, 1, 4, {entry(1, 2, "old")}}, Heartbeat{1, 4, false},
                             SnapshotChunk{1, {9, 2, voters({1, 2, 3})}, 0, true, crc32c("x"), 4, "x"}};
  for (const auto& body : old) {
    One one;
    one.hear(2, 3, Append{0, 0, 0, 1, {entry(1, 3, "new")}});
    one.sent.clear();
    one.hear(3, 2, body);
    EXPECT_EQ(one->leader(), ReplicaId{2});
    EXPECT_EQ(one->log().term_at(1), 3u);
    EXPECT_EQ(one->commit(), 0u);
    EXPECT_TRUE(one.keeps.empty());
    ASSERT_EQ(one.sent.size(), 1u);
    EXPECT_EQ(one.sent[0].term, 3u) << "so that the old leader stands back";
    EXPECT_EQ(one.sent[0].body, (MessageBody{HeartbeatAnswer{0}})) << "it confirms no round";
  }
}

TEST(RaftFollowing, AppendsAreComparedBeforeTheyAreTaken) {
  struct Case {
    const char* what;
    Append append;
    AppendAnswer answer;
    std::uint64_t last_index, commit;
  };
  const Case cases[] = {
      {"the next entry", {3, 2, 3, 1, {entry(4, 3)}}, {true, 4, 0, 1}, 4, 3},
      {"a gap", {4, 3, 4, 1, {entry(5, 3)}}, {false, 4, 4, 1}, 3, 0},
      {"another term before it", {3, 3, 3, 1, {entry(4, 3)}}, {false, 3, 2, 1}, 3, 0},
      {"an old append of what is there", {0, 0, 0, 1, {entry(1, 1)}}, {true, 1, 0, 1}, 3, 0},
      {"entries that conflict", {1, 1, 1, 1, {entry(2, 3)}}, {true, 2, 0, 1}, 2, 1},
      {"more is committed than was compared", {1, 1, 3, 1, {}}, {true, 1, 0, 1}, 3, 1},
  };
  for (const auto& c : cases) {
    One one({}, {2, 0}, {entry(1, 1), entry(2, 2), entry(3, 2)});
    one.hear(2, 3, c.append);
    const auto answers = one.take<AppendAnswer>();
    ASSERT_EQ(answers.size(), 1u) << c.what;
    EXPECT_EQ(answers[0], c.answer) << c.what;
    EXPECT_EQ(one->log().last_index(), c.last_index) << c.what;
    EXPECT_EQ(one->commit(), c.commit) << c.what;
  }
}

TEST(RaftFollowing, ATruncatedConfigurationIsNoLongerInEffect) {
  One one;
  one.hear(2, 1, Append{0, 0, 0, 1, {{1, 1, configuration_kind, encode(voters({1, 2, 3, 4}))}}});
  EXPECT_EQ(one->configuration(), voters({1, 2, 3, 4})) << "as soon as it is in the log";
  EXPECT_FALSE(one->configuration_settled());
  one.hear(3, 2, Append{0, 0, 0, 1, {{1, 2, no_op, {}}}});
  EXPECT_EQ(one->configuration(), voters({1, 2, 3}));
  EXPECT_TRUE(one->configuration_settled());
}

TEST(RaftFollowing, ASilentGroupWakes) {
  struct Case {
    const char* what;
    void (*wake)(One&);
  };
  const Case cases[] = {
      {"its leader is down", [](One& one) { one->peer_down(ReplicaId{2}, one.now); }},
      {"somebody lost the leader", [](One& one) { one.hear(3, 2, VoteRequest{true, false, 0, 0}); }},
      {"the leader has something to say", [](One& one) { one.hear(2, 1, Heartbeat{0, 1, false}); }}};
  for (const auto& c : cases) {
    One one;
    one.hear(2, 1, Heartbeat{0, 1, false});
    one.hear(2, 1, Heartbeat{0, 0, true});
    ASSERT_TRUE(one->quiescent());
    ASSERT_EQ(one->deadline(), never);
    one.now += 1h;
    c.wake(one);
    EXPECT_FALSE(one->quiescent()) << c.what;
    EXPECT_LE(one->deadline(), one.now + 2 * RaftOptions{}.election_timeout) << c.what;
  }
  One one;
  one.hear(2, 1, Heartbeat{0, 1, false});
  one.hear(2, 1, Heartbeat{0, 0, true});
  one->peer_down(ReplicaId{3}, one.now);
  EXPECT_TRUE(one->quiescent()) << "that one does not lead";
  one->peer_down(ReplicaId{2}, one.now);
  one.hear(2, 1, Heartbeat{0, 0, true});
  EXPECT_FALSE(one->quiescent()) << "it was on its way when its sender died";
  EXPECT_NE(one->deadline(), never);
}

TEST(RaftLeading, CommitsEarlierTermsOnlyWithAnEntryOfItsOwn) {
  One one({}, {1, 0}, {entry(1, 1)});
  one.win();
  ASSERT_EQ(one->term(), 2u);
  for (const std::uint64_t id : {2, 3}) one.hear(id, 2, AppendAnswer{true, 1, 0, 0});
  EXPECT_EQ(one->commit(), 0u) << "a copy of entry 1 on each may still be replaced";
  one.hear(2, 2, AppendAnswer{true, 2, 0, 0});
  EXPECT_EQ(one->commit(), 2u);
}

TEST(RaftLeading, AppendsThatOvertookEachOtherCallForFewNewOnes) {
  RaftOptions options;
  options.max_append_entries = 1;
  One one(options);
  one.settle_in_office();
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(one->propose("a", one.now).ok());
  one.settle();
  ASSERT_EQ(one.take<Append>().size(), 60u) << "all to 2; 3 has not answered its probe";
  // The first of them comes last: 2 refuses the others, and what it accepted is told twice.
  for (std::uint64_t prev = 61; prev > 1; --prev) {
    one.hear(2, one->term(), AppendAnswer{false, prev, 2, 0});
    one.hear(2, one->term(), AppendAnswer{true, 1, 0, 0});
  }
  EXPECT_LE(one.take<Append>().size(), 4u);
  for (std::uint64_t index = 2; index <= 61; ++index) one.hear(2, one->term(), AppendAnswer{true, index, 0, 0});
  EXPECT_GT(one.take<Append>().size(), 50u);
  EXPECT_EQ(one->commit(), 61u);
}

TEST(RaftLeading, WhatIsCommittedIsToldByTheNextAppendOrSoon) {
  RaftOptions options;
  options.commit_tell_delay = Duration(1'000);
  One one(options);
  one.settle_in_office();
  one.tick(options.commit_tell_delay);
  one.sent.clear();
  ASSERT_TRUE(one->propose("a", one.now).ok());
  one.settle();
  one.acknowledge(2);
  one.sent.clear();
  EXPECT_EQ(one->commit(), 2u);
  EXPECT_EQ(one->deadline(), one.now + options.commit_tell_delay);
  ASSERT_TRUE(one->propose("b", one.now).ok());
  one.settle();
  for (const auto& append : one.take<Append>()) EXPECT_EQ(append.commit, 2u);
  one.tick(options.commit_tell_delay);
  EXPECT_TRUE(one.take<Heartbeat>().empty()) << "2 was told by the append, and 3 has nothing of it";
  one.acknowledge(2);
  EXPECT_TRUE(one.take<Heartbeat>().empty());
  one.tick(options.commit_tell_delay);
  EXPECT_EQ(one.take<Heartbeat>(), (std::vector{Heartbeat{3, 0, false}}));
}

TEST(RaftLeading, WhatIsCommittedIsToldAtOnceByDefault) {
  One one;
  one.settle_in_office();
  one.sent.clear();
  ASSERT_TRUE(one->propose("a", one.now).ok());
  one.settle();
  one.acknowledge(2);
  const auto told = one.take<Heartbeat>();
  ASSERT_FALSE(told.empty()) << "who has seen it at the leader may read it at a follower next";
  EXPECT_EQ(told[0].commit, 2u);
}

TEST(RaftLeading, ALeaseEnds) {
  const auto options = with_leases();
  const auto lease = options.election_timeout * 98 / 100;   // two clocks, each wrong by a hundredth
  One one(options);
  one.win();
  const auto began = one.now;
  one.now += 5ms;
  one.acknowledge(2);
  one.now = began + lease - 1us;
  const auto within = one->read(one.now).value();
  one.settle();
  EXPECT_EQ(one.reads, std::vector{within});
  one.now = began + lease;
  const auto after = one->read(one.now).value();
  one.settle();
  EXPECT_EQ(one.reads, std::vector{within}) << "the lease counts from when the round began";
  one.hear(2, one->term(), HeartbeatAnswer{one.round()});
  EXPECT_EQ(one.reads, (std::vector{within, after}));
}

TEST(RaftLeading, ALeaseIsVoidOnceTheOfficeIsHandedOn) {
  One one(with_leases());
  one.settle_in_office();
  ASSERT_TRUE(one->transfer(ReplicaId{2}, one.now).ok());
  one.settle();
  EXPECT_EQ(one.take<TransferNow>().size(), 1u);
  ASSERT_TRUE(one->read(one.now).ok());
  one.settle();
  EXPECT_TRUE(one.reads.empty()) << "2 may lead by now";
}

TEST(RaftLeading, ReadsWaitForAnEntryOfItsTermAndForARoundThatBeganLater) {
  One one;
  one.win();
  const auto first = one.round();
  ASSERT_TRUE(one->read(one.now).ok());
  one.settle();
  one.acknowledge(2);
  EXPECT_TRUE(one.reads.empty()) << "the round began before the read came";
  EXPECT_GT(one.round(), first);
  one.hear(2, one->term(), HeartbeatAnswer{one.round()});
  EXPECT_EQ(one.reads.size(), 1u);

  One fresh;
  fresh.win();
  ASSERT_TRUE(fresh->read(fresh.now).ok());
  fresh.settle();
  fresh.hear(2, fresh->term(), HeartbeatAnswer{fresh.round()});
  fresh.hear(2, fresh->term(), HeartbeatAnswer{fresh.round()});
  EXPECT_TRUE(fresh.reads.empty()) << "what earlier leaders committed is not known yet";
}

TEST(RaftLeading, HandsOnItsOfficeToOneThatHasItsLog) {
  One one;
  one.settle_in_office();
  EXPECT_EQ(one->transfer(ReplicaId{9}, one.now).error().code, Errc::invalid_argument);
  ASSERT_TRUE(one->propose("a", one.now).ok());
  ASSERT_TRUE(one->transfer(ReplicaId{2}, one.now).ok());
  one.settle();
  EXPECT_TRUE(one.take<TransferNow>().empty()) << "2 lacks an entry";
  EXPECT_EQ(one->propose("b", one.now).error().code, Errc::busy);
  EXPECT_EQ(one->transfer(ReplicaId{3}, one.now).error().code, Errc::busy);
  one.acknowledge(2);
  EXPECT_EQ(one.take<TransferNow>().size(), 1u);
  one.tick(RaftOptions{}.election_timeout);
  one.acknowledge(2);
  EXPECT_TRUE(one->propose("b", one.now).ok()) << "2 did not take it";
}

TEST(RaftLeading, WhoIsChosenCampaignsAtOnceAndOnlyForItsLeader) {
  One one;
  one.hear(2, 4, Heartbeat{0, 1, false});
  one.sent.clear();
  one.hear(3, 4, TransferNow{});
  EXPECT_EQ(one->role(), Role::follower) << "3 does not lead";
  one.hear(2, 3, TransferNow{});
  EXPECT_EQ(one->role(), Role::follower) << "that was another term";
  one.hear(2, 4, TransferNow{});
  EXPECT_EQ(one->role(), Role::candidate);
  const auto requests = one.take<VoteRequest>();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[0], (VoteRequest{false, true, 0, 0}));
}

TEST(RaftLeading, StandsBackWhenItHearsNoMajority) {
  One one;
  one.settle_in_office();
  ASSERT_TRUE(one->read(one.now).ok());
  const auto heard = one.now;
  while (one->role() == Role::leader && one.now < heard + 1s) one.tick(RaftOptions{}.heartbeat_interval);
  EXPECT_EQ(one->role(), Role::follower);
  EXPECT_LE(one.now, heard + RaftOptions{}.election_timeout + 2 * RaftOptions{}.heartbeat_interval);
  EXPECT_EQ(one.failed_reads, 1u);
}

TEST(RaftLeading, ChangesOneThingAtATime) {
  One one;
  one.win();
  EXPECT_EQ(one->propose_configuration(voters({1, 2}), one.now).error().code, Errc::conflict)
      << "it committed nothing of its term";
  one.acknowledge(2);
  EXPECT_EQ(one->propose_configuration(voters({1}), one.now).error().code, Errc::invalid_argument);
  EXPECT_EQ(one->propose_configuration(voters({1, 2, 3, 4}), one.now).error().code, Errc::busy)
      << "4 has nothing of the log";
  ASSERT_TRUE(one->propose_configuration(voters({1, 2}), one.now).ok());
  EXPECT_EQ(one->configuration(), voters({1, 2}));
  EXPECT_EQ(one->propose_configuration(voters({1, 2, 3}), one.now).error().code, Errc::conflict);
  one.settle();
  one.acknowledge(2);
  EXPECT_TRUE(one->configuration_settled());
}

TEST(RaftLeading, ASilentLeaderWakesWhenItIsAsked) {
  struct Case {
    const char* what;
    void (*ask)(One&);
  };
  const Case cases[] = {
      {"a proposal", [](One& one) { (void)one->propose("a", one.now); }},
      {"a read", [](One& one) { (void)one->read(one.now); }},
      {"a peer that is down, which may come back", [](One& one) { one->peer_down(ReplicaId{2}, one.now); }},
      {"a candidate", [](One& one) { one.hear(3, one->term() + 1, VoteRequest{true, false, 0, 0}); }}};
  for (const auto& c : cases) {
    RaftOptions options;
    options.quiesce_after_heartbeats = 2;
    One one(options);
    one.win();
    for (int i = 0; i < 10 && !one->quiescent(); ++i) {
      for (const std::uint64_t id : {2, 3}) one.acknowledge(id);
      one.tick(options.heartbeat_interval);
    }
    ASSERT_TRUE(one->quiescent());
    ASSERT_EQ(one->deadline(), never);
    one.sent.clear();
    one.now += 1h;
    c.ask(one);
    one.settle();
    EXPECT_FALSE(one->quiescent()) << c.what;
    EXPECT_EQ(one->role(), Role::leader) << c.what;
    EXPECT_GE(one.take<Heartbeat>().size(), 2u) << c.what;
  }
}

SnapshotChunk chunk(std::uint64_t transfer, std::uint64_t offset, Bytes bytes, bool last = false) {
  const auto crc = crc32c(bytes);
  return {transfer, {9, 3, voters({1, 2})}, offset, last, crc, 1, std::move(bytes)};
}

TEST(RaftSnapshots, ChunksAreTakenWholeAndInOrder) {
  One one;
  one.hear(2, 4, chunk(5, 3, "def"));
  EXPECT_TRUE(one.take<SnapshotAnswer>().at(0).refused) << "the first was not seen";
  auto damaged = chunk(5, 0, "abc");
  damaged.bytes[1] ^= 1;
  one.hear(2, 4, damaged);
  EXPECT_TRUE(one.take<SnapshotAnswer>().empty()) << "as good as lost";
  EXPECT_TRUE(one.keeps.empty());
  one.hear(2, 4, chunk(5, 0, "abc"));
  one.hear(2, 4, chunk(5, 6, "ghi", true));
  one.hear(2, 4, chunk(5, 0, "abc"));
  ASSERT_EQ(one.keeps.size(), 1u) << "neither the third before the second nor the first twice";
  one.hear(2, 4, chunk(5, 3, "def"));
  one.hear(2, 4, chunk(5, 6, "ghi", true));
  ASSERT_EQ(one.keeps.size(), 3u);
  EXPECT_EQ(one.keeps[0].bytes + one.keeps[1].bytes + one.keeps[2].bytes, "abcdefghi");
  one.sent.clear();
  one->snapshot_installed(one.keeps[2].transfer, one.now);
  one.settle();
  EXPECT_EQ(one.take<AppendAnswer>().at(0), (AppendAnswer{true, 9, 0, 1}));
  EXPECT_EQ(one->configuration(), voters({1, 2})) << "it comes with the snapshot";
  EXPECT_EQ(one->applied(), 9u);
}

TEST(RaftSnapshots, AnotherTransferBeginsAnew) {
  One one;
  one.hear(2, 4, chunk(5, 0, "abc"));
  one.hear(2, 4, chunk(6, 3, "def"));
  EXPECT_TRUE(one.take<SnapshotAnswer>().at(0).refused);
  one.hear(2, 4, chunk(6, 0, "xyz"));
  ASSERT_EQ(one.keeps.size(), 2u);
  EXPECT_NE(one.keeps[0].transfer, one.keeps[1].transfer);
}

TEST(RaftSnapshots, APartKeptForAnEarlierTermIsNotAnswered) {
  One one;
  one.hear(2, 4, chunk(5, 0, "abc"));
  one.hear(2, 4, chunk(5, 3, "def", true));
  ASSERT_EQ(one.keeps.size(), 2u);
  one.hear(3, 5, VoteAnswer{true, false});
  one.sent.clear();
  one->snapshot_kept(one.keeps[0].transfer, 3, one.now);
  one->snapshot_installed(one.keeps[1].transfer, one.now);
  one.settle();
  EXPECT_TRUE(one.take<SnapshotAnswer>().empty()) << "its round would count in term 5 if 2 leads again";
}

}  // namespace
}  // namespace cairn::cluster
