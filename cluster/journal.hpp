// A drive's change journal while a command appends to it: gap-free cursors, changes packed several
// to a row, the oldest rows dropped beyond limits::max_journal_changes. Changes are held here until
// flush(). One thread.
#pragma once

#include "cluster/row_transaction.hpp"
#include "cluster/rows.hpp"

namespace cairn::cluster {

class Journal {
 public:
  /// All three outlive this.
  Journal(RowTransaction& rows, const rows::AccountKeys& keys, rows::DriveRow& drive)
      : rows_(rows), keys_(keys), drive_(drive) {}

  /// Adds a change of `entry`; its cursor. Errors: of rows.
  Result<Cursor> append(EntryId entry, rows::ChangeKind kind);
  void flush();
  /// Something was appended since this was made.
  bool grew() const { return grew_; }

 private:
  RowTransaction& rows_;
  const rows::AccountKeys& keys_;
  rows::DriveRow& drive_;
  std::optional<Bytes> tail_;  ///< the row of the last cursor, once it is known
  bool grew_ = false;
};

}  // namespace cairn::cluster
