// Deliberate faults in what nodes decide around consensus, so that the simulation of whole clusters can show that it
// would find them. A production node has none; a check costs one comparison. Plain values.
#pragma once

#include <cstdint>
#include <string_view>

namespace cairn::cluster {

/// One-line faults. Each names the rule that it breaks.
enum class NodeFault : std::uint8_t {
  none,
  // Requests (routing.hpp).
  leader_asked_once,   ///< a leader whose answer was lost is not asked again
  readers_asked_once,  ///< nor are replicas whose answers to a read were lost
  // Reports (reporting.hpp).
  silent_leader_kept,  ///< who answers no report is reported to for ever
  never_lost,          ///< a node that was forgotten while it was away asks nobody for the map
  // The directory's decisions (reconcile.hpp).
  dead_stay_dead,            ///< a node that is back is not noticed
  dead_not_noticed,          ///< a node that is silent is not given up
  removed_before_successor,  ///< a lost replica goes before another one has come
  forgotten_before_removed,  ///< a replica is forgotten before its group let it go
  count_,                    ///< how many there are
};

/// snake_case word of the fault, as above.
std::string_view to_string(NodeFault fault);

/// The fault that is planted: none by default.
class NodeFaults {
 public:
  NodeFaults() = default;
  explicit NodeFaults(NodeFault only) : only_(only) {}
  bool has(NodeFault fault) const { return only_ == fault; }

 private:
  NodeFault only_ = NodeFault::none;
};

}  // namespace cairn::cluster
