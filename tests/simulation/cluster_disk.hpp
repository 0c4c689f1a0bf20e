// What stays of a simulated node when its process ends: its identity, its map, and the folder of each replica with
// the real log on a simulated disk and rows in memory. Plain values, one thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "cluster/raft_types.hpp"
#include "storage/memory_store.hpp"
#include "tests/support/sim_disk.hpp"

namespace cairn::simulation {

/// A replica's folder.
struct ReplicaFolderDisk {
  std::shared_ptr<test::SimDisk> log = std::make_shared<test::SimDisk>();
  std::shared_ptr<storage::MemoryStore> rows = storage::make_memory_store();
  std::optional<std::string> withdrawn;
};

struct NodeDisk {
  std::uint64_t data = 0;  ///< another one for each disk
  std::uint64_t incarnation = 0;
  bool founded = false;
  std::set<cluster::ReplicaId> made;  ///< and not deleted
  Bytes map;                          ///< encoded; empty: none
  std::map<cluster::ReplicaId, std::shared_ptr<ReplicaFolderDisk>> folders;
};

}  // namespace cairn::simulation
