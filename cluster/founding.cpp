#include "cluster/founding.hpp"

#include <algorithm>

#include "cluster/reconcile.hpp"
#include "protocol/limits.hpp"

namespace cairn::cluster::directory {
namespace {

const std::string why_founding = "the cluster is founded";

/// The sentence that says what keeps the directory's shard from being made; empty if nothing does.
std::string missing_founder(const DirectoryState& state, const FoundingPlan& plan) {
  std::string missing;
  for (const auto& name : plan.founders) {
    const auto node = state.nodes.find(name);
    if (node == state.nodes.end()) {
      missing += (missing.empty() ? "" : ", ") + name.text();
      continue;
    }
    const auto& one = node->second;
    if (one.state != NodeState::joining && one.state != NodeState::alive)
      return "founder " + name.text() + " is " + std::string(to_string(one.state));
    if (!one.roles.has(NodeRole::metadata)) return "founder " + name.text() + " has not the metadata role";
  }
  return missing.empty() ? missing : "not yet registered: " + missing;
}

std::vector<NodeName> usable_founders(const DirectoryState& state, const FoundingPlan& plan) {
  std::vector<NodeName> out;
  for (const auto& name : plan.founders) {
    const auto node = state.nodes.find(name);
    if (node == state.nodes.end() || !node->second.roles.has(NodeRole::metadata)) continue;
    if (node->second.state == NodeState::joining || node->second.state == NodeState::alive) out.push_back(name);
  }
  return out;
}

/// The slots of shard `number` of `count`, counted from 0.
SlotRange part(std::uint32_t number, std::uint32_t count) {
  const auto border = [&](std::uint64_t at) { return at * slot_count / count; };
  return {static_cast<std::uint16_t>(border(number)), static_cast<std::uint16_t>(border(number + 1) - 1)};
}

/// Of `range`, what no shard owns.
std::vector<SlotRange> free_slots(const std::vector<ShardId>& owners, SlotRange range) {
  std::vector<SlotRange> out;
  for (std::uint32_t slot = range.first; slot <= range.last; ++slot) {
    if (owners[slot].value != 0) continue;
    const auto number = static_cast<std::uint16_t>(slot);
    out.push_back({number, number});
  }
  return *normalize_slots(std::move(out));
}

FoundingStep next_data_shard(const DirectoryState& state, const FoundingPlan& plan) {
  SlotMap map;
  for (const auto& [id, shard] : state.shards) map.shards.push_back(shard);
  const auto owners = map.by_slot();
  const auto count = std::clamp<std::uint32_t>(plan.shards, 1, slot_count);
  for (std::uint32_t number = 0; number < count; ++number) {
    auto slots = free_slots(owners, part(number, count));
    if (slots.empty()) continue;
    const auto usable = usable_founders(state, plan);
    if (usable.empty()) return FoundingWaits{"no founder is well"};
    MakeShard make{std::move(slots), {}, plan.replicas, why_founding};
    const auto replicas = target_voters(plan.replicas, usable.size());
    for (std::size_t i = 0; i < replicas; ++i) make.nodes.push_back(usable[(number + i) % usable.size()]);
    return FoundingCommand{std::move(make)};
  }
  return Founded{};
}

}  // namespace

FoundingStep next_founding_step(const DirectoryState& state, const FoundingPlan& plan) {
  if (!state.shards.empty()) return next_data_shard(state, plan);
  const auto count = plan.founders.size();
  if (count % 2 == 0 || count > limits::max_wanted_replicas)
    return FoundingWaits{"cluster.founders: are " + std::to_string(count) + " but must be 1, 3, 5 or 7"};
  if (state.cluster.value == 0) return FoundingCommand{Bootstrap{plan.cluster, {}}};
  if (auto missing = missing_founder(state, plan); !missing.empty()) return FoundingWaits{std::move(missing)};
  return FoundingCommand{MakeShard{{}, plan.founders, static_cast<std::uint32_t>(count), why_founding}};
}

}  // namespace cairn::cluster::directory
