// Where requests are sent as leaders die, freeze and change, links break and replicas are slow: on virtual time.
#include "cluster/routing.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "tests/support/random.hpp"

namespace cairn::cluster {
namespace {

using namespace std::chrono_literals;
using directory::ShardId;

directory::NodeName name(const std::string& text) { return directory::NodeName::parse(text).value(); }

// Shard 2 has replicas 1, 2 and 3 on nodes a, b and c, and every slot.
directory::SlotMap slots_of_three(std::uint64_t leader = 0, std::uint64_t term = 0) {
  directory::SlotMap map;
  map.epoch.value = 1;
  directory::Shard shard;
  shard.id = ShardId{2};
  shard.slots = {directory::all_slots};
  shard.replicas = {{ReplicaId{1}, name("a")}, {ReplicaId{2}, name("b")}, {ReplicaId{3}, name("c")}};
  shard.leader = ReplicaId{leader};
  shard.leader_term = term;
  map.shards = {shard};
  return map;
}

class RoutingTest : public testing::Test {
 protected:
  void map(directory::SlotMap slots) { routing_.set_map(std::make_shared<ClusterMap>(std::move(slots)), now_); }
  void leader(std::uint64_t replica, std::uint64_t term) {
    routing_.heard_leader(ShardId{2}, ReplicaId{replica}, term, now_);
  }
  std::uint64_t begin(bool by_leader, std::uint64_t floor = 0, std::uint16_t slot = 5) {
    return routing_.begin({{}, slot, by_leader, floor, 10}, now_).value();
  }
  std::uint64_t propose() { return begin(true); }
  std::uint64_t read(std::uint64_t floor = 0) { return begin(false, floor); }

  // What is to be sent now; who is given up goes to gave_up_.
  std::vector<SendAttempt> sends() {
    std::vector<SendAttempt> out;
    for (const auto& step : routing_.take_steps()) {
      if (const auto* send = std::get_if<SendAttempt>(&step)) {
        out.push_back(*send);
      } else {
        gave_up_.push_back(std::get<GiveUp>(step));
      }
    }
    return out;
  }
  // The one thing to send now.
  SendAttempt sent() {
    const auto all = sends();
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? SendAttempt{} : all[0];
  }
  std::optional<std::uint64_t> answer(const SendAttempt& to, Outcome outcome, std::uint64_t leader = 0,
                                      std::uint64_t index = 0) {
    return routing_.answered(to.attempt, to.node, outcome, ReplicaId{leader}, index, now_);
  }
  void pass(Duration time) {
    const auto end = now_ + time;
    while (routing_.deadline() <= end) {
      now_ = std::max(now_, routing_.deadline());
      routing_.tick(now_);
    }
    now_ = end;
    routing_.tick(now_);
  }
  void link(const std::string& node, bool up) { routing_.link_changed(node, up, now_); }
  // What is sent until something is to be relayed; all else is refused by who names `leader`.
  SendAttempt relayed(std::uint64_t leader) {
    for (const auto end = now_ + 2s; now_ < end; pass(1ms))
      for (const auto& send : sends()) {
        if (send.relay) return send;
        answer(send, Outcome::not_leader, leader);
      }
    ADD_FAILURE() << "nothing is relayed";
    return {};
  }

