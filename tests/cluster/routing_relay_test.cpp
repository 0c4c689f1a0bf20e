// How requests reach a leader that there is no link to.
#include <map>

#include "tests/cluster/routing_fixture.hpp"

namespace cairn::cluster {
namespace {

class RoutingRelayTest : public RoutingTest {
 protected:
  // For another node's router.
  std::uint64_t begin_relayed() { return routing_.begin({ShardId{2}, 5, true, 0, 10, true}, now_).value(); }
  // The leader is on b, to which there is no link; the others follow by the one that this asks.
  SendAttempt find_relay() {
    map(slots_of_three(2, 7));
    link("b", false);
    propose();
    const auto relay = relayed(2);
    answer(relay, Served::done);
    return relay;
  }
  SendAttempt relayed_by_another_than(const SendAttempt& first) {
    auto another = relayed(2);
    while (another.node == first.node) another = relayed(2);
    return another;
  }
};

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
  EXPECT_EQ(answer(relay, Served::done), first);
  const auto next = sent();
  EXPECT_EQ(next.request, second);
  EXPECT_EQ(next.node, relay.node);
  EXPECT_TRUE(next.relay);
  const auto third = propose();
  const auto at_once = sent();
  EXPECT_TRUE(at_once.relay);
  EXPECT_EQ(at_once.node, relay.node);
  EXPECT_EQ(answer(at_once, Served::done), third);
  EXPECT_EQ(routing_.leader(ShardId{2}), ReplicaId{2}) << "who passes on does not lead";

