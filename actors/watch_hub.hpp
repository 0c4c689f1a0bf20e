// Fan-out of journal growth to the sessions that watch a drive.
#pragma once

#include "actors/interfaces.hpp"

namespace cairn::actors {

WatchHubActor::behavior_type watch_hub(WatchHubActor::pointer self);

}  // namespace cairn::actors
