// The drive's folder as a sync knows it: listed once, then kept up by the change feed. One thread.
#pragma once

#include <functional>
#include <string>

#include "client/drive.hpp"
#include "client/sync_state.hpp"

namespace cairn::client {

class RemoteMirror {
 public:
  /// Follows all below the entry `top`.
  RemoteMirror(Drive& drive, SyncState& state, EntryId top) : drive_(drive), state_(state), top_(top) {}

  /// What the last refresh of this or an earlier process left.
  Result<void> load();
  /// Brings the mirror up to now. trashed or not_found: the top is gone.
  Result<void> refresh();
  /// As of the last refresh. What has names that cannot be local ones is left out.
  RemoteTree tree() const;
  Cursor cursor() const { return cursor_; }

 private:
  Result<void> apply_together(const std::function<Result<void>()>& work);
  Result<void> list_afresh();
  Result<void> list_below(EntryId folder);
  Result<void> apply(const ChangePage& page);
  Result<void> put(const Entry& entry);
  Result<void> remove(EntryId entry);
  bool is_inside(EntryId entry) const { return entry == top_ || mirror_.contains(entry.value); }

  Drive& drive_;
  SyncState& state_;
  const EntryId top_;
  Mirror mirror_;
  Cursor cursor_;
  bool listed_ = false;
  bool torn_ = false;                 ///< a transaction was undone that mirror_ already showed
};

}  // namespace cairn::client
