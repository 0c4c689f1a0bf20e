#include "cluster/cluster_map.hpp"

#include <algorithm>

namespace cairn::cluster {

ClusterMap::ClusterMap(directory::SlotMap slots) : slots_(std::move(slots)), by_slot_(slots_.by_slot()) {
  for (const auto& shard : slots_.shards)
    for (const auto& replica : shard.replicas) nodes_.emplace(replica.id.value, replica.node);
}

const directory::Shard* ClusterMap::shard_of(Slot slot) const {
  return slot.value < by_slot_.size() ? find(by_slot_[slot.value]) : nullptr;
}

const directory::Shard* ClusterMap::find(directory::ShardId shard) const {
  const auto found = std::lower_bound(slots_.shards.begin(), slots_.shards.end(), shard,
                                      [](const directory::Shard& a, directory::ShardId b) { return a.id < b; });
  return found != slots_.shards.end() && found->id == shard ? &*found : nullptr;
}

const directory::NodeName& ClusterMap::node_of(ReplicaId replica) const {
  static const directory::NodeName nobody;
  const auto found = nodes_.find(replica.value);
  return found == nodes_.end() ? nobody : found->second;
}

const directory::NodeAddress* ClusterMap::address_of(const directory::NodeName& node) const {
  const auto found =
      std::lower_bound(slots_.nodes.begin(), slots_.nodes.end(), node,
                       [](const directory::NodeAddress& a, const directory::NodeName& b) { return a.name < b; });
  return found != slots_.nodes.end() && found->name == node ? &*found : nullptr;
}

}  // namespace cairn::cluster
