// Commands that change shards: which there are, which slots they own, how many replicas they want.
#include <algorithm>
#include <set>

#include "cluster/directory_apply.hpp"
#include "protocol/limits.hpp"

namespace cairn::cluster::directory {
namespace {

Result<void> check_wanted(std::uint32_t wanted) {
  if (wanted % 2 == 1 && wanted <= limits::max_wanted_replicas) return {};
  return Error{Errc::invalid_argument, "wanted: is " + std::to_string(wanted) + " but must be odd, 1 to " +
                                           std::to_string(limits::max_wanted_replicas)};
}

/// In normal form and not empty.
Result<std::vector<SlotRange>> some_slots(const std::vector<SlotRange>& slots) {
  if (slots.empty()) return Error{Errc::invalid_argument, "slots: are empty"};
  return normalize_slots(slots);
}

/// What the shard of that id may own when it is made: the directory's nothing, every other something.
Result<std::vector<SlotRange>> slots_for(ShardId shard, const std::vector<SlotRange>& slots) {
  if (shard != directory_shard) return some_slots(slots);
  if (!slots.empty()) return Error{Errc::invalid_argument, "slots: the first shard is the directory's and owns none"};
  return slots;
}

std::size_t count(const std::vector<SlotRange>& slots) {
  std::size_t out = 0;
  for (const auto& range : slots) out += range.last - range.first + 1u;
  return out;
}

std::string name(ShardId id) { return "shard " + std::to_string(id.value); }

Result<void> check_hosts(const std::vector<NodeName>& nodes, storage::RowReader& rows) {
  if (nodes.empty() || nodes.size() > limits::max_wanted_replicas)
    return Error{Errc::invalid_argument, "nodes: are " + std::to_string(nodes.size()) + " but must be 1 to " +
                                             std::to_string(limits::max_wanted_replicas)};
  std::set<NodeName> names;
  for (const auto& node : nodes) {
    CAIRN_TRY(check_host(rows, node, "nodes"));
    if (!names.insert(node).second) return Error{Errc::invalid_argument, "nodes: " + node.text() + " is named twice"};
  }
  return {};
}

}  // namespace

Outcome apply(const MakeShard& command, DirectoryChange& change) {
  const auto slots = slots_for(ShardId{change.head().next_shard}, command.slots);
  CAIRN_TRY(slots);
  CAIRN_TRY(check_wanted(command.wanted));
  CAIRN_TRY(check_hosts(command.nodes, change.rows()));
  std::optional<ShardId> owner;
  std::size_t shards = 0;
  CAIRN_TRY(scan_shards(change.rows(), [&](const Shard& other) {
    ++shards;
    if (share_a_slot(other.slots, *slots)) owner = other.id;
    return !owner;
  }));
  if (owner) return Error{Errc::already_exists, "slots: " + name(*owner) + " owns some of them"};

  if (shards >= limits::max_shards)
    return Error{Errc::too_large, "slots: there are " + std::to_string(shards) + " shards, which is the most"};

  Shard shard;
  shard.id = change.next_shard();
  shard.slots = *slots;
  shard.wanted = command.wanted;
  ShardMade made;
  made.shard = shard.id;
  for (const auto& node : command.nodes) {
    shard.replicas.push_back({change.next_replica(), node, ReplicaKind::voter});
    made.replicas.push_back(shard.replicas.back().id);
  }
  const auto what =
      slots->empty() ? " is made for the directory" : " is made with " + std::to_string(count(*slots)) + " slots";
  made.epoch = change.begin(name(shard.id) + what, command.why);
  change.put(std::move(shard));
  return CommandResult{made};
}

Outcome apply(const AssignSlots& command, DirectoryChange& change) {
  const auto slots = some_slots(command.slots);
  CAIRN_TRY(slots);
  if (command.from == command.to) return Error{Errc::invalid_argument, "to: is the shard that the slots come from"};
  if (command.to == directory_shard)
    return Error{Errc::invalid_argument, "to: is the directory's shard, which owns no slots"};
  auto from = find_shard(change.rows(), command.from, {}, "from");
  CAIRN_TRY(from);
  auto to = find_shard(change.rows(), command.to, {}, "to");
  CAIRN_TRY(to);
  CAIRN_TRY(check_expected(name(command.from), from->changed, command.expected_from, "expected_from"));
  CAIRN_TRY(check_expected(name(command.to), to->changed, command.expected_to, "expected_to"));
  const auto rest = without_slots(from->slots, *slots);
  if (!rest) return Error{Errc::conflict, "slots: " + name(command.from) + " does not own all of them"};
  auto all = to->slots;
  all.insert(all.end(), slots->begin(), slots->end());
  const auto joined = normalize_slots(std::move(all));
  CAIRN_TRY(joined);
  const auto epoch = change.begin(
      std::to_string(count(*slots)) + " slots go from " + name(command.from) + " to " + name(command.to), command.why);
  from->slots = *rest;
  to->slots = *joined;
  change.put(*from);
  change.put(*to);
  return CommandResult{Done{epoch}};
}

Outcome apply(const SetWanted& command, DirectoryChange& change) {
  CAIRN_TRY(check_wanted(command.wanted));
  auto shard = find_shard(change.rows(), command.shard, command.expected);
  CAIRN_TRY(shard);
  if (shard->wanted == command.wanted) return change.unchanged();
  const auto epoch =
      change.begin(name(shard->id) + " wants " + std::to_string(command.wanted) + " replicas", command.why);
  shard->wanted = command.wanted;
  change.put(*shard);
  return CommandResult{Done{epoch}};
}

}  // namespace cairn::cluster::directory
