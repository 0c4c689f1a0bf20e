// What an operator is shown (protocol/admin_status.hpp), made of what the parts of a node told. Pure functions,
// any thread.
#pragma once

#include <vector>

#include "actors/messages.hpp"
#include "cluster/directory_commands.hpp"
#include "protocol/admin_status.hpp"

namespace cairn::actors {

/// The node's identity, links and replicas.
void show(const NodeStatus& told, AdminStatus& view);
void show(const std::vector<ChildStatus>& told, AdminStatus& view);

void show(const cluster::directory::Nodes& told, AdminStatus& view);
void show(const cluster::directory::SettingsFound& told, AdminStatus& view);
void show(const cluster::directory::Events& told, AdminStatus& view);
/// The epoch and the shards.
void show(const cluster::directory::SlotMap& told, AdminStatus& view);
/// As far as the map tells of nodes; of each known already only what is missing.
void show_addresses(const cluster::directory::SlotMap& told, AdminStatus& view);

}  // namespace cairn::actors
