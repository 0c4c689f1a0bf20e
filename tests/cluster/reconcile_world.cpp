#include "tests/cluster/reconcile_world.hpp"

#include <algorithm>
#include <ranges>

namespace cairn::cluster::directory {

ReconcileWorld::ReconcileWorld(std::uint64_t seed) : random_(seed) {
  // A cluster begins with somebody; this one is a gateway and holds nothing.
  NodeIdentity first{*NodeName::parse("first"), 1, "first:1", "", "z", Roles{1}, DataId{1}};
  run(Bootstrap{ClusterId{7}, {first}});
  run(SetNodeState{first.name, NodeState::draining, {}, "it is no part of the test"});
  run(SetNodeState{first.name, NodeState::removed, {}, "it is no part of the test"});
}

CommandResult ReconcileWorld::run(CommandBody body) {
  storage::WriteBatch batch;
  DirectoryMachine machine(rows_);
  const auto applied = machine.apply({Timestamp{now.count() / 1'000}, std::move(body)}, batch);
  EXPECT_TRUE(applied.ok());
  rows_.apply(batch);
  return applied->result;
}

const DirectoryState& ReconcileWorld::state() {
  const auto head = read_head(rows_);
  if (head.ok() && head->epoch == state_.epoch) return state_;
  const auto read = read_state(rows_);
  EXPECT_TRUE(read.ok());
  return state_ = *read;
}

NodeName ReconcileWorld::add_node(const std::string& zone) {
  // Names are never used again, so that a removed node stays removed.
  const auto name = *NodeName::parse("n" + std::to_string(next_number_++));
  hosts[name].identity = {name, 1, name.text() + ":1", name.text() + ":2", zone, all_roles, DataId{random_.next() | 1}};
  start(name);
  return name;
}

void ReconcileWorld::start(const NodeName& name, bool other_data) {
  auto& host = hosts.at(name);
  ++host.identity.incarnation;
  if (other_data) {
    host.identity.data = DataId{random_.next() | 1};
    for (const auto& [id, shard] : state().shards)
      if (const auto* replica = shard.find_on(name)) rotten.insert(replica->id);
  }
  host.up = true;
  const auto result = run(RegisterNode{host.identity});
  // One that comes back with other data before it is dead has to wait; it is not up until then.
  if (std::holds_alternative<Error>(result)) host.up = false;
}

void ReconcileWorld::set_state(const NodeName& name, NodeState wanted) {
  const auto result = run(SetNodeState{name, wanted, {}, "the test says so"});
  EXPECT_FALSE(std::holds_alternative<Error>(result)) << std::get<Error>(result).message;
}

void ReconcileWorld::forget_all() {
  observed = {};
  observed.leading_since = now;
}

void ReconcileWorld::add_shard(std::size_t voters, std::uint32_t wanted, std::uint16_t slots_each) {
  std::vector<NodeName> up;
  for (const auto& [name, host] : hosts)
    if (host.up && !host.gone) up.push_back(name);
  std::vector<NodeName> chosen;
  for (voters = std::min(voters, up.size()); chosen.size() < voters;) {
    const auto& name = up[random_.below(up.size())];
    if (std::ranges::find(chosen, name) == chosen.end()) chosen.push_back(name);
  }
  std::vector<SlotRange> slots;
  if (!state().shards.empty()) {
    slots.push_back({static_cast<std::uint16_t>(next_slot_), static_cast<std::uint16_t>(next_slot_ + slots_each - 1)});
    next_slot_ += slots_each;
  }
  const auto result = run(MakeShard{slots, chosen, wanted, "the test says so"});
  const auto* made = std::get_if<ShardMade>(&result);
  ASSERT_NE(made, nullptr);
  auto& group = groups[made->shard];
  for (const auto id : made->replicas) {
    EXPECT_TRUE(ever.insert(id).second);
    group.configuration = group.configuration.with_voter(id);
  }
}

bool ReconcileWorld::live(const Shard& shard, ReplicaId id) const {
  const auto* replica = shard.find(id);
  return replica && !rotten.contains(id) && hosts.at(replica->node).up;
}

bool ReconcileWorld::caught_up(const Group& group, ReplicaId id) const {
  const auto at = group.full_at.find(id);
  return at == group.full_at.end() || now >= at->second;
}

std::size_t ReconcileWorld::live_voters(const Shard& shard, const Configuration& configuration) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(configuration.voters, [&](ReplicaId id) { return live(shard, id); }));
}

bool ReconcileWorld::has_majority(const Shard& shard) const {
  const auto& configuration = groups.at(shard.id).configuration;
  return live_voters(shard, configuration) >= configuration.majority();
}

bool ReconcileWorld::can_change(const Shard& shard, const Group& group) const {
  return group.leader != no_replica && live(shard, group.leader) && now >= group.settled_at && has_majority(shard);
}

void ReconcileWorld::change(const Shard& shard, Group& group, Configuration next) {
  ASSERT_TRUE(one_voter_apart(group.configuration, next));
  // A leader knows within an election timeout who is live, sooner than the directory: it refuses.
  if (live_voters(shard, next) < next.majority()) {
    ++counts["refused by the leader"];
    return;
  }
  group.configuration = std::move(next);
  group.settled_at = now + Duration(random_.below(1'000'000));
}

void ReconcileWorld::elect() {
  for (const auto& [id, shard] : state().shards) {
    auto& group = groups.at(id);
    const bool leads = group.leader != no_replica && live(shard, group.leader) &&
                       group.configuration.has_voter(group.leader) && has_majority(shard);
    if (leads) continue;
    group.leader = no_replica;
    if (!has_majority(shard)) continue;
    const auto& voters = group.configuration.voters;
    while (group.leader == no_replica) {
      const auto voter = voters[random_.below(voters.size())];
      if (live(shard, voter)) group.leader = voter;
    }
    ++group.term;
    run(LeaderChanged{id, group.leader, group.term});
  }
}

void ReconcileWorld::report() {
  std::map<NodeName, NodeReport> reports;
  for (auto& [name, host] : hosts) {
    if (!host.up || host.gone) continue;
    if (!lost()) host.knows = state().epoch;
    if (!lost()) reports[name] = {name, host.knows, {}};
  }
  for (const auto& [id, shard] : state().shards) {
    const auto& group = groups.at(id);
    for (const auto& replica : shard.replicas) {
      const auto to = reports.find(replica.node);
      if (to == reports.end()) continue;
      ReplicaReport one;
      one.shard = id;
      one.replica = replica.id;
      one.term = group.term;
      one.withdrawn = rotten.contains(replica.id);
      if (replica.id == group.leader && !one.withdrawn) {
        one.role = Role::leader;
        one.settled = now >= group.settled_at;
        one.configuration = group.configuration;
        for (const auto& other : shard.replicas)
          if (other.id != replica.id && live(shard, other.id) && group.configuration.contains(other.id))
            one.lag[other.id] = caught_up(group, other.id) ? random_.below(100) : 1'000'000;
      }
      to->second.replicas.push_back(std::move(one));
    }
  }
  for (const auto& [name, one] : reports) observe(observed, one, now);
}

/// What no decision may ask for, by what was known.
void ReconcileWorld::check(const Decision& decision) {
  EXPECT_FALSE(decision.why.empty());
  const auto* mark = std::get_if<MarkNode>(&decision.action);
  const bool welcome = mark && mark->state == NodeState::alive;
  EXPECT_TRUE(welcome || now - observed.leading_since >= settings.dead_after);
  if (const auto* remove = std::get_if<Remove>(&decision.action)) {
    const auto& shard = state().shards.at(remove->shard);
    const auto& group = observed.groups.at(remove->shard);
    EXPECT_TRUE(group.settled);
    EXPECT_NE(group.leader, remove->replica);
    if (!group.configuration.has_voter(remove->replica)) return;
    const auto next = group.configuration.without(remove->replica);
    const auto known = std::ranges::count_if(next.voters, [&](ReplicaId id) {
      const auto* replica = shard.find(id);
      if (!replica || observed.withdrawn.contains(id)) return false;
      const auto heard = observed.heard.find(replica->node);
      return heard != observed.heard.end() && now - heard->second <= settings.dead_after;
    });
    EXPECT_GE(static_cast<std::size_t>(known), next.majority());
  }
}

std::size_t ReconcileWorld::step() {
  now += step_time;
  elect();
  report();
  for (auto at = due_.begin(); at != due_.end() && at->first <= now;) {
    carry_out(at->second);
    at = due_.erase(at);
  }
  const auto decisions = reconcile(state(), observed, now, settings);
  remember(observed, state(), decisions, now);
  std::map<ShardId, int> of_shard;
  for (const auto& decision : decisions) {
    check(decision);
    std::visit(
        [&](const auto& action) {
          if constexpr (requires { action.shard; }) {
            EXPECT_EQ(++of_shard[action.shard], 1);
          }
        },
        decision.action);
    const Duration delay(losses ? random_.below(1'500'000) : 0);
    if (!lost()) due_.emplace(now + delay, decision);
  }
  return decisions.size();
}

void ReconcileWorld::carry_out(const Decision& decision) {
  ShardId id;
  std::visit(
      [&](const auto& action) {
        if constexpr (requires { action.shard; }) id = action.shard;
      },
      decision.action);
  const bool majority = id.value != 0 && has_majority(state().shards.at(id));
  std::visit([&](const auto& action) { act(action, decision.why); }, decision.action);
  if (id.value == 0) return;
  const auto& shard = state().shards.at(id);
  if (majority) {
    EXPECT_TRUE(has_majority(shard)) << "shard " << id.value << " lost its majority";
  }
  std::set<NodeName> nodes;
  for (const auto& replica : shard.replicas) EXPECT_TRUE(nodes.insert(replica.node).second);
}

void ReconcileWorld::act(const MarkNode& action, const std::string& why) {
  ++counts[std::string("mark ") + std::string(to_string(action.state))];
  run(SetNodeState{action.node, action.state, action.expected, why});
}

void ReconcileWorld::act(const AddLearner& action, const std::string& why) {
  ++counts["add"];
  const auto result = run(AddReplica{action.shard, action.node, action.expected, why});
  if (const auto* added = std::get_if<ReplicaAdded>(&result)) {
    EXPECT_TRUE(ever.insert(added->replica).second);
    groups.at(action.shard).full_at[added->replica] = now + Duration(3'600'000'000);
  }
}

void ReconcileWorld::act(const TakeIn& action, const std::string&) {
  ++counts["take in"];
  const auto& shard = state().shards.at(action.shard);
  auto& group = groups.at(action.shard);
  if (!can_change(shard, group) || !shard.find(action.replica) || group.configuration.contains(action.replica)) return;
  change(shard, group, group.configuration.with_learner(action.replica));
  group.full_at[action.replica] = now + Duration(random_.below(4'000'000));
}

void ReconcileWorld::act(const Promote& action, const std::string& why) {
  ++counts["promote"];
  const auto& shard = state().shards.at(action.shard);
  auto& group = groups.at(action.shard);
  const auto& id = action.replica;
  if (!group.configuration.has_voter(id)) {
    const bool ready = group.configuration.has_learner(id) && live(shard, id) && caught_up(group, id);
    if (!ready || !can_change(shard, group) || shard.find(id)->kind != ReplicaKind::learner) return;
    change(shard, group, group.configuration.with_voter(id));
  }
  if (lost() || !group.configuration.has_voter(id)) return;
  run(PromoteReplica{action.shard, id, action.expected, why});
}

void ReconcileWorld::act(const Remove& action, const std::string& why) {
  ++counts["remove"];
  const auto result = run(RemoveReplica{action.shard, action.replica, action.expected, why});
  if (std::holds_alternative<Error>(result) || lost()) return;
  const auto& shard = state().shards.at(action.shard);
  auto& group = groups.at(action.shard);
  if (!can_change(shard, group) || group.leader == action.replica) return;
  if (group.configuration.contains(action.replica)) change(shard, group, group.configuration.without(action.replica));
}

void ReconcileWorld::act(const Forget& action, const std::string& why) {
  ++counts["forget"];
  run(ForgetReplica{action.shard, action.replica, action.expected, why});
  rotten.insert(action.replica);  // it is deleted
}

void ReconcileWorld::act(const TransferLeadership& action, const std::string&) {
  ++counts["transfer"];
  const auto& shard = state().shards.at(action.shard);
  auto& group = groups.at(action.shard);
  if (group.leader != action.from || !live(shard, action.to) || !caught_up(group, action.to) ||
      !group.configuration.has_voter(action.to) || !can_change(shard, group))
    return;
  group.leader = action.to;
  ++group.term;
  run(LeaderChanged{action.shard, group.leader, group.term});
}

/// True if every shard with a replica on the node has a live majority without it.
bool ReconcileWorld::can_lose(const NodeName& name) {
  for (const auto& [id, shard] : state().shards) {
    const auto* replica = shard.find_on(name);
    if (!replica) continue;
    const auto& configuration = groups.at(id).configuration;
    auto left = live_voters(shard, configuration);
    if (configuration.has_voter(replica->id) && live(shard, replica->id)) --left;
    if (left < configuration.majority()) return false;
  }
  return true;
}

void ReconcileWorld::trouble() {
  std::vector<NodeName> members;
  for (const auto& [name, host] : hosts)
    if (!host.gone) members.push_back(name);
  const auto& name = members[random_.below(members.size())];
  auto& host = hosts.at(name);
  const auto known = state().nodes.at(name).state;
  switch (random_.below(8)) {
    case 0:
    case 1:
      if (host.up && (can_lose(name) || random_.percent(10))) kill(name);
      break;
    case 2:
    case 3:
      if (!host.up) start(name);
      break;
    case 4:
      if (!host.up && known == NodeState::dead && can_lose(name)) start(name, true);
      break;
    case 5:
      if (members.size() < 50) add_node("z" + std::to_string(random_.below(4)));
      break;
    case 6:
      if (known == NodeState::draining && random_.percent(30))
        run(SetNodeState{name, NodeState::alive, {}, "the operator changed their mind"});
      else if (members.size() > 3 && (known == NodeState::alive || known == NodeState::dead) && random_.percent(40))
        run(SetNodeState{name, NodeState::draining, {}, "the operator wants it to go"});
      else if (known == NodeState::draining)
        host.gone = std::holds_alternative<Done>(run(SetNodeState{name, NodeState::removed, {}, "it is empty"}));
      if (host.gone) host.up = false;
      break;
    default: {
      if (state().shards.empty() || !can_lose(name)) break;
      for (const auto& [id, shard] : state().shards)
        if (const auto* replica = shard.find_on(name); replica && random_.percent(20)) rot(replica->id);
    }
  }
}

void ReconcileWorld::calm() {
  for (auto& [name, host] : hosts)
    if (!host.up && !host.gone && random_.percent(50)) start(name);
  for (const auto& [id, shard] : DirectoryState(state()).shards)
    for (const auto& replica : shard.replicas)
      if (!has_majority(shard) && !hosts.at(replica.node).up) start(replica.node);
}

bool ReconcileWorld::settle(std::size_t most, std::size_t quiet) {
  std::size_t silent = 0;
  for (std::size_t i = 0; i < most && silent < quiet; ++i) silent = step() == 0 && due_.empty() ? silent + 1 : 0;
  return silent >= quiet;
}

std::int64_t ReconcileWorld::leader_spread() {
  std::map<NodeName, std::int64_t> leads;
  for (const auto& [name, node] : state().nodes)
    if (node.state == NodeState::alive) leads[name] = 0;
  for (const auto& [id, shard] : state().shards)
    if (const auto* leader = shard.find(groups.at(id).leader)) ++leads[leader->node];
  const auto [least, most] = std::ranges::minmax(leads | std::views::values);
  return most - least;
}

bool ReconcileWorld::leaders_can_be_evened() {
  std::map<NodeName, std::int64_t> leads;
  std::map<NodeName, std::set<NodeName>> ways;
  for (const auto& [id, shard] : state().shards) {
    const auto* leader = shard.find(groups.at(id).leader);
    if (!leader) continue;
    ++leads[leader->node];
    for (const auto& replica : shard.replicas)
      if (live(shard, replica.id)) ways[leader->node].insert(replica.node);
  }
  for (const auto& [start, unused] : ways) {
    std::vector<NodeName> reached{start};
    for (std::size_t i = 0; i < reached.size(); ++i) {
      if (leads[reached[i]] + 2 <= leads[start]) return true;
      for (const auto& to : ways[reached[i]])
        if (std::ranges::find(reached, to) == reached.end()) reached.push_back(to);
    }
  }
  return false;
}

std::int64_t ReconcileWorld::load_spread() {
  std::map<std::string, std::map<NodeName, std::int64_t>> loads;
  for (const auto& [name, node] : state().nodes)
    if (node.state == NodeState::alive) loads[node.zone][name] = 0;
  for (const auto& [id, shard] : state().shards)
    for (const auto& replica : shard.replicas) {
      const auto& node = state().nodes.at(replica.node);
      if (node.state == NodeState::alive) ++loads[node.zone][replica.node];
    }
  std::int64_t worst = 0;
  for (const auto& [zone, of_nodes] : loads) {
    const auto [least, most] = std::ranges::minmax(of_nodes | std::views::values);
    worst = std::max(worst, most - least);
  }
  return worst;
}

void ReconcileWorld::expect_at_rest() {
  std::size_t usable = 0;
  std::map<std::string, std::size_t> room;
  for (const auto& [name, node] : state().nodes) {
    if (node.state != NodeState::removed && node.state != NodeState::draining && !hosts[name].gone) ++usable;
    if (node.state == NodeState::alive) ++room[node.zone];
  }
  std::size_t alive = 0;
  for (const auto& [zone, count] : room) alive += count;
  for (const auto& [id, shard] : state().shards) {
    const auto who = "shard " + std::to_string(id.value);
    const auto target = target_voters(shard.wanted, usable);
    std::map<std::string, std::size_t> zones;
    std::size_t good = 0;
    for (const auto& replica : shard.replicas) {
      EXPECT_EQ(replica.kind, ReplicaKind::voter) << who;
      if (!live(shard, replica.id)) continue;
      ++good;
      EXPECT_EQ(state().nodes.at(replica.node).state, NodeState::alive) << who;
      ++zones[state().nodes.at(replica.node).zone];
    }
    EXPECT_EQ(good, std::min(target, alive)) << who << " wants " << shard.wanted;
    if (alive >= target) {
      EXPECT_EQ(shard.replicas.size(), target) << who;
    }
    for (const auto& [crowded, count] : zones)
      for (const auto& [zone, nodes] : room)
        if (zones[zone] < nodes) {
          EXPECT_LE(count, zones[zone] + 1) << who << " in " << crowded << " and " << zone;
        }
  }
  EXPECT_LE(load_spread(), 1);
  EXPECT_FALSE(leaders_can_be_evened());
  EXPECT_EQ(check_directory(rows_), std::vector<std::string>());
}

}  // namespace cairn::cluster::directory
