// The folder of one replica (disk_format.md, "A replica's folder"): where its log and rows are, how the rows of a
// snapshot take the place of the old ones so that a crash at any moment leaves one or the other, and the mark
// of a replica that withdrew. Blocks; one thread at a time.
#pragma once

#include <optional>
#include <string>

#include "protocol/error.hpp"

namespace cairn::storage {

class ReplicaFolder {
 public:
  explicit ReplicaFolder(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  std::string log() const { return path_ + "/log"; }
  std::string rows() const { return path_ + "/rows"; }
  /// Where a snapshot is received.
  std::string incoming() const { return path_ + "/rows.incoming"; }

  /// Makes the folder if it is absent, ends an exchange that a crash cut short, and removes what is left of
  /// snapshots that were not received whole. Before anything else at start. Errors: io, disk_full.
  Result<void> recover() const;
  /// Removes what was received.
  Result<void> discard_incoming() const;
  /// Puts incoming(), which is complete and durable, in the place of rows(); durable when it returns.
  Result<void> exchange_rows() const;

  /// Marks the replica as one that never starts again. disk_full: it may not be marked.
  Result<void> mark_withdrawn(const std::string& why) const;
  /// Why it withdrew; nothing if it did not.
  Result<std::optional<std::string>> withdrawn() const;

 private:
  std::string old_rows() const { return path_ + "/rows.old"; }
  Result<void> sync_names() const;

  std::string path_;
};

}  // namespace cairn::storage
