// The router between askers and replicas that the test plays, on this node and on others.
#include "actors/router.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <mutex>

#include "tests/actors/asker.hpp"
#include "tests/actors/fake_replica.hpp"

namespace cairn::actors::test {
namespace {

using cluster::ReplicaId;
using cluster::directory::ShardId;

cluster::directory::NodeName name(const std::string& text) { return cluster::directory::NodeName::parse(text).value(); }

// Shard 2 has replicas 1, 2 and 3 on nodes a, b and c, and every slot.
std::shared_ptr<const cluster::ClusterMap> map_of_three(std::uint64_t leader, std::uint64_t term) {
  cluster::directory::SlotMap map;
  cluster::directory::Shard shard;
  shard.id = ShardId{2};
  shard.slots = {cluster::directory::all_slots};
  shard.replicas = {{ReplicaId{1}, name("a")}, {ReplicaId{2}, name("b")}, {ReplicaId{3}, name("c")}};
  shard.leader = ReplicaId{leader};
  shard.leader_term = term;
  map.shards = {shard};
  return std::make_shared<cluster::ClusterMap>(std::move(map));
}

class RouterTest : public ActorTest {
 protected:
  void SetUp() override {
    routes_->set_map(map_of_three(2, 3));
    start({});
  }
  void TearDown() override {
    routes_->set_replica(ShardId{2}, {});
    if (local_) caf::anon_send_exit(local_, caf::exit_reason::user_shutdown);
    stop_router();
    local_ = ReplicaActor{};
    system_.await_all_actors_done();
  }
  void start(cluster::RoutingOptions options) {
    stop_router();
    router_ = system_.spawn(router, std::string("a"), routes_, std::shared_ptr<NodeNetwork>(network_), options);
  }
  void stop_router() {
    if (router_) caf::anon_send_exit(router_, caf::exit_reason::user_shutdown);
    router_ = RouterActor{};
  }
  void start_local() {
    local_ = system_.spawn(fake_shard_replica, shard_);
    routes_->set_replica(ShardId{2}, local_);
  }

  // Sends, and puts the answer into what is returned.
  template <class Message>
  std::shared_ptr<Events<Answer>> ask(Message message) {
    auto answers = std::make_shared<Events<Answer>>();
    const auto asks = [message, answers](caf::event_based_actor* self, const RouterActor& to) {
      self->request(to, caf::infinite, message)
          .then([answers](const Answer& answer) { answers->add(answer); },
                [answers](const caf::error&) {
                  answers->add({"failed", Served::unknown, 0, 0});
                });
    };
    system_.spawn(asks, router_);
    return answers;
  }
  std::shared_ptr<Events<Answer>> propose(Bytes body = "command") { return ask(Propose{{0, 5}, std::move(body)}); }
  std::shared_ptr<Events<Answer>> read() { return ask(Ask{{0, 5}, "query", false, 7}); }

  // Each call in the frame gets the same.
  void answer(const FakeNetwork::Sent& to, Served served, Bytes result = "done", std::uint64_t leader = 0) {
    AnswersReceived answers{to.to, {}};
    for (const auto& call : calls(to)) answers.all.push_back({call.number, {result, served, 9, leader}});
    caf::anon_send(router_, std::move(answers));
  }
  static std::vector<Call> calls(const FakeNetwork::Sent& sent) { return decode_calls(sent.frame).value(); }
  static RelayRequests relayed(const std::shared_ptr<TestAsker>& asker, std::vector<ShardRequest> requests) {
    return {asker->asks(std::move(requests)).all};
  }
  // Lets a held router go on, and waits for so many frames to the leader's node; one that is in doubt is asked of
  // others, too.
  std::vector<FakeNetwork::Sent> frames_to_leader(std::size_t count) {
    let_go_.add(1);
    std::vector<FakeNetwork::Sent> frames;
    EXPECT_TRUE(network_->sent.wait([&](const auto& all) {
      frames.clear();
      for (const auto& frame : all)
        if (frame.to == "b") frames.push_back(frame);
      return frames.size() >= count;
    }));
    frames.resize(std::max(frames.size(), count));
    return frames;
  }
  // The next frame keeps the router until it is let go on.
  void hold_router() {
    network_->carry = [this](const auto&) {
      if (!held_.all().empty()) return;
      held_.add(1);
      let_go_.wait_count(1);
    };
    propose("first");
    ASSERT_TRUE(held_.wait_count(1));
  }

