#include "cluster/model_codec.hpp"

namespace cairn::cluster {

void put(Writer& out, bool value) { out.u8(value ? 1 : 0); }
void get(Reader& in, bool& value) {
  const auto n = in.u8();
  if (n > 1) in.fail();
  value = n == 1;
}

void put(Writer& out, const BlockId& id) { out.raw(id.view()); }
void get(Reader& in, BlockId& id) { id = BlockId::from_bytes(in.raw(32)).value_or(BlockId{}); }

void put(Writer& out, const Error& error) {
  out.varint(static_cast<std::uint16_t>(error.code)).bytes(error.message);
}
void get(Reader& in, Error& error) {
  error.code = errc_from_number(get_number<std::uint16_t>(in));
  error.message = in.bytes();
}

void put(Writer& out, const EntryRef& ref) { out.varint(ref.base.value).bytes(ref.path); }
void get(Reader& in, EntryRef& ref) {
  get(in, ref.base);
  ref.path = in.bytes();
}

void put(Writer& out, const Attributes& attributes) {
  out.varint(attributes.mode).svarint(attributes.modified_nanos);
}
void get(Reader& in, Attributes& attributes) {
  attributes.mode = get_number<std::uint32_t>(in);
  attributes.modified_nanos = in.svarint();
}

void put(Writer& out, const BlockRef& block) { out.raw(block.id.view()).varint(block.bytes); }
void get(Reader& in, BlockRef& block) {
  get(in, block.id);
  block.bytes = get_number<std::uint32_t>(in);
}

void put(Writer& out, const Content& content) {
  out.varint(content.size).bytes(content.inline_bytes);
  put(out, content.blocks);
}
void get(Reader& in, Content& content) {
  content.size = in.varint();
  content.inline_bytes = in.bytes();
  get(in, content.blocks);
}

void put(Writer& out, EntryKind kind) { out.u8(static_cast<std::uint8_t>(kind)); }
void get(Reader& in, EntryKind& kind) {
  const auto n = in.u8();
  if (n < 1 || n > 3) return in.fail();
  kind = static_cast<EntryKind>(n);
}

void put(Writer& out, const Entry& entry) {
  out.varint(entry.id.value).varint(entry.parent.value).bytes(entry.name);
  put(out, entry.kind);
  out.varint(entry.version.value).varint(entry.size);
  put(out, entry.attributes);
  put(out, entry.committed_at);
  out.varint(entry.changed.value);
  put(out, entry.trashed);
}
void get(Reader& in, Entry& entry) {
  get(in, entry.id);
  get(in, entry.parent);
  entry.name = in.bytes();
  get(in, entry.kind);
  get(in, entry.version);
  entry.size = in.varint();
  get(in, entry.attributes);
  get(in, entry.committed_at);
  get(in, entry.changed);
  get(in, entry.trashed);
}

void put(Writer& out, const Version& version) {
  out.varint(version.number.value).varint(version.size);
  put(out, version.attributes);
  put(out, version.committed_at);
  out.bytes(version.device);
}
void get(Reader& in, Version& version) {
  get(in, version.number);
  version.size = in.varint();
  get(in, version.attributes);
  get(in, version.committed_at);
  version.device = in.bytes();
}

static void put(Writer& out, const MakeFolder& change) {
  put(out, change.parent);
  put(out, change.name);
  put(out, change.attributes);
}
static void get(Reader& in, MakeFolder& change) {
  get(in, change.parent);
  get(in, change.name);
  get(in, change.attributes);
}

static void put(Writer& out, const PutFile& change) {
  put(out, change.parent);
  put(out, change.name);
  put(out, change.kind);
  put(out, change.base.entry);
  put(out, change.base.version);
  put(out, change.content);
  put(out, change.attributes);
}
static void get(Reader& in, PutFile& change) {
  get(in, change.parent);
  get(in, change.name);
  get(in, change.kind);
  get(in, change.base.entry);
  get(in, change.base.version);
  get(in, change.content);
  get(in, change.attributes);
}

static void put(Writer& out, const SetAttributes& change) {
  put(out, change.entry);
  put(out, change.attributes);
}
static void get(Reader& in, SetAttributes& change) {
  get(in, change.entry);
  get(in, change.attributes);
}

static void put(Writer& out, const Move& change) {
  put(out, change.entry);
  put(out, change.parent);
  put(out, change.name);
}
static void get(Reader& in, Move& change) {
  get(in, change.entry);
  get(in, change.parent);
  get(in, change.name);
}

static void put(Writer& out, const Remove& change) {
  put(out, change.entry);
  put(out, change.base);
}
static void get(Reader& in, Remove& change) {
  get(in, change.entry);
  get(in, change.base);
}

static void put(Writer& out, const Restore& change) { put(out, change.entry); }
static void get(Reader& in, Restore& change) { get(in, change.entry); }

static void put(Writer& out, const Revert& change) {
  put(out, change.entry);
  put(out, change.version);
}
static void get(Reader& in, Revert& change) {
  get(in, change.entry);
  get(in, change.version);
}

static void put(Writer& out, const Purge& change) { put(out, change.entry); }
static void get(Reader& in, Purge& change) { get(in, change.entry); }

void put(Writer& out, const Change& change) {
  out.u8(static_cast<std::uint8_t>(change.index() + 1));
  std::visit([&](const auto& alternative) { put(out, alternative); }, change);
}
void get(Reader& in, Change& change) {
  switch (in.u8()) {
    case 1:
      return get(in, change.emplace<MakeFolder>());
    case 2:
      return get(in, change.emplace<PutFile>());
    case 3:
      return get(in, change.emplace<SetAttributes>());
    case 4:
      return get(in, change.emplace<Move>());
    case 5:
      return get(in, change.emplace<Remove>());
    case 6:
      return get(in, change.emplace<Restore>());
    case 7:
      return get(in, change.emplace<Revert>());
    case 8:
      return get(in, change.emplace<Purge>());
    default:
      return in.fail();
  }
}

void put(Writer& out, const ChangeResult& result) {
  put(out, result.error.has_value());
  if (result.error) put(out, *result.error);
  out.u8(static_cast<std::uint8_t>(result.outcome));
  out.varint(result.entry.value).varint(result.version.value).bytes(result.name);
}
void get(Reader& in, ChangeResult& result) {
  bool failed = false;
  get(in, failed);
  result.error.reset();
  if (failed) get(in, result.error.emplace());
  const auto outcome = in.u8();
  if (outcome < 1 || outcome > 8) return in.fail();
  result.outcome = static_cast<Outcome>(outcome);
  get(in, result.entry);
  get(in, result.version);
  result.name = in.bytes();
}

void put(Writer& out, const CommitResult& result) {
  put(out, result.results);
  put(out, result.cursor);
}
void get(Reader& in, CommitResult& result) {
  get(in, result.results);
  get(in, result.cursor);
}

void put(Writer& out, const EntryPage& page) {
  put(out, page.entries);
  put(out, page.next);
}
void get(Reader& in, EntryPage& page) {
  get(in, page.entries);
  get(in, page.next);
}

static void put(Writer& out, const ChangeEvent& event) {
  put(out, event.cursor);
  put(out, event.entry);
  put(out, event.now.has_value());
  if (event.now) put(out, *event.now);
}
static void get(Reader& in, ChangeEvent& event) {
  get(in, event.cursor);
  get(in, event.entry);
  bool there = false;
  get(in, there);
  if (there) get(in, event.now.emplace());
}

void put(Writer& out, const ChangePage& page) {
  out.varint(page.events.size());
  for (const auto& event : page.events) put(out, event);
  put(out, page.cursor);
  put(out, page.more);
}
void get(Reader& in, ChangePage& page) {
  const auto count = in.varint();
  if (count > in.remaining()) return in.fail();
  page.events.clear();
  for (std::uint64_t i = 0; i < count && !in.failed(); ++i) get(in, page.events.emplace_back());
  get(in, page.cursor);
  get(in, page.more);
}

void put(Writer& out, const Usage& usage) {
  out.varint(usage.used_bytes).varint(usage.quota_bytes).varint(usage.entries);
}
void get(Reader& in, Usage& usage) {
  usage.used_bytes = in.varint();
  usage.quota_bytes = in.varint();
  usage.entries = in.varint();
}

void put(Writer& out, const Device& device) {
  put(out, device.client);
  put(out, device.name);
  put(out, device.signed_in);
  put(out, device.revoked);
}
void get(Reader& in, Device& device) {
  get(in, device.client);
  get(in, device.name);
  get(in, device.signed_in);
  get(in, device.revoked);
}

}  // namespace cairn::cluster
