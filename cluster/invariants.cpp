// check_invariants: reads every row once, then holds what the rows of each account say against each
// other. Takes memory for all rows; written for clearness, not for speed.
#include <algorithm>
#include <map>
#include <set>

#include "cluster/block_counts.hpp"
#include "cluster/metadata_machine.hpp"
#include "cluster/model_codec.hpp"
#include "cluster/raft_types.hpp"
#include "cluster/rows.hpp"

namespace cairn::cluster {
namespace {

using rows::Kind;
using rows::ShardKind;

/// A version of an entry; the current one is in the entry's own row.
using VersionKey = std::pair<std::uint64_t, std::uint32_t>;

/// All rows of one account.
struct AccountRows {
  std::optional<rows::AccountRow> account;
  std::optional<rows::DriveRow> drive;
  std::map<std::uint64_t, rows::TokenRow> tokens;
  std::map<Bytes, std::uint64_t> secrets;
  std::map<std::uint64_t, rows::ClientRow> clients;
  std::set<std::pair<std::uint64_t, std::uint64_t>> results;
  std::map<std::uint64_t, std::string> device_names;
  std::map<std::string, std::uint64_t> device_numbers;
  std::map<std::uint64_t, rows::EntryRow> entries;
  std::map<VersionKey, rows::VersionRow> versions;
  std::map<VersionKey, std::map<std::uint64_t, rows::ChunkRow>> chunks;
  std::map<std::pair<std::uint64_t, std::string>, std::uint64_t> names;
  std::map<std::uint64_t, rows::TrashRow> trash;
  std::map<std::uint64_t, std::vector<rows::JournalChange>> journal;
  std::map<std::uint64_t, rows::BucketRow> buckets;
};

/// All rows of a shard.
struct ShardRows {
  std::map<std::uint64_t, AccountRows> accounts;
  std::map<Bytes, std::uint64_t> logins;
  std::map<std::uint16_t, std::uint64_t> counters;
  rows::PurgeEnds purge_ends;
  std::map<std::uint64_t, rows::PurgeRow> purge;
  std::set<Bytes> expiries;
};

class Loader {
 public:
  Loader(storage::RowReader& rows, std::vector<std::string>& broken)
      : rows_(rows), broken_(broken) {}

  ShardRows load() {
    const auto scanned = rows_.scan("", "", [&](BytesView key, BytesView value) {
      if (key == position_key) return true;  // its replica's own
      const bool good = key[0] == '\x80' ? load_shard(key, value) : load_slot(key, value);
      if (!good) broken_.push_back(rows::corrupt_row(key).message);
      return true;
    });
    if (!scanned.ok()) broken_.push_back("rows cannot be read: " + scanned.error().message);
    return std::move(out_);
  }

 private:
  bool load_shard(BytesView key, BytesView value) {
    rows::Expiry expiry;
    if (key == rows::purge_ends_key()) return decode(value, out_.purge_ends);
    if (key.size() == 10 && key[1] == static_cast<char>(ShardKind::purge))
      return decode(value, out_.purge[Reader(key.substr(2)).u64()]);
    out_.expiries.emplace(key);
    return rows::parse(key, ShardKind::trash_expiry, expiry) ||
           rows::parse(key, ShardKind::version_expiry, expiry);
  }

  bool load_slot(BytesView key, BytesView value) {
    rows::ParsedKey parsed;
    if (!rows::parse(key, parsed)) return false;
    if (ordinal_of(parsed.account) != 0)
      return load_account(out_.accounts[parsed.account.value], parsed, value);
    rows::NumberRow number;
    if (!decode(value, number)) return false;
    const auto slot = slot_of(parsed.account).value;
    if (parsed.kind == static_cast<int>(rows::SlotKind::counter))
      out_.counters[slot] = number.number;
    else
      out_.logins[Bytes(parsed.rest)] =
          make_account_id(Slot{slot}, static_cast<std::uint32_t>(number.number)).value;
    return true;
  }

