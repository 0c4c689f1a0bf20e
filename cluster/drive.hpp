// A drive while a command changes it. Every change is checked whole before its first row is
// touched, so one that is refused changes nothing; counters, journal and block counts are held here
// until flush(). Depth: no entry is more than max_path_depth names from the root. A folder's row
// holds an upper bound of the height of what is below it, raised as entries are added and never
// lowered, so that moving a folder can be judged without walking what is in it. One thread.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "cluster/block_counts.hpp"
#include "cluster/drive_view.hpp"
#include "cluster/journal.hpp"

namespace cairn::cluster {

/// The blocks for which the proposer has checked receipts, by id.
class ProvenBlocks {
 public:
  ProvenBlocks() = default;
  explicit ProvenBlocks(const std::vector<BlockRef>& blocks);
  /// The plain size, 0 for a block without a receipt.
  std::uint32_t bytes_of(const BlockId& id) const;

 private:
  std::unordered_map<BlockId, std::uint32_t> bytes_;
};

class Drive : public DriveView {
 public:
  /// Who commits, and with what.
  struct Committer {
    std::uint32_t device = 0;  ///< number of its name in this account
    std::string device_name;
    ProvenBlocks proven;
  };

  Drive(RowTransaction& rows, AccountId account) : DriveView(rows, account), tx_(rows) {}

  /// Reads the counters; not_found if there is no such account. To be called first. The drive's
  /// clock is then the later of `now` and what it was.
  Result<void> open(Timestamp now);
  /// Writes what is held here, the clock too if `keep_clock`.
  void flush(bool keep_clock);

  rows::DriveRow& counts() { return *counters_; }
  Timestamp now() const { return now_; }
  bool journal_grew() const { return journal_->grew(); }

  /// Makes one change. Errors that are no is_answer() are of rows: then nothing of the command may
  /// be committed.
  Result<ChangeResult> apply(const Change& change, const Committer& by);

  /// Makes a trashed entry gone for everyone and queues it to be worked off.
  Result<void> purge(EntryId id, rows::EntryRow row);
  /// Drops an old version: at once if it is short, else by the purge queue. It is no longer kept by
  /// its entry's row.
  Result<void> drop_version(EntryId id, VersionNumber version);
  /// Gives up the content of a version, at least a chunk of it and about `max_blocks` blocks: quota
  /// and counts return. `content` is what remains, of size 0 at the end. The number of blocks.
  Result<std::size_t> release(EntryId id, VersionNumber version, rows::StoredContent& content,
                              std::size_t max_blocks);
  /// Puts an entry's row.
  void put(EntryId id, const rows::EntryRow& row) { tx_.put(keys().entry(id), encode(id, row)); }

 private:
  // tree_changes.cpp
  Result<ChangeResult> make(const MakeFolder& change, const Committer& by);
  Result<ChangeResult> make(const SetAttributes& change, const Committer& by);
  Result<ChangeResult> make(const Move& change, const Committer& by);
  Result<void> check_move(const Located& moved, const Located& folder);
  /// Puts the rows of an entry under a folder and raises the heights above it by its own.
  Result<void> place(EntryId id, const rows::EntryRow& row, const Located& folder);

  // file_changes.cpp
  Result<ChangeResult> make(const PutFile& change, const Committer& by);
  Result<ChangeResult> make(const Revert& change, const Committer& by);
  Result<ChangeResult> create(const PutFile& change, rows::StoredContent content,
                              const Located& folder, std::string name, Outcome outcome,
                              const Committer& by);
  Result<ChangeResult> supersede(EntryId id, rows::EntryRow row, rows::StoredContent content,
                                 const std::vector<BlockRef>& blocks, const Attributes& attributes,
                                 std::uint32_t device);
  Result<bool> same_content(EntryId id, const rows::EntryRow& row,
                            const rows::StoredContent& content,
                            const std::vector<BlockRef>& blocks);
  Result<void> check_blocks(const std::vector<BlockRef>& blocks, const ProvenBlocks& proven);
  Result<void> check_quota(std::uint64_t more_bytes);
  Result<void> store(EntryId id, VersionNumber version, const rows::StoredContent& content,
                     const std::vector<BlockRef>& blocks);

  // trash_changes.cpp
  Result<ChangeResult> make(const Remove& change, const Committer& by);
  Result<ChangeResult> make(const Restore& change, const Committer& by);
  Result<ChangeResult> make(const Purge& change, const Committer& by);
  Result<ChangeResult> purge_all();
  Result<rows::EntryRow> trashed_entry(EntryId id);
  Result<Located> home_of(const rows::EntryRow& row);
  Result<void> leave_trash(EntryId id, const rows::EntryRow& row);

  /// A free name in the folder: `name` with `suffix`, then with " 2", " 3", …; already_exists if
  /// none is.
  Result<std::string> free_name(EntryId folder, const std::string& name, const std::string& suffix);

  RowTransaction& tx_;
  Timestamp now_;
  std::optional<BlockCounts> blocks_;
  std::optional<Journal> journal_;
};

/// The time a command carries, within what rows can hold.
Timestamp clamp(Timestamp now);
Result<void> check_attributes(const Attributes& attributes);

}  // namespace cairn::cluster
