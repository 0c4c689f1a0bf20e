// How far a replica got with a request: what routing decides by, and what askers are told.
#pragma once

#include <cstdint>

namespace cairn::cluster {

/// Numbers travel between nodes: append only.
enum class Served : std::uint8_t {
  done = 0,        ///< the answer is the replica's, and may be an Error
  not_leader = 1,  ///< nothing was done: another leads, or nobody is known to
  not_here = 2,    ///< nothing was done: no such replica on that node, or its shard does not own the slot
  behind = 3,      ///< nothing was done: the rows did not reach the floor in time
  unknown = 4,     ///< the replica stopped or lost its office, or nobody answered: a proposal may take effect yet
  busy = 5,        ///< nothing was done: too much waits in the router that was asked
};

}  // namespace cairn::cluster
