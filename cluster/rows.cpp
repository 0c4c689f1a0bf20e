#include "cluster/rows.hpp"

#include <cstdlib>
#include <cstring>

namespace cairn::cluster::rows {
namespace {

// Row times count from 2026-11-01T00:00:00Z, which takes a byte less than from 1970 for over a
// hundred years. Earlier ones wrap around to ten bytes, and clocks that need them are wrong anyway.
constexpr std::uint64_t epoch_millis = 1'793'491'200'000;

// An entry's or version's first two bytes: the mode, the shape, and whether it is in the trash.
constexpr int shape_bit = 12;
constexpr std::uint16_t trashed_bit = 0x8000;
// Instead of a shape: the entry is purged, and its shape follows in a byte of its own.
constexpr std::uint16_t purged_shape = 7;
constexpr std::uint8_t last_shape = static_cast<std::uint8_t>(Shape::symlink);

void put_time(Writer& out, Timestamp time) {
  out.varint(static_cast<std::uint64_t>(time.millis) - epoch_millis);
}

Timestamp get_time(Reader& in) {
  const auto millis = in.varint() + epoch_millis;
  if (millis > static_cast<std::uint64_t>(last_millis)) in.fail();
  return Timestamp{in.failed() ? 0 : static_cast<std::int64_t>(millis)};
}

std::uint32_t get_u32(Reader& in) {
  const auto n = in.varint();
  if (n > 0xffffffff) in.fail();
  return in.failed() ? 0 : static_cast<std::uint32_t>(n);
}

void put_block(Writer& out, const BlockRef& block) { out.raw(block.id.view()).varint(block.bytes); }

void get_block(Reader& in, BlockRef& out) {
  const auto id = in.raw(32);
  if (id.size() == 32) std::memcpy(out.id.bytes.data(), id.data(), 32);
  const auto bytes = in.varint();
  if (bytes < 1 || bytes > limits::max_block_bytes) return in.fail();
  out.bytes = static_cast<std::uint32_t>(bytes);
}

void put_content(Writer& out, const StoredContent& content) {
  switch (content.shape) {
    case Shape::folder:
      return;
    case Shape::inline_file:
    case Shape::symlink:
      out.bytes(content.inline_bytes);
      return;
    case Shape::one_block:
      put_block(out, content.blocks[0]);
      return;
    case Shape::few_blocks:
      out.u8(static_cast<std::uint8_t>(content.blocks.size()));
      for (const auto& block : content.blocks) put_block(out, block);
      return;
    case Shape::chunks:
      out.varint(content.size).varint(content.chunked_blocks);
      return;
  }
  std::abort();
}

void get_blocks(Reader& in, std::size_t count, StoredContent& out) {
  out.blocks.resize(count);
  for (auto& block : out.blocks) {
    get_block(in, block);
    out.size += block.bytes;
  }
}

void get_content(Reader& in, StoredContent& out) {
  switch (out.shape) {
    case Shape::folder:
      return;
    case Shape::inline_file:
    case Shape::symlink:
      out.inline_bytes = in.bytes();
      out.size = out.inline_bytes.size();
      if (out.size > limits::max_inline_bytes) in.fail();
      return;
    case Shape::one_block:
      return get_blocks(in, 1, out);
    case Shape::few_blocks: {
      const auto count = in.u8();
      if (count < 2 || count > limits::manifest_blocks_in_row) return in.fail();
      return get_blocks(in, count, out);
    }
    case Shape::chunks:
      out.size = in.varint();
      out.chunked_blocks = get_u32(in);
      if (out.chunked_blocks > limits::max_manifest_blocks || out.size > limits::max_file_bytes)
        in.fail();
      return;
  }
}

/// Reads the two bytes that open an entry row, and the shape byte of a purged one.
void get_head(Reader& in, std::uint16_t& head, EntryHead& out) {
  head = in.u16();
  out.trashed = (head & trashed_bit) != 0;
  std::uint8_t shape = static_cast<std::uint8_t>(head >> shape_bit & 7);
  out.purged = shape == purged_shape;
  if (out.purged) shape = in.u8();
  if (shape > last_shape) return in.fail();
  out.shape = static_cast<Shape>(shape);
  out.parent.value = in.varint();
}

}  // namespace

EntryKind kind_of(Shape shape) {
  switch (shape) {
    case Shape::folder:
      return EntryKind::folder;
    case Shape::symlink:
      return EntryKind::symlink;
    case Shape::inline_file:
    case Shape::one_block:
    case Shape::few_blocks:
    case Shape::chunks:
      return EntryKind::file;
  }
  std::abort();
}

bool decode(BytesView value, EntryHead& out) {
  Reader in(value);
  std::uint16_t head = 0;
  get_head(in, head, out);
  return !in.failed();
}

Bytes encode(EntryId id, const EntryRow& row) {
  Writer out;
  const auto shape = static_cast<std::uint16_t>(
      row.purged ? purged_shape : static_cast<std::uint16_t>(row.content.shape));
  out.u16(static_cast<std::uint16_t>(row.attributes.mode | shape << shape_bit |
                                     (row.trashed ? trashed_bit : 0)));
  if (row.purged) out.u8(static_cast<std::uint8_t>(row.content.shape));
  out.varint(row.parent.value).bytes(row.name);
  out.u64(static_cast<std::uint64_t>(row.attributes.modified_nanos));
  put_time(out, row.committed_at);
  // Both grow by one for every file that is stored, so that they are mostly near each other.
  out.svarint(static_cast<std::int64_t>(row.changed.value - id.value));
  if (row.is_folder()) {
    out.varint(row.height);
    return out.take();
  }
  const bool first = row.version.value == 1;
  out.varint(std::uint64_t{row.device} << 1 | (first ? 0 : 1));
  if (!first) out.varint(row.version.value).varint(row.version.value - row.oldest.value);
  put_content(out, row.content);
  return out.take();
}

bool decode(EntryId id, BytesView value, EntryRow& out) {
  Reader in(value);
  std::uint16_t head = 0;
  EntryHead first;
  get_head(in, head, first);
  out.attributes.mode = head & limits::mode_mask;
  out.trashed = first.trashed;
  out.purged = first.purged;
  out.parent = first.parent;
  out.content.shape = first.shape;
  out.name = in.bytes();
  out.attributes.modified_nanos = static_cast<std::int64_t>(in.u64());
  out.committed_at = get_time(in);
  out.changed.value = id.value + static_cast<std::uint64_t>(in.svarint());
  if (out.is_folder()) {
    out.height = get_u32(in);
    return in.finished();
  }
  const auto device = in.varint();
  if ((device >> 1) > 0xffffffff) return false;
  out.device = static_cast<std::uint32_t>(device >> 1);
  const bool only_first = (device & 1) == 0;
  out.version.value = only_first ? 1 : get_u32(in);
  const auto kept_before = only_first ? 0 : get_u32(in);
  if (out.version.value == 0 || kept_before >= out.version.value) return false;
  out.oldest.value = out.version.value - kept_before;
  get_content(in, out.content);
  return in.finished();
}

Bytes encode(const VersionRow& row) {
  Writer out;
  out.u16(static_cast<std::uint16_t>(row.attributes.mode | static_cast<int>(row.content.shape)
                                                               << shape_bit));
  out.u64(static_cast<std::uint64_t>(row.attributes.modified_nanos));
  put_time(out, row.committed_at);
  put_time(out, row.superseded_at);
  out.varint(row.device);
  put_content(out, row.content);
  return out.take();
}

bool decode(BytesView value, VersionRow& out) {
  Reader in(value);
  const auto head = in.u16();
  const auto shape = head >> shape_bit;
  if (shape < 1 || shape > last_shape) return false;
  out.attributes.mode = head & limits::mode_mask;
  out.content.shape = static_cast<Shape>(shape);
  out.attributes.modified_nanos = static_cast<std::int64_t>(in.u64());
  out.committed_at = get_time(in);
  out.superseded_at = get_time(in);
  out.device = get_u32(in);
  get_content(in, out.content);
  return in.finished();
}

Bytes encode_chunk(const BlockRef* blocks, std::size_t count) {
  Writer out;
  for (std::size_t i = 0; i < count; ++i) put_block(out, blocks[i]);
  return out.take();
}

bool decode(BytesView value, ChunkRow& out) {
  Reader in(value);
  while (in.remaining() > 0 && out.blocks.size() < limits::manifest_blocks_per_chunk)
    get_block(in, out.blocks.emplace_back());
  return in.finished() && !out.blocks.empty();
}

Bytes encode(const AccountRow& row) {
  Writer out;
  out.bytes(row.login).bytes(row.password_hash);
  put_time(out, row.created);
  return out.take();
}

bool decode(BytesView value, AccountRow& out) {
  Reader in(value);
  out.login = in.bytes();
  out.password_hash = in.bytes();
  out.created = get_time(in);
  return in.finished();
}

Bytes encode(const DriveRow& row) {
  Writer out;
  put_time(out, row.last_now);
  for (const std::uint64_t n : {row.quota_bytes, row.used_bytes, row.entries, row.next_entry,
                                row.journal_first, row.journal_end, row.journal_entry,
                                row.trash_floor, row.block_count, std::uint64_t{row.bucket_count},
                                std::uint64_t{row.device_count}, std::uint64_t{row.client_count}})
    out.varint(n);
  return out.take();
}

bool decode(BytesView value, DriveRow& out) {
  Reader in(value);
  out.last_now = get_time(in);
  for (auto* n :
       {&out.quota_bytes, &out.used_bytes, &out.entries, &out.next_entry, &out.journal_first,
        &out.journal_end, &out.journal_entry, &out.trash_floor, &out.block_count})
    *n = in.varint();
  for (auto* n : {&out.bucket_count, &out.device_count, &out.client_count}) *n = get_u32(in);
  return in.finished() && out.bucket_count > 0 && out.journal_first > 0;
}

Bytes encode(const TokenRow& row) {
  Writer out;
  out.bytes(row.secret_hash).bytes(row.device);
  put_time(out, row.signed_in);
  return out.u8(row.revoked ? 1 : 0).take();
}

bool decode(BytesView value, TokenRow& out) {
  Reader in(value);
  out.secret_hash = in.bytes();
  out.device = in.bytes();
  out.signed_in = get_time(in);
  const auto revoked = in.u8();
  out.revoked = revoked == 1;
  return in.finished() && revoked <= 1;
}

Bytes encode(const ClientRow& row) {
  Writer out;
  put_time(out, row.last_used);
  out.varint(row.pruned).varint(row.device).bytes(row.device_name).varint(row.kept.size());
  auto before = row.pruned;
  for (const auto sequence : row.kept) {
    out.varint(sequence - before);
    before = sequence;
  }
  return out.take();
}

bool decode(BytesView value, ClientRow& out) {
  Reader in(value);
  out.last_used = get_time(in);
  out.pruned = in.varint();
  out.device = get_u32(in);
  out.device_name = in.bytes();
  const auto count = in.varint();
  if (count > limits::max_results_kept_per_client) return false;
  auto before = out.pruned;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto step = in.varint();
    if (step == 0 || before + step < before) return false;
    out.kept.push_back(before += step);
  }
  return in.finished();
}