  static bool load_account(AccountRows& out, const rows::ParsedKey& key, BytesView value) {
    Reader rest(key.rest);
    switch (static_cast<Kind>(key.kind)) {
      case Kind::account:
        return decode(value, out.account.emplace());
      case Kind::drive:
        return decode(value, out.drive.emplace());
      case Kind::token:
        return decode(value, out.tokens[rest.u64()]) && rest.finished();
      case Kind::token_secret:
        return load_number(value, out.secrets[Bytes(key.rest)]);
      case Kind::client:
        return decode(value, out.clients[rest.u64()]) && rest.finished();
      case Kind::result: {
        const auto client = rest.u64();
        out.results.emplace(client, rest.u64());
        return rest.finished() && get_whole<CommitResult>(value, "result").ok();
      }
      case Kind::device_name:
        out.device_names[key.id] = value;
        return true;
      case Kind::device_number:
        return load_number(value, out.device_numbers[std::string(key.rest)]);
      case Kind::entry:
        return decode(EntryId{key.id}, value, out.entries[key.id]) && rest.finished();
      case Kind::version: {
        const auto version = static_cast<std::uint32_t>(rest.ordered());
        return decode(value, out.versions[{key.id, version}]) && rest.finished();
      }
      case Kind::chunk: {
        const auto version = static_cast<std::uint32_t>(rest.ordered());
        return decode(value, out.chunks[{key.id, version}][rest.ordered()]) && rest.finished();
      }
      case Kind::name:
        return load_number(value, out.names[{key.id, std::string(key.rest)}]);
      case Kind::trash:
        return decode(value, out.trash[key.id]);
      case Kind::journal:
        return decode(value, out.journal[key.id]);
      case Kind::blocks:
        return decode(value, out.buckets[key.id]);
    }
    return false;
  }

  static bool load_number(BytesView value, std::uint64_t& out) {
    rows::NumberRow row;
    const bool good = decode(value, row);
    out = row.number;
    return good;
  }

  storage::RowReader& rows_;
  std::vector<std::string>& broken_;
  ShardRows out_;
};

/// Checks one account's rows.
class Checker {
 public:
  Checker(AccountId account, const AccountRows& rows, ShardRows& shard,
          std::vector<std::string>& broken)
      : account_(account), keys_(account), rows_(rows), shard_(shard), broken_(broken) {}

  void check() {
    if (!rows_.account || !rows_.drive) return report("has no account or drive row");
    require(shard_.logins.count(rows_.account->login) == 1 &&
                shard_.logins[rows_.account->login] == account_.value,
            "login row does not lead to it");
    for (const auto& [number, purge] : shard_.purge)
      if (purge.account == account_) queued_.emplace(purge.entry.value, purge.version.value);
    check_entries();
    check_names();
    check_trash();
    check_versions();
    check_content();
    check_journal();
    check_clients();
    check_tokens();
  }

 private:
  void report(const std::string& what) {
    broken_.push_back("account " + std::to_string(account_.value) + ": " + what);
  }
  void require(bool holds, const std::string& what) {
    if (!holds) report(what);
  }
  static std::string named(std::uint64_t entry) { return "entry " + std::to_string(entry); }
  const rows::EntryRow* find(EntryId id) const {
    const auto found = rows_.entries.find(id.value);
    return found == rows_.entries.end() ? nullptr : &found->second;
  }
  bool named_by_row(std::uint64_t id, const rows::EntryRow& row) const {
    const auto name = rows_.names.find({row.parent.value, row.name});
    return name != rows_.names.end() && name->second == id;
  }

  void check_entries() {
    const auto* root = find(root_entry);
    require(root && root->is_folder() && root->parent.value == 0 && !root->trashed && !root->purged,
            "root is no root");
    require(rows_.drive->entries + 1 == rows_.entries.size(), "entries are not counted right");
    for (const auto& [id, row] : rows_.entries) {
      require(id < rows_.drive->next_entry, named(id) + " is beyond the next entry");
      require(row.changed.value <= rows_.drive->journal_end,
              named(id) + " changed after the journal's end");
      if (id == root_entry.value) continue;
      const auto* parent = find(row.parent);
      if (!parent) {
        require(row.trashed || row.purged, named(id) + " has no parent");
        continue;
      }
      require(parent->is_folder(), named(id) + " lies in what is no folder");
      const auto height = row.is_folder() ? row.height : 0;
      require(row.trashed || row.purged || parent->height > height,
              named(id) + " is higher than its parent knows");
      if (!row.trashed && !row.purged) check_way_up(id);
    }
  }

  void check_way_up(std::uint64_t id) {
    std::size_t depth = 0;
    for (auto at = id; at != root_entry.value; ++depth) {
      if (depth > limits::max_path_depth)
        return report(named(id) + " is too deep, or its own ancestor");
      const auto* row = find(EntryId{at});
      if (!row || row->trashed || row->purged) return;
      at = row->parent.value;
    }
  }

