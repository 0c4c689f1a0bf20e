// Consensus of one group, seen from one of its replicas: Raft as in Diego Ongaro's dissertation
// ("Consensus: Bridging Theory and Practice", 2014), whose sections are named beside the rules. A pure
// step function: inputs change its state, take_ready() says what to do next. It has no clock, disk,
// randomness or thread of its own: the caller passes its monotonic time and a seed.
// What it guarantees rests on this: messages that promise something leave only after stored() said that
// what they promise is durable, and only durable entries count for commitment. One thread.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "cluster/raft_faults.hpp"
#include "cluster/raft_log.hpp"
#include "cluster/raft_membership.hpp"
#include "cluster/raft_messages.hpp"
#include "cluster/raft_progress.hpp"
#include "cluster/raft_reads.hpp"
#include "cluster/raft_snapshots.hpp"

namespace cairn::cluster {

/// What to make durable as one step, in this order: set_hard_state, append, one sync. Then say stored().
/// One step is out at a time.
struct StoreStep {
  std::uint64_t number = 0;
  std::optional<storage::HardState> hard_state;
  std::vector<storage::LogEntry> entries;
};

/// Entries of the log that are no longer in memory: read them from the store and say fetched().
struct EntryFetch {
  ReplicaId peer;
  std::uint64_t from = 0;
  std::size_t max_entries = 0;
  std::size_t max_bytes = 0;
};

/// The next part of a snapshot for `peer`: say snapshot_read(). With offset 0 a new source is opened,
/// whose index must be at least the log's first index - 1. Offsets of one transfer only go up.
struct SnapshotRead {
  ReplicaId peer;
  std::uint64_t transfer = 0;
  std::uint64_t offset = 0;
  std::size_t max_bytes = 0;
};

/// A part of a snapshot to keep, in order; the first has offset 0 and replaces what was kept of another
/// transfer. Say snapshot_kept() for each. With `last`: check the rows, put them in the place of the
/// replica's rows (durably, with the position), then ShardStore::reset() to the position, and say
/// snapshot_installed(). No store step is out then, and none comes before that call.
struct SnapshotKeep {
  std::uint64_t transfer = 0;
  Position position;
  std::uint64_t offset = 0;
  Bytes bytes;
  bool last = false;
};

/// What to do next, in the order of the members.
struct Ready {
  std::vector<Message> messages;
  std::optional<StoreStep> store;
  std::vector<storage::LogEntry> apply;         ///< committed and durable here, in order
  std::vector<ReadReady> reads;                 ///< may be answered now that `apply` is applied
  std::vector<std::uint64_t> failed_reads;      ///< leadership is lost: ask the new leader
  std::vector<EntryFetch> fetches;
  std::vector<SnapshotRead> snapshot_reads;
  std::vector<std::uint64_t> snapshots_closed;  ///< transfers whose source may be closed
  std::optional<SnapshotKeep> snapshot_keep;

  bool empty() const {
    return messages.empty() && !store && apply.empty() && reads.empty() && failed_reads.empty() &&
           fetches.empty() && snapshot_reads.empty() && snapshots_closed.empty() && !snapshot_keep;
  }
};

/// What a replica that starts was found to hold.
struct RaftRecovered {
  storage::HardState hard_state;
  Position applied;              ///< what its rows reflect; for a new group index 0 and the founders
  RaftLog log;                   ///< filled by RaftLog::restore(); reaches back to applied.index at least
};

/// What start must do with a log beside rows that reflect `applied`: true if ShardStore::reset(applied)
/// must come first, since a crash came between a snapshot's rows and its reset.
bool must_reset_log(const RaftLog& log, const Position& applied);

class Raft {
 public:
  Raft(ReplicaId self, const RaftOptions& options, RaftRecovered recovered, Instant now, std::uint64_t seed,
       Faults faults = {});

  // Inputs. Times never go back.

  void receive(Message message, Instant now);
  /// To be called at deadline() or later.
  void tick(Instant now);
  Instant deadline() const;
  /// The link to `peer` is down. If it led, this replica campaigns within down_delay.
  void peer_down(ReplicaId peer, Instant now);

  /// Somebody looks for the leader here in vain: if it ended without a word while the group was silent, this replica
  /// finds out within an election timeout.
  void doubt_leader(Instant now);

