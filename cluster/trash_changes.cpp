// Changes of the trash: removing, restoring, purging. A trashed entry has no name row; its trash
// row lies under the cursor of its removal, which is its last change as long as it is there.
#include "cluster/drive.hpp"
#include "cluster/entry_names.hpp"
#include "cluster/purge_queue.hpp"

namespace cairn::cluster {

Result<ChangeResult> Drive::make(const Remove& change, const Committer&) {
  auto found = locate(change.entry);
  if (!found.ok()) return found.error();
  if (found->id == root_entry) return Error{Errc::invalid_argument, "the root cannot be removed"};
  auto& row = found->row;
  if (change.base.value != 0 && change.base != row.version)
    return Error{Errc::conflict, describe(change.entry) + " is at version " +
                                     std::to_string(row.version.value) + ", not " +
                                     std::to_string(change.base.value)};
  auto cursor = journal_->append(found->id, rows::ChangeKind::removed);
  if (!cursor.ok()) return cursor.error();
  row.trashed = true;
  row.changed = *cursor;
  put(found->id, row);
  tx_.erase(keys_.name(row.parent, row.name));
  tx_.put(keys_.trash(*cursor), encode(rows::TrashRow{found->id, now_}));
  tx_.put(rows::trash_expiry_key(now_, account_, found->id), {});
  forget_places();

  ChangeResult result;
  result.outcome = Outcome::removed;
  result.entry = found->id;
  result.version = row.version;
  return result;
}

Result<rows::EntryRow> Drive::trashed_entry(EntryId id) {
  const auto what = "entry " + std::to_string(id.value);
  auto row = entry(id);
  if (!row.ok()) return row.error();
  if (*row && !(*row)->trashed && !(*row)->purged) {
    // Below a trashed folder it is that folder that can be restored or purged.
    auto depth = depth_of(id);
    if (!depth.ok()) return depth.error();
    return Error{Errc::invalid_argument, what + " is not in the trash"};
  }
  auto purged = *row ? is_purged(**row) : Result<bool>(true);
  if (!purged.ok()) return purged.error();
  if (*purged) return Error{Errc::not_found, "there is no " + what + " in this drive"};
  return std::move(**row);
}

Result<void> Drive::leave_trash(EntryId id, const rows::EntryRow& row) {
  const auto key = keys_.trash(row.changed);
  auto trash = rows::read<rows::TrashRow>(tx_, key);
  if (!trash.ok()) return trash.error();
  if (!*trash || (*trash)->entry != id) return rows::corrupt_row(key);
  tx_.erase(key);
  tx_.erase(rows::trash_expiry_key((*trash)->removed_at, account_, id));
  return {};
}

Result<Drive::Located> Drive::home_of(const rows::EntryRow& row) {
  auto home = locate_folder({row.parent, {}});
  const auto height = row.is_folder() ? row.height : 0;
  if (home.ok() && home->depth + 1 + height <= limits::max_path_depth) return home;
  if (!home.ok() && !is_answer(home.error().code)) return home;
  return locate_folder({});
}

Result<ChangeResult> Drive::make(const Restore& change, const Committer&) {
  const auto id = change.entry;
  auto row = trashed_entry(id);
  if (!row.ok()) return row.error();
  auto folder = home_of(*row);
  if (!folder.ok()) return folder.error();
  ChangeResult result;
  auto there = child(folder->id, row->name);
  if (!there.ok()) return there.error();
  if (there->value != 0) {
    auto name = free_name(folder->id, row->name, " (restored)");
    if (!name.ok()) return name.error();
    result.name = row->name = *name;
  }

  CAIRN_TRY(leave_trash(id, *row));
  row->parent = folder->id;
  row->trashed = false;
  row->changed = Cursor{counters_->journal_end + 1};
  CAIRN_TRY(place(id, *row, *folder));
  auto cursor = journal_->append(id, rows::ChangeKind::restored);
  if (!cursor.ok()) return cursor.error();
  result.outcome = Outcome::restored;
  result.entry = id;
  result.version = row->version;
  return result;
}

Result<ChangeResult> Drive::make(const Purge& change, const Committer&) {
  if (change.entry.value == 0) return purge_all();
  auto row = trashed_entry(change.entry);
  if (!row.ok()) return row.error();
  CAIRN_TRY(purge(change.entry, std::move(*row)));
  ChangeResult result;
  result.outcome = Outcome::purged;
  result.entry = change.entry;
  return result;
}

Result<ChangeResult> Drive::purge_all() {
  ChangeResult result;
  bool any = false;
  CAIRN_TRY(tx_.scan(keys_.trash(Cursor{counters_->trash_floor + 1}),
                     keys_.all_of(rows::Kind::trash).to, [&](BytesView, BytesView) {
                       any = true;
                       return false;
                     }));
  if (!any) return result;
  // However much is in the trash, it goes by one number; the queue works it off later.
  counters_->trash_floor = counters_->journal_end;
  CAIRN_TRY(PurgeQueue(tx_).push({account_, {}, {}, {}}));
  result.outcome = Outcome::purged;
  return result;
}

}  // namespace cairn::cluster
