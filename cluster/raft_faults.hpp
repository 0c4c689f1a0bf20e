// Deliberate faults in consensus and in the replica around it, so that the simulation can show that it
// would find them. A production replica is built with none; a check costs one bit test. Plain values.
#pragma once

#include <cstdint>
#include <string_view>

namespace cairn::cluster {

/// One-line faults. Each names the rule that it breaks.
enum class Fault : std::uint8_t {
  // Elections.
  vote_twice_in_term,             ///< the vote of this term is not looked at
  vote_not_stored,                ///< a restart forgets the vote
  vote_before_stored,             ///< a granted vote leaves before it is durable
  vote_for_shorter_log,           ///< the candidate's log is not compared
  vote_by_length_only,            ///< logs are compared by length, not by last term first
  candidate_counts_answers,       ///< a vote that arrives twice counts twice
  candidate_counts_old_votes,     ///< votes of an earlier term count
  pre_vote_counts_as_vote,        ///< a granted pre-vote counts in the election
  half_is_majority,               ///< half of an even number of voters suffices
  learner_counts,                 ///< learners count for majorities
  term_not_stored,                ///< a restart forgets the term
  // Replication.
  commit_old_term_by_counting,    ///< entries of earlier terms commit by their copies
  count_unsynced_own,             ///< the leader counts its own entry before it is durable
  acknowledge_before_stored,      ///< a follower acknowledges what is not durable
  append_without_match,           ///< the entry before the new ones is not compared
  truncate_on_any_append,         ///< an old append cuts off entries that came after it
  keep_conflicting_entries,       ///< conflicting entries are kept instead of replaced
  follower_commits_unverified,    ///< a follower commits past what it has compared
  stored_covers_replaced,         ///< a finished store step counts for entries that replaced its own
  accept_old_leader,              ///< messages of earlier terms are taken
  keep_leading_in_old_term,       ///< a leader goes on when it meets a later term
  never_send_again,               ///< a lost append is never sent again
  // Membership.
  no_configuration_rollback,      ///< a truncated configuration stays in effect
  configuration_when_committed,   ///< a configuration takes effect when committed, not when appended
  configuration_before_own_entry, ///< a new leader changes membership before it committed an entry
  two_configurations_at_once,     ///< a change starts while another is uncommitted
  removed_leader_counts_itself,   ///< a leader outside the configuration counts its own copy
  // Reads.
  read_without_round,             ///< ReadIndex without hearing from a majority
  read_before_own_entry,          ///< a new leader reads before it committed an entry
  read_round_from_before,         ///< a round that began before the read confirms it
  lease_without_end,              ///< the lease is served after its end
  lease_without_drift,            ///< the lease takes no account of clocks that run unevenly
  lease_after_transfer,           ///< the lease is served after leadership was handed on
  vote_within_lease,              ///< a follower votes although it promised not to
  restart_forgets_lease,          ///< a restarted follower votes at once
  // Snapshots and compaction.
  keep_log_after_snapshot,        ///< entries from before the snapshot stay
  snapshot_chunk_unchecked,       ///< a damaged chunk is taken
  snapshot_out_of_order,          ///< chunks are taken in any order
  snapshot_without_configuration, ///< the configuration does not come with the snapshot
  // Liveness.
  no_check_quorum,                ///< a leader that hears nobody goes on leading
  quiescent_for_ever,             ///< a quiescent follower does not hear that its leader is down
  transfer_without_end,           ///< a transfer that fails keeps refusing proposals
  doubt_changes_nothing,          ///< a quiescent follower that is asked for its leader in vain waits on
  // The replica around consensus (in the simulation's own replica).
  apply_past_gap,                 ///< an entry is left out when several are applied
  result_by_client_only,          ///< a kept result answers any sequence of its client
  forget_results,                 ///< kept results do not come with a snapshot
  compact_past_checkpoint,        ///< the log forgets what is only in memory
  replay_checkpointed,            ///< a restart applies the last checkpointed entry again
  watch_from_end,                 ///< a watcher resumes at the end instead of its cursor
  watch_repeats,                  ///< a watcher's cursor is moved one too few
  answer_before_commit,           ///< a proposal is answered when it is appended
  stale_local_read,               ///< a replica answers below the index that the session asked for
  read_past_rot,                  ///< a damaged log entry is replaced by an empty one
  count_,                         ///< how many there are
};

/// snake_case word of the fault, as above.
std::string_view to_string(Fault fault);

/// The faults that are planted: none by default.
class Faults {
 public:
  Faults() = default;
  explicit Faults(Fault only) : bits_(std::uint64_t{1} << static_cast<unsigned>(only)) {}
  bool has(Fault fault) const { return (bits_ >> static_cast<unsigned>(fault) & 1) != 0; }

 private:
  std::uint64_t bits_ = 0;
};
static_assert(static_cast<unsigned>(Fault::count_) <= 64);

}  // namespace cairn::cluster