Bytes encode(const TrashRow& row) {
  Writer out;
  out.varint(row.entry.value);
  put_time(out, row.removed_at);
  return out.take();
}

bool decode(BytesView value, TrashRow& out) {
  Reader in(value);
  out.entry.value = in.varint();
  out.removed_at = get_time(in);
  return in.finished();
}

Bytes encode(const NumberRow& row) { return Writer().varint(row.number).take(); }

bool decode(BytesView value, NumberRow& out) {
  Reader in(value);
  out.number = in.varint();
  return in.finished();
}

bool decode(BytesView value, TextRow& out) {
  out.text = value;
  return true;
}

Bytes encode(const PurgeEnds& row) { return Writer().varint(row.first).varint(row.next).take(); }

bool decode(BytesView value, PurgeEnds& out) {
  Reader in(value);
  out.first = in.varint();
  out.next = in.varint();
  return in.finished() && out.first <= out.next;
}

Bytes encode(const PurgeRow& row) {
  return Writer()
      .varint(row.account.value)
      .varint(row.entry.value)
      .varint(row.version.value)
      .raw(row.after)
      .take();
}

bool decode(BytesView value, PurgeRow& out) {
  Reader in(value);
  out.account.value = in.varint();
  out.entry.value = in.varint();
  out.version.value = get_u32(in);
  out.after = in.rest();
  return in.finished() && out.after.size() <= limits::max_name_bytes;
}

