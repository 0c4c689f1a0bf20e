// One replica of the simulated group: what the actor around consensus does on a node, with a disk that
// takes time and a process that can end at any moment. Everything it waits for is an event of the world.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "cluster/raft.hpp"
#include "storage/memory_store.hpp"
#include "tests/simulation/checks.hpp"
#include "tests/simulation/kv_machine.hpp"
#include "tests/simulation/sim_log.hpp"

namespace cairn::simulation {

using cluster::Duration;
using cluster::Instant;
using cluster::ReplicaId;

/// What a replica finds around it.
class Surroundings {
 public:
  virtual ~Surroundings() = default;
  virtual Instant now() const = 0;                    ///< true time
  virtual void after(Duration delay, std::function<void()> event) = 0;
  virtual void send(cluster::Message message) = 0;
  virtual test::Random& random() = 0;
  virtual Checks& checks() = 0;
  virtual bool tracing() const = 0;
  virtual void trace(ReplicaId id, const std::string& line) = 0;
};

struct ReplicaSettings {
  cluster::RaftOptions raft;
  cluster::Faults faults;
  Duration store_time{300};                           ///< of one step, on average
  std::uint64_t checkpoint_entries = 20;              ///< applied since the last one
  std::uint64_t kept_entries = 5;                     ///< in the log before the checkpoint
};

class SimReplica {
 public:
  SimReplica(Surroundings& around, const ReplicaSettings& settings, ReplicaId id, cluster::Configuration founders);

  void start();
  void crash();
  bool up() const { return raft_ != nullptr; }
  /// It found damage in its log: it never starts again.
  bool withdrawn() const { return withdrawn_; }

  void receive(const cluster::Message& message);
  void peer_down(ReplicaId peer);
  void jump_clock(Duration by) { clock_offset_ += by; }
  /// How fast its clock runs from now on.
  void set_drift(std::int64_t millionths);
  void set_full(bool full) { full_ = full; }
  void set_slow(int factor) { slow_ = factor; }
  bool rot() { return disk_->rot(around_.random()); }

  using Answered = std::function<void(Result<std::uint64_t>)>;
  void put(const Put& put, Answered answered);
  /// Answers the value, once this replica proved that it leads.
  void read(std::uint64_t key, std::uint64_t floor, Answered answered);
  /// Answers from these rows if they reflect `floor`.
  Result<std::uint64_t> local_read(std::uint64_t key, std::uint64_t floor);
  std::vector<JournalRow> journal_after(std::uint64_t cursor) { return machine_->journal_after(cursor); }
  std::uint64_t last_cursor() { return machine_->last_cursor(); }
  void transfer(ReplicaId to);
  void resign();
  void change(const cluster::Configuration& next);

  const cluster::Raft& raft() const { return *raft_; }
  KvMachine& machine() { return *machine_; }
  ReplicaId id() const { return id_; }

 private:
  struct Waiting {
    Put put;
    Answered answered;
  };
  struct Reading {
    std::uint64_t key;
    std::uint64_t floor;
    Answered answered;
  };

  Instant local_now() const;
  Duration store_time();
  /// Runs `event` after `delay` unless the process ended meanwhile.
  void after(Duration delay, std::function<void()> event);
  Error look_elsewhere(const Error& error);
  void pump();
  void arm_timer();
  void handle(cluster::Ready ready);
  void store(cluster::StoreStep step);
  void apply(const std::vector<storage::LogEntry>& entries);
  void checkpoint_if_due();
  void fetch(const cluster::EntryFetch& fetch);
  void read_snapshot(const cluster::SnapshotRead& read);
  Result<Bytes> snapshot_rows(cluster::Position& position);
  void keep_snapshot(cluster::SnapshotKeep keep);
  void install_snapshot(const cluster::SnapshotKeep& keep);
  void withdraw(const std::string& why);
  cluster::Position stored_position();
  std::optional<cluster::RaftRecovered> recover();
  void trace(const std::string& line) { around_.trace(id_, line); }

  Surroundings& around_;
  const ReplicaSettings& settings_;
  ReplicaId id_;
  cluster::Configuration founders_;
  std::shared_ptr<SimLogDisk> disk_ = std::make_shared<SimLogDisk>();
  std::unique_ptr<storage::MemoryStore> stopped_rows_ = storage::make_memory_store();
  bool withdrawn_ = false;
  bool full_ = false;
  int slow_ = 1;
  Instant clock_offset_{0};
  std::int64_t drift_ = 0;

  // The process.
  std::uint64_t process_ = 0;
  std::uint64_t timer_ = 0;
  std::unique_ptr<storage::ShardStore> log_;
  std::unique_ptr<storage::Table> table_;
  storage::MemoryStore* rows_ = nullptr;               // the table's
  std::unique_ptr<KvMachine> machine_;
  std::unique_ptr<cluster::Raft> raft_;
  std::shared_ptr<storage::Checkpoint> checkpoint_;
  std::map<std::uint64_t, Waiting> waiting_;           // by index
  std::map<std::uint64_t, Reading> reading_;           // by number
  struct Source {
    cluster::Position position;
    Bytes bytes;
  };
  std::map<std::uint64_t, Source> sources_;            // by transfer
  Bytes incoming_;
};

}  // namespace cairn::simulation
