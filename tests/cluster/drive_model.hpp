// A drive as plainly as it can be said: maps in memory, whole contents, no rows. The metadata
// machine is held against it. Deleting is done at once by worked_off(); until then what was purged
// still counts.
#pragma once

#include <map>
#include <set>

#include "cluster/commands.hpp"

namespace cairn::cluster {

class DriveModel {
 public:
  struct ModelVersion {
    Content content;
    Attributes attributes;
    std::int64_t committed = 0;
    std::int64_t superseded = 0;
  };
  struct ModelEntry {
    std::uint64_t parent = 0;
    std::string name;
    EntryKind kind = EntryKind::folder;
    Attributes attributes;
    std::map<std::uint32_t, ModelVersion> versions;  ///< the last is the current one
    std::int64_t committed = 0;
    std::uint64_t changed = 0;
    bool trashed = false;
    std::int64_t removed = 0;
    bool purged = false;
  };

  explicit DriveModel(std::uint64_t quota, std::int64_t now) : quota_(quota), now_(now) {
    entries_[1].attributes = {0755, now * 1'000'000};
    entries_[1].committed = now;
  }

  /// The results, in which errors have no message.
  CommitResult commit(const CommitChanges& command, std::int64_t now);
  /// What a run of Ticks does, until there is no more.
  void tick(const Tick& tick, std::int64_t now);

  std::uint64_t used() const { return used_; }
  std::uint64_t quota() const { return quota_; }
  std::uint64_t end() const { return journal_.size(); }
  const std::map<std::uint64_t, ModelEntry>& entries() const { return entries_; }
  const std::vector<std::uint64_t>& journal() const { return journal_; }
  const std::map<BlockId, std::uint64_t>& held() const { return held_; }

  bool purged(const ModelEntry& entry) const {
    return entry.purged || (entry.trashed && entry.changed <= floor_);
  }
  /// Errc of an entry that is not there for ordinary operations, nothing of one that is.
  std::optional<Errc> gone(std::uint64_t id) const;
  std::uint64_t child(std::uint64_t folder, const std::string& name) const;
  Entry entry(std::uint64_t id) const;
  /// Names in order.
  std::map<std::string, std::uint64_t> children(std::uint64_t folder) const;
  /// Newest removal first.
  std::vector<std::uint64_t> trash() const;
  /// True if the entry or something above it was purged, so that its changes say that it is gone.
  bool gone_for_good(std::uint64_t id) const;

 private:
  struct Found {
    std::optional<Errc> error;
    std::uint64_t id = 0;
  };
  Found locate(const EntryRef& ref) const;
  Found locate_folder(const EntryRef& ref) const;

  ChangeResult make(const MakeFolder& change);
  ChangeResult make(const PutFile& change);
  ChangeResult make(const SetAttributes& change);
  ChangeResult make(const Move& change);
  ChangeResult make(const Remove& change);
  ChangeResult make(const Restore& change);
  ChangeResult make(const Revert& change);
  ChangeResult make(const Purge& change);

  std::optional<Errc> check_store(const Content& content) const;
  void new_version(ModelEntry& entry, const Content& content, const Attributes& attributes);
  void count(const Content& content, bool add);
  void drop(ModelEntry& entry, std::uint32_t version);
  std::string free_name(std::uint64_t folder, const std::string& name,
                        const std::string& suffix) const;
  std::string date() const;
  void record(std::uint64_t id) {
    journal_.push_back(id);
    entries_[id].changed = journal_.size();
  }
  std::optional<Errc> trashed_error(std::uint64_t id) const;

  std::uint64_t quota_;
  std::int64_t now_;
  std::string device_;
  std::set<BlockId> proven_;
  std::uint64_t used_ = 0;
  std::uint64_t next_ = 2;
  std::uint64_t floor_ = 0;
  std::map<std::uint64_t, ModelEntry> entries_;
  std::vector<std::uint64_t> journal_;
  std::map<BlockId, std::uint64_t> held_;
  std::vector<Content> dropped_;  ///< long versions that wait to be worked off
};

}  // namespace cairn::cluster
