// What the directory's leader does about decisions and reports, in commands, orders and words.
#include "cluster/duties.hpp"

#include <gtest/gtest.h>

namespace cairn::cluster::directory {
namespace {

NodeName name(const std::string& text) { return *NodeName::parse(text); }

class Duties : public testing::Test {
 protected:
  Duties() {
    auto& shard = state_.shards[ShardId{2}];
    shard.id = ShardId{2};
    shard.replicas = {{ReplicaId{4}, name("a"), ReplicaKind::voter},
                      {ReplicaId{5}, name("b"), ReplicaKind::voter},
                      {ReplicaId{6}, name("c"), ReplicaKind::leaving},
                      {ReplicaId{7}, name("d"), ReplicaKind::learner}};
    shard.leader = ReplicaId{4};
    shard.leader_term = 3;
    auto& group = observed_.groups[ShardId{2}];
    group.leader = ReplicaId{5};
    group.term = 3;
    group.configuration = {{ReplicaId{4}, ReplicaId{5}, ReplicaId{6}}, {ReplicaId{7}}};
  }
  Duty duty(Action action, bool repeated = false) {
    return duty_of({std::move(action), "because"}, state_, observed_, repeated);
  }
  template <class Command>
  static bool commands(const Duty& duty) {
    return duty.command && std::holds_alternative<Command>(*duty.command);
  }

  DirectoryState state_;
  Observed observed_;
};

TEST_F(Duties, OfEachDecision) {
  const ShardId shard{2};
  const auto mark = duty(MarkNode{name("a"), NodeState::dead, Epoch{7}});
  EXPECT_EQ(mark.what, "mark node a dead");
  ASSERT_TRUE(commands<SetNodeState>(mark));
  EXPECT_EQ(std::get<SetNodeState>(*mark.command).expected, Epoch{7});
  EXPECT_EQ(std::get<SetNodeState>(*mark.command).why, "because");
  EXPECT_TRUE(commands<AddReplica>(duty(AddLearner{shard, name("e"), {}})));
  const auto take = duty(TakeIn{shard, ReplicaId{7}});
  EXPECT_EQ(take.what, "take in replica 7 of shard 2 on node d");
  EXPECT_FALSE(take.command);
  EXPECT_EQ(take.order->change, GroupChange::take_in);
  const auto forget = duty(Forget{shard, ReplicaId{6}, {}});
  EXPECT_TRUE(commands<ForgetReplica>(forget));
  EXPECT_FALSE(forget.order);
}

TEST_F(Duties, ALearnerIsAVoterForTheDirectoryWhenItIsOneInItsGroup) {
  const Promote promote{ShardId{2}, ReplicaId{7}, Epoch{}};
  EXPECT_FALSE(duty(promote).command);
  EXPECT_EQ(duty(promote).order->change, GroupChange::promote);
  auto& configuration = observed_.groups[ShardId{2}].configuration;
  configuration = configuration.with_voter(ReplicaId{7});
  EXPECT_TRUE(commands<PromoteReplica>(duty(promote)));
  EXPECT_FALSE(duty(promote).order);
}

TEST_F(Duties, AReplicaLeavesTheDirectoryFirstAndThenItsGroup) {
  const auto first = duty(Remove{ShardId{2}, ReplicaId{4}, {}});
  EXPECT_TRUE(commands<RemoveReplica>(first));
  EXPECT_EQ(first.order->change, GroupChange::remove);
  // What is written down already is not written again.
  const auto again = duty(Remove{ShardId{2}, ReplicaId{6}, {}});
  EXPECT_FALSE(again.command);
  EXPECT_EQ(again.order->replica, ReplicaId{6});
}

TEST_F(Duties, ATransferIsAnEventOnce) {
  const TransferLeadership transfer{ShardId{2}, ReplicaId{5}, ReplicaId{4}, true};
  const auto first = duty(transfer);
  ASSERT_TRUE(commands<RecordEvent>(first));
  EXPECT_EQ(std::get<RecordEvent>(*first.command).what,
            "leadership of shard 2 goes from replica 5 to replica 4 on node a");
  EXPECT_EQ(first.order->change, GroupChange::transfer);
  EXPECT_EQ(first.order->replica, ReplicaId{4});
  EXPECT_FALSE(duty(transfer, true).command);
  EXPECT_TRUE(duty(transfer, true).order);
}

TEST_F(Duties, LeadersAreNewsInALaterTermOnly) {
  EXPECT_TRUE(news_of_leaders(state_, observed_).empty());
  observed_.groups[ShardId{2}].term = 4;
  observed_.groups[ShardId{9}].term = 1;  // a shard that the directory does not know
  const auto news = news_of_leaders(state_, observed_);
  ASSERT_EQ(news.size(), 1u);
  EXPECT_EQ(std::get<LeaderChanged>(*news[0].command).replica, ReplicaId{5});
  observed_.groups[ShardId{2}].leader = ReplicaId{8};
  EXPECT_TRUE(news_of_leaders(state_, observed_).empty());
  EXPECT_TRUE(leaders_node(ShardId{2}, state_, observed_).empty());
  observed_.groups[ShardId{2}].leader = ReplicaId{5};
  EXPECT_EQ(leaders_node(ShardId{2}, state_, observed_), name("b"));
  EXPECT_TRUE(leaders_node(ShardId{3}, state_, observed_).empty());
}

TEST_F(Duties, ReportsCountForTheReplicasOfTheirNode) {
  NodeReport report{name("b"), {}};
  for (const std::uint64_t id : {4, 5, 8}) {
    ReplicaReport one;
    one.shard = ShardId{2};
    one.replica = ReplicaId{id};
    one.term = id;
    one.role = Role::leader;
    report.replicas.push_back(one);
  }
  EXPECT_TRUE(brings_news(report, observed_));
  const auto left = credible(report, state_);
  // One that the directory does not know yet may be new.
  ASSERT_EQ(left.replicas.size(), 2u);
  EXPECT_EQ(left.replicas[0].replica, ReplicaId{5});
  observe(observed_, left, Instant{1});
  EXPECT_FALSE(brings_news(left, observed_));
}

}  // namespace
}  // namespace cairn::cluster::directory
