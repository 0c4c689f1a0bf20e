// Strong types for the identities that cross a border. Plain values, any thread.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>

#include "protocol/bytes.hpp"

namespace cairn {

/// An unsigned number that only equals, orders and hashes against its own kind.
template <class Tag, class Number>
struct StrongId {
  Number value = 0;
  friend auto operator<=>(const StrongId&, const StrongId&) = default;
};

/// One of 16,384 hash ranges of accounts; the unit that moves between shards.
using Slot = StrongId<struct SlotTag, std::uint16_t>;
inline constexpr std::uint32_t slot_count = 16'384;

/// An account: the slot in bits 32..45 and, below, its ordinal in that slot (from 1). 0 is no account.
using AccountId = StrongId<struct AccountTag, std::uint64_t>;

constexpr Slot slot_of(AccountId account) {
  return Slot{static_cast<std::uint16_t>((account.value >> 32) & (slot_count - 1))};
}
constexpr std::uint32_t ordinal_of(AccountId account) {
  return static_cast<std::uint32_t>(account.value);
}
constexpr AccountId make_account_id(Slot slot, std::uint32_t ordinal) {
  return AccountId{std::uint64_t{slot.value} << 32 | ordinal};
}

/// The slot in which the account of this login lives: the first 14 bits of SHA-256 of its NFC bytes.
Slot slot_of_login(BytesView login);

/// A file or folder within its drive; dense from 1, never reused. 0 is no entry.
using EntryId = StrongId<struct EntryTag, std::uint64_t>;
inline constexpr EntryId root_entry{1};

/// One content of a file: 1, 2, … within its entry. 0 is "no version yet".
using VersionNumber = StrongId<struct VersionTag, std::uint32_t>;

/// A position in a drive's change journal: the number of the last change seen. 0 is "from the start".
using Cursor = StrongId<struct CursorTag, std::uint64_t>;

/// A device's own random identity, chosen once by its client; names the sequence of its requests.
using ClientId = StrongId<struct ClientTag, std::uint64_t>;

/// Milliseconds since 1970-01-01T00:00:00Z, for what the cluster stamps.
struct Timestamp {
  std::int64_t millis = 0;
  friend auto operator<=>(const Timestamp&, const Timestamp&) = default;
};

/// The SHA-256 of a block's plain bytes.
struct BlockId {
  std::array<std::uint8_t, 32> bytes{};

  friend auto operator<=>(const BlockId&, const BlockId&) = default;
  BytesView view() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
  /// 64 lower-case hexadecimal digits.
  std::string hex() const;
  /// Nothing unless `raw` is exactly 32 bytes.
  static std::optional<BlockId> from_bytes(BytesView raw);
};

/// What a mutating call carries so that it takes effect once: the device, and its next number (from 1).
struct RequestId {
  ClientId client;
  std::uint64_t sequence = 0;
  friend auto operator<=>(const RequestId&, const RequestId&) = default;
};

/// An opened token: 256 random bits bound to one device of one account. Never logged.
struct Token {
  AccountId account;
  std::array<std::uint8_t, 32> secret{};

  /// "cairn1_" and 80 hexadecimal digits: account id (16), secret (64).
  std::string text() const;
  static std::optional<Token> parse(std::string_view text);
};

}  // namespace cairn

template <class Tag, class Number>
struct std::hash<cairn::StrongId<Tag, Number>> {
  std::size_t operator()(const cairn::StrongId<Tag, Number>& id) const noexcept {
    return std::hash<Number>{}(id.value);
  }
};
template <>
struct std::hash<cairn::BlockId> {
  std::size_t operator()(const cairn::BlockId& id) const noexcept {
    std::size_t h;
    std::memcpy(&h, id.bytes.data(), sizeof h);
    return h;
  }
};
