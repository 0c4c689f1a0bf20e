// The replica's state behind its actor: consensus, rows, who waits, and what is on its way to the detached actors.
// Requests and what its node tells it are in replica.cpp, the steps of consensus in replica_step.cpp. The replica's
// actor alone.
#pragma once

#include <caf/typed_event_based_actor.hpp>

#include <set>

#include "actors/replica.hpp"
#include "actors/replica_requests.hpp"
#include "actors/replica_rows.hpp"

namespace cairn::actors {

class Replica {
 public:
  Replica(ReplicaActor::pointer self, OpenedReplica opened, ReplicaOptions options, std::shared_ptr<Routes> routes,
          std::shared_ptr<ReplicaNetwork> network);
  ~Replica();

  // Requests.
  Responder::Promise request(Propose& message);
  Responder::Promise request(Ask& message);
  void request(const RemoteRequests& message);

  // From the node.
  void received(RaftReceived& message);
  void peer_down(const PeerDown& message);
  void set_slots(const SetSlots& message) { options_.slots = message.slots; }
  void change_group(const ChangeGroup& message);
  void report(const GetReplica& message);

  // From the parts.
  void stored(const Stored& message);
  void log_compacted(const LogCompacted& message) { raft_.compacted(message.index); }
  void entries_fetched(EntriesFetched& message);
  void log_reset(const LogReset& message);
  void withdrawal_marked();
  void withdraw(const std::string& why);
  void checkpoint_written(CheckpointWritten& message);
  void snapshot_part(SnapshotPart& message);
  void snapshot_failed(const SnapshotFailed& message);
  void snapshot_kept(const SnapshotKept& message);
  void snapshot_refused(const SnapshotRefused& message);
  void snapshot_in_place(SnapshotInPlace& message);
  void raft_timer(const RaftTimer& message);
  void step();
  void timer(const TimerFired& message);

 private:
  struct Early {
    Propose proposal;
    Responder answer;
  };

  // Requests.
  bool here(const Target& target) const;
  bool owns(std::uint16_t slot) const;
  void propose(Propose& message, Responder answer);
  void put_in_log(Propose& message, Responder answer);
  void ask(Ask& message, Responder answer);
  void ask_linearizable(Ask& message, Responder answer);
  void look_elsewhere(Responder& answer);
  void answer(WaitingReads::Read read);
  void expire_reads();
  Answer refusal(const Error& error);
  bool alone_and_complete() const;
  Result<void> change(GroupChange change, cluster::ReplicaId replica);
  bool hears(cluster::ReplicaId replica) const;
  Result<void> check_majority(const cluster::Configuration& next) const;
  void housekeep();
  void set_housekeeping_timer();

  // Steps.
  void step_soon();
  void pump();
  void store_held_step();
  void apply(const std::vector<storage::LogEntry>& entries);
  void answer_reads(const cluster::Ready& ready);
  void serve_snapshots(cluster::Ready& ready);
  void read_snapshot(const cluster::SnapshotRead& read);
  void keep_held_part();
  SnapshotActor snapshots();
  void office_changed();
  void tell_changed();
  void set_raft_timer();
  void tell_room(const Error* full);
  void refuse(const Error& error, const std::vector<std::uint64_t>& dropped);
  void checkpoint_if_due();
  void resign();
  void end_waiting();

  ReplicaActor::pointer self_;
  ReplicaOptions options_;
  std::shared_ptr<Routes> routes_;
  std::shared_ptr<ReplicaNetwork> network_;
  std::shared_ptr<storage::Disk> disk_;
  std::shared_ptr<const void> held_;
  ReplicaRows rows_;
  cluster::Raft raft_;
  ShardStoreActor store_;
  CheckpointerActor checkpointer_;
  SnapshotActor snapshots_;  // from the first snapshot on

  WaitingProposals proposals_;
  WaitingReads reads_;
  TurnsAnswers answers_;
  std::vector<Early> early_;           // before the election of a replica that is alone
  bool opened_complete_;               // alone since the start, when all was applied that was stored
  std::set<cluster::ReplicaId> down_;  // others that cannot be reached

  std::optional<cluster::StoreStep> held_step_;
  std::optional<cluster::SnapshotKeep> held_part_;  // the last one waits for the checkpoint that is out
  bool installing_ = false;
  bool store_full_ = false;
  bool withdrawing_ = false;
  std::string withdrawn_why_;

  std::optional<ReplicaChanged> told_;
  bool led_ = false;
  std::uint64_t led_term_ = 0;
  bool settled_ = false;

  bool step_due_ = false;
  std::uint64_t raft_timer_ = 0;  // the number of the one that counts
  cluster::Instant raft_timer_at_ = cluster::never;
  bool reads_timer_set_ = false;
  bool housekeeping_ = false;
  std::uint64_t log_bytes_ = 0;
};

}  // namespace cairn::actors
