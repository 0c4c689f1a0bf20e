// Fan-out of journal growth to the sessions that watch a drive, on this node and on others.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "actors/interfaces.hpp"
#include "actors/peers.hpp"
#include "actors/routes.hpp"

namespace cairn::actors {

/// `expected_sessions`: how many may watch at a time before its tables must grow. `node`: the name of this node, as
/// the map has it.
WatchHubActor::behavior_type watch_hub(WatchHubActor::pointer self, std::size_t expected_sessions, std::string node,
                                       std::shared_ptr<Routes> routes, std::shared_ptr<NodeNetwork> network);

}  // namespace cairn::actors
