// Where requests are sent as leaders die, freeze and change, links break and replicas are slow: on virtual time.
#include <map>
#include <set>

#include "tests/cluster/routing_fixture.hpp"

namespace cairn::cluster {
namespace {

TEST_F(RoutingTest, TheLeaderOfTheMapIsAsked) {
  map(slots_of_three(2, 7));
  const auto request = propose();
  const auto send = sent();
  EXPECT_EQ(send.node, "b");
  EXPECT_EQ(send.shard, ShardId{2});
  EXPECT_EQ(send.request, request);
  EXPECT_EQ(answer(send, Served::done), request);
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
  gave_up(request, Served::not_leader);
  EXPECT_EQ(routing_.requests(), 0u);
}

TEST_F(RoutingTest, OneRequestLooksForTheLeaderAndTheOthersFollow) {
  map(slots_of_three());
  for (int i = 0; i < 100; ++i) propose();
  const auto first = sent();
  EXPECT_FALSE(answer(first, Served::not_leader));
  const auto second = sent();
  EXPECT_NE(second.node, first.node);
  EXPECT_FALSE(answer(second, Served::not_leader, first.node == "c" || second.node == "c" ? 2 : 3));
  EXPECT_EQ(sends().size(), 100u);
}

TEST_F(RoutingTest, WhoAnswersIsTheLeader) {
  map(slots_of_three());
  propose();
  propose();
  const auto found = sent();
  EXPECT_TRUE(answer(found, Served::done));
  EXPECT_EQ(sent().node, found.node);
}

TEST_F(RoutingTest, AVoterThatSaysNothingIsNotTheOnlyOneAsked) {
  map(slots_of_three());
  propose();
  const auto silent = sent();
  pass(limits::leader_search_patience);
  const auto next = sent();
  EXPECT_NE(next.node, silent.node);
  EXPECT_TRUE(answer(next, Served::done));
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
  EXPECT_TRUE(answer(moved[0], Served::done));
  EXPECT_FALSE(answer(frozen[0], Served::done)) << "answered once";
  EXPECT_TRUE(answer(frozen[1], Served::done)) << "what the old one still did counts";
  EXPECT_EQ(routing_.leader(ShardId{2}), ReplicaId{2}) << "which does not make it the leader again";
}

TEST_F(RoutingTest, AnElectionThatNobodyAnnouncesIsFoundByAskingAnotherVoter) {
  map(slots_of_three(1, 3));
  for (int i = 0; i < 10; ++i) propose();
  ASSERT_EQ(sends().size(), 10u);
  pass(limits::leader_doubt_after);
  const auto doubt = sent();  // of one of them
  EXPECT_NE(doubt.node, "a");
  answer(doubt, Served::not_leader, doubt.node == "b" ? 3 : 2);
  EXPECT_EQ(sends().size(), 10u);
}

TEST_F(RoutingTest, ASlowLeaderIsKeptIfTheVotersKeepIt) {
  map(slots_of_three(1, 3));
  const auto request = propose();
  const auto slow = sent();
  pass(limits::leader_doubt_after);
  answer(sent(), Served::not_leader, 1);
  EXPECT_TRUE(sends().empty());
  EXPECT_EQ(answer(slow, Served::done), request);
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
      if (const auto done = answer(attempt, leads ? Served::done : Served::not_leader, 1)) waiting.erase(*done);
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
      if (++asked[attempt.node] == 3) done = answer(attempt, Served::done);
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
      if (again.node == first.node) done = answer(again, Served::done);
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
  answer(old, Served::not_leader, 3);
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
      answer(send, Served::not_leader, send.node == "a" ? 2 : 1);
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
  EXPECT_FALSE(answer(lost[0], Served::done)) << "from before the link broke";
  answer(search, Served::not_leader, 1);
  const auto next = sent();
  EXPECT_NE(next.node, "a") << "the leader that is named is beyond the broken link";
  EXPECT_NE(next.node, search.node);
  leader(2, 4);
  const auto found = sends();
  ASSERT_FALSE(found.empty());
  for (const auto& send : found) EXPECT_EQ(send.node, "b");
  EXPECT_EQ(answer(found[0].request == one ? found[0] : found.back(), Served::done), one);
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
  EXPECT_EQ(answer(again, Served::done), request);
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
    answer(first, Served::done);
    begin(false, 0, slot);
    const auto again = sent();
    EXPECT_EQ(again.node, first.node);
    answer(again, Served::done);
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
  EXPECT_EQ(answer(hedge, Served::done), request);
  for (int i = 0; i < 10; ++i) {
    read();
    const auto send = sent();
    EXPECT_NE(send.node, frozen.node);
    answer(send, Served::done);
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
  answer(frozen, Served::done);
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
        done = answer(answers.begin()->second, Served::done, 0, 5'000) == request || done;
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
    answer(sent(), Served::done, 0, 200);
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
    answer(send, Served::behind);
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
      const auto said = answer(send, elected ? Served::done : Served::behind);
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
      const auto said = answer(send, send.node == silent.node ? Served::done : Served::behind);
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
  for (std::uint32_t i = 0; i < limits::reads_per_hedge; ++i) answer(first[i], Served::done);
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
  answer(sends()[0], Served::done);
  EXPECT_TRUE(routing_.begin({{}, 0, true, 0, 10}, now_));
}

TEST_F(RoutingTest, ARequestForASlotThatAnotherShardOwnsIsToldSo) {
  map(slots_of_three(1, 3));
  gave_up(routing_.begin({ShardId{7}, 5, true, 0, 1}, now_).value(), Served::not_here);
}

TEST_F(RoutingTest, WhatWasSentMayTakeEffectUntilItIsRefused) {
  map(slots_of_three(1, 3));
  const auto begin_named = [&] { return routing_.begin({ShardId{2}, 5, true, 0, 1}, now_).value(); };
  auto moved = slots_of_three(1, 3);
  moved.shards[0].slots = {};
  moved.shards.push_back(slots_of_three(1, 3).shards[0]);
  moved.shards[1].id = ShardId{7};

  auto request = begin_named();
  sent();
  map(moved);
  gave_up(request, Served::unknown);

  map(slots_of_three(1, 3));
  request = begin_named();
  answer(sent(), Served::not_leader);
  EXPECT_EQ(sends().size(), 1u);
  map(moved);
  gave_up(request, Served::unknown);

  map(slots_of_three(1, 3));
  request = begin_named();
  const auto only = sent();
  for (const auto* node : {"b", "c", "a"}) link(node, false);
  EXPECT_FALSE(answer(only, Served::not_leader)) << "lost with its link";
  pass(limits::route_timeout);
  gave_up(request, Served::unknown);

  request = begin_named();
  pass(limits::route_timeout);
  gave_up(request, Served::not_leader);
}

// An error that kept the leader from beginning tells nothing of what was asked of others before.
TEST_F(RoutingTest, ALaterRefusalIsNoAnswerToWhatMayTakeEffectYet) {
  map(slots_of_three(1, 3));
  EXPECT_TRUE((propose(), refuse(sent()))) << "nobody else was asked";

  // Who was asked is gone.
  auto request = propose();
  sent();
  link("a", false);
  for (auto search = sends(); !search.empty(); search = sends())
    for (const auto& send : search) answer(send, Served::not_leader);
  leader(2, 4);
  EXPECT_FALSE(refuse(sent()));
  gave_up(request, Served::unknown);

  // Who was asked may answer yet.
  request = propose();
  const auto first = sent();
  leader(3, 5);
  EXPECT_FALSE(refuse(sent()));
  EXPECT_EQ(answer(first, Served::done), request);
  sends();

  // Who was asked did nothing.
  request = propose();
  answer(sent(), Served::not_leader, 2);
  EXPECT_EQ(refuse(sent()), request);
}

TEST_F(RoutingTest, AnErrorThatIsNoAnswerStillTellsWhoLeads) {
  map(slots_of_three(1, 3));
  std::vector<std::uint64_t> requests;
  for (int i = 0; i < 4; ++i) requests.push_back(propose());
  EXPECT_EQ(sends().size(), 4u);
  link("a", false);
  auto search = sent();
  if (search.node != "b") {
    answer(search, Served::not_leader);
    search = sent();
  }
  EXPECT_FALSE(refuse(search));
  const auto others = sends();
  EXPECT_EQ(others.size(), 3u) << "nobody else has to look for it";
  for (const auto& send : others) EXPECT_EQ(send.node, search.node);
  ASSERT_EQ(gave_up_.size(), 1u);
  EXPECT_EQ(gave_up_[0].request, search.request);
}

TEST_F(RoutingTest, AnswersToUnknownNumbersOrOfOthersAreDropped) {
  map(slots_of_three(1, 3));
  propose();
  auto send = sent();
  EXPECT_FALSE(routing_.answered(send.attempt + 1, send.node, Served::done, {}, 0, now_));
  EXPECT_FALSE(routing_.answered(send.attempt, "b", Served::done, {}, 0, now_)) << "it was not asked this";
  EXPECT_TRUE(answer(send, Served::done));
  EXPECT_FALSE(answer(send, Served::done));
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

}  // namespace
}  // namespace cairn::cluster
