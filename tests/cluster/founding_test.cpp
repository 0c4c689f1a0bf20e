// How a cluster is founded: the real directory machine, driven by next_founding_step() until it has nothing more.
#include "cluster/founding.hpp"

#include "cluster/directory_machine.hpp"
#include "cluster/directory_rows.hpp"
#include "tests/cluster/metadata_shard.hpp"
#include "tests/support/random.hpp"

namespace cairn::cluster::directory {
namespace {

NodeName name(const std::string& text) { return *NodeName::parse(text); }

NodeIdentity identity(const NodeName& node) { return {node, 1, node.text() + ":1", "", "zone", all_roles, DataId{5}}; }

class Founding : public testing::Test {
 protected:
  FoundingPlan plan(const std::vector<std::string>& founders, std::uint32_t shards = 1, std::uint32_t replicas = 3) {
    FoundingPlan out;
    for (const auto& founder : founders) out.founders.push_back(name(founder));
    out.shards = shards;
    out.replicas = replicas;
    out.cluster = ClusterId{9};
    return out;
  }
  CommandResult run(CommandBody body) {
    storage::WriteBatch batch;
    const auto applied = DirectoryMachine(rows).apply({Timestamp{1}, std::move(body)}, batch);
    EXPECT_TRUE(applied.ok());
    rows.apply(batch);
    return applied->result;
  }
  void done(CommandBody body) {
    const auto result = run(std::move(body));
    EXPECT_FALSE(std::holds_alternative<Error>(result)) << std::get<Error>(result).message;
  }
  DirectoryState state() { return *read_state(rows); }
  /// Carries out steps until there is none; what it waits for, empty when founded.
  std::string found(const FoundingPlan& by) {
    for (int steps = 0; steps < 100; ++steps) {
      const auto step = next_founding_step(state(), by);
      if (std::holds_alternative<Founded>(step)) return "";
      if (const auto* waits = std::get_if<FoundingWaits>(&step)) return waits->why;
      done(std::get<FoundingCommand>(step).body);
    }
    ADD_FAILURE() << "it never ends";
    return "";
  }
  void TearDown() override { EXPECT_EQ(check_directory(rows), std::vector<std::string>()); }

