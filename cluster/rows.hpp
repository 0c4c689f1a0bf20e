// The rows of the metadata machine: their keys, in the order in which they lie, and the codecs of
// their values (storage/disk_format.md, "Rows of the metadata machine"). A key starts with 0x4000 |
// slot, then the account's ordinal in that slot (0: the slot's own rows), then the kind; rows of
// the whole shard start with 0x80. Decoders answer false on what was never written. Pure functions,
// any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "protocol/codec.hpp"
#include "protocol/limits.hpp"
#include "protocol/model.hpp"
#include "storage/table.hpp"

namespace cairn::cluster::rows {

/// The latest time that rows hold, as nanoseconds still fit 63 bits (in the year 2262); the first
/// is 0.
inline constexpr std::int64_t last_millis = 9'223'372'036'854;

/// A key in place, without allocation.
class Key {
 public:
  BytesView view() const { return {bytes_.data(), size_}; }
  operator BytesView() const { return view(); }
  Key& u8(std::uint8_t n) { return raw({reinterpret_cast<const char*>(&n), 1}); }
  Key& u32(std::uint32_t n);
  Key& u64(std::uint64_t n);
  Key& raw(BytesView bytes);
  /// A count byte plus `high` in its upper half, then the big-endian bytes of `n` without leading
  /// zeros.
  Key& ordered(std::uint64_t n, std::uint8_t high = 0);
  /// One byte up to 239, otherwise 0xf0 plus a count and the big-endian bytes.
  Key& ordinal(std::uint32_t n);
  /// The first key after all that start with this one.
  Key successor() const;

 private:
  std::array<char, 288> bytes_;
  std::size_t size_ = 0;
};

/// Keys in [from, to).
struct Range {
  Key from;
  Key to;
};

/// What a row of an account is. The numbers are in the upper half of the kind byte: 1 to 15.
enum class Kind : std::uint8_t {
  account = 1,        ///< login, password, when it was made
  drive = 2,          ///< counters
  token = 3,          ///< (client id)
  token_secret = 4,   ///< (SHA-256 of the secret) -> client id
  client = 5,         ///< (client id) -> sequences whose results are kept
  result = 6,         ///< (client id, sequence) -> encoded CommitResult
  device_name = 7,    ///< (number) -> name
  device_number = 8,  ///< (name) -> number
  entry = 9,          ///< (entry)
  version = 10,       ///< (entry, version): versions before the current one
  chunk = 11,         ///< (entry, version, chunk) of a long manifest
  name = 12,          ///< (parent, name) -> entry
  trash = 13,         ///< (cursor of the removal) -> entry
  journal = 14,       ///< (first cursor)
  blocks = 15,        ///< (bucket) -> block counts
};

/// What a row of a slot itself is.
enum class SlotKind : std::uint8_t { login = 1, counter = 2 };

/// What a row of the whole shard is.
enum class ShardKind : std::uint8_t {
  purge_ends = 1,      ///< -> the purge queue's first and next number
  purge = 2,           ///< (number) -> what to work off
  trash_expiry = 3,    ///< (time of the removal, account, entry)
  version_expiry = 4,  ///< (time when superseded, account, entry, version)
};

/// Keys of one account.
class AccountKeys {
 public:
  explicit AccountKeys(AccountId account);
  Key account() const { return of(Kind::account); }
  Key drive() const { return of(Kind::drive); }
  Key token(ClientId client) const { return of(Kind::token).u64(client.value); }
  Key token_secret(BytesView hash) const { return of(Kind::token_secret).raw(hash); }
  Key client(ClientId client) const { return of(Kind::client).u64(client.value); }
  Key result(ClientId client, std::uint64_t sequence) const {
    return of(Kind::result).u64(client.value).u64(sequence);
  }
  Key device_name(std::uint32_t number) const { return of(Kind::device_name, number); }
  Key device_number(BytesView name) const { return of(Kind::device_number).raw(name); }
  Key entry(EntryId entry) const { return of(Kind::entry, entry.value); }
  Key version(EntryId entry, VersionNumber version) const {
    return of(Kind::version, entry.value).ordered(version.value);
  }
  Key chunk(EntryId entry, VersionNumber version, std::uint32_t chunk) const {
    return of(Kind::chunk, entry.value).ordered(version.value).ordered(chunk);
  }
  Key name(EntryId parent, BytesView name) const { return of(Kind::name, parent.value).raw(name); }
  Key trash(Cursor removal) const { return of(Kind::trash, removal.value); }
  Key journal(Cursor first) const { return of(Kind::journal, first.value); }
  Key blocks(std::uint32_t bucket) const { return of(Kind::blocks, bucket); }

