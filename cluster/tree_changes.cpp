// Changes of the tree: folders, attributes, moves.
#include "cluster/drive.hpp"
#include "protocol/names.hpp"

namespace cairn::cluster {
namespace {

constexpr std::size_t shown_name_bytes = 80;

/// Names from the entry to the lowest one below it.
std::uint32_t height_of(const rows::EntryRow& row) { return row.is_folder() ? row.height : 0; }

ChangeResult taken(EntryId there, const std::string& name) {
  ChangeResult result;
  result.error =
      Error{Errc::already_exists, "\"" + printable(name, shown_name_bytes) +
                                      "\" is taken by entry " + std::to_string(there.value)};
  result.entry = there;
  return result;
}

}  // namespace

Result<void> Drive::place(EntryId id, const rows::EntryRow& row, const Located& folder) {
  if (folder.depth + 1 + height_of(row) > limits::max_path_depth)
    return Error{Errc::too_large, "entry " + std::to_string(folder.id.value) +
                                      " is too deep: names go " +
                                      std::to_string(limits::max_path_depth) + " below the root"};
  tx_.put(keys_.name(folder.id, row.name), encode(rows::NumberRow{id.value}));
  put(id, row);
  auto height = height_of(row) + 1;
  if (folder.row.height >= height) return {};
  auto above = folder.row;
  for (auto at = folder.id;; ++height) {
    above.height = height;
    put(at, above);
    if (at == root_entry) return {};
    at = above.parent;
    auto next = known_entry(at);
    if (!next.ok()) return next.error();
    above = std::move(*next);
    if (above.height > height) return {};
  }
}

Result<ChangeResult> Drive::make(const MakeFolder& change, const Committer&) {
  auto folder = locate_folder(change.parent);
  if (!folder.ok()) return folder.error();
  auto name = normalize_name(change.name);
  if (!name.ok()) return name.error();
  CAIRN_TRY(check_attributes(change.attributes));
  auto there = child(folder->id, *name);
  if (!there.ok()) return there.error();
  if (there->value != 0) return taken(*there, *name);

  const EntryId id{counters_->next_entry};
  rows::EntryRow row;
  row.parent = folder->id;
  row.name = *name;
  row.attributes = change.attributes;
  row.committed_at = now_;
  row.changed = Cursor{counters_->journal_end + 1};
  CAIRN_TRY(place(id, row, *folder));
  ++counters_->next_entry;
  ++counters_->entries;
  auto cursor = journal_->append(id, rows::ChangeKind::created);
  if (!cursor.ok()) return cursor.error();

  ChangeResult result;
  result.outcome = Outcome::created;
  result.entry = id;
  if (*name != change.name) result.name = *name;
  return result;
}

Result<ChangeResult> Drive::make(const SetAttributes& change, const Committer&) {
  auto found = locate(change.entry);
  if (!found.ok()) return found.error();
  CAIRN_TRY(check_attributes(change.attributes));
  ChangeResult result;
  result.entry = found->id;
  result.version = found->row.version;
  if (found->row.attributes == change.attributes) return result;
  auto cursor = journal_->append(found->id, rows::ChangeKind::attributes);
  if (!cursor.ok()) return cursor.error();
  found->row.attributes = change.attributes;
  found->row.changed = *cursor;
  put(found->id, found->row);
  result.outcome = Outcome::updated;
  return result;
}

Result<void> Drive::check_move(const Located& moved, const Located& folder) {
  if (!moved.row.is_folder()) return {};
  // No path is longer than the deepest that there can be, so the walk ends.
  auto at = folder.id;
  for (std::size_t i = 0; i <= limits::max_path_depth; ++i) {
    if (at == moved.id)
      return Error{Errc::would_cycle,
                   "entry " + std::to_string(moved.id.value) + " cannot go below itself"};
    if (at == root_entry) return {};
    auto head = rows::read<rows::EntryHead>(rows_, keys_.entry(at));
    if (!head.ok()) return head.error();
    if (!*head) break;
    at = (*head)->parent;
  }
  return rows::corrupt_row(keys_.entry(at));
}

Result<ChangeResult> Drive::make(const Move& change, const Committer&) {
  auto moved = locate(change.entry);
  if (!moved.ok()) return moved.error();
  if (moved->id == root_entry) return Error{Errc::invalid_argument, "the root cannot be moved"};
  auto folder = locate_folder(change.parent);
  if (!folder.ok()) return folder.error();
  auto name = normalize_name(change.name);
  if (!name.ok()) return name.error();

  ChangeResult result;
  result.entry = moved->id;
  result.version = moved->row.version;
  if (*name != change.name) result.name = *name;
  if (folder->id == moved->row.parent && *name == moved->row.name) return result;
  CAIRN_TRY(check_move(*moved, *folder));
  auto there = child(folder->id, *name);
  if (!there.ok()) return there.error();
  if (there->value != 0) return taken(*there, *name);

  auto row = moved->row;
  row.parent = folder->id;
  row.name = *name;
  row.changed = Cursor{counters_->journal_end + 1};
  CAIRN_TRY(place(moved->id, row, *folder));
  tx_.erase(keys_.name(moved->row.parent, moved->row.name));
  auto cursor = journal_->append(moved->id, rows::ChangeKind::moved);
  if (!cursor.ok()) return cursor.error();
  forget_places();
  result.outcome = Outcome::moved;
  return result;
}

}  // namespace cairn::cluster
