// A supervisor: its children in one ordered table, started in that order, restarted one for one within
// the limits of cluster/supervision.hpp, stopped in reverse. When a child fails beyond its limits the
// supervisor stops the others and quits with escalated: its own supervisor, or the process, decides.
#pragma once

#include <caf/actor.hpp>

#include <functional>
#include <string>
#include <vector>

#include "actors/interfaces.hpp"
#include "cluster/supervision.hpp"

namespace cairn::actors {

/// Why a supervisor quit.
inline const caf::error escalated{1, caf::atom("cairn")};

/// `started` is called once: when all children run (nothing), or with what kept one from starting.
SupervisorActor::behavior_type supervisor(SupervisorActor::pointer self, std::vector<ChildSpec> children,
                                          cluster::RestartLimits limits, Reply<bool> started);

}  // namespace cairn::actors