  Range all() const { return {prefix_, prefix_.successor()}; }
  Range all_of(Kind kind) const;
  Range versions_of(EntryId entry) const;
  Range names_of(EntryId parent) const;

 private:
  Key of(Kind kind) const {
    return Key(prefix_).u8(static_cast<std::uint8_t>(static_cast<int>(kind) << 4));
  }
  Key of(Kind kind, std::uint64_t id) const {
    return Key(prefix_).ordered(id, static_cast<std::uint8_t>(kind));
  }

  Key prefix_;
};

Key login_key(Slot slot, BytesView login);
Key counter_key(Slot slot);
Key purge_ends_key();
Key purge_key(std::uint64_t number);
Key trash_expiry_key(Timestamp removed, AccountId account, EntryId entry);
Key version_expiry_key(Timestamp superseded, AccountId account, EntryId entry,
                       VersionNumber version);
Range all_of(ShardKind kind);
/// All rows of accounts and slots.
Range all_slots();

/// The parts of an account's or slot's key; `rest` borrows from the key.
struct ParsedKey {
  AccountId account;      ///< ordinal 0 for a slot's own row
  std::uint8_t kind = 0;  ///< a Kind, or a SlotKind
  std::uint64_t id = 0;   ///< for kinds with an ordered id
  BytesView rest;
};
bool parse(BytesView key, ParsedKey& out);

/// The parts of an expiry row's key; version 0 for trash.
struct Expiry {
  Timestamp since;
  AccountId account;
  EntryId entry;
  VersionNumber version;
};
bool parse(BytesView key, ShardKind kind, Expiry& out);

/// How the content of an entry or version lies in its row.
enum class Shape : std::uint8_t {
  folder = 0,
  inline_file = 1,
  one_block = 2,
  few_blocks = 3,
  chunks = 4,
  symlink = 5,
};

/// A version's content as its row holds it. With `chunks` the blocks are in rows of their own.
struct StoredContent {
  Shape shape = Shape::folder;
  std::uint64_t size = 0;
  Bytes inline_bytes;
  std::vector<BlockRef> blocks;
  std::uint32_t chunked_blocks = 0;

  std::uint32_t chunk_count() const {
    constexpr auto per_chunk = static_cast<std::uint32_t>(limits::manifest_blocks_per_chunk);
    return (chunked_blocks + per_chunk - 1) / per_chunk;
  }
  friend bool operator==(const StoredContent&, const StoredContent&) = default;
};

EntryKind kind_of(Shape shape);

/// The first fields of an entry row: what walking up a tree needs.
struct EntryHead {
  Shape shape = Shape::folder;
  bool trashed = false;
  bool purged = false;
  EntryId parent;
};
bool decode(BytesView value, EntryHead& out);

struct EntryRow {
  EntryId parent;
  std::string name;
  Attributes attributes;
  bool trashed = false;
  bool purged = false;  ///< waits to be worked off; gone for everyone
  Timestamp committed_at;
  Cursor changed;
  std::uint32_t height = 0;  ///< folders: at least the most names below it on any path
  VersionNumber version;     ///< files: the current one
  VersionNumber oldest;      ///< files: the oldest that is kept
  std::uint32_t device = 0;  ///< number of the device that committed the current version
  StoredContent content;

