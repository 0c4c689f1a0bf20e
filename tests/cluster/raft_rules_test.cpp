// The rules of elections and of following, one replica at a time: what it stores, promises and refuses for given
// messages at given times.
#include <gtest/gtest.h>

#include "protocol/digest.hpp"
#include "tests/cluster/raft_one.hpp"

namespace cairn::cluster {
namespace {

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

}  // namespace
}  // namespace cairn::cluster
