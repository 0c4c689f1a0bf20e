// A shard's replica on this node: the actor that steps its log and metadata machine, the detached one
// that owns its log on disk, and the detached one that writes its checkpoints.
#pragma once

#include <memory>
#include <string>

#include "actors/interfaces.hpp"
#include "actors/lease.hpp"
#include "actors/routes.hpp"
#include "cluster/config.hpp"
#include "storage/shard_store.hpp"
#include "storage/table.hpp"

namespace cairn::actors {

/// A replica's disk, opened and replayed: the table reflects every entry of the log.
struct OpenedShard {
  std::shared_ptr<storage::Table> table;
  std::shared_ptr<storage::ShardStore> store;
  std::shared_ptr<storage::Disk> disk;
  std::uint64_t term = 0;            ///< this start's own, durable
};

/// Opens the shard in `directory`, made if absent. Blocks as long as an earlier opening under `lease` is in
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
