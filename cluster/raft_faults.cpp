#include "cluster/raft_faults.hpp"

#include <array>

namespace cairn::cluster {
namespace {

constexpr std::array fault_words = std::to_array<std::string_view>({
    "vote_twice_in_term", "vote_not_stored", "vote_before_stored", "vote_for_shorter_log",
    "vote_by_length_only", "candidate_counts_answers", "candidate_counts_old_votes",
    "pre_vote_counts_as_vote", "half_is_majority", "learner_counts", "term_not_stored",
    "commit_old_term_by_counting", "count_unsynced_own", "acknowledge_before_stored",
    "append_without_match", "truncate_on_any_append", "keep_conflicting_entries",
    "follower_commits_unverified", "stored_covers_replaced", "accept_old_leader",
    "keep_leading_in_old_term", "never_send_again", "no_configuration_rollback",
    "configuration_when_committed", "configuration_before_own_entry", "two_configurations_at_once",
    "removed_leader_counts_itself", "read_without_round", "read_before_own_entry",
    "read_round_from_before", "lease_without_end", "lease_without_drift", "lease_after_transfer", "vote_within_lease",
    "restart_forgets_lease", "keep_log_after_snapshot", "snapshot_chunk_unchecked",
    "snapshot_out_of_order", "snapshot_without_configuration", "no_check_quorum",
    "quiescent_for_ever", "transfer_without_end", "doubt_changes_nothing", "apply_past_gap", "result_by_client_only",
    "forget_results", "compact_past_checkpoint", "replay_checkpointed", "watch_from_end",
    "watch_repeats", "answer_before_commit", "stale_local_read", "read_past_rot"});
static_assert(fault_words.size() == static_cast<std::size_t>(Fault::count_));

}  // namespace

std::string_view to_string(Fault fault) { return fault_words.at(static_cast<std::size_t>(fault)); }

}  // namespace cairn::cluster
