// Deliberate faults in what a node does around consensus, so that the simulation of whole clusters can show that it
// would find them. Each is planted in the simulated node, which mirrors the actors. Plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

namespace cairn::simulation {

/// Each names the rule that it breaks.
enum class ClusterFault : std::uint8_t {
  none,
  wiped_founder_founds,      ///< a founder whose disk was lost begins again under its old replica id
  host_from_old_map,         ///< replicas are made from a map from before the node registered
  keep_forgotten,            ///< what the directory forgot is not deleted
  learner_as_founder,        ///< a replica that joins a group begins as its founder
  withdrawn_goes_on,         ///< a replica that found rot in itself goes on
  withdrawn_still_leads,     ///< a node is not told that its replica that withdrew leads no more
  withdrawn_not_reported,    ///< nobody is told of a replica that withdrew
  withdrawn_restarts_empty,  ///< a replica that withdrew begins again without its log, under its old id
  stored_before_sync,        ///< consensus hears that a step is stored before it is synced
  floor_ignored,             ///< a replica answers below the floor of a read
  read_without_leading,      ///< a replica answers linearizable reads without asking consensus
  retry_as_new,              ///< a commit whose answer was lost is sent again under a new sequence
  hub_hides_leader,          ///< a hub does not say that its node's replica leads now
  watch_reads_old,           ///< a watch looks at any rows instead of those that it was told of
  watch_keeps_cursor,        ///< a watch that moves to another node begins at the end
  orders_lost,               ///< the directory's leader gives each order once
  office_left_in_transfer,   ///< a leader of the directory that could not hand on its office does not take it again
  reports_to_itself,         ///< a node that does not know the directory's leader reports to itself and stays with it
  leave_leftovers,           ///< what a crash kept from being deleted stays
  founders_not_kept,         ///< a replica that starts again begins with the voters that the map names now
  count_,
};

inline constexpr std::string_view cluster_fault_words[] = {
    "none",
    "wiped_founder_founds",
    "host_from_old_map",
    "keep_forgotten",
    "learner_as_founder",
    "withdrawn_goes_on",
    "withdrawn_still_leads",
    "withdrawn_not_reported",
    "withdrawn_restarts_empty",
    "stored_before_sync",
    "floor_ignored",
    "read_without_leading",
    "retry_as_new",
    "hub_hides_leader",
    "watch_reads_old",
    "watch_keeps_cursor",
    "orders_lost",
    "office_left_in_transfer",
    "reports_to_itself",
    "leave_leftovers",
    "founders_not_kept",
};
static_assert(std::size(cluster_fault_words) == static_cast<std::size_t>(ClusterFault::count_));

inline std::string_view to_string(ClusterFault fault) { return cluster_fault_words[static_cast<std::size_t>(fault)]; }

}  // namespace cairn::simulation