  void check_names() {
    for (const auto& [key, id] : rows_.names) {
      const auto* row = find(EntryId{id});
      require(row && row->parent.value == key.first && row->name == key.second && !row->trashed,
              "a name row leads to " + named(id) + ", which is not there");
    }
    for (const auto& [id, row] : rows_.entries) {
      const bool there = named_by_row(id, row);
      if (id == root_entry.value || row.trashed)
        require(!there, named(id) + " has a name row");
      else if (row.purged)
        require(there || queued_.count({id, 0}) == 1, named(id) + " is purged but not queued");
      else
        require(there, named(id) + " has no name row");
      if (row.trashed && row.purged)
        require(queued_.count({id, 0}) == 1, named(id) + " is purged but not queued");
    }
  }

  void check_trash() {
    std::size_t trashed = 0;
    for (const auto& [id, row] : rows_.entries) {
      if (!row.trashed || row.purged) continue;
      ++trashed;
      const auto trash = rows_.trash.find(row.changed.value);
      if (trash == rows_.trash.end() || trash->second.entry.value != id) {
        report(named(id) + " has no trash row");
        continue;
      }
      require(
          shard_.expiries.erase(Bytes(
              rows::trash_expiry_key(trash->second.removed_at, account_, EntryId{id}).view())) == 1,
          named(id) + " does not expire from the trash");
      require(row.changed.value > rows_.drive->trash_floor || queued_.count({0, 0}) == 1,
              named(id) + " is purged with the trash but not queued");
    }
    require(trashed == rows_.trash.size(), "there are trash rows of what is not in the trash");
  }

  void check_versions() {
    for (const auto& [id, row] : rows_.entries) {
      if (row.is_folder() || row.purged) continue;
      for (auto number = row.oldest.value; number < row.version.value; ++number)
        require(rows_.versions.count({id, number}) == 1,
                named(id) + " lacks version " + std::to_string(number));
    }
    for (const auto& [key, row] : rows_.versions) {
      const auto [id, number] = key;
      const auto* entry = find(EntryId{id});
      const auto what = named(id) + " version " + std::to_string(number);
      if (!entry || entry->is_folder() || number >= entry->version.value) {
        report(what + " belongs to nothing");
        continue;
      }
      const bool expires =
          shard_.expiries.erase(Bytes(rows::version_expiry_key(row.superseded_at, account_,
                                                               EntryId{id}, VersionNumber{number})
                                          .view())) == 1;
      if (number >= entry->oldest.value)
        require(expires, what + " does not expire");
      else
        require(entry->purged || queued_.count({id, number}) == 1,
                what + " is dropped but not queued");
    }
  }

  struct Counted {
    std::uint64_t count = 0;
    std::uint32_t bytes = 0;
  };

  void count(const BlockRef& block) {
    auto& counted = counted_[Bytes(block.id.view().substr(0, rows::block_prefix_bytes))];
    require(counted.count == 0 || counted.bytes == block.bytes,
            "block " + block.id.hex() + " has two sizes");
    ++counted.count;
    counted.bytes = block.bytes;
  }

  void count_content(const VersionKey& key, const rows::StoredContent& content) {
    used_ += content.size;
    for (const auto& block : content.blocks) count(block);
    const auto chunks = rows_.chunks.find(key);
    const std::size_t chunk_rows = chunks == rows_.chunks.end() ? 0 : chunks->second.size();
    require(chunk_rows == content.chunk_count(),
            named(key.first) + " has not the chunks that it says");
    if (chunk_rows == 0) return;
    std::uint64_t bytes = 0;
    std::uint64_t blocks = 0;
    for (const auto& [number, chunk] : chunks->second) {
      require(number * limits::manifest_blocks_per_chunk == blocks,
              named(key.first) + " has a gap in its chunks");
      for (const auto& block : chunk.blocks) {
        count(block);
        bytes += block.bytes;
        ++blocks;
      }
    }
    require(bytes == content.size && blocks == content.chunked_blocks,
            named(key.first) + " is not of the size of its chunks");
    ++chunked_;
  }

