// What reconcile() decides: scenes of one rule each, and random clusters in which everything fails.
#include <chrono>
#include <iostream>

#include "tests/cluster/reconcile_world.hpp"

namespace cairn::cluster::directory {
namespace {

/// `nodes` in `zones`, `shards` of three, at rest.
ReconcileWorld make_world(std::size_t nodes, std::size_t zones, std::size_t shards, std::uint64_t seed = 1) {
  ReconcileWorld world(seed);
  for (std::size_t i = 0; i < nodes; ++i) world.add_node("z" + std::to_string(i % zones));
  for (std::size_t i = 0; i < shards; ++i) world.add_shard(3, 3, 10);
  return world;
}

NodeName node(int number) { return *NodeName::parse("n" + std::to_string(number)); }

std::size_t replicas_on(ReconcileWorld& world, const NodeName& name) {
  std::size_t out = 0;
  for (const auto& [id, shard] : world.state().shards) out += shard.find_on(name) ? 1 : 0;
  return out;
}

TEST(Reconcile, TargetIsOddAndNoMoreThanNodes) {
  EXPECT_EQ(target_voters(3, 0), 1u);
  EXPECT_EQ(target_voters(3, 1), 1u);
  EXPECT_EQ(target_voters(3, 2), 1u);
  EXPECT_EQ(target_voters(3, 3), 3u);
  EXPECT_EQ(target_voters(5, 4), 3u);
  EXPECT_EQ(target_voters(5, 50), 5u);
}

TEST(Reconcile, DecidesOnlyWhoLivesWhileTheLeaderIsNew) {
  auto world = make_world(5, 1, 10);
  world.kill(node(1));
  for (int i = 0; i < 29; ++i) world.step();
  for (const auto& [name, one] : world.state().nodes)
    EXPECT_TRUE(one.state == NodeState::removed ||
                one.state == (name == node(1) ? NodeState::joining : NodeState::alive))
        << name.text();
  EXPECT_GT(world.step(), 0u);
  world.forget_all();
  for (int i = 0; i < 29; ++i) EXPECT_EQ(world.step(), 0u);
}

TEST(Reconcile, SpreadsReplicasAndLeadersAndFallsSilent) {
  auto world = make_world(7, 1, 40);
  EXPECT_TRUE(world.settle(3'000));
  world.expect_at_rest();
  EXPECT_LE(world.leader_spread(), 1);
  for (int i = 0; i < 500; ++i) EXPECT_EQ(world.step(), 0u);
}

TEST(Reconcile, ReplacesADeadNodeAndWelcomesItBack) {
  auto world = make_world(5, 1, 20);
  EXPECT_TRUE(world.settle(3'000));
  world.kill(node(2));
  EXPECT_TRUE(world.settle(3'000));
  EXPECT_EQ(world.state().nodes.at(node(2)).state, NodeState::dead);
  EXPECT_EQ(replicas_on(world, node(2)), 0u);
  world.expect_at_rest();
  world.start(node(2));
  EXPECT_TRUE(world.settle(3'000));
  EXPECT_EQ(world.state().nodes.at(node(2)).state, NodeState::alive);
  EXPECT_GE(replicas_on(world, node(2)), 11u);
  world.expect_at_rest();
  EXPECT_LE(world.leader_spread(), 1);
}

// It may come back with other data, which is refused as long as it is not known to be dead.
TEST(Reconcile, ANodeThatIsNeverHeardAfterItRegisteredIsDead) {
  auto world = make_world(3, 1, 3);
  EXPECT_TRUE(world.settle(2'000));
  const auto late = world.add_node("z");
  world.kill(late);
  world.step();
  EXPECT_EQ(world.state().nodes.at(late).state, NodeState::joining) << "it may be starting";
  for (int i = 0; i < 60 && world.state().nodes.at(late).state != NodeState::dead; ++i) world.step();
  EXPECT_EQ(world.state().nodes.at(late).state, NodeState::dead);
  world.start(late, true);
  EXPECT_TRUE(world.settle(2'000));
  EXPECT_EQ(world.state().nodes.at(late).state, NodeState::alive);
}

TEST(Reconcile, KeepsAMemberThatReturnsWhereNobodyCouldReplaceIt) {
  auto world = make_world(3, 1, 6);
  EXPECT_TRUE(world.settle(2'000));
  const auto before = world.ever;
  world.kill(node(3));
  EXPECT_TRUE(world.settle(2'000));
  // Nobody is there to take over, and two of three are better than one of one.
  for (const auto& [id, shard] : world.state().shards) EXPECT_EQ(shard.replicas.size(), 3u);
  world.start(node(3));
  EXPECT_TRUE(world.settle(2'000));
  EXPECT_EQ(world.ever, before);
  world.expect_at_rest();
}

TEST(Reconcile, GivesUpLostVotersWhereThatBearsMoreLosses) {
  auto world = make_world(5, 1, 0);
  for (int i = 0; i < 4; ++i) world.add_shard(5, 5, 10);
  EXPECT_TRUE(world.settle(2'000));
  world.kill(node(1));
  world.kill(node(2));
  EXPECT_TRUE(world.settle(2'000));
  for (const auto& [id, group] : world.groups) EXPECT_EQ(group.configuration.voters.size(), 3u);
  world.start(node(1));
  world.start(node(2));
  EXPECT_TRUE(world.settle(3'000));
  for (const auto& [id, group] : world.groups) EXPECT_EQ(group.configuration.voters.size(), 5u);
}

TEST(Reconcile, ReplacesReplicasOfTheDirectoryItself) {
  auto world = make_world(4, 1, 3);
  EXPECT_TRUE(world.settle(2'000));
  const auto victim = world.state().shards.at(directory_shard).replicas[0];
  world.kill(victim.node);
  EXPECT_TRUE(world.settle(2'000));
  const auto& after = world.state().shards.at(directory_shard);
  EXPECT_TRUE(after.slots.empty());
  EXPECT_EQ(after.replicas.size(), 3u);
  EXPECT_EQ(after.find(victim.id), nullptr);
  EXPECT_EQ(after.find_on(victim.node), nullptr);
  world.expect_at_rest();
}

TEST(Reconcile, ReplacesAWithdrawnReplicaUnderANewId) {
  for (const std::size_t nodes : {3, 5}) {
    auto world = make_world(nodes, 1, 4);
    EXPECT_TRUE(world.settle(2'000));
    const auto bad = world.state().shards.begin()->second.replicas[0].id;
    world.rot(bad);
    EXPECT_TRUE(world.settle(2'000));
    EXPECT_EQ(world.state().shards.begin()->second.find(bad), nullptr);
    world.expect_at_rest();
  }
}

TEST(Reconcile, ReplacesWhatWentWithANodesData) {
  auto world = make_world(3, 1, 4);
  EXPECT_TRUE(world.settle(2'000));
  world.kill(node(1));
  EXPECT_TRUE(world.settle(2'000));
  world.start(node(1), true);
  EXPECT_TRUE(world.settle(2'000));
  world.expect_at_rest();
  EXPECT_EQ(replicas_on(world, node(1)), 4u);
}

TEST(Reconcile, EmptiesADrainingNode) {
  auto world = make_world(5, 1, 20);
  EXPECT_TRUE(world.settle(3'000));
  world.set_state(node(4), NodeState::draining);
  EXPECT_TRUE(world.settle(3'000));
  EXPECT_EQ(replicas_on(world, node(4)), 0u);
  world.expect_at_rest();
  world.set_state(node(4), NodeState::removed);
  EXPECT_TRUE(world.settle(3'000));
}

TEST(Reconcile, GivesANewNodeItsShareAFewAtATime) {
  auto world = make_world(3, 1, 30);
  EXPECT_TRUE(world.settle(3'000));
  world.losses = false;
  world.add_node("z0");
  std::size_t most = 0;
  for (int i = 0; i < 1'500; ++i) {
    world.step();
    std::size_t changing = 0;
    for (const auto& [id, shard] : world.state().shards) changing += shard.replicas.size() != 3 ? 1 : 0;
    most = std::max(most, changing);
  }
  EXPECT_GT(most, 1u);
  EXPECT_LE(most, world.settings.max_moves);
  EXPECT_TRUE(world.settle(2'000));
  world.expect_at_rest();
  EXPECT_GE(replicas_on(world, node(4)), 22u);
  EXPECT_LE(world.leader_spread(), 1);
}

TEST(Reconcile, LeavesNoTwoInAZoneWhereAnotherHasRoom) {
  auto world = make_world(9, 3, 30);
  EXPECT_TRUE(world.settle(4'000));
  world.expect_at_rest();
  for (const auto& [id, shard] : world.state().shards) {
    std::set<std::string> zones;
    for (const auto& replica : shard.replicas) zones.insert(world.state().nodes.at(replica.node).zone);
    EXPECT_EQ(zones.size(), 3u);
  }
  // A whole zone dies, and returns.
  for (const int number : {1, 4, 7}) world.kill(node(number));
  EXPECT_TRUE(world.settle(4'000));
  world.expect_at_rest();
  for (const int number : {1, 4, 7}) world.start(node(number));
  EXPECT_TRUE(world.settle(6'000));
  world.expect_at_rest();
}

TEST(Reconcile, RemovesNobodyOnWhomTheMajorityRests) {
  auto world = make_world(3, 1, 1);
  EXPECT_TRUE(world.settle(2'000));
  world.losses = false;
  world.step();
  auto state = world.state();
  auto& shard = state.shards.begin()->second;
  shard.wanted = 1;
  auto& group = world.observed.groups.at(shard.id);
  group.settled = true;
  std::vector<ReplicaId> others;
  for (const auto& replica : shard.replicas)
    if (replica.id != group.leader) others.push_back(replica.id);
  for (const auto live : others) {
    group.lag = {{live, 0}};
    const auto decisions = reconcile(state, world.observed, world.now, {});
    ASSERT_EQ(decisions.size(), 1u);
    const auto* remove = std::get_if<Remove>(&decisions[0].action);
    ASSERT_NE(remove, nullptr);
    EXPECT_NE(remove->replica, live);
    EXPECT_NE(remove->replica, group.leader);
  }
  group.lag = {};
  EXPECT_TRUE(reconcile(state, world.observed, world.now, {}).empty());
}

TEST(Reconcile, MovesLeadersAtABoundedPace) {
  auto world = make_world(4, 1, 40);
  EXPECT_TRUE(world.settle(3'000));
  world.losses = false;
  // As if one node had won all elections that it could.
  for (auto& [id, group] : world.groups)
    if (const auto* replica = world.state().shards.at(id).find_on(node(1))) {
      group.leader = replica->id;
      ++group.term;
    }
  std::size_t transfers = world.counts["transfer"];
  std::size_t most = 0;
  for (int i = 0; i < 300; ++i) {
    world.step();
    most = std::max(most, world.counts["transfer"] - transfers);
    transfers = world.counts["transfer"];
  }
  EXPECT_GT(most, 0u);
  EXPECT_LE(most, 3 * world.settings.max_leader_moves);
  EXPECT_LE(world.leader_spread(), 1);
}

TEST(Reconcile, RandomClustersConvergeAndFallSilent) {
  std::map<std::string, std::size_t> counts;
  std::int64_t leader_spread = 0;
  std::size_t steps = 0;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    test::Random random(seed * 77);
    ReconcileWorld world(seed);
    const auto nodes = random.between(1, 30);
    const auto zones = random.between(1, 4);
    const auto shards = random.between(1, seed % 4 == 0 ? 200 : 40);
    world.settings.max_changes = random.between(2, 24);
    world.settings.max_moves = random.between(1, 16);
    for (std::uint64_t i = 0; i < nodes; ++i) world.add_node("z" + std::to_string(random.below(zones)));
    for (std::uint64_t i = 0; i < shards; ++i)
      world.add_shard(random.one_in(2) ? 1 : 3, static_cast<std::uint32_t>(1 + 2 * random.below(3)), 10);
    for (int i = 0; i < 800; ++i) {
      world.step();
      if (random.percent(10)) world.trouble();
      if (random.one_in(400)) world.forget_all();
    }
    world.calm();
    EXPECT_TRUE(world.settle(12'000));
    world.expect_at_rest();
    leader_spread = std::max(leader_spread, world.leader_spread());
    steps += static_cast<std::size_t>(world.now / ReconcileWorld::step_time);
    for (const auto& [what, count] : world.counts) counts[what] += count;
    if (testing::Test::HasFailure()) break;
  }
  std::cout << steps << " steps; leaders differ by " << leader_spread << " at most\n";
  for (const auto& [what, count] : counts) std::cout << "  " << what << ": " << count << "\n";
}

TEST(Reconcile, TenThousandNodesForTimeOnly) {
  DirectoryState state;
  Observed observed;
  const Instant now{100'000'000};
  test::Random random(5);
  std::vector<NodeName> names;
  for (int i = 0; i < 10'000; ++i) {
    Node one;
    one.name = *NodeName::parse("n" + std::to_string(i));
    one.zone = "z" + std::to_string(i % 20);
    one.roles = all_roles;
    one.state = NodeState::alive;
    one.changed = Epoch{1};
    if (!random.one_in(100)) observed.heard[one.name] = now;
    names.push_back(one.name);
    state.nodes[one.name] = one;
  }
  std::uint64_t next = 1;
  for (std::uint32_t i = 1; i <= 16'000; ++i) {
    auto& shard = state.shards[ShardId{i}];
    auto& group = observed.groups[ShardId{i}];
    shard.id = ShardId{i};
    while (shard.replicas.size() < 3) {
      const auto& name = names[random.below(names.size())];
      if (!shard.find_on(name)) shard.replicas.push_back({ReplicaId{next++}, name, ReplicaKind::voter});
    }
    for (const auto& replica : shard.replicas) {
      group.configuration = group.configuration.with_voter(replica.id);
      group.lag[replica.id] = 0;
    }
    group.leader = shard.replicas[0].id;
    group.settled = true;
    group.heard = now;
  }
  const auto begin = std::chrono::steady_clock::now();
  const auto decisions = reconcile(state, observed, now, {});
  const auto took = std::chrono::steady_clock::now() - begin;
  std::cout << decisions.size() << " decisions for 10,000 nodes and 16,000 shards in "
            << std::chrono::duration_cast<std::chrono::milliseconds>(took).count() << " ms\n";
  EXPECT_GT(decisions.size(), 0u);
}

}  // namespace
}  // namespace cairn::cluster::directory
