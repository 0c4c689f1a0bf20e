#include "actors/admin_view.hpp"

#include <algorithm>

namespace cairn::actors {
namespace {

namespace directory = cluster::directory;

std::string_view word(LinkState state) {
  switch (state) {
    case LinkState::waiting:
      return "waiting";
    case LinkState::connecting:
      return "connecting";
    case LinkState::up:
      return "up";
  }
  return "unknown";
}

AdminStatus::Link view_of(const LinkStatus& link) {
  AdminStatus::Link out;
  out.peer = link.peer;
  out.address = link.address;
  out.state = word(link.state);
  out.dials = link.dials;
  out.incarnation = link.incarnation;
  out.clock_skew_millis = link.clock_skew.count();
  out.times_up = link.times_up;
  out.buffered_bytes = link.buffered_bytes;
  out.bytes_sent = link.bytes_sent;
  out.bytes_received = link.bytes_received;
  out.last_error = link.last_error;
  return out;
}

AdminStatus::Replica view_of(const ReplicaStatus& replica) {
  AdminStatus::Replica out;
  out.shard = replica.report.shard.value;
  out.id = replica.report.replica.value;
  out.role = to_string(replica.report.role);
  out.term = replica.report.term;
  out.leader = replica.leader.value;
  out.applied = replica.applied;
  out.committed = replica.committed;
  out.last_index = replica.last_index;
  out.checkpointed = replica.checkpointed;
  out.log_bytes = replica.log_bytes;
  out.withdrawn = replica.report.withdrawn;
  out.settled = replica.report.settled;
  for (const auto& [id, entries] : replica.report.lag) out.lag.push_back({id.value, entries});
  out.withdrawn_why = replica.withdrawn_why;
  return out;
}

AdminStatus::Member view_of(const directory::Node& node) {
  AdminStatus::Member out;
  out.name = node.name.text();
  out.state = to_string(node.state);
  out.zone = node.zone;
  out.roles = words_of(node.roles);
  out.link_address = node.link_address;
  out.rpc_address = node.rpc_address;
  out.incarnation = node.incarnation;
  return out;
}

AdminStatus::Shard view_of(const directory::Shard& shard) {
  AdminStatus::Shard out;
  out.id = shard.id.value;
  for (const auto& range : shard.slots) out.slots.push_back({range.first, range.last});
  for (const auto& replica : shard.replicas)
    out.placed.push_back({replica.id.value, replica.node.text(), std::string(to_string(replica.kind))});
  out.leader = shard.leader.value;
  out.leader_term = shard.leader_term;
  out.wanted = shard.wanted;
  return out;
}

}  // namespace

void show(const NodeStatus& told, AdminStatus& view) {
  view.node.incarnation = told.incarnation;
  view.node.link_address = told.link_address;
  view.node.registered = told.registered;
  view.node.map_epoch = told.epoch.value;
  for (const auto& link : told.links) view.links.push_back(view_of(link));
  for (const auto& replica : told.replicas) view.replicas.push_back(view_of(replica));
}

void show(const std::vector<ChildStatus>& told, AdminStatus& view) {
  for (const auto& child : told) view.actors.push_back({child.name, child.running, child.restarts, child.last_crash});
}

void show(const directory::Nodes& told, AdminStatus& view) {
  for (const auto& node : told.nodes) view.directory.nodes.push_back(view_of(node));
}

void show(const directory::SettingsFound& told, AdminStatus& view) {
  for (const auto& setting : told.settings) view.directory.settings.push_back({setting.name, setting.value});
}

void show(const directory::Events& told, AdminStatus& view) {
  for (const auto& event : told.events)
    view.directory.events.push_back({event.number, event.time.millis, event.what, event.why});
}

void show(const directory::SlotMap& told, AdminStatus& view) {
  view.directory.epoch = told.epoch.value;
  for (const auto& shard : told.shards) view.directory.shards.push_back(view_of(shard));
}

void show_addresses(const directory::SlotMap& told, AdminStatus& view) {
  auto& nodes = view.directory.nodes;
  for (const auto& node : told.nodes) {
    if (std::ranges::find(nodes, node.name.text(), &AdminStatus::Member::name) != nodes.end()) continue;
    AdminStatus::Member member;
    member.name = node.name.text();
    member.link_address = node.link_address;
    member.rpc_address = node.rpc_address;
    member.incarnation = node.incarnation;
    nodes.push_back(std::move(member));
  }
}

}  // namespace cairn::actors
