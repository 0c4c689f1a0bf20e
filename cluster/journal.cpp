#include "cluster/journal.hpp"

namespace cairn::cluster {

Result<Cursor> Journal::append(EntryId entry, rows::ChangeKind kind) {
  const Cursor cursor{drive_.journal_end + 1};
  const auto first = rows::journal_row_of(cursor);
  if (first == cursor) {
    flush();
    tail_.emplace();
  } else if (!tail_) {
    auto row = rows_.get(keys_.journal(first));
    if (!row.ok()) return row.error();
    if (!*row) return rows::corrupt_row(keys_.journal(first));
    tail_ = std::move(*row);
  }
  rows::append(*tail_, {entry, kind}, EntryId{first == cursor ? 0 : drive_.journal_entry});
  drive_.journal_end = cursor.value;
  drive_.journal_entry = entry.value;
  grew_ = true;
  return cursor;
}

void Journal::flush() {
  if (!tail_ || !grew_) return;
  rows_.put(keys_.journal(rows::journal_row_of(Cursor{drive_.journal_end})), *tail_);
  while (drive_.journal_end - drive_.journal_first >= limits::max_journal_changes) {
    rows_.erase(keys_.journal(Cursor{drive_.journal_first}));
    drive_.journal_first += limits::journal_changes_per_row;
  }
}

}  // namespace cairn::cluster
