// The query that feeds watchers: what changed after a cursor.
#include <algorithm>

#include "cluster/answers.hpp"
#include "cluster/drive_view.hpp"

namespace cairn::cluster {
namespace {

/// The entries that changed, by their last change in a run of cursors.
using LastChanges = std::unordered_map<std::uint64_t, std::uint64_t>;

/// Reads the changes of (after, last] from their rows.
Result<LastChanges> read_changes(storage::RowReader& rows, const rows::AccountKeys& keys,
                                 Cursor after, Cursor last) {
  LastChanges changes;
  std::vector<rows::JournalChange> row;
  for (auto first = rows::journal_row_of(Cursor{after.value + 1}); first <= last;
       first.value += limits::journal_changes_per_row) {
    const auto key = keys.journal(first);
    const auto value = rows.get(key);
    if (!value.ok()) return value.error();
    row.clear();
    const auto wanted =
        std::min(last.value - first.value + 1, std::uint64_t{limits::journal_changes_per_row});
    if (!*value || !decode(**value, row) || row.size() < wanted) return rows::corrupt_row(key);
    for (std::uint64_t i = 0; i < wanted; ++i)
      if (first.value + i > after.value) changes[row[i].entry.value] = first.value + i;
  }
  return changes;
}

/// Tells for many entries whether they went with a purged folder above them.
class PurgedAbove {
 public:
  explicit PurgedAbove(DriveView& drive) : drive_(drive) {}

  Result<bool> check(EntryId folder) {
    std::vector<std::uint64_t> walked;
    auto at = folder;
    bool purged = false;
    while (at.value != 0) {
      const auto known = known_.find(at.value);
      if (known != known_.end()) {
        purged = known->second;
        break;
      }
      if (walked.size() > limits::max_path_depth) return rows::corrupt_row(drive_.keys().entry(at));
      walked.push_back(at.value);
      auto row = drive_.known_entry(at);
      if (!row.ok()) return row.error();
      auto gone = drive_.is_purged(*row);
      if (!gone.ok()) return gone.error();
      purged = *gone;
      if (purged || row->trashed) break;
      at = row->parent;
    }
    for (const auto id : walked) known_[id] = purged;
    return purged;
  }

 private:
  DriveView& drive_;
  std::unordered_map<std::uint64_t, bool> known_;
};

/// The entry as it is now, nothing if it was purged.
Result<std::optional<Entry>> entry_now(DriveView& drive, PurgedAbove& above, EntryId id) {
  const auto row = drive.entry(id);
  if (!row.ok()) return row.error();
  if (!*row) return std::optional<Entry>();
  // What is in the trash by itself no longer depends on the folder that it was in.
  auto purged = drive.is_purged(**row);
  if (purged.ok() && !*purged && !(*row)->trashed) purged = above.check((*row)->parent);
  if (!purged.ok()) return purged.error();
  if (*purged) return std::optional<Entry>();
  return std::optional<Entry>(to_entry(id, **row));
}

}  // namespace

QueryResult answer(const ReadChanges& query, storage::RowReader& rows) {
  DriveView drive(rows, query.account);
  const auto counters = drive.counters();
  if (!counters.ok()) return counters.error();
  const Cursor end{(*counters)->journal_end};
  if (query.after > end)
    return Error{Errc::invalid_argument, "cursor " + std::to_string(query.after.value) +
                                             " is beyond the drive's last, " +
                                             std::to_string(end.value)};
  if (query.after.value + 1 < (*counters)->journal_first)
    return Error{Errc::cursor_expired, "the journal begins after cursor " +
                                           std::to_string((*counters)->journal_first - 1)};
  ChangePage page;
  page.cursor.value = std::min(query.after.value + page_size(query.limit), end.value);
  page.more = page.cursor < end;
  const auto changes = read_changes(rows, drive.keys(), query.after, page.cursor);
  if (!changes.ok()) return changes.error();
  for (const auto& [entry, cursor] : *changes)
    page.events.push_back({Cursor{cursor}, EntryId{entry}, {}});
  std::sort(page.events.begin(), page.events.end(),
            [](const ChangeEvent& a, const ChangeEvent& b) { return a.cursor < b.cursor; });
  PurgedAbove above(drive);
  for (auto& event : page.events) {
    auto now = entry_now(drive, above, event.entry);
    if (!now.ok()) return now.error();
    event.now = std::move(*now);
  }
  return page;
}

}  // namespace cairn::cluster
