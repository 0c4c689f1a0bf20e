// Consensus step by step: what one replica does alone, what it holds back until it is durable. Its rules
// are in raft_rules_test.cpp, the form of its messages in raft_messages_test.cpp, and what several do under
// bad luck in tests/simulation.
#include <gtest/gtest.h>

#include "cluster/raft.hpp"

namespace cairn::cluster {
namespace {

using namespace std::chrono_literals;

Configuration voters(std::initializer_list<std::uint64_t> ids) {
  Configuration out;
  for (const auto id : ids) out = out.with_voter(ReplicaId{id});
  return out;
}

Raft fresh(std::uint64_t self, const Configuration& founders) {
  return Raft(ReplicaId{self}, RaftOptions{}, RaftRecovered{{}, {0, 0, founders}, RaftLog()}, Instant(0), 1);
}

TEST(Raft, OneReplicaCommitsAloneOnceItIsDurable) {
  auto raft = fresh(1, voters({1}));
  raft.tick(Instant(0));
  auto ready = raft.take_ready(Instant(0));
  ASSERT_TRUE(ready.store && ready.store->hard_state);
  EXPECT_EQ(*ready.store->hard_state, (storage::HardState{1, 1}));
  EXPECT_EQ(raft.role(), Role::candidate) << "its vote for itself is not durable yet";
  raft.stored(ready.store->number, Instant(1));
  EXPECT_EQ(raft.role(), Role::leader);
  EXPECT_EQ(raft.propose("a", Instant(1)).value(), 2u);
  ready = raft.take_ready(Instant(1));
  ASSERT_TRUE(ready.store);
  EXPECT_EQ(ready.store->entries.size(), 2u) << "the no-op and the command, as one step";
  EXPECT_TRUE(ready.apply.empty());
  EXPECT_EQ(raft.propose("b", Instant(1)).value(), 3u);
  EXPECT_TRUE(raft.take_ready(Instant(1)).empty()) << "one step is out at a time";
  raft.stored(ready.store->number, Instant(2));
  ready = raft.take_ready(Instant(2));
  ASSERT_EQ(ready.apply.size(), 2u);
  EXPECT_EQ(ready.apply[1].body, "a");
  ASSERT_TRUE(ready.store);
  EXPECT_EQ(ready.store->entries.size(), 1u);
}

TEST(Raft, AFullDiskDropsWhatNobodyElseHas) {
  auto raft = fresh(1, voters({1}));
  raft.tick(Instant(0));
  raft.stored(raft.take_ready(Instant(0)).store->number, Instant(0));
  raft.stored(raft.take_ready(Instant(0)).store->number, Instant(0));
  raft.take_ready(Instant(0));
  EXPECT_EQ(raft.propose("a", Instant(1)).value(), 2u);
  const auto ready = raft.take_ready(Instant(1));
  EXPECT_EQ(raft.store_refused(ready.store->number, Instant(2)), (std::vector<std::uint64_t>{2}));
  EXPECT_EQ(raft.propose("b", Instant(3)).value(), 2u) << "the index is used again";
}

TEST(Raft, AVoteLeavesWhenItIsDurable) {
  auto raft = fresh(1, voters({1, 2, 3}));
  raft.receive({ReplicaId{2}, ReplicaId{1}, 1, VoteRequest{false, false, 0, 0}}, Instant(1));
  auto ready = raft.take_ready(Instant(1));
  EXPECT_TRUE(ready.messages.empty());
  ASSERT_TRUE(ready.store && ready.store->hard_state);
  EXPECT_EQ(ready.store->hard_state->vote, 2u);
  raft.stored(ready.store->number, Instant(2));
  ready = raft.take_ready(Instant(2));
  ASSERT_EQ(ready.messages.size(), 1u);
  EXPECT_EQ(ready.messages[0].body, (MessageBody{VoteAnswer{false, true}}));
  raft.receive({ReplicaId{3}, ReplicaId{1}, 1, VoteRequest{false, false, 9, 1}}, Instant(3));
  ready = raft.take_ready(Instant(3));
  ASSERT_EQ(ready.messages.size(), 1u);
  EXPECT_EQ(ready.messages[0].body, (MessageBody{VoteAnswer{false, false}})) << "one vote a term";
}

TEST(Raft, AnAcknowledgementLeavesWhenTheEntriesAreDurable) {
  auto raft = fresh(2, voters({1, 2}));
  raft.receive({ReplicaId{1}, ReplicaId{2}, 1, Append{0, 0, 0, 1, {{1, 1, 1, ""}}}}, Instant(1));
  auto ready = raft.take_ready(Instant(1));
  EXPECT_TRUE(ready.messages.empty());
  ASSERT_TRUE(ready.store);
  raft.stored(ready.store->number, Instant(2));
  ready = raft.take_ready(Instant(2));
  ASSERT_EQ(ready.messages.size(), 1u);
  EXPECT_EQ(ready.messages[0].body, (MessageBody{AppendAnswer{true, 1, 0, 1}}));
}

TEST(Raft, AFollowerThatHearsThatItsLeaderIsDownAsksAtOnce) {
  auto raft = fresh(2, voters({1, 2, 3}));
  raft.receive({ReplicaId{1}, ReplicaId{2}, 1, Heartbeat{0, 1, false}}, Instant(1000));
  raft.take_ready(Instant(1000));
  EXPECT_GT(raft.deadline(), Instant(1000) + 250ms);
  raft.peer_down(ReplicaId{1}, Instant(2000));
  EXPECT_LE(raft.deadline(), Instant(2000) + RaftOptions{}.down_delay);
  raft.tick(raft.deadline());
  EXPECT_EQ(raft.role(), Role::pre_candidate);
}

TEST(Raft, AResigningLeaderTellsTheVoterWithTheLongestLog) {
  auto raft = fresh(1, voters({1, 2, 3}));
  Instant now(0);
  EXPECT_TRUE(raft.take_ready(now).empty());
  raft.resign(now);
  EXPECT_TRUE(raft.take_ready(now).empty()) << "only a leader has something to hand on";
  now = raft.deadline();
  raft.tick(now);
  raft.take_ready(now);
  raft.receive({ReplicaId{2}, ReplicaId{1}, 1, VoteAnswer{true, true}}, now);
  const auto vote = raft.take_ready(now);
  ASSERT_TRUE(vote.store);
  raft.stored(vote.store->number, now);
  raft.receive({ReplicaId{3}, ReplicaId{1}, 1, VoteAnswer{false, true}}, now);
  ASSERT_EQ(raft.role(), Role::leader);
  const auto office = raft.take_ready(now);
  raft.receive({ReplicaId{3}, ReplicaId{1}, 1, AppendAnswer{true, 1, 0, 0}}, now);
  raft.take_ready(now);
  raft.resign(now);
  EXPECT_EQ(raft.role(), Role::follower);
  EXPECT_EQ(raft.term(), 1u);
  const auto last = raft.take_ready(now);
  ASSERT_EQ(last.messages.size(), 1u);
  EXPECT_EQ(last.messages[0], (Message{ReplicaId{1}, ReplicaId{3}, 1, TransferNow{}}));
}

TEST(Raft, WhoIsAloneKeepsNothingInMemoryForOthers) {
  auto raft = fresh(1, voters({1}));
  EXPECT_TRUE(raft.alone());
  EXPECT_FALSE(fresh(1, voters({1, 2})).alone());
  EXPECT_FALSE(fresh(1, voters({2})).alone());
  EXPECT_FALSE(fresh(1, voters({1}).with_learner(ReplicaId{2})).alone());
  raft.tick(Instant(0));
  raft.stored(raft.take_ready(Instant(0)).store->number, Instant(0));
  EXPECT_TRUE(raft.propose("a", Instant(0)).ok());
  raft.stored(raft.take_ready(Instant(0)).store->number, Instant(0));
  EXPECT_EQ(raft.take_ready(Instant(0)).apply.size(), 2u);
  EXPECT_EQ(raft.log().cache_bytes(), 0u);
}

}  // namespace
}  // namespace cairn::cluster