  std::shared_ptr<Routes> routes_ = std::make_shared<Routes>();
  std::shared_ptr<FakeNetwork> network_ = std::make_shared<FakeNetwork>();
  std::shared_ptr<FakeShard> shard_ = std::make_shared<FakeShard>();
  Events<int> held_, let_go_;
  ReplicaActor local_;
  RouterActor router_;
};

TEST_F(RouterTest, AProposalGoesToTheLeaderOnAnotherNode) {
  const auto answers = propose();
  ASSERT_TRUE(network_->sent.wait_count(1));
  const auto sent = network_->sent.all()[0];
  EXPECT_EQ(sent.to, "b");
  EXPECT_EQ(sent.channel, Channel::call);
  ASSERT_EQ(calls(sent).size(), 1u);
  const auto call = std::get<Propose>(calls(sent)[0].request);
  EXPECT_EQ(call.target.shard, 2u);
  EXPECT_EQ(call.target.slot, 5u);
  EXPECT_EQ(call.command, "command");
  answer(sent, Served::done);
  ASSERT_TRUE(answers->wait_count(1));
  EXPECT_EQ(answers->all()[0].result, "done");
  EXPECT_EQ(answers->all()[0].index, 9u);
}

TEST_F(RouterTest, AReplicaOfThisNodeIsAskedHere) {
  shard_->raw = [](const Target& target, bool proposal) {
    return Answer{proposal ? "proposed" : "read", Served::done, target.shard, 0};
  };
  start_local();
  const auto answers = read();
  ASSERT_TRUE(answers->wait_count(1));
  EXPECT_EQ(answers->all()[0].result, "read");
  EXPECT_EQ(answers->all()[0].index, 2u) << "the shard is named";
  caf::anon_send(router_, ReplicaChanged{ShardId{2}, ReplicaId{1}, cluster::Role::leader, 4, ReplicaId{1}, true, 1});
  const auto proposed = propose();
  ASSERT_TRUE(proposed->wait_count(1));
  EXPECT_EQ(proposed->all()[0].result, "proposed");
  EXPECT_TRUE(network_->sent.all().empty());
}

TEST_F(RouterTest, AReplicaThatIsNotYetHereIsNotWaitedFor) {
  const auto answers = read();  // the map says that there is one
  ASSERT_TRUE(network_->sent.wait_count(1));
  answer(network_->sent.all()[0], Served::done);
  EXPECT_TRUE(answers->wait_count(1));
}

TEST_F(RouterTest, ARefusedProposalGoesToWhoeverIsNamed) {
  const auto answers = propose();
  ASSERT_TRUE(network_->sent.wait_count(1));
  answer(network_->sent.all()[0], Served::not_leader, {}, 3);
  ASSERT_TRUE(network_->sent.wait_count(2));
  EXPECT_EQ(network_->sent.all()[1].to, "c");
  answer(network_->sent.all()[1], Served::done);
  ASSERT_TRUE(answers->wait_count(1));
  EXPECT_EQ(answers->all()[0].served, Served::done);
}

TEST_F(RouterTest, AProposalAtAFrozenLeaderMovesToTheOneThatIsHeardOf) {
  const auto answers = propose();
  ASSERT_TRUE(network_->sent.wait_count(1));
  caf::anon_send(router_, LeaderHeard{ShardId{2}, ReplicaId{3}, 4});
  ASSERT_TRUE(network_->sent.wait_count(2));
  EXPECT_EQ(network_->sent.all()[1].to, "c");
  answer(network_->sent.all()[1], Served::done, "from c");
  ASSERT_TRUE(answers->wait_count(1));
  answer(network_->sent.all()[0], Served::done, "late");
  const auto next = propose();
  ASSERT_TRUE(network_->sent.wait_count(3));
  EXPECT_EQ(network_->sent.all()[2].to, "c");
  EXPECT_EQ(answers->all().size(), 1u);
}

TEST_F(RouterTest, AProposalMovesWhenTheLinkBreaks) {
  start_local();
  shard_->raw = [](const Target&, bool) { return Answer{{}, Served::not_leader, 0, 3}; };
  const auto answers = propose();
  ASSERT_TRUE(network_->sent.wait_count(1));
  caf::anon_send(router_, LinkChanged{"b", false, 0});
  ASSERT_TRUE(network_->sent.wait_count(2)) << "the replica here knows of c";
  EXPECT_EQ(network_->sent.all()[1].to, "c");
  answer(network_->sent.all()[1], Served::done);
  EXPECT_TRUE(answers->wait_count(1));
}

TEST_F(RouterTest, AReadIsHedgedWhenItsReplicaIsSilent) {
  start_local();
  const auto held = std::make_shared<Events<int>>();
  shard_->hold = held;
  const auto answers = read();
  ASSERT_TRUE(held->wait_count(1));
  ASSERT_TRUE(network_->sent.wait_count(1)) << "without any answer of the first";
  const auto asked = calls(network_->sent.all()[0]);
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_FALSE(std::get<Ask>(asked[0].request).linearizable);
  EXPECT_EQ(std::get<Ask>(asked[0].request).floor, 7u);
  answer(network_->sent.all()[0], Served::done, "hedge");
  ASSERT_TRUE(answers->wait_count(1));
  EXPECT_EQ(answers->all()[0].result, "hedge");
}

TEST_F(RouterTest, CallsThatComeTogetherShareAFrame) {
  hold_router();
  // In the router's mailbox before it is let go on: one actor has sent them when its last one is seen to be there.
  constexpr int count = 20;
  const auto sent = std::make_shared<Events<int>>();
  const auto answers = std::make_shared<Events<Answer>>();
  const auto asks = [=](caf::event_based_actor* self, const RouterActor& to) {
    for (int i = 0; i < count; ++i)
      self->request(to, caf::infinite, Propose{{0, 5}, std::to_string(i)})
          .then([=](const Answer& answer) { answers->add(answer); }, [](const caf::error&) {});
    sent->add(1);
  };
  system_.spawn(asks, router_);
  ASSERT_TRUE(sent->wait_count(1));
  const auto frames = frames_to_leader(2);
  const auto together = calls(frames[1]);
  ASSERT_EQ(together.size(), count);
  for (int i = 0; i < count; ++i) EXPECT_EQ(std::get<Propose>(together[i].request).command, std::to_string(i));
  answer(frames[1], Served::done);
  EXPECT_TRUE(answers->wait_count(count));
}

TEST_F(RouterTest, ALargeCallLeavesAtOnceBehindThoseBeforeIt) {
  hold_router();
  const auto sent = std::make_shared<Events<int>>();
  const auto asks = [=](caf::event_based_actor* self, const RouterActor& to) {
    for (const auto bytes : {std::size_t{10}, 2 * bulk_bytes, std::size_t{20}})
      self->request(to, caf::infinite, Propose{{0, 5}, Bytes(bytes, 'x')})
          .then([](const Answer&) {}, [](const caf::error&) {});
    sent->add(1);
  };
  system_.spawn(asks, router_);
  ASSERT_TRUE(sent->wait_count(1));
  const auto frames = frames_to_leader(4);
  for (std::size_t i = 1; i < 4; ++i) {
    ASSERT_EQ(calls(frames[i]).size(), 1u) << i;
    EXPECT_EQ(frames[i].channel, i == 2 ? Channel::call_bulk : Channel::call) << i;
  }
  EXPECT_EQ(std::get<Propose>(calls(frames[1])[0].request).command.size(), 10u);
  EXPECT_EQ(std::get<Propose>(calls(frames[3])[0].request).command.size(), 20u);
}

TEST_F(RouterTest, AFrameThatCannotBeSentGoesElsewhereWithAllThatItHolds) {
  hold_router();
  const auto sent = std::make_shared<Events<int>>();
  const auto answers = std::make_shared<Events<Answer>>();
  const auto asks = [=](caf::event_based_actor* self, const RouterActor& to) {
    for (int i = 0; i < 3; ++i)
      self->request(to, caf::infinite, Ask{{0, 5}, "query", false, 7})
          .then([=](const Answer& answer) { answers->add(answer); }, [](const caf::error&) {});
    sent->add(1);
  };
  system_.spawn(asks, router_);
  ASSERT_TRUE(sent->wait_count(1));
  network_->cut("b");
  let_go_.add(1);
  ASSERT_TRUE(network_->refused.wait_count(1));
  std::size_t reached = 0;
  ASSERT_TRUE(network_->sent.wait([&](const auto& frames) {
    reached = 0;
    for (const auto& frame : frames)
      if (frame.to == "c") reached += calls(frame).size();
    return reached >= 3;
  }));
  for (const auto& frame : network_->sent.all())
    if (frame.to == "c") answer(frame, Served::done);
  EXPECT_TRUE(answers->wait_count(3));
}

TEST_F(RouterTest, WhatIsRelayedGoesToTheLeaderAndBack) {
  const auto asker = std::make_shared<TestAsker>();
  caf::anon_send(router_, relayed(asker, {Propose{{2, 5}, "one"}, Ask{{2, 5}, "two", false, 7}}));
  const auto frames = frames_to_leader(1);
  const auto called = calls(frames[0]);
  ASSERT_EQ(called.size(), 2u);
  EXPECT_FALSE(called[0].relay);
  EXPECT_EQ(std::get<Propose>(called[0].request).command, "one");
  EXPECT_EQ(std::get<Ask>(called[1].request).query, "two");
  EXPECT_FALSE(std::get<Ask>(called[1].request).linearizable) << "as it was asked, if by the leader";
  answer(frames[0], Served::done, "done");
  const auto answers = asker->answers(2);
  ASSERT_EQ(answers.size(), 2u);
  for (const auto& [number, answer] : answers) {
    EXPECT_EQ(answer.served, Served::done) << number;
    EXPECT_EQ(answer.result, "done") << number;
    EXPECT_EQ(answer.index, 9u) << number;
  }
  EXPECT_EQ(asker->groups.all().size(), 1u) << "in one frame";
}

TEST_F(RouterTest, WhatIsRelayedIsAnsweredByTheLeaderHere) {
  shard_->raw = [](const Target&, bool) { return Answer{"here", Served::done, 3, 0}; };
  start_local();
  caf::anon_send(router_, ReplicaChanged{ShardId{2}, ReplicaId{1}, cluster::Role::leader, 4, ReplicaId{1}, true, 1});
  const auto asker = std::make_shared<TestAsker>();
  caf::anon_send(router_, relayed(asker, {Propose{{2, 5}, "one"}}));
  const auto answers = asker->answers(1);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers.at(1).result, "here");
}

TEST_F(RouterTest, WhatCannotBeRelayedIsRefusedAtOnce) {
  cluster::RoutingOptions options;
  options.max_requests = 2;
  start(options);
  const auto asker = std::make_shared<TestAsker>();
  caf::anon_send(router_, relayed(asker, {Propose{{2, 5}, "one"}, Propose{{2, 5}, "two"}}));
  EXPECT_EQ(asker->answers(1).at(2).served, Served::busy) << "half of the room is for this node's own";
  frames_to_leader(1);
  caf::anon_send(router_, LinkChanged{"b", false, 0});
  EXPECT_EQ(asker->answers(2).at(1).served, Served::unknown) << "it was sent";
  const auto late = std::make_shared<TestAsker>();
  caf::anon_send(router_, relayed(late, {Propose{{2, 5}, "three"}}));
  EXPECT_EQ(late->answers(1).at(1).served, Served::not_leader) << "there is no link";
  const auto last = std::make_shared<TestAsker>();
  caf::anon_send(router_, LinkChanged{"b", true, 1});
  caf::anon_send(router_, relayed(last, {Propose{{2, 5}, "four"}}));
  frames_to_leader(2);
  stop_router();
  EXPECT_EQ(last->answers(1).at(1).served, Served::unknown) << "it ended";
}

TEST_F(RouterTest, WithoutALinkAnotherReplicaIsRead) {
  network_->cut("b");
  const auto answers = read();
  ASSERT_TRUE(network_->sent.wait_count(1));
  EXPECT_EQ(network_->sent.all()[0].to, "c");
  answer(network_->sent.all()[0], Served::done);
  EXPECT_TRUE(answers->wait_count(1));
}

TEST_F(RouterTest, TooMuchIsRefusedAtOnce) {
  cluster::RoutingOptions options;
  options.max_requests = 1;
  start(options);
  const auto first = propose();
  ASSERT_TRUE(network_->sent.wait_count(1));
  const auto second = propose();
  ASSERT_TRUE(second->wait_count(1));
  EXPECT_EQ(second->all()[0].served, Served::busy);
  answer(network_->sent.all()[0], Served::done);
  EXPECT_TRUE(first->wait_count(1));
}

TEST_F(RouterTest, AtTheDeadlineWhatCameOfItIsNotKnown) {
  cluster::RoutingOptions options;
  options.timeout = 20ms;
  start(options);
  const auto answers = propose();
  ASSERT_TRUE(answers->wait_count(1));
  EXPECT_EQ(answers->all()[0].served, Served::unknown);
}

TEST_F(RouterTest, ASlotOfAnotherShardIsSaidSo) {
  const auto answers = ask(Ask{{7, 5}, "query", false, 7});
  ASSERT_TRUE(answers->wait_count(1));
  EXPECT_EQ(answers->all()[0].served, Served::not_here);
}

TEST_F(RouterTest, RequestsWaitForTheMap) {
  routes_->set_map(std::make_shared<cluster::ClusterMap>());
  start({});
  const auto answers = propose();
  const auto other = ask(Ask{{9, whole_shard}, "query", true, 0});
  routes_->set_map(map_of_three(3, 1));
  caf::anon_send(router_, MapChanged{});
  ASSERT_TRUE(network_->sent.wait_count(1));
  EXPECT_EQ(network_->sent.all()[0].to, "c");
  answer(network_->sent.all()[0], Served::done);
  EXPECT_TRUE(answers->wait_count(1));
}

TEST_F(RouterTest, WhoWaitsIsToldWhenTheRouterEnds) {
  const auto answers = propose();
  ASSERT_TRUE(network_->sent.wait_count(1));
  stop_router();
  ASSERT_TRUE(answers->wait_count(1));
  EXPECT_EQ(answers->all()[0].served, Served::unknown);
}

TEST_F(RouterTest, AnAnswerToAnEarlierRouterIsNotTakenForOne) {
  propose();
  ASSERT_TRUE(network_->sent.wait_count(1));
  const auto old = network_->sent.all()[0];
  start({});
  const auto answers = propose();
  ASSERT_TRUE(network_->sent.wait_count(2));
  answer(old, Served::done, "old");
  answer(network_->sent.all()[1], Served::done, "new");
  ASSERT_TRUE(answers->wait_count(1));
  EXPECT_EQ(answers->all()[0].result, "new");
}

}  // namespace
}  // namespace cairn::actors::test
