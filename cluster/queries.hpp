// What can be asked of a shard without changing it, and the answers. Encoded forms travel between nodes
// of one cluster. Plain values, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "protocol/model.hpp"

namespace cairn::cluster {

struct FindLogin { std::string login; };                                     ///< -> LoginFound
struct CheckToken { AccountId account; Bytes secret_hash; };                 ///< -> TokenFound
struct ListDevices { AccountId account; };                                   ///< -> Devices
struct Stat { AccountId account; EntryRef entry; };                          ///< -> Entry
struct List { AccountId account; EntryRef folder; std::string after; std::uint32_t limit = 0; };  ///< -> EntryPage
struct ListTrash { AccountId account; std::string after; std::uint32_t limit = 0; };              ///< -> EntryPage
/// The content of a version (0: the current one).
struct GetContent { AccountId account; EntryRef entry; VersionNumber version; };                  ///< -> ContentFound
struct ListVersions {
  AccountId account;
  EntryRef entry;
  VersionNumber before;
  std::uint32_t limit = 0;
};  ///< -> Versions
/// Which of `blocks` the drive does not hold.
struct FindMissing { AccountId account; std::vector<BlockId> blocks; };      ///< -> Missing
struct ReadChanges { AccountId account; Cursor after; std::uint32_t limit = 0; };                 ///< -> ChangePage
struct GetUsage { AccountId account; };                                      ///< -> Usage
/// Block ids that any drive of the shard names, in a walk that starts at "" and goes on at `next`.
struct ListReferences { Bytes after; std::uint32_t limit = 0; };             ///< -> References

/// The order is part of the form between nodes: append only.
using Query = std::variant<FindLogin, CheckToken, ListDevices, Stat, List, ListTrash, GetContent, ListVersions,
                           FindMissing, ReadChanges, GetUsage, ListReferences>;

struct LoginFound { AccountId account; std::string password_hash; };
struct TokenFound { ClientId client; std::string device; std::string login; };
struct Devices { std::vector<Device> devices; };
struct ContentFound { Entry entry; VersionNumber version; Content content; };
struct Versions { std::vector<Version> versions; };
struct Missing { std::vector<std::uint32_t> indexes; };
struct References { std::vector<BlockId> blocks; Bytes next; };   ///< `next` empty: that was all

using QueryResult = std::variant<Error, LoginFound, TokenFound, Devices, Entry, EntryPage, ContentFound, Versions,
                                 Missing, ChangePage, Usage, References>;

Bytes encode(const Query& query);
Result<Query> decode_query(BytesView bytes);
Bytes encode(const QueryResult& result);
Result<QueryResult> decode_query_result(BytesView bytes);

}  // namespace cairn::cluster
