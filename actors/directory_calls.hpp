// How somebody who is no actor asks and tells the directory: one request each, by an actor of its own that ends
// with it. Any thread; the reply comes on another.
#pragma once

#include <caf/fwd.hpp>

#include <chrono>

#include "actors/interfaces.hpp"
#include "actors/routes.hpp"
#include "cluster/directory_commands.hpp"

namespace cairn::actors {

/// From any replica, as new as that happens to be. Errors: those of the answer; unavailable (nobody answers),
/// timed_out (after `bound`).
void ask_directory(caf::actor_system& system, const Routes& routes, const cluster::directory::Query& query,
                   std::chrono::milliseconds bound, Reply<cluster::directory::QueryResult> reply);

/// Answered when it is durable. Errors as ask_directory(); after timed_out it may take effect yet.
void tell_directory(caf::actor_system& system, const Routes& routes, cluster::directory::CommandBody body,
                    Reply<cluster::directory::CommandResult> reply);

}  // namespace cairn::actors
