// A node's copy of the slot map, with what is looked up in it often. Immutable once made; any thread.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "cluster/directory_types.hpp"
#include "protocol/ids.hpp"

namespace cairn::cluster {

class ClusterMap {
 public:
  /// A map of nothing, at epoch 0.
  ClusterMap() = default;
  explicit ClusterMap(directory::SlotMap slots);

  const directory::SlotMap& slots() const { return slots_; }
  directory::Epoch epoch() const { return slots_.epoch; }

  /// Nothing if no shard owns the slot, or there is no such shard. Lives as long as the map.
  const directory::Shard* shard_of(Slot slot) const;
  const directory::Shard* find(directory::ShardId shard) const;
  /// The node that holds a replica; empty if none does.
  const directory::NodeName& node_of(ReplicaId replica) const;
  const directory::NodeAddress* address_of(const directory::NodeName& node) const;

 private:
  directory::SlotMap slots_;
  std::vector<directory::ShardId> by_slot_;
  std::unordered_map<std::uint64_t, directory::NodeName> nodes_;  // by replica
};

}  // namespace cairn::cluster