  MapRows rows;
};

/// All slots are owned, in `shards` parts that differ by one at most.
void expect_even(const DirectoryState& state, std::size_t shards) {
  ASSERT_EQ(state.shards.size(), shards + 1);
  std::size_t all = 0;
  for (const auto& [id, shard] : state.shards) {
    std::size_t slots = 0;
    for (const auto& range : shard.slots) slots += range.last - range.first + 1u;
    all += slots;
    if (id == directory_shard) {
      EXPECT_EQ(slots, 0u);
      continue;
    }
    EXPECT_GE(slots, slot_count / shards);
    EXPECT_LE(slots, slot_count / shards + 1);
  }
  EXPECT_EQ(all, slot_count);
}

TEST_F(Founding, OfOneNode) {
  EXPECT_EQ(found(plan({"a"})), "not yet registered: a");
  done(RegisterNode{identity(name("a"))});
  EXPECT_EQ(found(plan({"a"})), "");
  expect_even(state(), 1);
  const auto shard = state().shards.at(ShardId{2});
  EXPECT_EQ(shard.slots, std::vector<SlotRange>{all_slots});
  EXPECT_EQ(shard.replicas.size(), 1u);
  // It grows when there are more nodes; the directory itself stays as it was founded.
  EXPECT_EQ(shard.wanted, 3u);
  EXPECT_EQ(state().shards.at(directory_shard).wanted, 1u);
}

TEST_F(Founding, WaitsUntilAllFoundersAreThere) {
  const auto by = plan({"b", "c", "a"}, 6);
  EXPECT_EQ(found(by), "not yet registered: b, c, a");
  EXPECT_TRUE(state().nodes.empty());
  done(RegisterNode{identity(name("x"))});
  done(RegisterNode{identity(name("b"))});
  done(RegisterNode{identity(name("a"))});
  EXPECT_EQ(found(by), "not yet registered: c");
  done(RegisterNode{identity(name("c"))});
  done(SetNodeState{name("c"), NodeState::dead, {}, ""});
  EXPECT_EQ(found(by), "founder c is dead");
  done(RegisterNode{identity(name("c"))});
  EXPECT_EQ(found(by), "");
  expect_even(state(), 6);
  std::map<NodeName, int> first;
  const auto directory = state().shards.at(directory_shard);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(directory.find_on(by.founders[i])->id, ReplicaId{i + 1});
  EXPECT_EQ(directory.wanted, 3u);
  for (const auto& [id, shard] : state().shards) {
    EXPECT_EQ(shard.replicas.size(), 3u);
    EXPECT_EQ(shard.find_on(name("x")), nullptr);
    if (id != directory_shard) ++first[shard.replicas.front().node];
  }
  EXPECT_EQ(first, (std::map<NodeName, int>{{name("a"), 2}, {name("b"), 2}, {name("c"), 2}}));
}

TEST_F(Founding, TakesAnOddNumberOfThoseThatAreWell) {
  const auto by = plan({"a", "b", "c", "d", "e"}, 2, 5);
  found(by);
  for (const auto* other : {"a", "b", "c", "d", "e"}) done(RegisterNode{identity(name(other))});
  // The directory's shard is made, then a founder dies for good.
  done(std::get<FoundingCommand>(next_founding_step(state(), by)).body);
  done(SetNodeState{name("b"), NodeState::dead, {}, ""});
  EXPECT_EQ(found(by), "");
  expect_even(state(), 2);
  for (const auto& [id, shard] : state().shards) {
    EXPECT_EQ(shard.wanted, 5u);
    if (id == directory_shard) continue;
    EXPECT_EQ(shard.replicas.size(), 3u);
    EXPECT_EQ(shard.find_on(name("b")), nullptr);
  }
}

TEST_F(Founding, ANodeOfAnotherRoleIsNoFounder) {
  auto by = plan({"a", "b", "c"});
  found(by);
  done(RegisterNode{identity(name("a"))});
  auto gateway = identity(name("b"));
  gateway.roles = Roles{1};
  done(RegisterNode{gateway});
  done(RegisterNode{identity(name("c"))});
  EXPECT_EQ(found(by), "founder b has not the metadata role");
  EXPECT_EQ(found(plan({"a", "c"})), "cluster.founders: are 2 but must be 1, 3, 5 or 7");
  EXPECT_TRUE(state().shards.empty());
}

TEST_F(Founding, OnlyAFounderBeginsACluster) {
  EXPECT_NE(found(plan({})), "");
  EXPECT_EQ(state().cluster, ClusterId{0});
}

TEST_F(Founding, AnotherLeaderGoesOnWhereOneStopped) {
  test::Random random(3);
  for (int run_number = 0; run_number < 20; ++run_number) {
    rows = {};
    auto by = plan({"a", "b", "c"}, 5);
    for (int steps = 0; steps < 100; ++steps) {
      by.cluster = ClusterId{random.between(1, 9)};
      for (const auto& founder : by.founders)
        if (state().cluster.value != 0 && random.one_in(2)) done(RegisterNode{identity(founder)});
      const auto step = next_founding_step(state(), by);
      if (std::holds_alternative<Founded>(step)) break;
      const auto* command = std::get_if<FoundingCommand>(&step);
      if (!command || random.one_in(3)) continue;  // lost
      run(command->body);
      // What was thought lost takes effect a second time, or is refused.
      if (random.one_in(3)) run(command->body);
    }
    EXPECT_TRUE(std::holds_alternative<Founded>(next_founding_step(state(), by)));
    expect_even(state(), 5);
  }
}

TEST_F(Founding, FillsOnlyWhatNobodyOwns) {
  found(plan({"a"}));
  done(RegisterNode{identity(name("a"))});
  EXPECT_EQ(found(plan({"a"})), "");
  // With other numbers in the configuration nothing happens to a cluster that is founded.
  EXPECT_TRUE(std::holds_alternative<Founded>(next_founding_step(state(), plan({"a", "b", "c"}, 7, 5))));
  rows = {};
  done(Bootstrap{ClusterId{9}, {identity(name("a"))}});
  done(MakeShard{{}, {name("a")}, 1, ""});
  done(MakeShard{{{100, 9'000}}, {name("a")}, 1, ""});
  EXPECT_EQ(found(plan({"a"}, 2)), "");
  EXPECT_EQ(state().shards.at(ShardId{3}).slots, (std::vector<SlotRange>{{0, 99}}));
  EXPECT_EQ(state().shards.at(ShardId{4}).slots, (std::vector<SlotRange>{{9'001, 16'383}}));
}

}  // namespace
}  // namespace cairn::cluster::directory
