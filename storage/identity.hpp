// Whose a data directory is: the file `identity` in it (disk_format.md, "Identity"), and the lock that keeps a
// second process out. It holds the number of its own inode, so that a copy of the directory is known as one: two
// nodes that both hold a replica's votes would break what consensus promises. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "protocol/error.hpp"

namespace cairn::storage {

class Identity {
 public:
  struct Values {
    std::string node;                  ///< the name that the node had at its first start
    std::uint64_t data = 0;            ///< random, never 0
    std::string cluster;               ///< of the certificates' authority; empty before the first links
    std::uint64_t incarnation = 0;     ///< starts of the node, from 1
    bool founded = false;              ///< it has begun as one of the cluster's founders
    /// Those that were ever made here and are not deleted again, and the shard of each.
    std::map<std::uint64_t, std::uint32_t> replicas;
  };

  /// Locks `directory` (made if absent), reads or makes its identity, and counts this start; durable when it
  /// returns. `data` names a new directory. `cluster` is empty for a node without links.
  /// Errors: busy (another process has it), conflict (it is another node's, of another cluster, or a copy),
  /// corrupt, disk_full, io; each names the directory.
  static Result<std::unique_ptr<Identity>> open(const std::string& directory, const std::string& node,
                                                const std::string& cluster, std::uint64_t data);
  ~Identity();
  Identity(const Identity&) = delete;
  Identity& operator=(const Identity&) = delete;

  const Values& values() const { return values_; }
  /// True if this start made it.
  bool fresh() const { return values_.incarnation == 1; }

  // Durable when they return. Errors: disk_full, io.
  Result<void> set_founded();
  Result<void> add_replica(std::uint64_t id, std::uint32_t shard);
  Result<void> drop_replica(std::uint64_t id);

 private:
  Identity(std::string directory, int lock) : directory_(std::move(directory)), lock_(lock) {}
  Result<void> write(const Values& values);

  std::string directory_;
  int lock_;
  Values values_;
};

}  // namespace cairn::storage
