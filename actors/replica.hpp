// A shard's replica on this node: the actor that steps its log and metadata machine, the detached one
// that owns its log on disk, and the detached one that writes its checkpoints.
#pragma once

#include <memory>
#include <string>

#include "actors/interfaces.hpp"
#include "actors/lease.hpp"
#include "actors/routes.hpp"
#include "cluster/config.hpp"
#include "cluster/raft.hpp"
#include "storage/shard_store.hpp"
#include "storage/table.hpp"

namespace cairn::actors {

/// A replica's disk, opened, and what consensus goes on from.
struct OpenedShard {
  std::shared_ptr<storage::Table> table;
  std::shared_ptr<storage::ShardStore> store;
  std::shared_ptr<storage::Disk> disk;
  cluster::RaftRecovered recovered;
};

/// The replica of a shard that has one.
inline constexpr cluster::ReplicaId only_replica{1};

/// Opens the shard in `directory`, made if absent. In a shard of one replica every stored entry is
/// committed: the table reflects all of them then. Blocks as long as an earlier opening under `lease` is in
/// use, and the replay takes.
Result<OpenedShard> open_shard(const cluster::Config::Metadata& config, const std::string& directory,
                               Lease* lease = nullptr);

/// The replica over `shard`. It starts its store and checkpointer, and they end together.
ReplicaActor::behavior_type shard_replica(ReplicaActor::pointer self, OpenedShard shard,
                                          cluster::Config::Metadata config, std::shared_ptr<Routes> routes);

ShardStoreActor::behavior_type shard_store(ShardStoreActor::pointer self, ReplicaActor replica,
                                           std::shared_ptr<storage::ShardStore> store,
                                           std::shared_ptr<storage::Disk> disk, std::uint64_t reserve_bytes);

CheckpointerActor::behavior_type checkpointer(CheckpointerActor::pointer self, ReplicaActor replica);

}  // namespace cairn::actors
