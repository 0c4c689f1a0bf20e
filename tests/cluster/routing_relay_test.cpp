// How requests reach a leader that there is no link to.
#include "tests/cluster/routing_fixture.hpp"

namespace cairn::cluster {
namespace {

using RoutingRelayTest = RoutingTest;

TEST_F(RoutingRelayTest, WithoutALinkToTheLeaderAnotherNodePassesRequestsOn) {
  map(slots_of_three(2, 7));
  link("b", false);
  const auto first = propose(), second = propose();
  const auto begun = now_;
  const auto relay = relayed(2);
  EXPECT_GE(now_ - begun, limits::relay_after) << "an election is over by then";
  EXPECT_LT(now_ - begun, limits::relay_after + 300ms);
  EXPECT_EQ(relay.request, first);
  EXPECT_NE(relay.node, "b");
  EXPECT_TRUE(sends().empty()) << "one finds the way for all";
  EXPECT_EQ(answer(relay, Outcome::done), first);
  const auto next = sent();
  EXPECT_EQ(next.request, second);
  EXPECT_EQ(next.node, relay.node);
  EXPECT_TRUE(next.relay);
  const auto third = propose();
  const auto at_once = sent();
  EXPECT_TRUE(at_once.relay);
  EXPECT_EQ(at_once.node, relay.node);
  EXPECT_EQ(answer(at_once, Outcome::done), third);
  EXPECT_EQ(routing_.leader(ShardId{2}), ReplicaId{2}) << "who passes on does not lead";

  link("b", true);
  const auto direct = sent();
  EXPECT_EQ(direct.request, second);
  EXPECT_EQ(direct.node, "b");
  EXPECT_FALSE(direct.relay);
  EXPECT_EQ(answer(direct, Outcome::done), second);
  EXPECT_EQ(routing_.deadline(), never);
}

TEST_F(RoutingRelayTest, ANewLeaderThatThereIsALinkToNeedsNoRelay) {
  map(slots_of_three(2, 7));
  link("b", false);
  const auto request = propose();
  answer(relayed(2), Outcome::done);
  propose();
  EXPECT_TRUE(sent().relay);
  leader(3, 8);
  const auto direct = sent();
  EXPECT_EQ(direct.node, "c");
  EXPECT_FALSE(direct.relay);
  EXPECT_NE(direct.request, request);
  EXPECT_TRUE(answer(direct, Outcome::done));
}

TEST_F(RoutingRelayTest, WhereOneCannotRelayAnotherIsAsked) {
  map(slots_of_three(2, 7));
  link("b", false);
  const auto request = propose();
  const auto first = relayed(2);
  answer(first, Outcome::not_leader);
  const auto second = relayed(2);
  EXPECT_NE(second.node, first.node);
  EXPECT_EQ(answer(second, Outcome::done), request);

  // The way is lost later.
  propose();
  const auto lost = sent();
  EXPECT_EQ(lost.node, second.node);
  answer(lost, Outcome::not_leader);
  auto again = relayed(2);
  if (again.node == second.node) {  // it may be asked once more, before the others
    answer(again, Outcome::not_leader);
    again = relayed(2);
  }
  EXPECT_EQ(again.node, first.node);
  EXPECT_TRUE(answer(again, Outcome::done));

  // And one whose node is gone.
  propose();
  EXPECT_EQ(sent().node, first.node);
  link(first.node, false);
  EXPECT_EQ(relayed(2).node, second.node);
}

TEST_F(RoutingRelayTest, ARelayThatIsSilentIsNotTheOnlyOneAsked) {
  map(slots_of_three(2, 7));
  link("b", false);
  propose();
  const auto first = relayed(2);
  answer(first, Outcome::done);
  propose();
  EXPECT_EQ(sent().node, first.node);
  const auto begun = now_;
  auto another = relayed(2);
  while (another.node == first.node) another = relayed(2);
  EXPECT_LT(now_ - begun, 5 * limits::leader_doubt_after);
  EXPECT_TRUE(answer(another, Outcome::done));
  propose();
  EXPECT_EQ(sent().node, another.node);
}

TEST_F(RoutingRelayTest, ARelayIsForgottenWhenTheLinkIsBack) {
  map(slots_of_three(2, 7));
  link("b", false);
  propose();
  answer(relayed(2), Outcome::done);
  link("b", true);
  propose();
  EXPECT_TRUE(answer(sent(), Outcome::done));
  link("b", false);  // this time the node may be gone
  propose();
  for (const auto& send : sends()) EXPECT_FALSE(send.relay);
  const auto begun = now_;
  relayed(2);
  EXPECT_GE(now_ - begun, limits::relay_after);
}

TEST_F(RoutingRelayTest, ARelayedRequestIsForTheLeaderAlone) {
  const auto begin_relayed = [&] { return routing_.begin({ShardId{2}, 5, true, 0, 10, true}, now_).value(); };
  const auto gave_up = [&](std::uint64_t request, GiveUpWhy why) {
    EXPECT_TRUE(sends().empty());
    ASSERT_EQ(gave_up_.size(), 1u);
    EXPECT_EQ(gave_up_[0].request, request);
    EXPECT_EQ(gave_up_[0].why, why);
    gave_up_.clear();
  };
  gave_up(begin_relayed(), GiveUpWhy::no_leader);  // the shard is not known
  map(slots_of_three());
  gave_up(begin_relayed(), GiveUpWhy::no_leader);
  leader(2, 7);
  auto request = begin_relayed();
  auto send = sent();
  EXPECT_EQ(send.node, "b");
  EXPECT_FALSE(send.relay);
  EXPECT_EQ(answer(send, Outcome::done), request);

  // What has been sent may have taken effect.
  request = begin_relayed();
  sent();
  link("b", false);
  gave_up(request, GiveUpWhy::late);
  pass(2s);
  gave_up(begin_relayed(), GiveUpWhy::no_leader);

  // Refused by who leads, as while it hands on, it is given up alone.
  link("b", true);
  request = begin_relayed();
  for (auto to_it = sends(); gave_up_.empty() && now_ < Instant(20s); to_it = sends()) {
    for (const auto& one : to_it) answer(one, Outcome::not_leader);
    pass(1ms);
  }
  gave_up(request, GiveUpWhy::late);
  request = begin_relayed();
  send = sent();
  EXPECT_EQ(send.node, "b") << "the leader is not forgotten by it";
  EXPECT_EQ(answer(send, Outcome::done), request);

  // It goes with the leader, but does not look for one.
  leader(3, 8);
  request = begin_relayed();
  sent();
  pass(5s);
  EXPECT_TRUE(sends().empty()) << "who relayed it asks others, if it doubts";
  leader(1, 9);
  send = sent();
  EXPECT_EQ(send.node, "a");
  EXPECT_EQ(answer(send, Outcome::done), request);
}

}  // namespace
}  // namespace cairn::cluster
