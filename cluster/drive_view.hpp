// A drive as commands and queries look at it: entries by id and by path, and whether they are still
// there for anybody. Errors of all methods are those named and those of rows (corrupt, io). One
// thread.
#pragma once

#include <optional>
#include <string>

#include "cluster/rows.hpp"
#include "storage/table.hpp"

namespace cairn::cluster {

/// True for what a client's own request can be answered with; false for what only rows can give, on
/// which a replica must withdraw.
bool is_answer(Errc code);

/// "entry 7" or the path, safe to print.
std::string describe(const EntryRef& ref);

class DriveView {
 public:
  DriveView(storage::RowReader& rows, AccountId account)
      : rows_(rows), account_(account), keys_(account) {}
  DriveView(const DriveView&) = delete;
  DriveView& operator=(const DriveView&) = delete;

  /// An entry that is neither in the trash nor below something that is.
  struct Located {
    EntryId id;
    std::uint32_t depth = 0;  ///< names from the root
    rows::EntryRow row;
  };

  AccountId account() const { return account_; }
  const rows::AccountKeys& keys() const { return keys_; }

  /// The drive's counters; not_found if there is no such account.
  Result<rows::DriveRow*> counters();
  /// The row of an entry, whatever its state.
  Result<std::optional<rows::EntryRow>> entry(EntryId id);
  /// As entry(), where another row says that it exists.
  Result<rows::EntryRow> known_entry(EntryId id);
  /// The entry called `name` in a folder, 0 if there is none.
  Result<EntryId> child(EntryId folder, BytesView name);
  /// Names from the root to an entry; not_found, or trashed.
  Result<std::uint32_t> depth_of(EntryId id);
  /// invalid_argument, invalid_name, not_found, not_a_folder, trashed.
  Result<Located> locate(const EntryRef& ref);
  /// As locate(), and not_a_folder.
  Result<Located> locate_folder(const EntryRef& ref);
  /// True if the entry was purged: itself, or with the trash.
  Result<bool> is_purged(const rows::EntryRow& row);
  /// All blocks of a version whose content is `content`.
  Result<std::vector<BlockRef>> blocks_of(EntryId id, VersionNumber version,
                                          const rows::StoredContent& content);

 protected:
  /// To be called when something moved or went to the trash.
  void forget_places() { known_folder_ = {}; }

  storage::RowReader& rows_;
  AccountId account_;
  rows::AccountKeys keys_;
  std::optional<rows::DriveRow> counters_;

 private:
  struct Place {
    EntryId id;
    std::uint32_t depth = 0;
  };
  Result<Place> follow(const EntryRef& ref);

  /// The base that was found last: a batch is often about one folder.
  Place known_folder_;
};

/// The entry as clients see it.
Entry to_entry(EntryId id, const rows::EntryRow& row);

}  // namespace cairn::cluster
