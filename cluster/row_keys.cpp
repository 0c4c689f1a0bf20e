// Keys of rows; rows.cpp has the codecs of their values.
#include <endian.h>

#include <bit>
#include <cstdlib>
#include <cstring>

#include "cluster/rows.hpp"

namespace cairn::cluster::rows {
namespace {

constexpr std::uint8_t slot_tag = 0x40;
constexpr std::uint8_t shard_tag = 0x80;
// Ordinals below take one byte; from here on this, with the count of the bytes that follow.
constexpr std::uint8_t long_ordinal = 0xf0;

bool parse_time(Reader& in, Timestamp& out) {
  const auto millis = in.u64();
  out.millis = static_cast<std::int64_t>(millis);
  return millis <= static_cast<std::uint64_t>(last_millis);
}

}  // namespace

Key& Key::u32(std::uint32_t n) {
  const auto digits = htobe32(n);
  return raw({reinterpret_cast<const char*>(&digits), sizeof digits});
}

Key& Key::u64(std::uint64_t n) {
  const auto digits = htobe64(n);
  return raw({reinterpret_cast<const char*>(&digits), sizeof digits});
}

Key& Key::raw(BytesView bytes) {
  if (bytes.size() > bytes_.size() - size_) std::abort();
  std::memcpy(bytes_.data() + size_, bytes.data(), bytes.size());
  size_ += bytes.size();
  return *this;
}

Key& Key::ordered(std::uint64_t n, std::uint8_t high) {
  const auto count = static_cast<std::size_t>(std::bit_width(n) + 7) / 8;
  const auto digits = htobe64(n);
  u8(static_cast<std::uint8_t>(high << 4 | count));
  return raw({reinterpret_cast<const char*>(&digits) + sizeof digits - count, count});
}

Key& Key::ordinal(std::uint32_t n) {
  if (n < long_ordinal) return u8(static_cast<std::uint8_t>(n));
  return ordered(n, long_ordinal >> 4);
}

Key Key::successor() const {
  Key next = *this;
  while (next.size_ > 0 && next.bytes_[next.size_ - 1] == '\xff') --next.size_;
  if (next.size_ > 0)
    next.bytes_[next.size_ - 1] = static_cast<char>(next.bytes_[next.size_ - 1] + 1);
  return next;
}

AccountKeys::AccountKeys(AccountId account) {
  const auto slot = slot_of(account);
  prefix_.u8(static_cast<std::uint8_t>(slot_tag | slot.value >> 8))
      .u8(static_cast<std::uint8_t>(slot.value));
  prefix_.ordinal(ordinal_of(account));
}

Range AccountKeys::all_of(Kind kind) const {
  // The kind is the upper half of its byte, so the range ends where the next kind would begin;
  // after the last kind that is the account's end.
  if (kind == Kind::blocks) return {of(kind), prefix_.successor()};
  return {of(kind), of(static_cast<Kind>(static_cast<int>(kind) + 1))};
}

Range AccountKeys::versions_of(EntryId entry) const {
  const auto from = of(Kind::version, entry.value);
  return {from, from.successor()};
}

Range AccountKeys::names_of(EntryId parent) const {
  const auto from = of(Kind::name, parent.value);
  return {from, from.successor()};
}

namespace {

Key slot_key(Slot slot, SlotKind kind) {
  Key key;
  key.u8(static_cast<std::uint8_t>(slot_tag | slot.value >> 8))
      .u8(static_cast<std::uint8_t>(slot.value));
  return key.ordinal(0).u8(static_cast<std::uint8_t>(static_cast<int>(kind) << 4));
}

Key shard_key(ShardKind kind) { return Key().u8(shard_tag).u8(static_cast<std::uint8_t>(kind)); }

}  // namespace

Key login_key(Slot slot, BytesView login) { return slot_key(slot, SlotKind::login).raw(login); }
Key counter_key(Slot slot) { return slot_key(slot, SlotKind::counter); }
Key purge_ends_key() { return shard_key(ShardKind::purge_ends); }
Key purge_key(std::uint64_t number) { return shard_key(ShardKind::purge).u64(number); }

Key trash_expiry_key(Timestamp removed, AccountId account, EntryId entry) {
  return shard_key(ShardKind::trash_expiry)
      .u64(static_cast<std::uint64_t>(removed.millis))
      .u64(account.value)
      .u64(entry.value);
}

Key version_expiry_key(Timestamp superseded, AccountId account, EntryId entry,
                       VersionNumber version) {
  return shard_key(ShardKind::version_expiry)
      .u64(static_cast<std::uint64_t>(superseded.millis))
      .u64(account.value)
      .u64(entry.value)
      .u32(version.value);
}

Range all_of(ShardKind kind) { return {shard_key(kind), shard_key(kind).successor()}; }
Range all_slots() { return {Key().u8(slot_tag), Key().u8(shard_tag)}; }

bool parse(BytesView key, ParsedKey& out) {
  Reader in(key);
  const auto slot = in.u16();
  if ((slot >> 14) != 1) return false;
  std::uint64_t ordinal = in.u8();
  if (ordinal >= long_ordinal) {
    const auto digits = in.raw(ordinal & 15);
    if (digits.size() > 4) return false;
    ordinal = 0;
    for (const char digit : digits) ordinal = ordinal << 8 | static_cast<std::uint8_t>(digit);
    if (ordinal < long_ordinal) return false;
  }
  out.account = make_account_id(Slot{static_cast<std::uint16_t>(slot & (slot_count - 1))},
                                static_cast<std::uint32_t>(ordinal));
  const auto kind = in.u8();
  out.kind = kind >> 4;
  const auto digits = in.raw(kind & 15);
  out.id = 0;
  for (const char digit : digits) out.id = out.id << 8 | static_cast<std::uint8_t>(digit);
  out.rest = in.rest();
  return in.finished() && digits.size() <= 8;
}

bool parse(BytesView key, ShardKind kind, Expiry& out) {
  Reader in(key);
  const bool right = in.u8() == shard_tag && in.u8() == static_cast<std::uint8_t>(kind) &&
                     parse_time(in, out.since);
  out.account.value = in.u64();
  out.entry.value = in.u64();
  out.version.value = kind == ShardKind::version_expiry ? in.u32() : 0;
  return right && in.finished();
}

}  // namespace cairn::cluster::rows
