#include "cluster/drive.hpp"

#include <algorithm>

#include "cluster/entry_names.hpp"
#include "cluster/purge_queue.hpp"
#include "protocol/names.hpp"

namespace cairn::cluster {

ProvenBlocks::ProvenBlocks(const std::vector<BlockRef>& blocks) {
  for (const auto& block : blocks) bytes_.emplace(block.id, block.bytes);
}

std::uint32_t ProvenBlocks::bytes_of(const BlockId& id) const {
  const auto found = bytes_.find(id);
  return found == bytes_.end() ? 0 : found->second;
}

Timestamp clamp(Timestamp now) {
  return {std::clamp<std::int64_t>(now.millis, 0, rows::last_millis)};
}

Result<void> check_attributes(const Attributes& attributes) {
  if (attributes.mode > limits::mode_mask)
    return Error{Errc::invalid_argument,
                 "mode " + std::to_string(attributes.mode) + " is over 07777"};
  return {};
}

Result<void> Drive::open(Timestamp now) {
  auto row = counters();
  if (!row.ok()) return row.error();
  now_ = std::max(clamp(now), (*row)->last_now);
  blocks_.emplace(tx_, keys_, **row);
  journal_.emplace(tx_, keys_, **row);
  return {};
}

void Drive::flush(bool keep_clock) {
  if (keep_clock) counters_->last_now = now_;
  journal_->flush();
  blocks_->flush(tx_);
  tx_.put(keys_.drive(), encode(*counters_));
}

Result<ChangeResult> Drive::apply(const Change& change, const Committer& by) {
  auto result = std::visit([&](const auto& one) { return make(one, by); }, change);
  if (result.ok() || !is_answer(result.error().code)) return result;
  ChangeResult refused;
  refused.error = result.error();
  return refused;
}

Result<std::string> Drive::free_name(EntryId folder, const std::string& name,
                                     const std::string& suffix) {
  std::string candidate;
  for (std::size_t i = 1; i <= limits::max_suffix_tries; ++i) {
    // The last try is by a number that hardly anything is called by, however often this name is
    // taken.
    const auto number = i == limits::max_suffix_tries ? counters_->next_entry : i;
    candidate = with_suffix(name, i == 1 ? suffix : suffix + " " + std::to_string(number));
    auto there = child(folder, candidate);
    if (!there.ok()) return there.error();
    if (there->value == 0) return candidate;
  }
  return Error{Errc::already_exists,
               "every name for a copy of \"" + printable(name, 80) + "\" is taken"};
}

Result<void> Drive::purge(EntryId id, rows::EntryRow row) {
  CAIRN_TRY(leave_trash(id, row));
  auto cursor = journal_->append(id, rows::ChangeKind::purged);
  if (!cursor.ok()) return cursor.error();
  row.purged = true;
  row.changed = *cursor;
  put(id, row);
  return PurgeQueue(tx_).push({account_, id, {}, {}});
}

Result<void> Drive::drop_version(EntryId id, VersionNumber version) {
  const auto key = keys_.version(id, version);
  auto row = rows::read<rows::VersionRow>(tx_, key);
  if (!row.ok()) return row.error();
  if (!*row) return rows::corrupt_row(key);
  tx_.erase(rows::version_expiry_key((*row)->superseded_at, account_, id, version));
  if ((*row)->content.chunk_count() > 1) return PurgeQueue(tx_).push({account_, id, version, {}});
  auto released = release(id, version, (*row)->content, limits::manifest_blocks_per_chunk);
  if (!released.ok()) return released.error();
  tx_.erase(key);
  return {};
}

Result<std::size_t> Drive::release(EntryId id, VersionNumber version, rows::StoredContent& content,
                                   std::size_t max_blocks) {
  std::size_t released = 0;
  if (content.shape != rows::Shape::chunks) {
    for (const auto& block : content.blocks) CAIRN_TRY(blocks_->remove(block));
    released = content.blocks.size();
    counters_->used_bytes -= content.size;
    content.blocks.clear();
    content.size = 0;
    return released;
  }
  while (content.chunked_blocks > 0 && (released == 0 || released < max_blocks)) {
    const auto key = keys_.chunk(id, version, content.chunk_count() - 1);
    auto chunk = rows::read<rows::ChunkRow>(tx_, key);
    if (!chunk.ok()) return chunk.error();
    if (!*chunk || (*chunk)->blocks.size() > content.chunked_blocks) return rows::corrupt_row(key);
    for (const auto& block : (*chunk)->blocks) {
      CAIRN_TRY(blocks_->remove(block));
      content.size -= block.bytes;
      counters_->used_bytes -= block.bytes;
    }
    content.chunked_blocks -= static_cast<std::uint32_t>((*chunk)->blocks.size());
    released += (*chunk)->blocks.size();
    tx_.erase(key);
  }
  return released;
}

}  // namespace cairn::cluster