  link("b", true);
  const auto direct = sent();
  EXPECT_EQ(direct.request, second);
  EXPECT_EQ(direct.node, "b");
  EXPECT_FALSE(direct.relay);
  EXPECT_EQ(answer(direct, Served::done), second);
  EXPECT_EQ(routing_.deadline(), never);
}

TEST_F(RoutingRelayTest, ANewLeaderThatThereIsALinkToNeedsNoRelay) {
  map(slots_of_three(2, 7));
  link("b", false);
  const auto request = propose();
  answer(relayed(2), Served::done);
  propose();
  EXPECT_TRUE(sent().relay);
  leader(3, 8);
  const auto direct = sent();
  EXPECT_EQ(direct.node, "c");
  EXPECT_FALSE(direct.relay);
  EXPECT_NE(direct.request, request);
  EXPECT_TRUE(answer(direct, Served::done));
}

TEST_F(RoutingRelayTest, WhereOneCannotRelayAnotherIsAsked) {
  map(slots_of_three(2, 7));
  link("b", false);
  const auto request = propose();
  const auto first = relayed(2);
  answer(first, Served::not_leader);
  const auto second = relayed(2);
  EXPECT_NE(second.node, first.node);
  EXPECT_EQ(answer(second, Served::done), request);

  // The way is lost later.
  propose();
  const auto lost = sent();
  EXPECT_EQ(lost.node, second.node);
  answer(lost, Served::not_leader);
  auto again = relayed(2);
  if (again.node == second.node) {  // it may be asked once more, before the others
    answer(again, Served::not_leader);
    again = relayed(2);
  }
  EXPECT_EQ(again.node, first.node);
  EXPECT_TRUE(answer(again, Served::done));

  // And one whose node is gone.
  propose();
  const auto follower = propose();
  EXPECT_EQ(sends().size(), 2u);
  link(first.node, false);
  again = relayed(2);
  EXPECT_EQ(again.node, second.node);
  EXPECT_TRUE(answer(again, Served::done));
  again = sent();
  EXPECT_EQ(again.request, follower);
  EXPECT_EQ(again.node, second.node);
}

TEST_F(RoutingRelayTest, ARelayThatIsSilentIsNotTheOnlyOneAsked) {
  const auto first = find_relay();
  propose();
  EXPECT_EQ(sent().node, first.node);
  const auto begun = now_;
  const auto another = relayed_by_another_than(first);
  EXPECT_LT(now_ - begun, 5 * limits::leader_doubt_after);
  EXPECT_TRUE(answer(another, Served::done));
  propose();
  EXPECT_EQ(sent().node, another.node);
}

TEST_F(RoutingRelayTest, ARelayIsForgottenWhenTheLinkIsBack) {
  map(slots_of_three(2, 7));
  link("b", false);
  propose();
  answer(relayed(2), Served::done);
  link("b", true);
  propose();
  EXPECT_TRUE(answer(sent(), Served::done));
  link("b", false);  // this time the node may be gone
  propose();
  for (const auto& send : sends()) EXPECT_FALSE(send.relay);
  const auto begun = now_;
  relayed(2);
  EXPECT_GE(now_ - begun, limits::relay_after);
}

TEST_F(RoutingRelayTest, ARelayedRequestIsForTheLeaderAlone) {
  gave_up(begin_relayed(), Served::not_leader);  // the shard is not known
  map(slots_of_three());
  gave_up(begin_relayed(), Served::not_leader);
  leader(2, 7);
  auto request = begin_relayed();
  auto send = sent();
  EXPECT_EQ(send.node, "b");
  EXPECT_FALSE(send.relay);
  EXPECT_EQ(answer(send, Served::done), request);

  // What has been sent may have taken effect.
  request = begin_relayed();
  sent();
  link("b", false);
  gave_up(request, Served::unknown);
  pass(2s);
  gave_up(begin_relayed(), Served::not_leader);

  // Refused by who leads, as while it hands on, it is given up alone.
  link("b", true);
  request = begin_relayed();
  answer(sent(), Served::not_leader);
  gave_up(request, Served::not_leader);
  request = begin_relayed();
  send = sent();
  EXPECT_EQ(send.node, "b") << "the leader is not forgotten by it";
  EXPECT_EQ(answer(send, Served::done), request);

  // It goes where it is told to, if nothing was done.
  request = begin_relayed();
  answer(sent(), Served::not_leader, 3);
  send = sent();
  EXPECT_EQ(send.node, "c");
  pass(limits::relay_timeout / 2);
  EXPECT_TRUE(sends().empty()) << "whose it is asks others, if it doubts";

  // What may take effect does not go on to a new leader.
  leader(1, 9);
  gave_up(request, Served::unknown);
  request = begin_relayed();
  sent();
  pass(limits::relay_timeout);
  gave_up(request, Served::unknown);
  request = begin_relayed();
  sent();
  map({});
  gave_up(request, Served::unknown);
}

TEST_F(RoutingRelayTest, ASlowAnswerByARelayIsWaitedFor) {
  map(slots_of_three(2, 7));
  link("b", false);
  const auto request = propose();
  std::multimap<Instant, SendAttempt> relays;
  std::size_t sent = 0;
  std::optional<std::uint64_t> done;
  for (const auto end = now_ + 20s; now_ < end && !done; pass(1ms)) {
    for (const auto& send : sends()) {
      ++sent;
      if (!send.relay) {
        answer(send, Served::not_leader, 2);
      } else {
        relays.emplace(now_ + 2500ms, send);
      }
    }
    while (!done && !relays.empty() && relays.begin()->first <= now_) {
      done = answer(relays.begin()->second, Served::done);
      relays.erase(relays.begin());
    }
  }
  EXPECT_EQ(done, request);
  EXPECT_LT(sent, 30u);
}

TEST_F(RoutingRelayTest, AFasterRelayIsForWhatComesLater) {
  const auto first = find_relay();
  for (int i = 0; i < 100; ++i) propose();
  const auto out = sends();
  ASSERT_EQ(out.size(), 100u);
  const auto another = relayed_by_another_than(first);  // one doubts it
  EXPECT_TRUE(answer(another, Served::done));
  EXPECT_LE(sends().size(), 1u) << "the others are out";
  propose();
  EXPECT_EQ(sent().node, another.node);
  for (std::size_t i = 1; i < out.size(); ++i) EXPECT_TRUE(answer(out[i], Served::done)) << i;
}

TEST_F(RoutingRelayTest, ARelayThatIsBusyRemainsIt) {
  const auto first = find_relay();
  const auto request = propose();
  const auto refused = sent();
  answer(refused, Served::busy);
  propose();
  const auto all = sends();
  ASSERT_EQ(all.size(), 2u);
  for (const auto& send : all) {
    EXPECT_TRUE(send.relay);
    EXPECT_EQ(send.node, first.node);
  }
  EXPECT_EQ(answer(all[0], Served::done), request);
}

TEST_F(RoutingRelayTest, ARelayThatIsBusyForLongIsNotTheOnlyOneAsked) {
  const auto first = find_relay();
  for (int i = 0; i < 3; ++i) propose();
  const auto begun = now_;
  std::size_t asked = 0;
  std::optional<SendAttempt> another;
  for (; now_ < begun + 2s && !another; pass(1ms))
    for (const auto& send : sends()) {
      if (send.node != first.node && send.relay) {
        another = send;
      } else if (send.relay) {
        ++asked;
        answer(send, Served::busy);
      } else {
        answer(send, Served::not_leader, 2);
      }
    }
  ASSERT_TRUE(another);
  EXPECT_GE(now_ - begun, limits::leader_doubt_after);
  EXPECT_LT(asked, 50u);
  EXPECT_TRUE(answer(*another, Served::done));
  const auto others = sends();
  EXPECT_EQ(others.size(), 2u);
  for (const auto& send : others) EXPECT_EQ(send.node, another->node);
}

TEST_F(RoutingRelayTest, ARelayThatServesSomeIsAskedOn) {
  const auto first = find_relay();
  const auto refused = propose();
  for (const auto end = now_ + 3 * limits::leader_doubt_after; now_ < end; pass(10ms)) {
    propose();
    auto all = sends();
    std::reverse(all.begin(), all.end());  // its refusal is the last that is heard
    for (const auto& send : all) {
      ASSERT_EQ(send.node, first.node);
      ASSERT_TRUE(send.relay);
      answer(send, send.request == refused ? Served::busy : Served::done);
    }
  }
}

TEST_F(RoutingRelayTest, ARelayThatLeavesTheShardIsForgotten) {
  const auto first = find_relay();
  propose();
  propose();
  const auto out = sends();
  auto slots = slots_of_three(2, 7);
  slots.epoch.value = 2;
  std::erase_if(slots.shards[0].replicas, [&](const auto& replica) { return replica.node.text() == first.node; });
  map(slots);
  for (int i = 0; i < 5; ++i) propose();
  const auto another = relayed_by_another_than(first);
  EXPECT_TRUE(answer(another, Served::done));
  const auto others = sends();
  EXPECT_EQ(others.size(), 6u) << "they waited for it";
  for (const auto& send : others) EXPECT_EQ(send.node, another.node);
  for (const auto& late : out) EXPECT_EQ(answer(late, Served::done).has_value(), late.request != another.request);
  propose();
  const auto next = sent();
  EXPECT_EQ(next.node, another.node);
  EXPECT_TRUE(next.relay);
}

TEST_F(RoutingRelayTest, ARelayedRequestIsNotSentInCircles) {
  map(slots_of_three(2, 7));
  const auto request = begin_relayed();
  answer(sent(), Served::not_leader, 3);
  const auto second = sent();
  EXPECT_EQ(second.node, "c");
  answer(second, Served::not_leader, 2);
  gave_up(request, Served::not_leader);
}

TEST_F(RoutingRelayTest, TheTermOfARelaysLeaderMayBecomeKnownLater) {
  map(slots_of_three());
  propose();
  answer(sent(), Served::not_leader, 2);
  EXPECT_TRUE(answer(sent(), Served::done));
  link("b", false);
  propose();
  answer(relayed(2), Served::done);
  const auto request = propose();
  const auto relay = sent();
  EXPECT_TRUE(relay.relay);
  map(slots_of_three(2, 7));
  EXPECT_TRUE(sends().empty()) << "it is out";
  EXPECT_EQ(answer(relay, Served::done), request);
}

TEST_F(RoutingRelayTest, HalfOfTheRoomIsForTheNodesOwn) {
  RoutingOptions options;
  options.max_requests = 100;
  options.max_requests_per_shard = 40;
  Routing routing("x", 1, options);
  routing.set_map(std::make_shared<ClusterMap>(slots_of_three(2, 7)), now_);
  const RoutedRequest own{ShardId{2}, 5, true, 0, 10}, relayed{ShardId{2}, 5, true, 0, 10, true};
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(routing.begin(relayed, now_)) << i;
  EXPECT_EQ(routing.begin(relayed, now_).error().code, Errc::busy);
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(routing.begin(own, now_)) << i;
  EXPECT_EQ(routing.begin(own, now_).error().code, Errc::busy);
}

}  // namespace
}  // namespace cairn::cluster
