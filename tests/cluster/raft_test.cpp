// Consensus step by step: what one replica does alone, what it holds back until it is durable, and the
// form of its messages. What several do under bad luck is tests/simulation.
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

std::string hex(const Bytes& bytes) {
  std::string out;
  for (const unsigned char c : bytes) {
    out += "0123456789abcdef"[c >> 4];
    out += "0123456789abcdef"[c & 15];
  }
  return out;
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

TEST(RaftMessages, HaveOneForm) {
  const Message append{ReplicaId{1}, ReplicaId{2}, 3, Append{4, 2, 4, 9, {{5, 3, 2, "ab"}}}};
  EXPECT_EQ(hex(encode(append)), "01020303040204090105030202" "6162");
  const Message heartbeat{ReplicaId{1}, ReplicaId{300}, 3, Heartbeat{4, 9, true}};
  EXPECT_EQ(hex(encode(heartbeat)), "01ac020305040901");
  const Message vote{ReplicaId{1}, ReplicaId{2}, 3, VoteRequest{true, false, 7, 2}};
  EXPECT_EQ(hex(encode(vote)), "010203010100" "0702");
  EXPECT_EQ(hex(encode(voters({1, 2}).with_learner(ReplicaId{3}))), "0201020103");
  for (const auto& message : {append, heartbeat, vote}) {
    const auto bytes = encode(message);
    EXPECT_EQ(decode_message(bytes).value(), message);
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) EXPECT_FALSE(decode_message(bytes.substr(0, cut)).ok());
    EXPECT_FALSE(decode_message(bytes + "x").ok());
  }
}

TEST(RaftConfiguration, RefusesBytesOfAnotherForm) {
  for (const auto& bytes : {std::string("\x02\x02\x01\x00", 4), std::string("\x01\x01\x01\x01", 4),
                                  std::string("\x01\x00\x00", 3), std::string("\xff\xff", 2)})
    EXPECT_FALSE(decode_configuration(bytes).ok());
  EXPECT_TRUE(one_voter_apart(voters({1, 2}), voters({1, 2, 3})));
  EXPECT_FALSE(one_voter_apart(voters({1, 2}), voters({1, 3})));
}

}  // namespace
}  // namespace cairn::cluster
