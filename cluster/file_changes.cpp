// Changes of files: storing, new versions, conflicts, reverting.
#include <algorithm>

#include "cluster/drive.hpp"
#include "cluster/entry_names.hpp"
#include "protocol/names.hpp"

namespace cairn::cluster {
namespace {

using rows::Shape;
using rows::StoredContent;

constexpr std::size_t shown_name_bytes = 80;

Error invalid(const std::string& message) { return Error{Errc::invalid_argument, message}; }

Result<StoredContent> check_symlink(const Content& content) {
  constexpr std::size_t max_target_bytes = limits::max_inline_bytes - 1;
  const auto& target = content.inline_bytes;
  if (!content.blocks.empty()) return invalid("a symbolic link's target is inline, not in blocks");
  if (target.empty()) return invalid("a symbolic link's target is empty");
  if (target.size() > max_target_bytes)
    return Error{Errc::too_large,
                 "a symbolic link's target is over " + std::to_string(max_target_bytes) + " bytes"};
  if (target.find('\0') != Bytes::npos) return invalid("a symbolic link's target has a NUL byte");
  return StoredContent{Shape::symlink, target.size(), target, {}, 0};
}

Result<StoredContent> check_blocks_alone(const Content& content) {
  if (!content.inline_bytes.empty()) return invalid("content is both inline and in blocks");
  if (content.blocks.size() > limits::max_manifest_blocks)
    return Error{Errc::too_large, "a manifest of " + std::to_string(content.blocks.size()) +
                                      " blocks is over " +
                                      std::to_string(limits::max_manifest_blocks)};
  StoredContent out;
  for (const auto& block : content.blocks) {
    if (block.bytes == 0) return invalid("a block of a manifest has size 0");
    if (block.bytes > limits::max_block_bytes)
      return Error{Errc::too_large, "a block of a manifest is over " +
                                        std::to_string(limits::max_block_bytes) + " bytes"};
    out.size += block.bytes;
  }
  if (content.blocks.size() > limits::manifest_blocks_in_row) {
    out.shape = Shape::chunks;
    out.chunked_blocks = static_cast<std::uint32_t>(content.blocks.size());
  } else {
    out.shape = content.blocks.size() == 1 ? Shape::one_block : Shape::few_blocks;
    out.blocks = content.blocks;
  }
  return out;
}

/// The content as its row will hold it, if it can be right at all.
Result<StoredContent> check_content(const Content& content, EntryKind kind) {
  if (kind == EntryKind::folder) return invalid("a folder is not stored as a file");
  if (content.inline_bytes.size() > limits::max_inline_bytes)
    return Error{Errc::too_large, std::to_string(content.inline_bytes.size()) +
                                      " inline bytes are over " +
                                      std::to_string(limits::max_inline_bytes)};
  auto out =
      kind == EntryKind::symlink ? check_symlink(content)
      : content.blocks.empty()
          ? Result<StoredContent>(StoredContent{
                Shape::inline_file, content.inline_bytes.size(), content.inline_bytes, {}, 0})
          : check_blocks_alone(content);
  if (out.ok() && out->size != content.size)
    return Error{Errc::size_mismatch, "size " + std::to_string(content.size) +
                                          " is not the content's " + std::to_string(out->size) +
                                          " bytes"};
  return out;
}

}  // namespace

Result<void> Drive::check_quota(std::uint64_t more_bytes) {
  const auto& drive = *counters_;
  if (drive.used_bytes <= drive.quota_bytes && more_bytes <= drive.quota_bytes - drive.used_bytes)
    return {};
  return Error{Errc::quota_exceeded, std::to_string(more_bytes) +
                                         " bytes do not fit: " + std::to_string(drive.used_bytes) +
                                         " of " + std::to_string(drive.quota_bytes) + " are used"};
}

Result<void> Drive::check_blocks(const std::vector<BlockRef>& blocks, const ProvenBlocks& proven) {
  for (const auto& block : blocks) {
    auto bytes = blocks_->held_bytes(block.id);
    if (!bytes.ok()) return bytes.error();
    const auto known = *bytes != 0 ? *bytes : proven.bytes_of(block.id);
    if (known == 0)
      return Error{Errc::block_missing, "block " + block.id.hex() + " is not in this drive"};
    if (known != block.bytes)
      return Error{Errc::size_mismatch, "block " + block.id.hex() + " is of " +
                                            std::to_string(known) + " bytes, not " +
                                            std::to_string(block.bytes)};
  }
  return {};
}

Result<void> Drive::store(EntryId id, VersionNumber version, const StoredContent& content,
                          const std::vector<BlockRef>& blocks) {
  counters_->used_bytes += content.size;
  for (const auto& block : blocks) CAIRN_TRY(blocks_->add(block));
  for (std::uint32_t i = 0; i < content.chunk_count(); ++i) {
    const auto first = std::size_t{i} * limits::manifest_blocks_per_chunk;
    const auto count = std::min(limits::manifest_blocks_per_chunk, blocks.size() - first);
    tx_.put(keys_.chunk(id, version, i), rows::encode_chunk(blocks.data() + first, count));
  }
  return {};
}

Result<bool> Drive::same_content(EntryId id, const rows::EntryRow& row,
                                 const StoredContent& content,
                                 const std::vector<BlockRef>& blocks) {
  if (row.content != content) return false;
  for (std::uint32_t i = 0; i < content.chunk_count(); ++i) {
    const auto first = std::size_t{i} * limits::manifest_blocks_per_chunk;
    const auto count = std::min(limits::manifest_blocks_per_chunk, blocks.size() - first);
    const auto key = keys_.chunk(id, row.version, i);
    auto chunk = rows_.get(key);
    if (!chunk.ok()) return chunk.error();
    if (!*chunk) return rows::corrupt_row(key);
    if (**chunk != rows::encode_chunk(blocks.data() + first, count)) return false;
  }
  return true;
}

Result<ChangeResult> Drive::make(const PutFile& change, const Committer& by) {
  auto folder = locate_folder(change.parent);
  if (!folder.ok()) return folder.error();
  auto name = normalize_name(change.name);
  if (!name.ok()) return name.error();
  CAIRN_TRY(check_attributes(change.attributes));
  auto content = check_content(change.content, change.kind);
  if (!content.ok()) return content.error();
  auto there = child(folder->id, *name);
  if (!there.ok()) return there.error();
  if (there->value == 0)
    return create(change, std::move(*content), *folder, std::move(*name), Outcome::created, by);

  auto row = known_entry(*there);
  if (!row.ok()) return row.error();
  if (!row->is_folder() && rows::kind_of(row->content.shape) == change.kind) {
    auto same = same_content(*there, *row, *content, change.content.blocks);
    if (!same.ok()) return same.error();
    if (*same && row->attributes == change.attributes) {
      ChangeResult result;
      result.entry = *there;
      result.version = row->version;
      if (*name != change.name) result.name = *name;
      return result;
    }
    if (change.base.entry == *there && change.base.version == row->version) {
      CAIRN_TRY(check_quota(content->size));
      CAIRN_TRY(check_blocks(change.content.blocks, by.proven));
      auto result = supersede(*there, std::move(*row), std::move(*content), change.content.blocks,
                              change.attributes, by.device);
      if (result.ok() && *name != change.name) result->name = *name;
      return result;
    }
  }
  auto beside = free_name(folder->id, *name, conflict_suffix(by.device_name, now_));
  if (!beside.ok()) return beside.error();
  return create(change, std::move(*content), *folder, std::move(*beside), Outcome::conflicted, by);
}

Result<ChangeResult> Drive::create(const PutFile& change, StoredContent content,
                                   const Located& folder, std::string name, Outcome outcome,
                                   const Committer& by) {
  CAIRN_TRY(check_quota(content.size));
  CAIRN_TRY(check_blocks(change.content.blocks, by.proven));
  const EntryId id{counters_->next_entry};
  rows::EntryRow row;
  row.parent = folder.id;
  row.name = std::move(name);
  row.attributes = change.attributes;
  row.committed_at = now_;
  row.changed = Cursor{counters_->journal_end + 1};
  row.version = row.oldest = VersionNumber{1};
  row.device = by.device;
  row.content = std::move(content);
  CAIRN_TRY(place(id, row, folder));
  CAIRN_TRY(store(id, row.version, row.content, change.content.blocks));
  ++counters_->next_entry;
  ++counters_->entries;
  auto cursor = journal_->append(id, rows::ChangeKind::created);
  if (!cursor.ok()) return cursor.error();

  ChangeResult result;
  result.outcome = outcome;
  result.entry = id;
  result.version = row.version;
  if (row.name != change.name) result.name = row.name;
  return result;
}

Result<ChangeResult> Drive::supersede(EntryId id, rows::EntryRow row, StoredContent content,
                                      const std::vector<BlockRef>& blocks,
                                      const Attributes& attributes, std::uint32_t device) {
  if (row.version.value == 0xffffffff)
    return Error{Errc::too_large,
                 "entry " + std::to_string(id.value) + " has had as many versions as can be"};
  const rows::VersionRow old{row.attributes, row.committed_at, now_, row.device,
                             std::move(row.content)};
  tx_.put(keys_.version(id, row.version), encode(old));
  tx_.put(rows::version_expiry_key(now_, account_, id, row.version), {});
  ++row.version.value;
  CAIRN_TRY(store(id, row.version, content, blocks));
  if (row.version.value - row.oldest.value >= limits::max_versions_per_entry) {
    CAIRN_TRY(drop_version(id, row.oldest));
    ++row.oldest.value;
  }
  auto cursor = journal_->append(id, rows::ChangeKind::updated);
  if (!cursor.ok()) return cursor.error();
  row.content = std::move(content);
  row.attributes = attributes;
  row.committed_at = now_;
  row.device = device;
  row.changed = *cursor;
  put(id, row);

  ChangeResult result;
  result.outcome = Outcome::updated;
  result.entry = id;
  result.version = row.version;
  return result;
}

Result<ChangeResult> Drive::make(const Revert& change, const Committer& by) {
  auto found = locate(change.entry);
  if (!found.ok()) return found.error();
  auto& row = found->row;
  if (row.is_folder()) return Error{Errc::not_a_file, describe(change.entry) + " is a folder"};
  if (change.version == row.version) {
    ChangeResult result;
    result.entry = found->id;
    result.version = row.version;
    return result;
  }
  if (change.version < row.oldest || change.version > row.version)
    return Error{Errc::not_found, describe(change.entry) + " has no version " +
                                      std::to_string(change.version.value)};
  const auto key = keys_.version(found->id, change.version);
  auto old = rows::read<rows::VersionRow>(tx_, key);
  if (!old.ok()) return old.error();
  if (!*old) return rows::corrupt_row(key);
  CAIRN_TRY(check_quota((*old)->content.size));
  auto blocks = blocks_of(found->id, change.version, (*old)->content);
  if (!blocks.ok()) return blocks.error();
  return supersede(found->id, std::move(row), (*old)->content, *blocks, (*old)->attributes,
                   by.device);
}

}  // namespace cairn::cluster
