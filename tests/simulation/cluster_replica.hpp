// A replica of a shard on a simulated node: what actors/replica*.cpp does around consensus, with the real log on a
// simulated disk, real rows and the real state machines. Everything it waits for is an event of its node. One thread.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "cluster/control.hpp"
#include "cluster/raft.hpp"
#include "cluster/served.hpp"
#include "cluster/state_machine.hpp"
#include "storage/row_stream.hpp"
#include "storage/shard_store.hpp"
#include "tests/simulation/cluster_checks.hpp"
#include "tests/simulation/cluster_disk.hpp"
#include "tests/simulation/cluster_faults.hpp"

namespace cairn::simulation {

using cluster::Duration;
using cluster::Instant;
using cluster::Served;

class ClusterNode;

struct ShardAnswer {
  Served served = Served::unknown;
  Bytes result;
  std::uint64_t index = 0;
  ReplicaId leader;
};
using AnswerTo = std::function<void(ShardAnswer)>;

struct ShardRequest {
  ShardId shard;
  std::uint16_t slot = slot_count;  ///< slot_count: the shard as a whole
  Bytes body;                       ///< a command or a query
  bool proposes = false;
  bool linearizable = false;
  std::uint64_t floor = 0;
};

struct RoleChange {
  ShardId shard;
  ReplicaId replica;
  cluster::Role role = cluster::Role::follower;
  std::uint64_t term = 0;
  ReplicaId leader;
  bool settled = false;
  std::uint64_t index = 0;
  bool same_office(const RoleChange& other) const {
    return role == other.role && term == other.term && leader == other.leader && settled == other.settled;
  }
};

class ShardReplica {
 public:
  struct Options {
    ShardId shard;
    ReplicaId self;
    cluster::Configuration founders;
    std::vector<cluster::directory::SlotRange> slots;
  };

  ShardReplica(ClusterNode& node, Options options, std::shared_ptr<ReplicaFolderDisk> disk);
  ~ShardReplica();
  /// As open_replica(): corrupt means that it withdraws.
  Result<void> open();
  /// Power is lost: what was not synced may be gone.
  void lose_power();

  void receive(const cluster::Message& message);
  void peer_down(ReplicaId peer);
  void set_slots(std::vector<cluster::directory::SlotRange> slots) { options_.slots = std::move(slots); }
  void request(ShardRequest request, AnswerTo answer);
  Result<void> change(cluster::directory::GroupChange change, ReplicaId replica);
  void withdraw(const std::string& why);

  cluster::directory::ReplicaReport report() const;
  RoleChange role() const;
  const cluster::Raft& raft() const { return *raft_; }
  storage::Table& table() { return *table_; }
  ReplicaId id() const { return options_.self; }
  bool withdrawing() const { return withdrawing_; }
  /// Damages a stored record or row. False if there is none.
  bool rot_log();
  bool rot_row();
  /// Dies within the operation of its log's disk after `operations` more.
  void die_at_write(std::uint64_t operations);

 private:
  struct Proposal {
    std::uint64_t index;
    std::uint64_t term;
    std::unique_ptr<cluster::MachineCommand> command;
    AnswerTo answer;
  };
  struct Read {
    Bytes query;
    AnswerTo answer;
  };
  struct Source {
    storage::RowStreamReader rows;
    cluster::Position position;
  };
  struct Incoming {
    std::uint64_t transfer = 0;
    std::shared_ptr<storage::MemoryStore> store;
    std::unique_ptr<storage::Table> table;
    storage::RowStreamWriter stream;
    storage::WriteBatch batch;
  };

  // Opening (cluster_replica_open.cpp).
  Result<cluster::Position> stored_position();
  Result<cluster::RaftLog> read_log(const storage::ShardStore::Recovered& found, const cluster::Position& position);
  Result<void> replay(cluster::Position& position);
  void check_found(const storage::ShardStore::Recovered& found, const cluster::RaftLog& log) const;
  void show_log(const storage::ShardStore::Recovered& found, const std::vector<storage::LogEntry>& entries);
  Result<void> open_log(storage::ShardStore::Recovered& found);

  // Snapshots (cluster_snapshots.cpp).
  void serve_snapshots(cluster::Ready& ready);
  void read_snapshot(const cluster::SnapshotRead& read);
  Result<void> open_source(const cluster::SnapshotRead& read);
  void keep_held_part();
  void keep_part(const cluster::SnapshotKeep& part);
  Result<void> take_part(const cluster::SnapshotKeep& part);
  void install(const cluster::SnapshotKeep& part);

  // Requests.
  bool owns(std::uint16_t slot) const;
  void propose(ShardRequest& request, AnswerTo answer);
  void look_elsewhere(const AnswerTo& answer);
  void ask(ShardRequest& request, AnswerTo answer);
  void answer(Read read);
  void expire_floors();
  bool hears(ReplicaId id) const;
  void give_up_lost();
  void give_up_all(Served served);
  void housekeep();

  // Steps.
  void after(Duration delay, std::function<void()> event);
  void on_snapshots(std::function<void()> task);
  void on_disk(std::function<void()> task);
  Duration store_time();
  void pump();
  void arm_timer();
  void store(cluster::StoreStep step);
  void apply(const std::vector<storage::LogEntry>& entries);
  void answer_reads(const cluster::Ready& ready);
  void fetch(const cluster::EntryFetch& fetch);
  void checkpoint_if_due();
  void checkpoint_written(std::uint64_t index);
  void office_changed();
  void tell_changed();
  void resign();
  void trace(const std::string& line) const;
  bool faulty(ClusterFault fault) const;

  ClusterNode& node_;
  Options options_;
  std::shared_ptr<ReplicaFolderDisk> disk_;
  std::shared_ptr<SimLogDisk> shown_;          // the log as the checks see it
  std::shared_ptr<test::SimDisk> power_lost_;  // the image of the crash within an operation
  std::shared_ptr<int> alive_ = std::make_shared<int>();
  std::unique_ptr<storage::ShardStore> log_;
  std::unique_ptr<storage::Table> table_;
  std::unique_ptr<cluster::StateMachine> machine_;
  std::unique_ptr<cluster::Raft> raft_;
  std::shared_ptr<storage::Checkpoint> checkpoint_;
  std::deque<Proposal> proposals_;        // by index
  std::map<std::uint64_t, Read> rounds_;  // by number
  std::multimap<std::uint64_t, std::pair<Instant, Read>> floors_;
  std::set<ReplicaId> down_;
  std::map<std::uint64_t, Source> sources_;  // by transfer
  std::optional<Incoming> incoming_;
  std::optional<cluster::SnapshotKeep> held_part_;
  bool installing_ = false;
  bool withdrawing_ = false;
  std::optional<RoleChange> told_;
  bool led_ = false;
  std::uint64_t led_term_ = 0;
  bool settled_ = false;
  std::uint64_t timer_ = 0;
  Instant disk_free_{0};       // true time
  Instant snapshots_free_{0};  // true time
  std::uint64_t rows_since_ = 0;
};

}  // namespace cairn::simulation