void append(Bytes& value, const JournalChange& change, EntryId before) {
  // Both fit: entry ids are dense from 1 and never come near 2^59.
  const auto step = static_cast<std::int64_t>(change.entry.value - before.value);
  const auto zigzag =
      static_cast<std::uint64_t>(step) << 1 ^ static_cast<std::uint64_t>(step >> 63);
  value += Writer().varint(zigzag << 3 | static_cast<std::uint64_t>(change.kind)).view();
}

bool decode(BytesView value, std::vector<JournalChange>& out) {
  Reader in(value);
  std::uint64_t entry = 0;
  while (in.remaining() > 0 && out.size() < limits::journal_changes_per_row) {
    const auto n = in.varint();
    const auto kind = n & 7;
    if (kind > static_cast<std::uint64_t>(ChangeKind::purged)) return false;
    const auto zigzag = n >> 3;
    entry += zigzag >> 1 ^ (~(zigzag & 1) + 1);
    out.push_back({EntryId{entry}, static_cast<ChangeKind>(kind)});
  }
  return in.finished() && !out.empty();
}

Cursor journal_row_of(Cursor cursor) {
  return Cursor{
      (cursor.value - 1) / limits::journal_changes_per_row * limits::journal_changes_per_row + 1};
}

Bytes encode(const BucketRow& row) {
  Writer out;
  for (const auto& block : row.blocks) {
    out.raw({block.prefix.data(), block.prefix.size()});
    // Most blocks are named once: then the size alone stands here, and the count is left out.
    const bool many = block.count != 1;
    out.varint(std::uint64_t{block.bytes - 1} << 1 | (many ? 1 : 0));
    if (many) out.varint(block.count);
  }
  return out.take();
}

bool decode(BytesView value, BucketRow& out) {
  Reader in(value);
  out.blocks.reserve(value.size() / (block_prefix_bytes + 3));
  while (in.remaining() > 0) {
    auto& block = out.blocks.emplace_back();
    const auto prefix = in.raw(block_prefix_bytes);
    if (prefix.size() == block_prefix_bytes)
      std::memcpy(block.prefix.data(), prefix.data(), prefix.size());
    const auto n = in.varint();
    if ((n >> 1) >= limits::max_block_bytes) return false;
    block.bytes = static_cast<std::uint32_t>(n >> 1) + 1;
    block.count = (n & 1) != 0 ? in.varint() : 1;
    if (block.count == 0) return false;
  }
  return in.finished() && !out.blocks.empty();
}

Error corrupt_row(BytesView key) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string hex;
  for (const char c : key.substr(0, 16)) {
    hex += digits[static_cast<std::uint8_t>(c) >> 4];
    hex += digits[static_cast<std::uint8_t>(c) & 15];
  }
  return Error{Errc::corrupt,
               "the row with key " + hex + (key.size() > 16 ? "…" : "") + " makes no sense"};
}

}  // namespace cairn::cluster::rows
