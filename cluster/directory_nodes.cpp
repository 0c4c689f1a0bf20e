// Commands that change nodes.
#include <algorithm>
#include <set>

#include "cluster/directory_apply.hpp"
#include "protocol/limits.hpp"
#include "protocol/names.hpp"

namespace cairn::cluster::directory {
namespace {

Error invalid(const std::string& message) { return {Errc::invalid_argument, message}; }

Result<void> check_address(const std::string& address, const char* field, bool may_be_empty) {
  if (address.empty() && may_be_empty) return {};
  if (address.empty() || address.size() > limits::max_address_bytes)
    return invalid(std::string(field) + ": has " + std::to_string(address.size()) + " bytes but must have 1 to " +
                   std::to_string(limits::max_address_bytes));
  if (std::ranges::any_of(address, [](char c) { return c <= ' ' || c > '~'; }))
    return invalid(std::string(field) + ": is no address: " + printable(address));
  return {};
}

Result<void> check_identity(const NodeIdentity& node) {
  if (node.name.empty()) return invalid("name: is empty");
  if (node.incarnation == 0) return invalid("incarnation: is 0");
  if (node.data.value == 0) return invalid("data: is 0");
  if (node.roles.bits == 0 || (node.roles.bits & ~all_roles.bits) != 0)
    return invalid("roles: " + std::to_string(node.roles.bits) + " is no set of roles");
  if (node.zone.empty() || node.zone.size() > limits::max_zone_bytes || printable(node.zone) != node.zone)
    return invalid("zone: must be 1 to 64 printable bytes: " + printable(node.zone));
  CAIRN_TRY(check_address(node.link_address, "link_address", true));
  return check_address(node.rpc_address, "rpc_address", true);
}

/// The shards with a replica on `node`.
Result<std::vector<Shard>> shards_on(storage::RowReader& rows, const NodeName& node) {
  std::vector<Shard> out;
  CAIRN_TRY(scan_shards(rows, [&](Shard shard) {
    if (shard.find_on(node)) out.push_back(std::move(shard));
    return true;
  }));
  return out;
}

/// Makes room for one more name by forgetting the node that was removed first.
Result<void> make_room(DirectoryChange& change) {
  std::size_t count = 0;
  std::optional<Node> oldest;
  CAIRN_TRY(scan_nodes(change.rows(), {}, [&](Node node) {
    ++count;
    if (node.state == NodeState::removed && (!oldest || node.changed < oldest->changed)) oldest = std::move(node);
    return true;
  }));
  if (count < limits::max_nodes) return {};
  if (!oldest) return Error{Errc::too_large, "name: there are " + std::to_string(count) + " nodes, which is the most"};
  change.rows().erase(node_key(oldest->name));
  return {};
}

/// That `after` may take the place of `before`.
Result<void> check_return(const Node& before, const NodeIdentity& after) {
  const auto who = "node " + after.name.text();
  if (before.state == NodeState::removed) return {};
  if (before.data == after.data) {
    if (after.incarnation >= before.incarnation) return {};
    return Error{Errc::conflict, "incarnation: " + who +
                                     " has started again since: " + std::to_string(before.incarnation) +
                                     " is known, not " + std::to_string(after.incarnation)};
  }
  if (before.state == NodeState::dead) return {};
  return Error{Errc::conflict, "data: " + who + " is " + std::string(to_string(before.state)) +
                                   " with other data; choose another name, or wait until it is dead"};
}

/// What other data replaces is gone: its replicas can only leave.
Result<void> give_up_replicas(const NodeName& node, DirectoryChange& change) {
  const auto shards = shards_on(change.rows(), node);
  CAIRN_TRY(shards);
  for (auto shard : *shards) {
    for (auto& replica : shard.replicas)
      if (replica.node == node) replica.kind = ReplicaKind::leaving;
    change.put(std::move(shard));
  }
  return {};
}

/// That the commands of `before` allow going to `command.state`.
Result<void> check_transition(const Node& before, const SetNodeState& command, storage::RowReader& rows) {
  const auto who = "state: node " + before.name.text();
  if (command.state == NodeState::joining) return invalid(who + " joins by registering only");
  if (before.state == NodeState::removed) return Error{Errc::conflict, who + " is removed and must register again"};
  if (command.state != NodeState::removed) return {};
  const auto shards = shards_on(rows, before.name);
  CAIRN_TRY(shards);
  if (shards->empty()) return {};
  return Error{Errc::conflict, who + " still holds a replica of shard " + std::to_string(shards->front().id.value) +
                                   (shards->size() > 1 ? " and others" : "") + "; drain it first"};
}

}  // namespace

Result<Node> find_node(storage::RowReader& rows, const NodeName& name, const char* field) {
  if (name.empty()) return invalid(std::string(field) + ": is empty");
  const auto node = read_node(rows, name);
  CAIRN_TRY(node);
  if (!*node) return Error{Errc::not_found, std::string(field) + ": there is no node " + name.text()};
  return **node;
}

Outcome apply(const Bootstrap& command, DirectoryChange& change) {
  if (change.head().cluster.value != 0)
    return Error{Errc::already_exists,
                 "cluster: the directory is that of cluster " + std::to_string(change.head().cluster.value)};
  if (command.cluster.value == 0) return invalid("cluster: is 0");
  if (command.founders.size() > limits::max_founders)
    return invalid("founders: are " + std::to_string(command.founders.size()) + " but may be at most " +
                   std::to_string(limits::max_founders));
  std::set<NodeName> names;
  for (const auto& founder : command.founders) {
    CAIRN_TRY(check_identity(founder));
    if (!names.insert(founder.name).second) return invalid("founders: two are called " + founder.name.text());
  }
  const auto epoch =
      change.begin("cluster " + std::to_string(command.cluster.value) + " begins", "its founders were started");
  change.name_cluster(command.cluster);
  for (const auto& founder : command.founders) change.put(Node{founder, NodeState::joining, {}});
  return CommandResult{Done{epoch}};
}

Outcome apply(const RegisterNode& command, DirectoryChange& change) {
  const auto& node = command.node;
  CAIRN_TRY(check_identity(node));
  const auto who = "node " + node.name.text();
  const auto before = read_node(change.rows(), node.name);
  CAIRN_TRY(before);
  if (!*before) {
    CAIRN_TRY(make_room(change));
    const auto epoch = change.begin(who + " joins", "it registered for the first time");
    change.put(Node{node, NodeState::joining, {}});
    return CommandResult{Done{epoch}};
  }
  const auto& known = **before;
  CAIRN_TRY(check_return(known, node));
  const bool gone = known.state == NodeState::dead || known.state == NodeState::removed;
  if (!gone && static_cast<const NodeIdentity&>(known) == node) return change.unchanged();
  if (known.roles.has(NodeRole::metadata) && !node.roles.has(NodeRole::metadata)) {
    const auto shards = shards_on(change.rows(), node.name);
    CAIRN_TRY(shards);
    if (!shards->empty())
      return Error{Errc::conflict, "roles: " + who + " holds replicas and must keep the metadata role; drain it first"};
  }
  const bool other_data = known.data != node.data;
  const auto epoch = change.begin(
      who + " returns", other_data ? "it registered with other data: what it held is gone" : "it registered again");
  change.put(Node{node, gone ? NodeState::joining : known.state, {}});
  if (other_data) CAIRN_TRY(give_up_replicas(node.name, change));
  return CommandResult{Done{epoch}};
}

Outcome apply(const SetNodeState& command, DirectoryChange& change) {
  const auto before = find_node(change.rows(), command.node, "node");
  CAIRN_TRY(before);
  const auto who = "node " + command.node.text();
  CAIRN_TRY(check_expected(who, before->changed, command.expected));
  if (before->state == command.state) return change.unchanged();
  CAIRN_TRY(check_transition(*before, command, change.rows()));
  const auto epoch = change.begin(who + " is " + std::string(to_string(command.state)), command.why);
  auto after = *before;
  after.state = command.state;
  change.put(std::move(after));
  return CommandResult{Done{epoch}};
}

}  // namespace cairn::cluster::directory
