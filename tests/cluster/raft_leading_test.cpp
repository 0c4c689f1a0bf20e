// The rules of leading, one replica at a time: what it counts, sends and refuses for given messages at given times.
#include <gtest/gtest.h>

#include "tests/cluster/raft_one.hpp"

namespace cairn::cluster {
namespace {

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

TEST(RaftLeading, WhatIsCommittedIsToldAtOnce) {
  One one;
  one.settle_in_office();
  one.acknowledge(3);
  one.sent.clear();
  ASSERT_TRUE(one->propose("a", one.now).ok());
  one.settle();
  one.acknowledge(2);
  EXPECT_EQ(one.take<Heartbeat>(), (std::vector{Heartbeat{2, 0, false}}))
      << "who has seen it at the leader may read it at 2 next";
  one.acknowledge(3);
  EXPECT_EQ(one.take<Heartbeat>(), (std::vector{Heartbeat{2, 0, false}})) << "and at 3, which was slower";
  one.acknowledge(3);
  EXPECT_TRUE(one.take<Heartbeat>().empty()) << "once";
  ASSERT_TRUE(one->propose("b", one.now).ok());
  one.settle();
  for (const auto& append : one.take<Append>()) EXPECT_EQ(append.commit, 2u);
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

}  // namespace
}  // namespace cairn::cluster
