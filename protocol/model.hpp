// What clients and servers say about drives, as plain values: the C++ side of files.capnp. A row, a
// command and an RPC message all hold these. Plain values, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "protocol/error.hpp"
#include "protocol/ids.hpp"

namespace cairn {

enum class EntryKind : std::uint8_t { folder = 1, file = 2, symlink = 3 };

/// Where an entry is: follow `path` (names by '/') from the entry `base`. An empty path is `base`.
struct EntryRef {
  EntryId base = root_entry;
  std::string path;
  friend bool operator==(const EntryRef&, const EntryRef&) = default;
};

/// What a person set on an entry and expects back.
struct Attributes {
  std::uint32_t mode = 0;             ///< permission bits, 0 to 07777
  std::int64_t modified_nanos = 0;    ///< since 1970, may be negative
  friend bool operator==(const Attributes&, const Attributes&) = default;
};

/// One block of a manifest. `bytes` is the plain size, 1 to max_block_bytes.
struct BlockRef {
  BlockId id;
  std::uint32_t bytes = 0;
  friend bool operator==(const BlockRef&, const BlockRef&) = default;
};

/// A file's bytes (or a symbolic link's target): either held inline or as an ordered block list.
/// `size` is the whole size in bytes; exactly one of the two parts is used, neither if size is 0.
struct Content {
  std::uint64_t size = 0;
  Bytes inline_bytes;
  std::vector<BlockRef> blocks;
  friend bool operator==(const Content&, const Content&) = default;
};

/// An entry as it is now.
struct Entry {
  EntryId id;
  EntryId parent;                     ///< 0 for the root
  std::string name;                   ///< "" for the root
  EntryKind kind = EntryKind::file;
  VersionNumber version;              ///< 0 for folders
  std::uint64_t size = 0;             ///< 0 for folders
  Attributes attributes;
  Timestamp committed_at;             ///< when the cluster took the current version
  Cursor changed;                     ///< the entry's last change
  bool trashed = false;               ///< it was removed itself (not merely an ancestor)
  friend bool operator==(const Entry&, const Entry&) = default;
};

/// One kept version of a file, newest first in listings.
struct Version {
  VersionNumber number;
  std::uint64_t size = 0;
  Attributes attributes;
  Timestamp committed_at;
  std::string device;                 ///< the device that committed it
  friend bool operator==(const Version&, const Version&) = default;
};

/// The version of an entry on which a change is based: what the client last saw.
struct Base {
  EntryId entry;
  VersionNumber version;
  friend bool operator==(const Base&, const Base&) = default;
};

/// Makes a folder; a name that is taken is already_exists (the result still names the entry there).
struct MakeFolder {
  EntryRef parent;
  std::string name;
  Attributes attributes;
  friend bool operator==(const MakeFolder&, const MakeFolder&) = default;
};

/// Stores a file or symbolic link. If `name` holds something other than `base`, both are kept: the
/// new content goes under a conflict name and the outcome is `conflicted`. Without a base the name
/// must be free. The same content and attributes again are `unchanged`.
struct PutFile {
  EntryRef parent;
  std::string name;
  EntryKind kind = EntryKind::file;
  Base base;
  Content content;
  Attributes attributes;
  friend bool operator==(const PutFile&, const PutFile&) = default;
};

struct SetAttributes {
  EntryRef entry;
  Attributes attributes;
  friend bool operator==(const SetAttributes&, const SetAttributes&) = default;
};

/// Gives an entry another folder or name; never replaces what is there (already_exists).
struct Move {
  EntryRef entry;
  EntryRef parent;
  std::string name;
  friend bool operator==(const Move&, const Move&) = default;
};

/// To the trash. With a base version, only if that is still current (otherwise Errc::conflict).
struct Remove {
  EntryRef entry;
  VersionNumber base;
  friend bool operator==(const Remove&, const Remove&) = default;
};

/// Out of the trash, to where it was, or to the root if that folder is gone; a taken name gets a
/// suffix.
struct Restore {
  EntryId entry;
  friend bool operator==(const Restore&, const Restore&) = default;
};

/// Makes an older version's content the new current version.
struct Revert {
  EntryRef entry;
  VersionNumber version;
  friend bool operator==(const Revert&, const Revert&) = default;
};

/// Deletes a trashed entry for good, with all below it; entry 0 means the whole trash. It is gone
/// from every listing at once; its quota returns as the shard works it off.
struct Purge {
  EntryId entry;
  friend bool operator==(const Purge&, const Purge&) = default;
};

/// One change of a batch. The order is part of the protocol and of the log: append only.
using Change = std::variant<MakeFolder, PutFile, SetAttributes, Move, Remove, Restore, Revert, Purge>;

enum class Outcome : std::uint8_t {
  created = 1, updated = 2, unchanged = 3, conflicted = 4, moved = 5, removed = 6, restored = 7, purged = 8,
};

/// What became of one change: an error, which changed nothing, or an outcome.
struct ChangeResult {
  std::optional<Error> error;
  Outcome outcome = Outcome::unchanged;
  EntryId entry;                      ///< what was changed, or with already_exists what is there
  VersionNumber version;
  std::string name;                   ///< the stored name, where it differs from the asked one
  friend bool operator==(const ChangeResult&, const ChangeResult&) = default;
};

/// A block node's proof that a block is durable, for one drive, good for limits::receipt_lifetime.
struct Receipt {
  BlockId block;
  std::uint32_t bytes = 0;            ///< plain size
  AccountId account;
  Timestamp issued;
  Bytes mac;                          ///< HMAC-SHA-256 over the fields above
  friend bool operator==(const Receipt&, const Receipt&) = default;
};

/// A batch of changes. Results come in the order of the changes; later changes see earlier ones.
struct Commit {
  RequestId request;
  std::uint64_t acknowledged = 0;     ///< results of sequences up to here may be forgotten
  std::vector<Change> changes;        ///< 1 to max_changes_per_commit
  std::vector<Receipt> receipts;      ///< for blocks that this drive does not hold yet
};

struct CommitResult {
  std::vector<ChangeResult> results;
  Cursor cursor;                      ///< the journal's end after this commit
  friend bool operator==(const CommitResult&, const CommitResult&) = default;
};

/// One page of a listing. `next` is passed to continue; empty when this was the last page.
struct EntryPage {
  std::vector<Entry> entries;
  std::string next;
};

/// One step of the change feed: the entry as it is now, or that it is gone for good.
struct ChangeEvent {
  Cursor cursor;
  EntryId entry;
  std::optional<Entry> now;           ///< nothing if it was purged
};

struct ChangePage {
  std::vector<ChangeEvent> events;    ///< ascending cursors, gap-free from the asked one; one event
                                      ///< may stand for several changes of its entry
  Cursor cursor;                      ///< ask from here next
  bool more = false;                  ///< there is more already
};

struct Usage {
  std::uint64_t used_bytes = 0;       ///< of all kept versions, the trash included
  std::uint64_t quota_bytes = 0;
  std::uint64_t entries = 0;          ///< the trash included, the root not
};

struct Device {
  ClientId client;
  std::string name;
  Timestamp signed_in;
  bool revoked = false;
};

}  // namespace cairn
