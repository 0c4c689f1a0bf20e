// Commands that change the replicas of one shard.
#include <algorithm>

#include "cluster/directory_apply.hpp"
#include "protocol/limits.hpp"

namespace cairn::cluster::directory {
namespace {

std::string name(const Shard& shard, ReplicaId id) {
  return "replica " + std::to_string(id.value) + " of shard " + std::to_string(shard.id.value);
}

/// The place of a replica in the shard: not_found.
Result<Replica*> find_replica(Shard& shard, ReplicaId id) {
  const auto at = std::ranges::find(shard.replicas, id, &Replica::id);
  if (at == shard.replicas.end()) return Error{Errc::not_found, "replica: there is no " + name(shard, id)};
  return &*at;
}

}  // namespace

Result<Shard> find_shard(storage::RowReader& rows, ShardId id, Epoch expected, const char* field) {
  const auto shard = read_shard(rows, id);
  CAIRN_TRY(shard);
  const auto who = "shard " + std::to_string(id.value);
  if (!*shard) return Error{Errc::not_found, std::string(field) + ": there is no " + who};
  CAIRN_TRY(check_expected(who, (*shard)->changed, expected));
  return **shard;
}

Result<void> check_host(storage::RowReader& rows, const NodeName& name, const char* field) {
  const auto node = find_node(rows, name, field);
  CAIRN_TRY(node);
  const auto who = std::string(field) + ": node " + name.text();
  if (!node->roles.has(NodeRole::metadata)) return Error{Errc::conflict, who + " has not the metadata role"};
  if (node->state != NodeState::joining && node->state != NodeState::alive)
    return Error{Errc::conflict, who + " is " + std::string(to_string(node->state))};
  return {};
}

Outcome apply(const AddReplica& command, DirectoryChange& change) {
  auto shard = find_shard(change.rows(), command.shard, command.expected);
  CAIRN_TRY(shard);
  CAIRN_TRY(check_host(change.rows(), command.node, "node"));
  if (const auto* there = shard->find_on(command.node))
    return Error{Errc::already_exists, "node: " + command.node.text() + " holds " + name(*shard, there->id)};
  if (shard->replicas.size() >= limits::max_replicas_per_shard)
    return Error{Errc::too_large,
                 "shard: has " + std::to_string(shard->replicas.size()) + " replicas, which is the most"};
  const auto id = change.next_replica();
  const auto epoch = change.begin(name(*shard, id) + " is to be made on node " + command.node.text(), command.why);
  // Ids only grow, so the list stays in their order.
  shard->replicas.push_back({id, command.node, ReplicaKind::learner});
  change.put(*shard);
  return CommandResult{ReplicaAdded{epoch, id}};
}

Outcome apply(const PromoteReplica& command, DirectoryChange& change) {
  auto shard = find_shard(change.rows(), command.shard, command.expected);
  CAIRN_TRY(shard);
  const auto replica = find_replica(*shard, command.replica);
  CAIRN_TRY(replica);
  if ((*replica)->kind == ReplicaKind::voter) return change.unchanged();
  if ((*replica)->kind == ReplicaKind::leaving)
    return Error{Errc::conflict, "replica: " + name(*shard, command.replica) + " is leaving"};
  const auto epoch = change.begin(name(*shard, command.replica) + " is a voter", command.why);
  (*replica)->kind = ReplicaKind::voter;
  change.put(*shard);
  return CommandResult{Done{epoch}};
}

Outcome apply(const RemoveReplica& command, DirectoryChange& change) {
  auto shard = find_shard(change.rows(), command.shard, command.expected);
  CAIRN_TRY(shard);
  const auto replica = find_replica(*shard, command.replica);
  CAIRN_TRY(replica);
  if ((*replica)->kind == ReplicaKind::leaving) return change.unchanged();
  const bool others = std::ranges::any_of(shard->replicas, [&](const Replica& other) {
    return other.kind == ReplicaKind::voter && other.id != command.replica;
  });
  if (!others) return Error{Errc::conflict, "replica: " + name(*shard, command.replica) + " is the last that stays"};
  const auto epoch =
      change.begin(name(*shard, command.replica) + " is to leave node " + (*replica)->node.text(), command.why);
  (*replica)->kind = ReplicaKind::leaving;
  change.put(*shard);
  return CommandResult{Done{epoch}};
}

Outcome apply(const ForgetReplica& command, DirectoryChange& change) {
  auto shard = find_shard(change.rows(), command.shard, command.expected);
  CAIRN_TRY(shard);
  const auto replica = find_replica(*shard, command.replica);
  CAIRN_TRY(replica);
  if ((*replica)->kind != ReplicaKind::leaving)
    return Error{Errc::conflict, "replica: " + name(*shard, command.replica) + " is a " +
                                     std::string(to_string((*replica)->kind)) + ", not leaving"};
  if (shard->replicas.size() == 1)
    return Error{Errc::conflict, "replica: " + name(*shard, command.replica) + " is all that the shard has"};
  const auto epoch =
      change.begin(name(*shard, command.replica) + " has left node " + (*replica)->node.text(), command.why);
  std::erase_if(shard->replicas, [&](const Replica& one) { return one.id == command.replica; });
  if (shard->leader == command.replica) shard->leader = no_replica;
  change.put(*shard);
  return CommandResult{Done{epoch}};
}

Outcome apply(const LeaderChanged& command, DirectoryChange& change) {
  auto shard = find_shard(change.rows(), command.shard, {});
  CAIRN_TRY(shard);
  const auto replica = find_replica(*shard, command.replica);
  CAIRN_TRY(replica);
  const bool same = shard->leader == command.replica;
  if (same && shard->leader_term == command.term) return change.unchanged();
  if (command.term <= shard->leader_term)
    return Error{Errc::conflict, "term: a leader of term " + std::to_string(shard->leader_term) +
                                     " is known, so one of term " + std::to_string(command.term) + " is not news"};
  const auto epoch = change.begin(name(*shard, command.replica) + " leads on node " + (*replica)->node.text(),
                                  "it won the election of term " + std::to_string(command.term));
  shard->leader = command.replica;
  shard->leader_term = command.term;
  change.put(*shard);
  return CommandResult{Done{epoch}};
}

}  // namespace cairn::cluster::directory
