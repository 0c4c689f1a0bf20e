// The directory's commands: what each does, and what it refuses with which error.
#include "cluster/directory_machine.hpp"
#include "cluster/directory_rows.hpp"
#include "cluster/directory_settings.hpp"
#include "tests/cluster/metadata_shard.hpp"
#include "tests/support/random.hpp"

namespace cairn::cluster::directory {
namespace {

NodeName name(const std::string& text) { return *NodeName::parse(text); }

NodeIdentity identity(const std::string& text, std::uint64_t incarnation = 1, std::uint64_t data = 5) {
  return {name(text), incarnation, text + ":1", text + ":2", "zone", all_roles, DataId{data}};
}

class Directory : public testing::Test {
 protected:
  CommandResult run(CommandBody body) {
    storage::WriteBatch batch;
    DirectoryMachine machine(rows);
    const auto applied = machine.apply({Timestamp{now}, std::move(body)}, batch);
    EXPECT_TRUE(applied.ok());
    if (!applied.ok()) return applied.error();
    if (std::holds_alternative<Error>(applied->result)) {
      EXPECT_TRUE(batch.empty());
    }
    rows.apply(batch);
    EXPECT_EQ(applied->epoch, state().epoch);
    return applied->result;
  }
  /// Takes effect: one epoch more.
  void expect_done(CommandBody body) {
    const auto before = state().epoch.value;
    const auto result = run(std::move(body));
    EXPECT_FALSE(std::holds_alternative<Error>(result)) << std::get<Error>(result).message;
    EXPECT_EQ(state().epoch.value, before + 1);
  }
  void expect_unchanged(CommandBody body) {
    const auto before = rows.rows;
    EXPECT_TRUE(std::holds_alternative<Done>(run(std::move(body))));
    EXPECT_EQ(rows.rows, before);
  }
  /// Refused with a message that begins with the field.
  void expect_refused(CommandBody body, Errc code, const std::string& field) {
    const auto before = rows.rows;
    const auto result = run(std::move(body));
    const auto* error = std::get_if<Error>(&result);
    ASSERT_NE(error, nullptr) << field;
    EXPECT_EQ(to_string(error->code), to_string(code)) << error->message;
    EXPECT_TRUE(error->message.starts_with(field + ": ")) << error->message;
    EXPECT_EQ(rows.rows, before);
  }
  template <class T>
  T ask(Query query) {
    DirectoryMachine machine(rows);
    const auto result = machine.query(query);
    const auto* answer = std::get_if<T>(&result);
    EXPECT_NE(answer, nullptr);
    return answer ? *answer : T{};
  }
  DirectoryState state() {
    const auto read = read_state(rows);
    EXPECT_TRUE(read.ok());
    return *read;
  }
  const Shard shard(std::uint32_t id = 1) { return state().shards.at(ShardId{id}); }
  /// The directory's shard, on one node.
  void make_directory_shard(const std::string& node) { expect_done(MakeShard{{}, {name(node)}, 1, "why"}); }
  /// Nodes a, b, c and d, and shard 1, the directory's, with replicas 1, 2, 3 on the first three.
  void make_cluster() {
    expect_done(Bootstrap{ClusterId{9}, {identity("a"), identity("b"), identity("c")}});
    expect_done(RegisterNode{identity("d")});
    expect_done(MakeShard{{}, {name("a"), name("b"), name("c")}, 3, "why"});
  }
  void TearDown() override { EXPECT_EQ(check_directory(rows), std::vector<std::string>()); }