  Instant now_{1'000'000};
  Routing routing_{"x", 1'000};
  std::vector<GiveUp> gave_up_;
};

TEST_F(RoutingTest, TheLeaderOfTheMapIsAsked) {
  map(slots_of_three(2, 7));
  const auto request = propose();
  const auto send = sent();
  EXPECT_EQ(send.node, "b");
  EXPECT_EQ(send.shard, ShardId{2});
  EXPECT_EQ(send.request, request);
  EXPECT_EQ(answer(send, Outcome::done), request);
  EXPECT_EQ(routing_.requests(), 0u);
  EXPECT_EQ(routing_.bytes(), 0u);
  EXPECT_EQ(routing_.deadline(), never);
}

TEST_F(RoutingTest, WithoutAMapRequestsWaitForOne) {
  propose();
  read();
  pass(1s);
  EXPECT_TRUE(sends().empty());
  map(slots_of_three(1, 1));
  EXPECT_EQ(sends().size(), 2u);
}

TEST_F(RoutingTest, WithoutAMapUntilTheDeadlineRequestsAreGivenUp) {
  const auto request = propose();
  pass(limits::route_timeout);
  EXPECT_TRUE(sends().empty());
  ASSERT_EQ(gave_up_.size(), 1u);
  EXPECT_EQ(gave_up_[0].request, request);
  EXPECT_EQ(gave_up_[0].why, GiveUpWhy::late);
  EXPECT_EQ(routing_.requests(), 0u);
}

TEST_F(RoutingTest, OneRequestLooksForTheLeaderAndTheOthersFollow) {
  map(slots_of_three());
  for (int i = 0; i < 100; ++i) propose();
  const auto first = sent();
  EXPECT_FALSE(answer(first, Outcome::not_leader));
  const auto second = sent();
  EXPECT_NE(second.node, first.node);
  EXPECT_FALSE(answer(second, Outcome::not_leader, first.node == "c" || second.node == "c" ? 2 : 3));
  EXPECT_EQ(sends().size(), 100u);
}

TEST_F(RoutingTest, WhoAnswersIsTheLeader) {
  map(slots_of_three());
  propose();
  propose();
  const auto found = sent();
  EXPECT_TRUE(answer(found, Outcome::done));
  EXPECT_EQ(sent().node, found.node);
}

TEST_F(RoutingTest, AVoterThatSaysNothingIsNotTheOnlyOneAsked) {
  map(slots_of_three());
  propose();
  const auto silent = sent();
  pass(limits::leader_search_patience);
  const auto next = sent();
  EXPECT_NE(next.node, silent.node);
  EXPECT_TRUE(answer(next, Outcome::done));
}

TEST_F(RoutingTest, RequestsAtAFrozenLeaderMoveWhenTheNewOneIsKnown) {
  map(slots_of_three(1, 3));
  for (int i = 0; i < 10; ++i) propose();
  const auto frozen = sends();
  ASSERT_EQ(frozen.size(), 10u);
  pass(50ms);
  leader(2, 4);
  const auto moved = sends();
  ASSERT_EQ(moved.size(), 10u);
  for (const auto& send : moved) EXPECT_EQ(send.node, "b");
  EXPECT_TRUE(answer(moved[0], Outcome::done));
  EXPECT_FALSE(answer(frozen[0], Outcome::done)) << "answered once";
  EXPECT_TRUE(answer(frozen[1], Outcome::done)) << "what the old one still did counts";
  EXPECT_EQ(routing_.leader(ShardId{2}), ReplicaId{2}) << "which does not make it the leader again";
}

TEST_F(RoutingTest, AnElectionThatNobodyAnnouncesIsFoundByAskingAnotherVoter) {
  map(slots_of_three(1, 3));
  for (int i = 0; i < 10; ++i) propose();
  ASSERT_EQ(sends().size(), 10u);
  pass(limits::leader_doubt_after);
  const auto doubt = sent();  // of one of them
  EXPECT_NE(doubt.node, "a");
  answer(doubt, Outcome::not_leader, doubt.node == "b" ? 3 : 2);
  EXPECT_EQ(sends().size(), 10u);
}

TEST_F(RoutingTest, ASlowLeaderIsKeptIfTheVotersKeepIt) {
  map(slots_of_three(1, 3));
  const auto request = propose();
  const auto slow = sent();
  pass(limits::leader_doubt_after);
  answer(sent(), Outcome::not_leader, 1);
  EXPECT_TRUE(sends().empty());
  EXPECT_EQ(answer(slow, Outcome::done), request);
}

TEST_F(RoutingTest, ALeaderWhoseAnswersWereLostIsAskedAgain) {
  map(slots_of_three(1, 3));
  std::set<std::uint64_t> waiting;
  for (int i = 0; i < 5; ++i) waiting.insert(propose());
  ASSERT_EQ(sends().size(), 5u);
  for (int i = 0; i < 200; ++i) {
    pass(limits::leader_search_patience);
    const auto again = sends();
    EXPECT_LE(again.size(), 1u) << "it may only be slow";
    for (const auto& attempt : again) {
      const bool leads = attempt.node == "a";
      if (const auto done = answer(attempt, leads ? Outcome::done : Outcome::not_leader, 1)) waiting.erase(*done);
    }
  }
  EXPECT_TRUE(waiting.empty()) << "although all that can be asked name the same leader";
}

TEST_F(RoutingTest, VotersWhoseAnswersWereLostAreAskedAgain) {
  map(slots_of_three());
  propose();
  std::map<std::string, int> asked;
  for (int i = 0; i < 12; ++i) {
    for (const auto& attempt : sends()) ++asked[attempt.node];
    pass(limits::leader_search_patience);
  }
  for (const auto& node : {"a", "b", "c"}) EXPECT_GE(asked[node], 2) << node;
}

TEST_F(RoutingTest, AReadWhoseAnswersWereLostIsAskedAgain) {
  map(slots_of_three(1, 3));
  const auto request = read();
  std::map<std::string, int> asked;
  std::optional<std::uint64_t> done;
  for (int i = 0; i < 100 && !done; ++i) {
    for (const auto& attempt : sends())
      if (++asked[attempt.node] == 3) done = answer(attempt, Outcome::done);
    pass(limits::read_hedge_after);
  }
  EXPECT_EQ(done, request);
  EXPECT_EQ(asked.size(), 3u);
}

TEST_F(RoutingTest, ALeaderThatWasAskedBeforeItWasKnownIsAskedAgain) {
  map(slots_of_three(0, 3));
  const auto request = propose();
  const auto first = sent();
  leader(first.node == "a" ? 1 : first.node == "b" ? 2 : 3, 3);
  EXPECT_TRUE(sends().empty()) << "it is asked already";
  std::optional<std::uint64_t> done;
  for (int i = 0; i < 100 && !done; ++i) {
    pass(limits::leader_search_patience);
    for (const auto& again : sends())
      if (again.node == first.node) done = answer(again, Outcome::done);
  }
  EXPECT_EQ(done, request);
}

TEST_F(RoutingTest, OlderHintsChangeNothing) {
  map(slots_of_three(1, 3));
  leader(2, 5);
  leader(1, 4);
  leader(0, 5);
  map(slots_of_three(3, 4));
  propose();
  EXPECT_EQ(sent().node, "b");
  leader(0, 6);
  EXPECT_EQ(routing_.leader(ShardId{2}), ReplicaId{0}) << "a newer term has no leader yet";
}

TEST_F(RoutingTest, ARefusalThatIsOlderThanTheHintChangesNothing) {
  map(slots_of_three(1, 3));
  propose();
  const auto old = sent();
  leader(2, 4);
  const auto now = sent();
  EXPECT_EQ(now.node, "b");
  answer(old, Outcome::not_leader, 3);
  EXPECT_TRUE(sends().empty());
  EXPECT_EQ(routing_.leader(ShardId{2}), ReplicaId{2});
}

TEST_F(RoutingTest, LearningTheTermOfTheLeaderSendsNothingTwice) {
  map(slots_of_three(1, 0));
  propose();
  ASSERT_EQ(sends().size(), 1u);
  leader(1, 4);
  EXPECT_TRUE(sends().empty());
  leader(1, 6);
  EXPECT_EQ(sends().size(), 1u) << "an office in between may have lost it";
}

TEST_F(RoutingTest, TwoThatNameEachOtherAreNotAskedInALoop) {
  map(slots_of_three(1, 3));
  propose();
  std::size_t asked = 0;
  const auto end = now_ + 1s;
  while (now_ < end) {
    for (const auto& send : sends()) {
      ++asked;
      answer(send, Outcome::not_leader, send.node == "a" ? 2 : 1);
    }
    pass(1ms);
  }
  EXPECT_LT(asked, 25u);
  EXPECT_GE(asked, 8u);
}

TEST_F(RoutingTest, ARequestMovesWhenTheLinkToItsNodeBreaks) {
  map(slots_of_three(1, 3));
  const auto one = propose();
  propose();
  const auto lost = sends();
  link("a", false);
  const auto search = sent();
  EXPECT_NE(search.node, "a");
  EXPECT_FALSE(answer(lost[0], Outcome::done)) << "from before the link broke";
  answer(search, Outcome::not_leader, 1);
  const auto next = sent();
  EXPECT_NE(next.node, "a") << "the leader that is named is beyond the broken link";
  EXPECT_NE(next.node, search.node);
  leader(2, 4);
  const auto found = sends();
  ASSERT_FALSE(found.empty());
  for (const auto& send : found) EXPECT_EQ(send.node, "b");
  EXPECT_EQ(answer(found[0].request == one ? found[0] : found.back(), Outcome::done), one);
}

TEST_F(RoutingTest, ABrokenLinkLosesAllThatWasAskedBeyondIt) {
  map(slots_of_three(1, 3));
  const auto request = propose();
  ASSERT_EQ(sends().size(), 1u);
  leader(1, 5);
  ASSERT_EQ(sends().size(), 1u);
  link("a", false);
  sends();
  link("a", true);
  const auto again = sent();
  EXPECT_EQ(again.node, "a");
  EXPECT_EQ(answer(again, Outcome::done), request);
}

TEST_F(RoutingTest, TheLeaderIsAskedAtOnceWhenItsLinkIsBack) {
  map(slots_of_three(1, 3));
  for (const auto* node : {"a", "b", "c"}) link(node, false);
  propose();
  read();
  pass(1s);
  EXPECT_TRUE(sends().empty());
  link("a", true);
  const auto all = sends();
  ASSERT_EQ(all.size(), 2u);
  for (const auto& send : all) EXPECT_EQ(send.node, "a");
}

TEST_F(RoutingTest, WithoutALinkToTheLeaderAnotherNodePassesRequestsOn) {
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

TEST_F(RoutingTest, ANewLeaderThatThereIsALinkToNeedsNoRelay) {
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

TEST_F(RoutingTest, WhereOneCannotRelayAnotherIsAsked) {
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

TEST_F(RoutingTest, ARelayThatIsSilentIsNotTheOnlyOneAsked) {
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

TEST_F(RoutingTest, ARelayIsForgottenWhenTheLinkIsBack) {
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

TEST_F(RoutingTest, ARelayedRequestIsForTheLeaderAlone) {
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

TEST_F(RoutingTest, WhatCannotBeSentGoesElsewhere) {
  map(slots_of_three(1, 3));
  read();
  const auto first = sent();
  routing_.not_sent(first.attempt, true, now_);
  EXPECT_NE(sent().node, first.node);
  propose();
  for (const auto& send : sends()) routing_.not_sent(send.attempt, false, now_);
  EXPECT_EQ(routing_.requests(), 2u);
}

TEST_F(RoutingTest, TheReplicaOfThisNodeAnswersReads) {
  Routing here("b", 1);
  here.set_map(std::make_shared<ClusterMap>(slots_of_three(1, 3)), now_);
  for (std::uint16_t slot = 0; slot < 50; ++slot) ASSERT_TRUE(here.begin({{}, slot, false, 0, 1}, now_));
  for (const auto& step : here.take_steps()) EXPECT_EQ(std::get<SendAttempt>(step).node, "b");
}

TEST_F(RoutingTest, ReadsOfSlotsSpreadAndStay) {
  map(slots_of_three(1, 3));
  std::map<std::string, int> by_node;
  for (std::uint16_t slot = 0; slot < 300; ++slot) {
    begin(false, 0, slot);
    const auto first = sent();
    ++by_node[first.node];
    answer(first, Outcome::done);
    begin(false, 0, slot);
    const auto again = sent();
    EXPECT_EQ(again.node, first.node);
    answer(again, Outcome::done);
  }
  ASSERT_EQ(by_node.size(), 3u);
  for (const auto& [node, count] : by_node) EXPECT_GT(count, 60) << node;
}

TEST_F(RoutingTest, LearnersAreNotRead) {
  auto slots = slots_of_three(1, 3);
  slots.shards[0].replicas[1].kind = directory::ReplicaKind::learner;
  slots.shards[0].replicas[2].kind = directory::ReplicaKind::learner;
  map(slots);
  for (std::uint16_t slot = 0; slot < 50; ++slot) begin(false, 0, slot);
  for (const auto& send : sends()) EXPECT_EQ(send.node, "a");
}

TEST_F(RoutingTest, AFrozenNodeIsOvertakenAndThenAvoided) {
  map(slots_of_three(1, 3));
  const auto request = read();
  const auto frozen = sent();
  pass(limits::read_hedge_after - 1us);
  EXPECT_TRUE(sends().empty());
  pass(1us);
  const auto hedge = sent();
  EXPECT_NE(hedge.node, frozen.node);
  EXPECT_EQ(answer(hedge, Outcome::done), request);
  for (int i = 0; i < 10; ++i) {
    read();
    const auto send = sent();
    EXPECT_NE(send.node, frozen.node);
    answer(send, Outcome::done);
    pass(10ms);
  }
  pass(limits::read_avoid_time);
  read();
  EXPECT_EQ(sent().node, frozen.node) << "it is tried again";
}

// Somebody who reads all the time, as the node freezes that answers; each other node answers in a millisecond.
TEST_F(RoutingTest, AFrozenNodeLeavesNoGapInReads) {
  map(slots_of_three(1, 3));
  read();
  const auto frozen = sent();
  answer(frozen, Outcome::done);
  Duration longest{0};
  std::multimap<Instant, SendAttempt> answers;
  for (int reads = 0; reads < 2'000; ++reads) {
    const auto began = now_;
    const auto request = read(static_cast<std::uint64_t>(reads));
    for (bool done = false; !done;) {
      for (const auto& send : sends())
        if (send.node != frozen.node) answers.emplace(now_ + 1ms, send);
      now_ = std::min(routing_.deadline(), answers.empty() ? never : answers.begin()->first);
      ASSERT_NE(now_, never);
      routing_.tick(now_);
      while (!answers.empty() && answers.begin()->first <= now_) {
        done = answer(answers.begin()->second, Outcome::done, 0, 5'000) == request || done;
        answers.erase(answers.begin());
      }
    }
    longest = std::max(longest, now_ - began);
  }
  EXPECT_LE(longest, 25ms);
  EXPECT_LT(now_, Instant(1'000'000) + 3s) << "most must not wait for a hedge";
}

TEST_F(RoutingTest, OneWhoWaitsForAFloorIsNotAvoidedAtOnce) {
  map(slots_of_three(1, 3));
  std::string first;
  for (std::uint64_t i = 0; i < limits::overtakes_before_avoid; ++i) {
    read(100 + i);
    const auto behind = sent();
    if (first.empty()) first = behind.node;
    EXPECT_EQ(behind.node, first);
    pass(limits::read_hedge_after);
    answer(sent(), Outcome::done, 0, 200);
  }
  read(100);
  EXPECT_NE(sent().node, first) << "that it only waited is not believed any longer";
}

TEST_F(RoutingTest, OneThatIsBehindSendsTheReadOn) {
  map(slots_of_three(1, 3));
  read(9);
  std::vector<std::string> asked;
  for (int i = 0; i < 3; ++i) {
    const auto send = sent();
    EXPECT_EQ(std::count(asked.begin(), asked.end(), send.node), 0);
    asked.push_back(send.node);
    answer(send, Outcome::behind);
  }
  EXPECT_TRUE(sends().empty()) << "a pause before the next round";
  pass(limits::route_pause_first);
  EXPECT_EQ(sends().size(), 1u);
}

// The leader is cut off before the others hear of what it acknowledged last: they can answer once there is another.
TEST_F(RoutingTest, ThoseWhoWereBehindAreAskedAgainThoughOneIsSilent) {
  map(slots_of_three(1, 3));
  const auto request = read(9);
  const auto silent = sent();
  const auto began = now_;
  std::optional<std::uint64_t> done;
  std::map<std::string, int> asked;
  for (; !done && now_ < began + 1s; pass(limits::read_hedge_after)) {
    const bool elected = now_ > began + limits::max_floor_wait;
    for (const auto& send : sends()) {
      if (send.node == silent.node) continue;
      ++asked[send.node];
      const auto said = answer(send, elected ? Outcome::done : Outcome::behind);
      if (said) done = said;
    }
  }
  EXPECT_EQ(done, request);
  EXPECT_LE(now_, began + limits::max_floor_wait + limits::route_pause_most + 2 * limits::read_hedge_after);
  for (const auto& [node, times] : asked) EXPECT_LE(times, 8) << node;
}

TEST_F(RoutingTest, OneWhoseAnswerWasLostIsAskedAgainThoughTheOthersAreBehind) {
  map(slots_of_three(1, 3));
  const auto request = read(9);
  const auto silent = sent();
  const auto began = now_;
  std::optional<std::uint64_t> done;
  for (; !done && now_ < began + 1s; pass(limits::read_hedge_after))
    for (const auto& send : sends()) {
      const auto said = answer(send, send.node == silent.node ? Outcome::done : Outcome::behind);
      if (said) done = said;
    }
  EXPECT_EQ(done, request);
  EXPECT_LE(now_, began + limits::leader_doubt_after + limits::route_pause_most + 2 * limits::read_hedge_after);
}

TEST_F(RoutingTest, HedgesAreBounded) {
  RoutingOptions options;
  options.hedges_at_once = 5;
  routing_ = Routing("x", 1, options);
  map(slots_of_three(1, 3));
  std::vector<SendAttempt> first;
  for (int i = 0; i < 100; ++i) read();
  first = sends();
  ASSERT_EQ(first.size(), 100u);
  pass(limits::read_hedge_after * 3);
  EXPECT_EQ(sends().size(), 5u);
  for (std::uint32_t i = 0; i < limits::reads_per_hedge; ++i) answer(first[i], Outcome::done);
  pass(limits::read_hedge_after * 3);
  EXPECT_EQ(sends().size(), 1u);
}

TEST_F(RoutingTest, RequestsAndBytesAreBounded) {
  RoutingOptions options;
  options.max_requests = 4;
  options.max_requests_per_shard = 3;
  options.max_bytes = 100;
  routing_ = Routing("x", 1, options);
  map(slots_of_three(1, 3));
  EXPECT_EQ(routing_.begin({{}, 0, true, 0, 101}, now_).error().code, Errc::busy);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(routing_.begin({{}, 0, true, 0, 10}, now_));
  EXPECT_EQ(routing_.begin({{}, 0, true, 0, 10}, now_).error().code, Errc::busy) << "of one shard";
  EXPECT_TRUE(routing_.begin({ShardId{9}, 0xffff, true, 0, 10}, now_)) << "another one has room";
  EXPECT_EQ(routing_.begin({ShardId{9}, 0xffff, true, 0, 10}, now_).error().code, Errc::busy);
  answer(sends()[0], Outcome::done);
  EXPECT_TRUE(routing_.begin({{}, 0, true, 0, 10}, now_));
}

TEST_F(RoutingTest, ARequestForASlotThatAnotherShardOwnsIsToldSo) {
  map(slots_of_three(1, 3));
  const auto request = routing_.begin({ShardId{7}, 5, true, 0, 1}, now_).value();
  EXPECT_TRUE(sends().empty());
  ASSERT_EQ(gave_up_.size(), 1u);
  EXPECT_EQ(gave_up_[0].request, request);
  EXPECT_EQ(gave_up_[0].why, GiveUpWhy::moved);
}

TEST_F(RoutingTest, AnswersToUnknownNumbersOrOfOthersAreDropped) {
  map(slots_of_three(1, 3));
  propose();
  auto send = sent();
  EXPECT_FALSE(routing_.answered(send.attempt + 1, send.node, Outcome::done, {}, 0, now_));
  EXPECT_FALSE(routing_.answered(send.attempt, "b", Outcome::done, {}, 0, now_)) << "it was not asked this";
  EXPECT_TRUE(answer(send, Outcome::done));
  EXPECT_FALSE(answer(send, Outcome::done));
}

TEST_F(RoutingTest, AThousandDeadlinesAtOnceAreMet) {
  map(slots_of_three());
  for (int i = 0; i < 30'000; ++i) propose();
  pass(limits::route_timeout);
  sends();
  EXPECT_EQ(gave_up_.size(), 30'000u);
  EXPECT_EQ(routing_.requests(), 0u);
  EXPECT_EQ(routing_.deadline(), never);
}

// A cluster that answers late, or not at all, while its leader changes and links break. Whatever happens, each
// request ends once, and by its deadline; while a leader is reachable it ends soon.
class RoutingWorld {
 public:
  explicit RoutingWorld(std::uint64_t seed) : random_(seed) {
    routing_.set_map(std::make_shared<ClusterMap>(slots_of_three()), now_);
  }

  /// `but_the_leader`: in the end there is no link to it, only to others who have one.
  void run(bool but_the_leader) {
    for (int step = 0; step < 3'000; ++step) {
      act();
      now_ += Duration(random_.below(3'000));
      deliver();
      routing_.tick(now_);
      take();
    }
    heal(but_the_leader);
    const auto end = now_ + 2s;
    while (now_ < end && !started_.empty()) {
      now_ += 500us;
      deliver();
      routing_.tick(now_);
      take();
    }
    EXPECT_TRUE(started_.empty()) << started_.size() << " wait although everything works";
    EXPECT_EQ(routing_.requests(), 0u);
    EXPECT_EQ(routing_.bytes(), 0u);
    EXPECT_EQ(routing_.deadline(), never);
    EXPECT_LT(sends_, requests_ * 12);
  }

 private:
  struct InFlight {
    SendAttempt send;
    std::uint64_t link;  // the incarnation on which it went
  };

  void act() {
    const auto chance = random_.below(100);
    if (chance < 60) {
      const bool by_leader = random_.below(2) == 0;
      const bool relayed = by_leader && random_.one_in(4);
      const auto id = routing_.begin(
          {{}, static_cast<std::uint16_t>(random_.below(16'384)), by_leader, random_.below(index_ + 1), 1, relayed},
          now_);
      ASSERT_TRUE(id);
      if (relayed) relayed_.insert(*id);
      started_[*id] = now_;
      if (by_leader) by_leader_.insert(*id);
      ++requests_;
    } else if (chance < 63) {
      ++term_;
      leader_ = random_.below(4);
      if (leader_ && random_.below(2)) routing_.heard_leader(ShardId{2}, ReplicaId{leader_}, term_, now_);
    } else if (chance < 66) {
      auto& node = nodes_[random_.below(3)];
      node.frozen = !node.frozen;
    } else if (chance < 69) {
      const auto which = random_.below(3);
      set_link(which, !nodes_[which].up);
    }
    take();
  }

  void heal(bool but_the_leader) {
    healed_ = true;
    ++term_;
    leader_ = 1 + random_.below(3);
    for (std::size_t i = 0; i < 3; ++i) {
      nodes_[i].frozen = false;
      const bool up = !but_the_leader || i + 1 != leader_;
      if (nodes_[i].up != up) set_link(i, up);
    }
    take();
  }

  void set_link(std::size_t which, bool up) {
    auto& node = nodes_[which];
    node.up = up;
    ++node.link;
    routing_.link_changed(names_[which], up, now_);
    take();
  }

  void take() {
    for (auto steps = routing_.take_steps(); !steps.empty(); steps = routing_.take_steps()) {
      for (const auto& step : steps) {
        if (const auto* gave_up = std::get_if<GiveUp>(&step)) {
          if (!relayed_.contains(gave_up->request)) {
            EXPECT_GE(now_, started_.at(gave_up->request) + limits::route_timeout);
          }
          const bool never_sent = relayed_.contains(gave_up->request) && !sent_.contains(gave_up->request);
          EXPECT_EQ(gave_up->why, never_sent ? GiveUpWhy::no_leader : GiveUpWhy::late);
          started_.erase(gave_up->request);
          continue;
        }
        const auto& send = std::get<SendAttempt>(step);
        ++sends_;
        sent_.insert(send.request);
        EXPECT_FALSE(send.relay && relayed_.contains(send.request)) << "it is relayed once";
        const auto& node = nodes_[index_of(send.node)];
        if (!node.up) {
          routing_.not_sent(send.attempt, true, now_);
        } else {
          in_flight_.emplace(now_ + Duration(100 + random_.below(5'000)), InFlight{send, node.link});
        }
      }
    }
  }

  void deliver() {
    while (!in_flight_.empty() && in_flight_.begin()->first <= now_) {
      const auto at = in_flight_.begin()->first;
      const auto flight = in_flight_.begin()->second;
      in_flight_.erase(in_flight_.begin());
      const auto which = index_of(flight.send.node);
      const auto& node = nodes_[which];
      if (node.link != flight.link) continue;  // lost with its link
      if (node.frozen) {
        in_flight_.emplace(at + 10ms, flight);
        continue;
      }
      reply(flight.send, which + 1);
      take();
    }
  }

  void reply(const SendAttempt& send, std::uint64_t replica) {
    ++index_;
    auto outcome = Outcome::done;
    if (by_leader_.contains(send.request) && (send.relay ? !leader_ : replica != leader_))
      outcome = Outcome::not_leader;
    if (!healed_ && random_.one_in(20)) outcome = random_.one_in(2) ? Outcome::behind : Outcome::lost;
    const auto hint = healed_ || random_.below(3) ? leader_ : random_.below(4);
    const auto answered = routing_.answered(send.attempt, send.node, outcome, ReplicaId{hint}, index_, now_);
    if (!answered) return;
    EXPECT_EQ(outcome, Outcome::done);
    EXPECT_EQ(*answered, send.request);
    EXPECT_EQ(started_.erase(*answered), 1u) << "answered twice";
  }

  std::size_t index_of(const std::string& node) const {
    return static_cast<std::size_t>(std::find(names_.begin(), names_.end(), node) - names_.begin());
  }

  struct Node {
    bool up = true;
    bool frozen = false;
    std::uint64_t link = 1;
  };

  ::cairn::test::Random random_;
  Instant now_{5'000'000};
  Routing routing_{"x", 77};
  const std::vector<std::string> names_{"a", "b", "c"};
  std::vector<Node> nodes_{3};
  bool healed_ = false;
  std::uint64_t leader_ = 1, term_ = 1, index_ = 0;
  std::size_t requests_ = 0, sends_ = 0;
  std::map<std::uint64_t, Instant> started_;
  std::set<std::uint64_t> by_leader_, relayed_, sent_;
  std::multimap<Instant, InFlight> in_flight_;
};

TEST(RoutingSeeds, EveryRequestEndsOnce) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RoutingWorld(seed).run(false);
    if (testing::Test::HasFailure()) return;
    RoutingWorld(seed).run(true);
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace cairn::cluster