  /// Puts a command at the end of the leader's log and answers its index; it is committed if the entry
  /// applied at that index has term(). unavailable: not the leader (see leader()); busy: too much in
  /// flight, or leadership is being handed on; disk_full: the store refuses.
  Result<std::uint64_t> propose(Bytes command, Instant now);
  /// Changes the configuration by one voter or any learners. conflict: a change is on its way or the
  /// leader is too new (try again soon); invalid_argument: more than one voter, or none would be left;
  /// busy: a learner that is promoted is too far behind; else as propose().
  Result<std::uint64_t> propose_configuration(const Configuration& next, Instant now);
  /// Hands leadership to a voter (Raft §3.10); given up after election_timeout.
  Result<void> transfer(ReplicaId to, Instant now);
  /// This replica stops: if it leads, the voter with the longest log is told to campaign at once. The message
  /// is in the next take_ready(). It may go on as a follower.
  void resign(Instant now);
  /// A linearizable read: its number, which comes back in Ready::reads or failed_reads. unavailable: not
  /// the leader; busy: too many wait.
  Result<std::uint64_t> read(Instant now);

  void stored(std::uint64_t step, Instant now);
  /// The store had no room and durably nothing of the step was written. The indexes of proposals that
  /// are dropped, which will be used again: only where no other replica can have them. Otherwise the
  /// step comes again after store_retry_interval, and a leader hands on its office.
  std::vector<std::uint64_t> store_refused(std::uint64_t step, Instant now);
  /// Answers an EntryFetch; empty if the entries are compacted.
  void fetched(ReplicaId peer, std::vector<storage::LogEntry> entries, Instant now);
  void snapshot_read(ReplicaId peer, std::uint64_t transfer, const Position& position, std::uint64_t offset,
                     Bytes bytes, bool last, Instant now);
  /// The source could not be opened or read: the transfer ends and a new one may begin.
  void snapshot_failed(ReplicaId peer, std::uint64_t transfer, Instant now);
  void snapshot_kept(std::uint64_t transfer, std::uint64_t next_offset, Instant now);
  void snapshot_installed(std::uint64_t transfer, Instant now);
  /// What was received is no sound snapshot, or there is no room: nothing was changed.
  void snapshot_refused(std::uint64_t transfer, Instant now);
  /// ShardStore::compact(index) was done; at most the index of the last durable checkpoint.
  void compacted(std::uint64_t index);

  /// What to do now. Call it after any number of inputs until it is empty.
  Ready take_ready(Instant now);

  // State, for its caller, the console and tests.

  ReplicaId self() const { return self_; }
  Role role() const { return role_; }
  std::uint64_t term() const { return hard_state_.term; }
  ReplicaId leader() const { return leader_; }
  std::uint64_t commit() const { return commit_; }
  /// Given out to be applied up to here.
  std::uint64_t applied() const { return applied_; }
  const RaftLog& log() const { return log_; }
  const Configuration& configuration() const { return membership_.current(); }
  /// The configuration in effect is committed.
  bool configuration_settled() const { return membership_.current_index() <= commit_; }
  /// The position that rows reflect once everything up to `index` is applied; `index` <= applied().
  Position position_at(std::uint64_t index) const;
  bool quiescent() const { return quiescent_; }
  /// Of the leader: what it knows of another; nothing if it does not know it.
  const RaftProgress* progress(ReplicaId peer) const;
  /// Of the leader: it committed an entry of its term, so that it may read and change the configuration.
  bool settled_in_office() const;
  /// Of the leader: it hands on its office, and refuses proposals meanwhile.
  bool handing_on() const { return transfer_.has_value(); }
  /// Nobody else belongs to the group.
  bool alone() const {
    const auto& [voters, learners] = configuration();
    return voters.size() == 1 && voters.front() == self_ && learners.empty();
  }

 private:
  // Elections (raft_election.cpp).
  bool may_campaign() const;
  bool promised(Instant now) const;
  bool up_to_date(const VoteRequest& request) const;
  std::size_t quorum() const;
  bool won() const;
  void campaign(bool pre, bool transfer, Instant now);
  void become_follower(std::uint64_t term, ReplicaId leader, Instant now);
  void become_leader(Instant now);
  void reset_election_timer(Instant now);
  void handle(const Message& message, const VoteRequest& request, Instant now);
  void handle(const Message& message, const VoteAnswer& answer, Instant now);
  void handle(const Message& message, const TransferNow& transfer, Instant now);
  bool take_term(const Message& message, Instant now);

