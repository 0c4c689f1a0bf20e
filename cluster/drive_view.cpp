#include "cluster/drive_view.hpp"

#include "protocol/names.hpp"

namespace cairn::cluster {
namespace {

constexpr std::size_t shown_path_bytes = 120;

std::string describe(EntryId id) { return "entry " + std::to_string(id.value); }

Error gone(const std::string& what) {
  return Error{Errc::not_found, "there is no " + what + " in this drive"};
}

}  // namespace

bool is_answer(Errc code) {
  switch (code) {
    case Errc::invalid_argument:
    case Errc::invalid_name:
    case Errc::not_found:
    case Errc::already_exists:
    case Errc::not_a_folder:
    case Errc::not_a_file:
    case Errc::would_cycle:
    case Errc::conflict:
    case Errc::trashed:
    case Errc::unknown_token:
    case Errc::revoked_token:
    case Errc::block_missing:
    case Errc::size_mismatch:
    case Errc::too_large:
    case Errc::quota_exceeded:
    case Errc::request_forgotten:
    case Errc::cursor_expired:
      return true;
    case Errc::wrong_credentials:
    case Errc::permission_denied:
    case Errc::block_mismatch:
    case Errc::bad_receipt:
    case Errc::disk_full:
    case Errc::corrupt:
    case Errc::busy:
    case Errc::timed_out:
    case Errc::unavailable:
    case Errc::wrong_slot:
    case Errc::protocol:
    case Errc::io:
    case Errc::bad_config:
    case Errc::cancelled:
    case Errc::internal:
      return false;
  }
  return false;
}

std::string describe(const EntryRef& ref) {
  if (ref.path.empty()) return describe(ref.base);
  const auto path = "\"" + printable(ref.path, shown_path_bytes) + "\"";
  return ref.base == root_entry ? path : path + " under " + describe(ref.base);
}

Result<rows::DriveRow*> DriveView::counters() {
  if (!counters_) {
    auto row = rows::read<rows::DriveRow>(rows_, keys_.drive());
    if (!row.ok()) return row.error();
    if (!*row) return Error{Errc::not_found, "there is no such account"};
    counters_ = std::move(*row);
  }
  return &*counters_;
}

Result<std::optional<rows::EntryRow>> DriveView::entry(EntryId id) {
  return rows::read_entry(rows_, keys_, id);
}

Result<rows::EntryRow> DriveView::known_entry(EntryId id) {
  auto row = entry(id);
  if (!row.ok()) return row.error();
  if (!*row) return rows::corrupt_row(keys_.entry(id));
  return std::move(**row);
}

Result<EntryId> DriveView::child(EntryId folder, BytesView name) {
  auto row = rows::read<rows::NumberRow>(rows_, keys_.name(folder, name));
  if (!row.ok()) return row.error();
  return EntryId{*row ? (*row)->number : 0};
}

Result<bool> DriveView::is_purged(const rows::EntryRow& row) {
  if (row.purged || !row.trashed) return row.purged;
  auto drive = counters();
  if (!drive.ok()) return drive.error();
  return row.changed.value <= (*drive)->trash_floor;
}

Result<std::uint32_t> DriveView::depth_of(EntryId id) {
  if (id == root_entry) return 0u;
  if (known_folder_.id.value != 0 && id == known_folder_.id) return known_folder_.depth;
  auto at = id;
  std::uint32_t depth = 0;
  for (; at != root_entry; ++depth) {
    if (depth > limits::max_path_depth) return rows::corrupt_row(keys_.entry(at));
    auto head = rows::read<rows::EntryHead>(rows_, keys_.entry(at));
    if (!head.ok()) return head.error();
    if (!*head && depth > 0) return rows::corrupt_row(keys_.entry(at));
    if (!*head || (*head)->purged) return gone(describe(id));
    if ((*head)->trashed) {
      auto row = known_entry(at);
      if (!row.ok()) return row.error();
      auto purged = is_purged(*row);
      if (!purged.ok()) return purged.error();
      if (*purged) return gone(describe(id));
      return Error{Errc::trashed, at == id ? describe(id) + " is in the trash"
                                           : describe(id) + " lies below " + describe(at) +
                                                 ", which is in the trash"};
    }
    at = (*head)->parent;
  }
  known_folder_ = {id, depth};
  return depth;
}

Result<DriveView::Place> DriveView::follow(const EntryRef& ref) {
  if (ref.base.value == 0) return Error{Errc::invalid_argument, "entry 0 is no entry"};
  auto depth = depth_of(ref.base);
  if (!depth.ok()) return depth.error();
  Place place{ref.base, *depth};
  if (ref.path.empty()) return place;
  auto names = split_path(ref.path);
  if (!names.ok()) return names.error();
  for (const auto& name : *names) {
    auto next = child(place.id, name);
    if (!next.ok()) return next.error();
    if (next->value == 0) {
      auto head = rows::read<rows::EntryHead>(rows_, keys_.entry(place.id));
      if (!head.ok()) return head.error();
      if (*head && (*head)->shape != rows::Shape::folder)
        return Error{Errc::not_a_folder, describe(ref) + " goes through " + describe(place.id) +
                                             ", which is no folder"};
      return gone(describe(ref));
    }
    place = {*next, place.depth + 1};
  }
  return place;
}

Result<DriveView::Located> DriveView::locate(const EntryRef& ref) {
  auto place = follow(ref);
  if (!place.ok()) return place.error();
  auto row = entry(place->id);
  if (!row.ok()) return row.error();
  if (!*row) {
    if (place->id == root_entry) return Error{Errc::not_found, "there is no such account"};
    return rows::corrupt_row(keys_.entry(place->id));
  }
  return Located{place->id, place->depth, std::move(**row)};
}

Result<DriveView::Located> DriveView::locate_folder(const EntryRef& ref) {
  auto found = locate(ref);
  if (found.ok() && !found->row.is_folder())
    return Error{Errc::not_a_folder, describe(ref) + " is no folder"};
  return found;
}

Result<std::vector<BlockRef>> DriveView::blocks_of(EntryId id, VersionNumber version,
                                                   const rows::StoredContent& content) {
  if (content.shape != rows::Shape::chunks) return content.blocks;
  std::vector<BlockRef> blocks;
  blocks.reserve(content.chunked_blocks);
  for (std::uint32_t i = 0; i < content.chunk_count(); ++i) {
    const auto key = keys_.chunk(id, version, i);
    auto chunk = rows::read<rows::ChunkRow>(rows_, key);
    if (!chunk.ok()) return chunk.error();
    if (!*chunk) return rows::corrupt_row(key);
    blocks.insert(blocks.end(), (*chunk)->blocks.begin(), (*chunk)->blocks.end());
  }
  if (blocks.size() != content.chunked_blocks) return rows::corrupt_row(keys_.entry(id));
  return blocks;
}

Entry to_entry(EntryId id, const rows::EntryRow& row) {
  Entry out;
  out.id = id;
  out.parent = row.parent;
  out.name = row.name;
  out.kind = rows::kind_of(row.content.shape);
  out.version = row.version;
  out.size = row.content.size;
  out.attributes = row.attributes;
  out.committed_at = row.committed_at;
  out.changed = row.changed;
  out.trashed = row.trashed;
  return out;
}

}  // namespace cairn::cluster
