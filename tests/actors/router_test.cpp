// The router between askers and replicas that the test plays, on this node and on others.
#include "actors/router.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <mutex>

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

  void answer(const FakeNetwork::Sent& to, Served served, Bytes result = "done", std::uint64_t leader = 0) {
    const auto frame = decode_call_frame(to.frame).value();
    caf::anon_send(router_, AnswerReceived{to.to, frame.request, {std::move(result), served, 9, leader}});
  }

  std::shared_ptr<Routes> routes_ = std::make_shared<Routes>();
  std::shared_ptr<FakeNetwork> network_ = std::make_shared<FakeNetwork>();
  std::shared_ptr<FakeShard> shard_ = std::make_shared<FakeShard>();
  ReplicaActor local_;
  RouterActor router_;
};

TEST_F(RouterTest, AProposalGoesToTheLeaderOnAnotherNode) {
  const auto answers = propose();
  ASSERT_TRUE(network_->sent.wait_count(1));
  const auto sent = network_->sent.all()[0];
  EXPECT_EQ(sent.to, "b");
  EXPECT_EQ(sent.channel, Channel::call);
  const auto frame = decode_call_frame(sent.frame).value();
  const auto& call = std::get<Propose>(frame.call);
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
  const auto frame = decode_call_frame(network_->sent.all()[0].frame).value();
  EXPECT_FALSE(std::get<Ask>(frame.call).linearizable);
  EXPECT_EQ(std::get<Ask>(frame.call).floor, 7u);
  answer(network_->sent.all()[0], Served::done, "hedge");
  ASSERT_TRUE(answers->wait_count(1));
  EXPECT_EQ(answers->all()[0].result, "hedge");
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
