#include "cluster/directory_types.hpp"

#include <algorithm>
#include <bitset>
#include <cstdlib>

#include "protocol/certificates.hpp"
#include "protocol/limits.hpp"
#include "protocol/names.hpp"

namespace cairn::cluster::directory {
namespace {

using SlotSet = std::bitset<slot_count>;

SlotSet to_set(const std::vector<SlotRange>& ranges) {
  SlotSet out;
  for (const auto& range : ranges)
    for (std::uint32_t slot = range.first; slot <= range.last; ++slot) out.set(slot);
  return out;
}

std::vector<SlotRange> to_ranges(const SlotSet& set) {
  std::vector<SlotRange> out;
  for (std::uint32_t slot = 0; slot < slot_count; ++slot) {
    if (!set[slot]) continue;
    const auto number = static_cast<std::uint16_t>(slot);
    if (!out.empty() && out.back().last + 1 == number)
      out.back().last = number;
    else
      out.push_back({number, number});
  }
  return out;
}

/// Replaces or adds the items of `newer` in `list`; both are ordered by `key`.
template <class Item, class Key>
void merge_by(std::vector<Item>& list, const std::vector<Item>& newer, Key key) {
  for (const auto& item : newer) {
    const auto at = std::ranges::lower_bound(list, item.*key, {}, key);
    if (at != list.end() && (*at).*key == item.*key)
      *at = item;
    else
      list.insert(at, item);
  }
}

}  // namespace

Result<NodeName> NodeName::parse(std::string_view text) {
  if (const auto good = check_node_name(text); !good)
    return Error{Errc::invalid_argument, "name: " + good.error().message};
  return NodeName(std::string(text));
}

std::string_view to_string(NodeRole role) {
  switch (role) {
    case NodeRole::gateway:
      return "gateway";
    case NodeRole::api:
      return "api";
    case NodeRole::block:
      return "block";
    case NodeRole::metadata:
      return "metadata";
  }
  return "unknown";
}

std::vector<std::string> words_of(Roles roles) {
  std::vector<std::string> words;
  for (const auto role : every_role)
    if (roles.has(role)) words.emplace_back(to_string(role));
  return words;
}

std::string_view to_string(NodeState state) {
  switch (state) {
    case NodeState::joining:
      return "joining";
    case NodeState::alive:
      return "alive";
    case NodeState::dead:
      return "dead";
    case NodeState::draining:
      return "draining";
    case NodeState::removed:
      return "removed";
  }
  std::abort();
}

std::string_view to_string(ReplicaKind kind) {
  switch (kind) {
    case ReplicaKind::voter:
      return "voter";
    case ReplicaKind::learner:
      return "learner";
    case ReplicaKind::leaving:
      return "leaving";
  }
  std::abort();
}

const Replica* Shard::find(ReplicaId id) const {
  const auto at = std::ranges::find(replicas, id, &Replica::id);
  return at == replicas.end() ? nullptr : &*at;
}

const Replica* Shard::find_on(const NodeName& node) const {
  const auto at = std::ranges::find(replicas, node, &Replica::node);
  return at == replicas.end() ? nullptr : &*at;
}

void merge(DirectoryState& state, StateChanges changes) {
  if (changes.epoch <= state.epoch) return;
  state.cluster = changes.cluster;
  state.epoch = changes.epoch;
  for (auto& node : changes.nodes) state.nodes.insert_or_assign(node.name, std::move(node));
  for (auto& shard : changes.shards) state.shards.insert_or_assign(shard.id, std::move(shard));
  state.settings = std::move(changes.settings);
}

void SlotMap::merge(const SlotMap& newer) {
  if (newer.epoch <= epoch) return;
  epoch = newer.epoch;
  merge_by(shards, newer.shards, &Shard::id);
  merge_by(nodes, newer.nodes, &NodeAddress::name);
}

std::vector<ShardId> SlotMap::by_slot() const {
  std::vector<ShardId> out(slot_count);
  for (const auto& shard : shards)
    for (const auto& range : shard.slots)
      for (std::uint32_t slot = range.first; slot <= range.last; ++slot) out[slot] = shard.id;
  return out;
}

Result<std::vector<SlotRange>> normalize_slots(std::vector<SlotRange> ranges) {
  SlotSet set;
  for (const auto& range : ranges) {
    const auto text = std::to_string(range.first) + " to " + std::to_string(range.last);
    if (range.first > range.last || range.last >= slot_count)
      return Error{Errc::invalid_argument, "slots: " + text + " is no range of slots 0 to 16383"};
    for (std::uint32_t slot = range.first; slot <= range.last; ++slot) {
      if (set[slot]) return Error{Errc::invalid_argument, "slots: " + text + " shares slots with another range"};
      set.set(slot);
    }
  }
  return to_ranges(set);
}

bool share_a_slot(const std::vector<SlotRange>& a, const std::vector<SlotRange>& b) {
  auto left = a.begin();
  auto right = b.begin();
  while (left != a.end() && right != b.end()) {
    if (left->last < right->first)
      ++left;
    else if (right->last < left->first)
      ++right;
    else
      return true;
  }
  return false;
}

std::optional<std::vector<SlotRange>> without_slots(const std::vector<SlotRange>& a, const std::vector<SlotRange>& b) {
  const auto all = to_set(a);
  const auto gone = to_set(b);
  if ((all & gone) != gone) return std::nullopt;
  return to_ranges(all & ~gone);
}

}  // namespace cairn::cluster::directory