  // Following (raft_follower.cpp).
  void follow(const Message& message, Instant now);
  void handle(const Message& message, const Append& append, Instant now);
  void handle(const Message& message, const Heartbeat& heartbeat, Instant now);
  void handle(const Message& message, SnapshotChunk& chunk, Instant now);
  std::uint64_t take_entries(const Append& append);
  void take_chunks(SnapshotChunk chunk);
  void truncate_log(std::uint64_t from);
  void append_to_log(storage::LogEntry entry);
  void commit_to(std::uint64_t index);

  // Leading (raft_leader.cpp).
  void handle(const Message& message, const AppendAnswer& answer, Instant now);
  void handle(const Message& message, const HeartbeatAnswer& answer, Instant now);
  void handle(const Message& message, const SnapshotAnswer& answer, Instant now);
  void hear_round(RaftProgress& peer, std::uint64_t round);
  void confirm_rounds();
  bool lease_holds(Instant now) const;
  void advance_commit(Instant now);
  void configuration_changed(Instant now);
  void beat(Instant now);
  void send_heartbeats(std::uint64_t round, bool quiesce);
  bool idle(Instant now) const;
  void replicate(Instant now);
  void tell_commit(ReplicaId id, RaftProgress& peer);
  void replicate_to(ReplicaId id, RaftProgress& peer, Instant now);
  void send_append(ReplicaId id, RaftProgress& peer, std::vector<storage::LogEntry> entries, Instant now);
  void send_snapshot(ReplicaId id, RaftProgress& peer, Instant now);
  void close_snapshot(ReplicaId id);
  ReplicaId longest_voter() const;
  void try_transfer(Instant now);
  void release_reads(Instant now);
  void wake(Instant now);
  template <class Value>
  Value majority_of(Value own, Value (*of)(const RaftProgress&)) const;

  // Messages and the store (raft.cpp).
  void send(ReplicaId to, MessageBody body) { send(to, term(), std::move(body)); }
  void send(ReplicaId to, std::uint64_t term, MessageBody body);
  void send_when_stored(ReplicaId to, MessageBody body, std::uint64_t index);
  void release_held();
  void set_hard_state(std::uint64_t term, ReplicaId vote);
  void next_store_step();
  void next_applies();
  std::uint64_t random(std::uint64_t bound);

  struct Held {
    std::uint64_t step;    // hard states up to this step are durable
    std::uint64_t index;   // the log is durable up to here
    Message message;
  };
  struct Transfer {
    ReplicaId to;
    Instant until;
    bool sent = false;
  };

  ReplicaId self_;
  RaftOptions options_;
  Faults faults_;
  std::uint64_t random_state_;

  storage::HardState hard_state_;
  RaftLog log_;
  RaftMembership membership_;
  std::uint64_t commit_;
  std::uint64_t applied_;
  std::size_t unapplied_bytes_ = 0;

  Role role_ = Role::follower;
  ReplicaId leader_ = no_replica;
  Instant contact_;                       // when the leader was last heard
  Instant timer_;                         // election or next heartbeat
  std::uint32_t hurried_campaigns_ = 0;   // left
  bool quiescent_ = false;

  std::set<ReplicaId> votes_;             // of a pre-candidate or candidate
  std::uint32_t vote_answers_ = 0;
  std::uint64_t own_vote_step_ = 0;

  std::map<ReplicaId, RaftProgress> peers_;    // of a leader: everybody else in the configuration
  std::map<ReplicaId, SnapshotSend> sends_;
  RaftReads reads_;
  std::deque<ReadReady> confirmed_reads_;      // until they are applied here
  std::uint64_t office_index_ = 0;             // the leader's first entry in its term
  std::uint32_t idle_heartbeats_ = 0;
  bool lease_given_up_ = false;
  std::optional<Transfer> transfer_;
  std::uint64_t next_read_ = 1;
  std::uint64_t next_transfer_ = 1;

  std::optional<SnapshotReceive> receiving_;
  std::deque<SnapshotKeep> keeps_;
  bool installing_ = false;

  bool hard_state_changed_ = false;
  std::uint64_t next_step_ = 1;
  bool step_out_ = false;
  bool step_has_hard_state_ = false;
  std::uint64_t stored_step_ = 0;
  Instant store_blocked_until_{0};
  std::vector<Held> held_;

  Ready ready_;
};

}  // namespace cairn::cluster