  bool is_folder() const { return content.shape == Shape::folder; }
};
/// `id` is the entry's own, which its row is written relative to.
Bytes encode(EntryId id, const EntryRow& row);
bool decode(EntryId id, BytesView value, EntryRow& out);

struct VersionRow {
  Attributes attributes;
  Timestamp committed_at;
  Timestamp superseded_at;
  std::uint32_t device = 0;
  StoredContent content;
};
Bytes encode(const VersionRow& row);
bool decode(BytesView value, VersionRow& out);

struct ChunkRow {
  std::vector<BlockRef> blocks;
};
Bytes encode_chunk(const BlockRef* blocks, std::size_t count);
bool decode(BytesView value, ChunkRow& out);

struct AccountRow {
  std::string login;
  std::string password_hash;
  Timestamp created;
};
Bytes encode(const AccountRow& row);
bool decode(BytesView value, AccountRow& out);

struct DriveRow {
  Timestamp last_now;  ///< the newest clock that a command of this drive carried
  std::uint64_t quota_bytes = 0;
  std::uint64_t used_bytes = 0;
  std::uint64_t entries = 0;  ///< all but the root, until worked off
  std::uint64_t next_entry = 2;
  std::uint64_t journal_first = 1;  ///< first kept cursor
  std::uint64_t journal_end = 0;    ///< last cursor
  std::uint64_t journal_entry = 0;  ///< entry of the last change
  std::uint64_t trash_floor = 0;    ///< what was removed at cursors up to here is purged
  std::uint64_t block_count = 0;    ///< distinct blocks
  std::uint32_t bucket_count = 1;
  std::uint32_t device_count = 0;  ///< named devices
  std::uint32_t client_count = 0;
};
Bytes encode(const DriveRow& row);
bool decode(BytesView value, DriveRow& out);

struct TokenRow {
  Bytes secret_hash;
  std::string device;
  Timestamp signed_in;
  bool revoked = false;
};
Bytes encode(const TokenRow& row);
bool decode(BytesView value, TokenRow& out);

/// What is remembered of a client: results are kept of `kept` (ascending), none of others up to
/// `pruned`.
struct ClientRow {
  Timestamp last_used;
  std::uint64_t pruned = 0;
  std::uint32_t device = 0;
  std::string device_name;
  std::vector<std::uint64_t> kept;
};
Bytes encode(const ClientRow& row);
bool decode(BytesView value, ClientRow& out);

struct TrashRow {
  EntryId entry;
  Timestamp removed_at;
};
Bytes encode(const TrashRow& row);
bool decode(BytesView value, TrashRow& out);

/// A plain number: name -> entry, login -> ordinal, secret -> client, and the like.
struct NumberRow {
  std::uint64_t number = 0;
};
Bytes encode(const NumberRow& row);
bool decode(BytesView value, NumberRow& out);

/// A plain text: device number -> name.
struct TextRow {
  std::string text;
};
bool decode(BytesView value, TextRow& out);

/// First number in the purge queue, and the next to give; equal when it is empty.
struct PurgeEnds {
  std::uint64_t first = 1;
  std::uint64_t next = 1;
};
Bytes encode(const PurgeEnds& row);
bool decode(BytesView value, PurgeEnds& out);

/// One thing to work off: a purged entry with all below it; with a version, that dropped version
/// only; with entry 0, the trash of the drive up to its floor. `after` is how far it has come: the
/// last name or, for a trash, nothing.
struct PurgeRow {
  AccountId account;
  EntryId entry;
  VersionNumber version;
  std::string after;
};
Bytes encode(const PurgeRow& row);
bool decode(BytesView value, PurgeRow& out);

/// One journal row: changes of consecutive cursors.
enum class ChangeKind : std::uint8_t {
  created = 0,
  updated = 1,
  attributes = 2,
  moved = 3,
  removed = 4,
  restored = 5,
  purged = 6,
};
struct JournalChange {
  EntryId entry;
  ChangeKind kind = ChangeKind::created;
};
/// Adds a change to a row's bytes; `before` is the entry of the change before it in the row, 0 at
/// its start.
void append(Bytes& value, const JournalChange& change, EntryId before);
bool decode(BytesView value, std::vector<JournalChange>& out);
/// The first cursor of the row that holds `cursor`.
Cursor journal_row_of(Cursor cursor);

/// Blocks are counted by this much of their id, their bucket found by its first four bytes. To pass
/// for a block that the drive holds, another one would have to share these 96 bits of its SHA-256.
inline constexpr std::size_t block_prefix_bytes = 12;
struct BlockCount {
  std::array<char, block_prefix_bytes> prefix{};
  std::uint32_t bytes = 0;  ///< plain size
  std::uint64_t count = 0;
};
struct BucketRow {
  std::vector<BlockCount> blocks;
};
Bytes encode(const BucketRow& row);
bool decode(BytesView value, BucketRow& out);

/// The error for a row that passed its checksum and still makes no sense.
Error corrupt_row(BytesView key);

/// Reads and decodes the row at `key`; nothing if there is none.
template <class Row>
Result<std::optional<Row>> read(storage::RowReader& rows, const Key& key) {
  auto value = rows.get(key);
  if (!value.ok()) return value.error();
  std::optional<Row> row;
  if (*value && !decode(**value, row.emplace())) return corrupt_row(key);
  return row;
}

/// As read(), of an entry's row.
inline Result<std::optional<EntryRow>> read_entry(storage::RowReader& rows, const AccountKeys& keys,
                                                  EntryId id) {
  const auto key = keys.entry(id);
  auto value = rows.get(key);
  if (!value.ok()) return value.error();
  std::optional<EntryRow> row;
  if (*value && !decode(id, **value, row.emplace())) return corrupt_row(key);
  return row;
}

}  // namespace cairn::cluster::rows
