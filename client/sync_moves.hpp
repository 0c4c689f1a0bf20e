// The moves of a sync plan: what kept its identity (its inode here, its entry id in the drive) and
// changed its place. Pure functions, any thread.
#pragma once

#include <vector>

#include "client/sync_plan.hpp"

namespace cairn::client {

/// The folder that `path` is in; "" for the top.
SyncPath parent_of(const SyncPath& path);
/// True if `path` is in `folder`, at any depth.
bool is_below(const SyncPath& path, const SyncPath& folder);

/// The moves that can be carried now, with the folders that have to be made for them first. A move that
/// cannot be carried (its target is taken) is not among them: it is then a removal and a new file.
std::vector<SyncAction> plan_moves(const LocalTree& local, const RemoteTree& remote, const BaseTree& base);

}  // namespace cairn::client
