// What must hold in every run: Raft's five safety properties and the promises to clients, checked as
// replicas step. It sees all replicas at once, so it knows what each entry became. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "cluster/raft.hpp"
#include "tests/simulation/kv_machine.hpp"
#include "tests/simulation/linearizability.hpp"
#include "tests/simulation/sim_log.hpp"

namespace cairn::simulation {

/// A property that does not hold: what() names it and the place.
struct Violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Checks {
 public:
  /// The disk of a replica, for counting durable copies; kept when the replica's process ends.
  void watch_disk(cluster::ReplicaId id, std::shared_ptr<SimLogDisk> disk) { disks_[id] = std::move(disk); }
  void set_founders(cluster::Configuration founders) { founders_ = std::move(founders); }
  void forget_process(cluster::ReplicaId id) { seen_.erase(id); }

  /// After every step of a replica.
  void stepped(const cluster::Raft& raft);
  /// A message leaves: what it promises is durable.
  void sending(const cluster::Raft& raft, const cluster::Message& message);
  /// Entries on their way to a replica's disk.
  void storing(const cluster::Raft& raft, const std::vector<storage::LogEntry>& entries);
  /// A replica applies an entry; `result` and `cursor` are what came of a command.
  void applied(cluster::ReplicaId id, const storage::LogEntry& entry, const PutResult* result, std::uint64_t cursor);
  /// A replica installed a snapshot of `position`.
  void installed(cluster::ReplicaId id, const cluster::Position& position, KvMachine& rows);

  /// A put was answered to its client.
  void acknowledged(const Put& put, std::uint64_t before);
  /// The newest index whose result a client has seen.
  std::uint64_t acknowledged_index() const { return acknowledged_index_; }
  std::uint64_t index_of(const Put& put) const;
  /// A linearizable read that was invoked when `floor` was acknowledged, answered from rows of `index`.
  void read(std::uint64_t key, std::uint64_t value, std::uint64_t index, std::uint64_t floor) const;
  /// A replica's read for a session that has seen `floor`.
  void local_read(std::uint64_t key, std::uint64_t value, std::uint64_t index, std::uint64_t floor) const;
  /// A watcher that had seen all up to `cursor` is given these.
  void watched(std::uint64_t cursor, const std::vector<JournalRow>& rows) const;
  void history(std::uint64_t key, const Operation& operation) { histories_[key].push_back(operation); }

  /// At the end: every history is linearizable, and nothing acknowledged is missing in `rows`.
  void finish(KvMachine& rows) const;
  std::uint64_t committed() const { return committed_.empty() ? 0 : committed_.rbegin()->first; }
  std::uint64_t cursor() const { return journal_.size(); }
  std::size_t acknowledgements() const { return acknowledged_.size(); }

 private:
  struct Seen {
    cluster::Role role = cluster::Role::follower;
    std::uint64_t term = 0;
    std::uint64_t last_index = 0;
    std::uint64_t last_term = 0;
    std::uint64_t commit = 0;
  };
  struct Effect {
    std::uint64_t index;
    std::uint64_t before;
  };
  std::uint64_t value_at(std::uint64_t key, std::uint64_t index) const;
  void elected(const cluster::Raft& raft);
  void commits(const cluster::Raft& raft, std::uint64_t from);
  void configurations(const cluster::Raft& raft);

  cluster::Configuration founders_;
  std::map<cluster::ReplicaId, std::shared_ptr<SimLogDisk>> disks_;
  std::map<cluster::ReplicaId, Seen> seen_;
  std::map<std::uint64_t, cluster::ReplicaId> leaders_;                         // by term
  std::set<std::tuple<std::uint64_t, cluster::ReplicaId, cluster::ReplicaId>> votes_;   // term, for, by
  struct Written {
    std::uint64_t before_term;
    std::size_t hash;
  };
  std::map<std::pair<std::uint64_t, std::uint64_t>, Written> entries_;          // by index and term
  std::map<std::pair<std::uint64_t, std::uint64_t>, cluster::Configuration> configurations_;   // by index and term
  std::map<std::uint64_t, std::uint64_t> committed_;                            // index → term
  std::map<std::uint64_t, std::uint64_t> committed_in_;                         // index → term of who led then
  struct Outcome {
    std::uint64_t term;
    std::size_t hash;
    std::uint64_t cursor;
    std::uint64_t before;
  };
  std::map<std::uint64_t, Outcome> applied_;                                    // by index
  std::map<std::pair<std::uint64_t, std::uint64_t>, Effect> effects_;           // by client and sequence
  std::map<std::uint64_t, std::map<std::uint64_t, std::uint64_t>> values_;      // key → index → value
  std::vector<JournalRow> journal_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint64_t> acknowledged_;  // → cursor
  std::uint64_t acknowledged_index_ = 0;
  std::map<std::uint64_t, std::vector<Operation>> histories_;
};

}  // namespace cairn::simulation
