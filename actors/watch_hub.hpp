// Fan-out of journal growth to the sessions that watch a drive.
#pragma once

#include <cstddef>

#include "actors/interfaces.hpp"

namespace cairn::actors {

/// `expected_sessions`: how many may watch at a time before its tables must grow.
WatchHubActor::behavior_type watch_hub(WatchHubActor::pointer self, std::size_t expected_sessions);

}  // namespace cairn::actors
