// Blocks on this node: the detached writer that owns the block store, the detached sealers that spend CPU
// on bytes, and the collector of garbage.
#pragma once

#include <memory>
#include <string>

#include "actors/interfaces.hpp"
#include "actors/lease.hpp"
#include "actors/routes.hpp"
#include "cluster/config.hpp"
#include "storage/block_store.hpp"
#include "storage/seal.hpp"

namespace cairn::actors {

/// Opens the block store in `directory`, made if absent. Blocks as long as an earlier opening under `lease`
/// is in use.
Result<std::shared_ptr<storage::BlockStore>> open_blocks(const cluster::Config::Blocks& config,
                                                         const std::string& directory,
                                                         Lease* lease = nullptr);

BlockWriterActor::behavior_type block_writer(BlockWriterActor::pointer self,
                                             std::shared_ptr<storage::BlockStore> store,
                                             cluster::Config::Blocks config);

SealerActor::behavior_type sealer(SealerActor::pointer self, std::shared_ptr<const storage::KeyRing> keys,
                                  std::shared_ptr<Routes> routes);

CollectorActor::behavior_type collector(CollectorActor::pointer self, cluster::Config::Blocks config,
                                        std::shared_ptr<Routes> routes);

/// The first eight bytes of a block id, as marks hold them. Two ids that share them only make garbage
/// stay: never make a referenced block garbage.
std::uint64_t mark_of(const BlockId& id);

}  // namespace cairn::actors