  MapRows rows;
  std::int64_t now = 1'000;
};

TEST_F(Directory, NamesOfNodes) {
  for (const auto* good : {"a", "a-1.b.c", "0"}) EXPECT_TRUE(NodeName::parse(good).ok()) << good;
  for (const auto& bad :
       {std::string(), std::string("a b"), std::string("ä"), std::string(64, 'a'), std::string("a/b")})
    EXPECT_FALSE(NodeName::parse(bad).ok()) << bad;
  EXPECT_TRUE(NodeName::parse(std::string(63, 'a')).ok());
}

TEST_F(Directory, BootstrapComesFirstAndOnce) {
  expect_refused(RegisterNode{identity("a")}, Errc::not_found, "cluster");
  expect_refused(Bootstrap{ClusterId{0}, {identity("a")}}, Errc::invalid_argument, "cluster");
  expect_refused(Bootstrap{ClusterId{9}, std::vector(65, identity("a"))}, Errc::invalid_argument, "founders");
  expect_refused(Bootstrap{ClusterId{9}, {identity("a"), identity("a")}}, Errc::invalid_argument, "founders");
  expect_done(Bootstrap{ClusterId{9}, {identity("a"), identity("b")}});
  expect_refused(Bootstrap{ClusterId{9}, {identity("a")}}, Errc::already_exists, "cluster");
  EXPECT_EQ(state().nodes.size(), 2u);
  EXPECT_EQ(state().cluster, ClusterId{9});
}

TEST_F(Directory, MayBeginWithoutNodes) {
  expect_done(Bootstrap{ClusterId{9}, {}});
  EXPECT_TRUE(state().nodes.empty());
  expect_done(RegisterNode{identity("a")});
}

TEST_F(Directory, RegistersOnlyWhatIsWellFormed) {
  make_cluster();
  const auto refused = [&](auto change, const char* field) {
    auto node = identity("e");
    change(node);
    expect_refused(RegisterNode{node}, Errc::invalid_argument, field);
  };
  refused([](NodeIdentity& node) { node.name = {}; }, "name");
  refused([](NodeIdentity& node) { node.incarnation = 0; }, "incarnation");
  refused([](NodeIdentity& node) { node.data = {}; }, "data");
  refused([](NodeIdentity& node) { node.roles = {}; }, "roles");
  refused([](NodeIdentity& node) { node.roles = {16}; }, "roles");
  refused([](NodeIdentity& node) { node.zone = ""; }, "zone");
  refused([](NodeIdentity& node) { node.zone = "a\n"; }, "zone");
  refused([](NodeIdentity& node) { node.link_address = "a b"; }, "link_address");
  refused([](NodeIdentity& node) { node.rpc_address = "a b"; }, "rpc_address");
  refused([](NodeIdentity& node) { node.rpc_address = std::string(301, 'a'); }, "rpc_address");
  auto quiet = identity("e");
  quiet.rpc_address = "";
  expect_done(RegisterNode{quiet});
}

TEST_F(Directory, AReturningNodeKeepsItsReplicas) {
  make_cluster();
  expect_done(SetNodeState{name("a"), NodeState::alive, {}, "why"});
  expect_unchanged(RegisterNode{identity("a")});
  auto moved = identity("a", 2);
  moved.link_address = "elsewhere:1";
  expect_done(RegisterNode{moved});
  EXPECT_EQ(state().nodes.at(name("a")).state, NodeState::alive);
  expect_refused(RegisterNode{identity("a", 1)}, Errc::conflict, "incarnation");
  expect_refused(RegisterNode{identity("a", 3, 6)}, Errc::conflict, "data");
  expect_done(SetNodeState{name("a"), NodeState::dead, {}, "why"});
  expect_done(RegisterNode{moved});
  EXPECT_EQ(state().nodes.at(name("a")).state, NodeState::joining);
  EXPECT_EQ(shard().find_on(name("a"))->kind, ReplicaKind::voter);
  moved.roles = Roles{1};
  expect_refused(RegisterNode{moved}, Errc::conflict, "roles");
}

TEST_F(Directory, OtherDataUnderADeadNameLosesItsReplicas) {
  make_cluster();
  expect_done(SetNodeState{name("a"), NodeState::dead, {}, "why"});
  expect_done(RegisterNode{identity("a", 1, 6)});
  EXPECT_EQ(shard().find_on(name("a"))->kind, ReplicaKind::leaving);
  EXPECT_EQ(shard().find_on(name("b"))->kind, ReplicaKind::voter);
}

TEST_F(Directory, StatesOfNodes) {
  make_cluster();
  expect_refused(SetNodeState{name("x"), NodeState::alive, {}, ""}, Errc::not_found, "node");
  expect_refused(SetNodeState{{}, NodeState::alive, {}, ""}, Errc::invalid_argument, "node");
  expect_refused(SetNodeState{name("a"), NodeState::alive, Epoch{99}, ""}, Errc::conflict, "expected");
  expect_done(SetNodeState{name("a"), NodeState::alive, state().nodes.at(name("a")).changed, ""});
  expect_unchanged(SetNodeState{name("a"), NodeState::alive, {}, ""});
  expect_refused(SetNodeState{name("a"), NodeState::joining, {}, ""}, Errc::invalid_argument, "state");
  expect_done(SetNodeState{name("a"), NodeState::draining, {}, ""});
  expect_refused(SetNodeState{name("a"), NodeState::removed, {}, ""}, Errc::conflict, "state");
  expect_done(SetNodeState{name("d"), NodeState::removed, {}, ""});
  expect_refused(SetNodeState{name("d"), NodeState::alive, {}, ""}, Errc::conflict, "state");
  expect_done(RegisterNode{identity("d", 1, 77)});
  EXPECT_EQ(state().nodes.at(name("d")).state, NodeState::joining);
}

TEST_F(Directory, TheFirstShardIsItsOwnAndOwnsNoSlots) {
  expect_done(Bootstrap{ClusterId{9}, {identity("c"), identity("a"), identity("b")}});
  const std::vector<NodeName> hosts{name("c"), name("a"), name("b")};
  expect_refused(MakeShard{{all_slots}, hosts, 3, ""}, Errc::invalid_argument, "slots");
  expect_done(MakeShard{{}, hosts, 3, ""});
  // In the order in which they were named: founders count on it before they can read it.
  ASSERT_EQ(shard().id, directory_shard);
  for (std::size_t i = 0; i < hosts.size(); ++i) EXPECT_EQ(shard().find_on(hosts[i])->id, ReplicaId{i + 1});
  EXPECT_TRUE(shard().slots.empty());
  expect_refused(MakeShard{{}, hosts, 3, ""}, Errc::invalid_argument, "slots");
  expect_done(MakeShard{{{0, 9}}, hosts, 3, ""});
  expect_refused(AssignSlots{ShardId{2}, directory_shard, {{0, 1}}, {}, {}, ""}, Errc::invalid_argument, "to");
  expect_refused(AssignSlots{directory_shard, ShardId{2}, {{20, 21}}, {}, {}, ""}, Errc::conflict, "slots");
  // It is in every map, but where no slot is.
  const auto map = ask<SlotMap>(GetMap{});
  EXPECT_EQ(map.shards.size(), 2u);
  EXPECT_EQ(map.by_slot()[0], ShardId{2});
  EXPECT_EQ(map.by_slot()[10], ShardId{0});
  EXPECT_FALSE(share_a_slot(shard().slots, {all_slots}));
}

TEST_F(Directory, StateSinceAnEpoch) {
  make_cluster();
  DirectoryState copy;
  merge(copy, ask<StateChanges>(GetState{}));
  EXPECT_EQ(copy, state());
  EXPECT_EQ(ask<StateChanges>(GetState{copy.epoch}), (StateChanges{ClusterId{9}, copy.epoch, {}, {}, {}}));
  expect_done(SetSetting{"max-moves", "9", ""});
  expect_done(SetNodeState{name("b"), NodeState::dead, {}, ""});
  expect_done(SetWanted{directory_shard, 5, {}, ""});
  const auto news = ask<StateChanges>(GetState{copy.epoch});
  EXPECT_EQ(news.nodes.size(), 1u);
  EXPECT_EQ(news.shards.size(), 1u);
  merge(copy, news);
  EXPECT_EQ(copy, state());
  merge(copy, StateChanges{});
  EXPECT_EQ(copy, state());
}

TEST_F(Directory, MakesShardsOfFreeSlots) {
  expect_done(Bootstrap{ClusterId{9}, {identity("a"), identity("b")}});
  const std::vector<NodeName> hosts{name("a"), name("b")};
  make_directory_shard("a");
  expect_refused(MakeShard{{}, hosts, 3, ""}, Errc::invalid_argument, "slots");
  expect_refused(MakeShard{{{5, 4}}, hosts, 3, ""}, Errc::invalid_argument, "slots");
  expect_refused(MakeShard{{{0, 16'384}}, hosts, 3, ""}, Errc::invalid_argument, "slots");
  expect_refused(MakeShard{{{0, 9}, {9, 10}}, hosts, 3, ""}, Errc::invalid_argument, "slots");
  expect_refused(MakeShard{{{0, 9}}, {}, 3, ""}, Errc::invalid_argument, "nodes");
  expect_refused(MakeShard{{{0, 9}}, {name("a"), name("a")}, 3, ""}, Errc::invalid_argument, "nodes");
  expect_refused(MakeShard{{{0, 9}}, {name("x")}, 3, ""}, Errc::not_found, "nodes");
  expect_refused(MakeShard{{{0, 9}}, hosts, 2, ""}, Errc::invalid_argument, "wanted");
  expect_refused(MakeShard{{{0, 9}}, hosts, 9, ""}, Errc::invalid_argument, "wanted");
  expect_done(MakeShard{{{5, 9}, {0, 4}}, hosts, 3, ""});
  EXPECT_EQ(shard(2).slots, (std::vector<SlotRange>{{0, 9}}));
  expect_refused(MakeShard{{{9, 20}}, hosts, 3, ""}, Errc::already_exists, "slots");
  expect_done(MakeShard{{{10, 20}}, hosts, 3, ""});
  EXPECT_EQ(shard(3).replicas.back().id, ReplicaId{5});
  expect_done(SetWanted{ShardId{2}, 5, {}, ""});
  expect_unchanged(SetWanted{ShardId{2}, 5, {}, ""});
  expect_refused(SetWanted{ShardId{2}, 4, {}, ""}, Errc::invalid_argument, "wanted");
  auto api = identity("e");
  api.roles = Roles{2};
  expect_done(RegisterNode{api});
  expect_refused(MakeShard{{{30, 31}}, {name("e")}, 1, ""}, Errc::conflict, "nodes");
}

TEST_F(Directory, MovesSlots) {
  expect_done(Bootstrap{ClusterId{9}, {identity("a")}});
  make_directory_shard("a");
  expect_done(MakeShard{{{0, 99}}, {name("a")}, 1, ""});
  expect_done(MakeShard{{{100, 199}}, {name("a")}, 1, ""});
  const ShardId one{2}, two{3};
  expect_refused(AssignSlots{one, one, {{0, 1}}, {}, {}, ""}, Errc::invalid_argument, "to");
  expect_refused(AssignSlots{one, ShardId{9}, {{0, 1}}, {}, {}, ""}, Errc::not_found, "to");
  expect_refused(AssignSlots{ShardId{9}, one, {{0, 1}}, {}, {}, ""}, Errc::not_found, "from");
  expect_refused(AssignSlots{one, two, {{90, 100}}, {}, {}, ""}, Errc::conflict, "slots");
  expect_refused(AssignSlots{one, two, {{90, 99}}, Epoch{1}, {}, ""}, Errc::conflict, "expected_from");
  expect_refused(AssignSlots{one, two, {{90, 99}}, {}, Epoch{1}, ""}, Errc::conflict, "expected_to");
  expect_done(AssignSlots{one, two, {{90, 99}, {10, 19}}, shard(2).changed, shard(3).changed, ""});
  EXPECT_EQ(shard(2).slots, (std::vector<SlotRange>{{0, 9}, {20, 89}}));
  EXPECT_EQ(shard(3).slots, (std::vector<SlotRange>{{10, 19}, {90, 199}}));
}

TEST_F(Directory, LifeOfAReplica) {
  make_cluster();
  const ShardId id{1};
  expect_refused(AddReplica{ShardId{9}, name("d"), {}, ""}, Errc::not_found, "shard");
  expect_refused(AddReplica{id, name("x"), {}, ""}, Errc::not_found, "node");
  expect_refused(AddReplica{id, name("a"), {}, ""}, Errc::already_exists, "node");
  expect_refused(AddReplica{id, name("d"), Epoch{1}, ""}, Errc::conflict, "expected");
  const auto added = run(AddReplica{id, name("d"), shard().changed, "why"});
  EXPECT_EQ(std::get<ReplicaAdded>(added).replica, ReplicaId{4});
  EXPECT_EQ(shard().find(ReplicaId{4})->kind, ReplicaKind::learner);
  expect_refused(ForgetReplica{id, ReplicaId{4}, {}, ""}, Errc::conflict, "replica");
  expect_refused(PromoteReplica{id, ReplicaId{9}, {}, ""}, Errc::not_found, "replica");
  expect_refused(PromoteReplica{id, ReplicaId{4}, Epoch{1}, ""}, Errc::conflict, "expected");
  expect_done(PromoteReplica{id, ReplicaId{4}, shard().changed, ""});
  expect_unchanged(PromoteReplica{id, ReplicaId{4}, {}, ""});
  expect_done(LeaderChanged{id, ReplicaId{1}, 5});
  expect_unchanged(LeaderChanged{id, ReplicaId{1}, 5});
  expect_refused(LeaderChanged{id, ReplicaId{2}, 5}, Errc::conflict, "term");
  expect_refused(LeaderChanged{id, ReplicaId{9}, 6}, Errc::not_found, "replica");
  expect_done(RemoveReplica{id, ReplicaId{1}, shard().changed, ""});
  expect_unchanged(RemoveReplica{id, ReplicaId{1}, {}, ""});
  expect_refused(PromoteReplica{id, ReplicaId{1}, {}, ""}, Errc::conflict, "replica");
  expect_refused(AddReplica{id, name("a"), {}, ""}, Errc::already_exists, "node");
  expect_done(ForgetReplica{id, ReplicaId{1}, shard().changed, ""});
  EXPECT_EQ(shard().leader, no_replica);
  // Back on the same node, but under another id.
  EXPECT_EQ(std::get<ReplicaAdded>(run(AddReplica{id, name("a"), {}, ""})).replica, ReplicaId{5});
  for (const auto gone : {2, 3}) expect_done(RemoveReplica{id, ReplicaId(gone), {}, ""});
  expect_refused(RemoveReplica{id, ReplicaId{4}, {}, ""}, Errc::conflict, "replica");
  expect_done(SetNodeState{name("d"), NodeState::draining, {}, ""});
  expect_done(ForgetReplica{id, ReplicaId{2}, {}, ""});
  expect_done(SetNodeState{name("b"), NodeState::dead, {}, ""});
  expect_refused(AddReplica{id, name("b"), {}, ""}, Errc::conflict, "node");
}

TEST_F(Directory, SettingsHaveNamesAndRanges) {
  make_cluster();
  expect_refused(SetSetting{"no-such", "1", ""}, Errc::invalid_argument, "name");
  expect_refused(SetSetting{"no-such", "", ""}, Errc::invalid_argument, "name");
  for (const auto* bad : {"1", "x", "-1", "500x", "99999999999999999999"})
    expect_refused(SetSetting{"dead-after-millis", bad, ""}, Errc::invalid_argument, "value");
  expect_unchanged(SetSetting{"dead-after-millis", "10000", ""});
  expect_done(SetSetting{"dead-after-millis", "05000", ""});
  EXPECT_EQ(state().settings.at("dead-after-millis"), "5000");
  EXPECT_EQ(reconcile_settings(state().settings).dead_after, Duration(5'000'000));
  EXPECT_EQ(ask<SettingsFound>(GetSettings{}).settings.size(), known_settings().size());
  expect_done(SetSetting{"dead-after-millis", "", ""});
  EXPECT_TRUE(state().settings.empty());
  EXPECT_EQ(reconcile_settings({}).dead_after, ReconcileSettings{}.dead_after);
}

TEST_F(Directory, EventsAreBoundedAndPaged) {
  make_cluster();
  expect_refused(RecordEvent{"", "why"}, Errc::invalid_argument, "what");
  for (std::size_t i = 0; i < limits::max_directory_events + 10; ++i) {
    storage::WriteBatch batch;
    ASSERT_TRUE(DirectoryMachine(rows).apply({Timestamp{now++}, RecordEvent{"e", "why"}}, batch).ok());
    rows.apply(batch);
  }
  auto page = ask<Events>(GetEvents{0, 3});
  ASSERT_EQ(page.events.size(), 3u);
  EXPECT_TRUE(page.more);
  EXPECT_EQ(page.events[0].number, state().epoch.value);
  page = ask<Events>(GetEvents{page.events[2].number, 1});
  EXPECT_EQ(page.events[0].number + 3, state().epoch.value);
  EXPECT_FALSE(ask<Events>(GetEvents{20, 0}).more);
  std::size_t kept = 0;
  for (std::uint64_t before = 0;;) {
    page = ask<Events>(GetEvents{before, 0});
    kept += page.events.size();
    if (!page.more) break;
    before = page.events.back().number;
  }
  EXPECT_EQ(kept, limits::max_directory_events);
}

TEST_F(Directory, TimeNeverGoesBack) {
  make_cluster();
  now = 500;
  expect_done(RecordEvent{"what", "why"});
  EXPECT_EQ(ask<Events>(GetEvents{0, 1}).events.front(), (Event{4, Timestamp{1'000}, "what", "why"}));
}

TEST_F(Directory, MapSinceAnEpoch) {
  make_cluster();
  expect_done(MakeShard{{all_slots}, {name("a"), name("b")}, 3, "why"});
  auto map = ask<SlotMap>(GetMap{});
  EXPECT_EQ(map.shards.size(), 2u);
  EXPECT_EQ(map.nodes.size(), 3u);
  EXPECT_EQ(map.by_slot()[16'383], ShardId{2});
  auto news = ask<SlotMap>(GetMap{map.epoch});
  EXPECT_TRUE(news.shards.empty() && news.nodes.empty());
  // A node that was there all the time is news when it first holds a replica.
  run(AddReplica{ShardId{1}, name("d"), {}, ""});
  expect_done(RegisterNode{identity("e")});
  news = ask<SlotMap>(GetMap{map.epoch});
  EXPECT_EQ(news.nodes.size(), 4u);
  map.merge(news);
  EXPECT_EQ(map, ask<SlotMap>(GetMap{}));
  auto moved = identity("b", 2);
  moved.link_address = "elsewhere:1";
  expect_done(RegisterNode{moved});
  news = ask<SlotMap>(GetMap{map.epoch});
  EXPECT_EQ(news.shards.size(), 0u);
  ASSERT_EQ(news.nodes.size(), 1u);
  map.merge(news);
  map.merge(SlotMap{});
  EXPECT_EQ(map, ask<SlotMap>(GetMap{}));
}

TEST_F(Directory, AnswersOfNodesAndShards) {
  make_cluster();
  auto page = ask<Nodes>(GetNodes{{}, 3});
  EXPECT_EQ(page.nodes.size(), 3u);
  EXPECT_TRUE(page.more);
  page = ask<Nodes>(GetNodes{page.nodes.back().name, 3});
  ASSERT_EQ(page.nodes.size(), 1u);
  EXPECT_EQ(page.nodes[0].name, name("d"));
  EXPECT_FALSE(page.more);
  EXPECT_EQ(ask<Nodes>(GetNode{name("a")}).nodes.size(), 1u);
  EXPECT_EQ(ask<Error>(GetNode{name("x")}).code, Errc::not_found);
  EXPECT_EQ(ask<ShardFound>(GetShard{ShardId{1}}).shard, shard());
  EXPECT_EQ(ask<Error>(GetShard{ShardId{2}}).code, Errc::not_found);
}

TEST_F(Directory, ManyCommandsInOneBatchAreAsOneByOne) {
  MapRows other;
  storage::WriteBatch batch;
  DirectoryMachine machine(other);
  const std::vector<CommandBody> bodies = {Bootstrap{ClusterId{9}, {identity("a"), identity("b")}},
                                           RegisterNode{identity("c")},
                                           MakeShard{{}, {name("a")}, 3, "why"},
                                           MakeShard{{all_slots}, {name("a")}, 3, "why"},
                                           AddReplica{ShardId{1}, name("b"), {}, "why"},
                                           AddReplica{ShardId{1}, name("b"), {}, "why"},
                                           SetSetting{"max-moves", "9", "why"}};
  for (const auto& body : bodies) {
    ASSERT_TRUE(machine.apply({Timestamp{now}, body}, batch).ok());
    run(body);
  }
  other.apply(batch);
  EXPECT_EQ(other.rows, rows.rows);
}

TEST_F(Directory, RotIsAnErrorOfTheWholeCall) {
  make_cluster();
  rows.rot(shard_key(ShardId{1}));
  storage::WriteBatch batch;
  DirectoryMachine machine(rows);
  const auto applied = machine.apply({Timestamp{now}, AddReplica{ShardId{1}, name("d"), {}, ""}}, batch);
  ASSERT_FALSE(applied.ok());
  EXPECT_EQ(applied.error().code, Errc::corrupt);
  EXPECT_TRUE(batch.empty());
  EXPECT_EQ(ask<Error>(GetShard{ShardId{1}}).code, Errc::corrupt);
  rows.rot(std::nullopt);
  const auto key = node_key(name("a"));
  const auto sound = rows.rows[key];
  rows.rows[key].pop_back();
  EXPECT_EQ(ask<Error>(GetNode{name("a")}).code, Errc::corrupt);
  EXPECT_FALSE(check_directory(rows).empty());
  rows.rows[key] = sound;
}

/// A command that may well be refused.
CommandBody random_command(test::Random& random, const DirectoryState& state) {
  const auto node = name("n" + std::to_string(random.below(8)));
  const ShardId shard{static_cast<std::uint32_t>(random.between(1, 5))};
  auto replica = ReplicaId{random.between(1, 60)};
  Epoch expected{random.one_in(8) ? random.below(30) : 0};
  if (const auto at = state.shards.find(shard); at != state.shards.end() && !at->second.replicas.empty()) {
    if (!random.one_in(8)) replica = at->second.replicas[random.below(at->second.replicas.size())].id;
    if (random.one_in(2)) expected = at->second.changed;
  }
  const auto first = static_cast<std::uint16_t>(random.below(slot_count));
  const std::vector<SlotRange> slots{{first, static_cast<std::uint16_t>(std::min(16'383, first + 4'000))}};
  switch (random.below(14)) {
    case 0:
    case 1:
      return RegisterNode{identity(node.text(), random.between(1, 3), random.between(1, 2))};
    case 2:
    case 3:
      return SetNodeState{node, static_cast<NodeState>(random.below(5)), {}, "why"};
    case 4:
      return MakeShard{state.shards.empty() ? std::vector<SlotRange>() : slots,
                       {node, name("n" + std::to_string(random.below(8)))},
                       3,
                       "why"};
    case 5:
      return AssignSlots{shard, ShardId{static_cast<std::uint32_t>(random.between(1, 5))}, slots, {}, {}, "why"};
    case 6:
    case 7:
      return AddReplica{shard, node, expected, "why"};
    case 8:
      return PromoteReplica{shard, replica, expected, "why"};
    case 9:
      return RemoveReplica{shard, replica, expected, "why"};
    case 10:
      return ForgetReplica{shard, replica, expected, "why"};
    case 11:
      return LeaderChanged{shard, replica, random.below(50)};
    case 12:
      return SetSetting{"max-moves", std::to_string(random.below(20)), "why"};
    default:
      return RecordEvent{"what", "why"};
  }
}

TEST_F(Directory, RandomCommandsKeepTheInvariants) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    test::Random random(seed);
    rows = {};
    MapRows twin;
    std::set<ReplicaId> ever;
    run(Bootstrap{ClusterId{9}, {identity("n0"), identity("n1"), identity("n2")}});
    twin = rows;
    std::size_t refused = 0;
    for (int i = 0; i < 400; ++i) {
      const auto body = random_command(random, state());
      const auto result = run(body);
      refused += std::holds_alternative<Error>(result) ? 1 : 0;
      if (const auto* added = std::get_if<ReplicaAdded>(&result)) {
        EXPECT_TRUE(ever.insert(added->replica).second);
      }
      // Another replica reads the same command from its log and comes to the same.
      const auto read = decode_command(encode(Command{Timestamp{now}, body}));
      ASSERT_TRUE(read.ok());
      storage::WriteBatch batch;
      const auto again = DirectoryMachine(twin).apply(*read, batch);
      ASSERT_TRUE(again.ok());
      EXPECT_EQ(encode(again->result), encode(result));
      twin.apply(batch);
      if (i % 20 == 0) {
        EXPECT_EQ(check_directory(rows), std::vector<std::string>());
      }
    }
    EXPECT_EQ(twin.rows, rows.rows);
    EXPECT_GT(refused, 50u);
    EXPECT_LT(refused, 350u);
    ASSERT_EQ(check_directory(rows), std::vector<std::string>());
  }
}

}  // namespace
}  // namespace cairn::cluster::directory