  void check_content() {
    for (const auto& [id, row] : rows_.entries)
      if (!row.is_folder()) count_content({id, row.version.value}, row.content);
    for (const auto& [key, row] : rows_.versions) count_content(key, row.content);
    require(chunked_ == rows_.chunks.size(), "there are chunks of no version");
    require(used_ == rows_.drive->used_bytes, "used bytes are " +
                                                  std::to_string(rows_.drive->used_bytes) +
                                                  " but versions hold " + std::to_string(used_));
    require(counted_.size() == rows_.drive->block_count, "distinct blocks are not counted right");
    std::size_t found = 0;
    for (const auto& [number, bucket] : rows_.buckets) {
      for (const auto& block : bucket.blocks) {
        const Bytes prefix(block.prefix.data(), block.prefix.size());
        const auto counted = counted_.find(prefix);
        require(counted != counted_.end() && counted->second.count == block.count &&
                    counted->second.bytes == block.bytes,
                "a block is not counted right in bucket " + std::to_string(number));
        require(bucket_of(prefix, rows_.drive->bucket_count) == number,
                "a block is in the wrong bucket");
        ++found;
      }
    }
    require(found == counted_.size(), "blocks are missing from their buckets");
  }

  void check_journal() {
    const auto& drive = *rows_.drive;
    auto next = drive.journal_first;
    for (const auto& [first, changes] : rows_.journal) {
      require(first == next && first == rows::journal_row_of(Cursor{first}).value,
              "the journal has a gap before " + std::to_string(first));
      next = first + changes.size();
      if (next == drive.journal_end + 1)
        require(changes.back().entry.value == drive.journal_entry,
                "the journal's last entry is not known");
    }
    require(next == drive.journal_end + 1, "the journal does not end at its last cursor");
    require(drive.journal_end + 1 - drive.journal_first <= limits::max_journal_changes,
            "the journal is too long");
  }

  void check_clients() {
    require(rows_.drive->client_count == rows_.clients.size() &&
                rows_.clients.size() <= limits::max_clients_per_account,
            "clients are not counted right");
    std::size_t kept = 0;
    for (const auto& [client, row] : rows_.clients) {
      for (const auto sequence : row.kept)
        require(rows_.results.count({client, sequence}) == 1, "a kept result is missing");
      kept += row.kept.size();
    }
    require(kept == rows_.results.size(), "there are results that no client keeps");
    require(rows_.drive->device_count == rows_.device_names.size() &&
                rows_.device_names.size() == rows_.device_numbers.size(),
            "device names are not counted right");
    for (const auto& [number, name] : rows_.device_names) {
      const auto found = rows_.device_numbers.find(name);
      require(found != rows_.device_numbers.end() && found->second == number,
              "a device name has no number");
    }
  }

  void check_tokens() {
    require(rows_.tokens.size() == rows_.secrets.size() &&
                rows_.tokens.size() <= limits::max_tokens_per_account,
            "tokens and their secrets do not pair");
    for (const auto& [client, token] : rows_.tokens) {
      const auto secret = rows_.secrets.find(token.secret_hash);
      require(secret != rows_.secrets.end() && secret->second == client,
              "a token cannot be found by its secret");
    }
  }

  AccountId account_;
  rows::AccountKeys keys_;
  const AccountRows& rows_;
  ShardRows& shard_;
  std::vector<std::string>& broken_;
  std::set<VersionKey> queued_;
  std::map<Bytes, Counted> counted_;
  std::uint64_t used_ = 0;
  std::size_t chunked_ = 0;
};

}  // namespace

std::vector<std::string> check_invariants(storage::RowReader& rows) {
  std::vector<std::string> broken;
  auto shard = Loader(rows, broken).load();
  for (const auto& [account, account_rows] : shard.accounts)
    Checker(AccountId{account}, account_rows, shard, broken).check();
  for (const auto& [login, account] : shard.logins) {
    if (shard.accounts.count(account) == 0) broken.push_back("a login leads to no account");
    if (ordinal_of(AccountId{account}) > shard.counters[slot_of(AccountId{account}).value])
      broken.push_back("account " + std::to_string(account) + " is beyond its slot's counter");
  }
  const auto queued = shard.purge_ends.next - shard.purge_ends.first;
  if (shard.purge.size() != queued ||
      (queued > 0 && shard.purge.begin()->first != shard.purge_ends.first))
    broken.emplace_back("the purge queue has gaps");
  if (!shard.expiries.empty())
    broken.push_back("there are " + std::to_string(shard.expiries.size()) +
                     " expiries of what is not there");
  return broken;
}

}  // namespace cairn::cluster
