// One replica of a shard on this node: the actor that steps its consensus and state machine, and the detached ones
// that wait for its disk: the log's, the checkpoints' and the snapshots'.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "actors/interfaces.hpp"
#include "actors/lease.hpp"
#include "actors/peers.hpp"
#include "actors/routes.hpp"
#include "cluster/config.hpp"
#include "cluster/raft.hpp"
#include "storage/replica_folder.hpp"
#include "storage/shard_store.hpp"
#include "storage/table.hpp"

namespace cairn::actors {

/// Idle heartbeats before a shard falls silent.
inline constexpr std::uint32_t heartbeats_before_silence = 20;

inline cluster::RaftOptions replica_raft_options() {
  cluster::RaftOptions options;
  options.quiesce_after_heartbeats = heartbeats_before_silence;
  return options;
}

struct ReplicaOptions {
  cluster::directory::ShardId shard;
  cluster::ReplicaId self;
  std::string directory;  ///< its own; made if absent
  /// Of a shard that is being founded; the same at each start. Empty for one that joins a group: it hears of
  /// its group from the leader, and never campaigns before.
  cluster::Configuration founders;
  std::vector<cluster::directory::SlotRange> slots;  ///< that the shard owns; SetSlots changes them
  cluster::Config::Metadata metadata;
  cluster::RaftOptions raft = replica_raft_options();
  /// Of the log before the last checkpoint, for followers that were away.
  std::uint64_t log_entries_kept = limits::max_log_entries_kept;
};

/// A replica's disk, opened, and what consensus goes on from.
struct OpenedReplica {
  std::shared_ptr<storage::Table> table;
  std::shared_ptr<storage::ShardStore> store;
  std::shared_ptr<storage::Disk> disk;  ///< of the log
  cluster::RaftRecovered recovered;
  std::shared_ptr<const void> held;  ///< the lease
};

/// Opens the replica. In a group of one voter every stored entry is committed: the table reflects all of them
/// then. corrupt: it withdrew, or its bytes fail their checks: it must not start any more. Blocks as long as an
/// earlier opening under `lease` is in use, and the replay takes.
Result<OpenedReplica> open_replica(const ReplicaOptions& options, Lease* lease = nullptr);

/// The replica over what open_replica() gave for the same options. It starts its store and checkpointer, and they
/// end together. If it ends while it leads, it hands its office on. It ends with exit_reason::normal after it
/// withdrew, and by itself otherwise only by a bug.
ReplicaActor::behavior_type replica(ReplicaActor::pointer self, OpenedReplica opened, ReplicaOptions options,
                                    std::shared_ptr<Routes> routes, std::shared_ptr<ReplicaNetwork> network);

ShardStoreActor::behavior_type shard_store(ShardStoreActor::pointer self, ReplicaActor replica,
                                           std::shared_ptr<storage::ShardStore> store,
                                           std::shared_ptr<storage::Disk> disk, storage::ReplicaFolder folder,
                                           std::uint64_t reserve_bytes);

CheckpointerActor::behavior_type checkpointer(CheckpointerActor::pointer self, ReplicaActor replica);

/// `held` is the replica's lease, for the rows that take the place of its first ones.
SnapshotActor::behavior_type replica_snapshots(SnapshotActor::pointer self, ReplicaActor replica,
                                               storage::ReplicaFolder folder, std::shared_ptr<storage::Disk> disk,
                                               std::uint64_t reserve_bytes, std::shared_ptr<const void> held);

}  // namespace cairn::actors
