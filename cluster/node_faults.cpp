#include "cluster/node_faults.hpp"

#include <array>

namespace cairn::cluster {
namespace {

constexpr std::array fault_words = std::to_array<std::string_view>(
    {"none", "leader_asked_once", "readers_asked_once", "silent_leader_kept", "never_lost", "dead_stay_dead",
     "dead_not_noticed", "removed_before_successor", "forgotten_before_removed"});
static_assert(fault_words.size() == static_cast<std::size_t>(NodeFault::count_));

}  // namespace

std::string_view to_string(NodeFault fault) { return fault_words.at(static_cast<std::size_t>(fault)); }

}  // namespace cairn::cluster
