// What a sync remembers, in a SQLite file: the base (what both sides were when they were last the same)
// and a mirror of the drive's folder as of a cursor. A change is one transaction; after a crash the file
// is as it was after one of the last changes, and a sync that starts from an older one plans right
// anyway. One thread at a time.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "client/sync_plan.hpp"
#include "protocol/error.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace cairn::client {

/// An entry of the mirror.
struct MirrorNode {
  EntryId parent;
  std::string name;
  RemoteNode node;
};
using Mirror = std::unordered_map<std::uint64_t, MirrorNode>;   ///< by entry id

class SyncState {
 public:
  /// Errors: corrupt (the file is no state of ours), io, disk_full.
  static Result<std::unique_ptr<SyncState>> open(const std::string& path);
  ~SyncState();

  /// Runs `work` as one transaction, undone if it fails.
  Result<void> together(const std::function<Result<void>()>& work);

  Result<std::optional<std::string>> get(const std::string& key);
  Result<void> set(const std::string& key, const std::string& value);

  Result<BaseTree> base();
  Result<void> put_base(const SyncPath& path, const BaseNode& node);
  /// With all below it.
  Result<void> remove_base(const SyncPath& path);
  /// With all below it, over what is at `to`.
  Result<void> move_base(const SyncPath& from, const SyncPath& to);

  Result<Mirror> mirror();
  Result<void> put_mirror(EntryId entry, const MirrorNode& node);
  Result<void> remove_mirror(EntryId entry);
  Result<void> clear_mirror();

 private:
  class Row;
  SyncState(sqlite3* database, std::string path) : database_(database), path_(std::move(path)) {}
  Error error(const char* doing) const;
  Result<void> run(const char* sql);
  /// A statement, compiled once.
  Result<sqlite3_stmt*> prepare(const char* sql);

  sqlite3* database_;
  const std::string path_;
  std::unordered_map<const char*, sqlite3_stmt*> statements_;
};

}  // namespace cairn::client
