// The command that clients send: a batch of changes that takes effect once. What is kept of a
// client is one row with the sequences whose results are kept, and a row for each of those results.
#include <algorithm>

#include "cluster/apply.hpp"
#include "cluster/drive.hpp"
#include "cluster/model_codec.hpp"

namespace cairn::cluster {
namespace {

Result<void> check_request(const CommitChanges& command) {
  const auto invalid = [](const char* message) { return Error{Errc::invalid_argument, message}; };
  if (command.request.client.value == 0) return invalid("client id is 0");
  if (command.request.sequence == 0) return invalid("sequence is 0");
  if (command.acknowledged >= command.request.sequence)
    return invalid("acknowledged reaches the request's own sequence");
  if (command.changes.empty()) return invalid("a commit has no changes");
  if (command.changes.size() > limits::max_changes_per_commit)
    return Error{Errc::too_large, "a commit of " + std::to_string(command.changes.size()) +
                                      " changes is over " +
                                      std::to_string(limits::max_changes_per_commit)};
  if (command.device.size() > limits::max_device_bytes)
    return Error{Errc::too_large,
                 "device is over " + std::to_string(limits::max_device_bytes) + " bytes"};
  return {};
}

/// One client's kept results while one of its commits is applied.
class ClientRecord {
 public:
  ClientRecord(RowTransaction& rows, const rows::AccountKeys& keys, ClientId client)
      : rows_(rows), keys_(keys), client_(client) {}

  Result<void> open() {
    auto row = rows::read<rows::ClientRow>(rows_, keys_.client(client_));
    if (!row.ok()) return row.error();
    is_new_ = !*row;
    if (*row) row_ = std::move(**row);
    return {};
  }

  bool is_new() const { return is_new_; }
  rows::ClientRow& row() { return row_; }

  /// The result that was kept for `sequence`; request_forgotten if it was and is no longer.
  Result<std::optional<CommitResult>> kept(std::uint64_t sequence) {
    if (std::binary_search(row_.kept.begin(), row_.kept.end(), sequence)) {
      const auto key = keys_.result(client_, sequence);
      auto bytes = rows_.get(key);
      if (!bytes.ok()) return bytes.error();
      auto result = *bytes ? get_whole<CommitResult>(**bytes, "result") : Error{};
      if (!result.ok()) return rows::corrupt_row(key);
      return std::optional<CommitResult>(std::move(*result));
    }
    if (sequence <= row_.pruned)
      return Error{Errc::request_forgotten,
                   "the result of sequence " + std::to_string(sequence) + " is no longer kept"};
    return std::optional<CommitResult>();
  }

  void keep(std::uint64_t sequence, const CommitResult& result) {
    rows_.put(keys_.result(client_, sequence), put_whole(result));
    row_.kept.insert(std::lower_bound(row_.kept.begin(), row_.kept.end(), sequence), sequence);
  }

  /// Forgets the results of all sequences up to `acknowledged`, and the lowest beyond the bound.
  void prune(std::uint64_t acknowledged) {
    auto keep_from = std::upper_bound(row_.kept.begin(), row_.kept.end(), acknowledged);
    const auto left = static_cast<std::size_t>(row_.kept.end() - keep_from);
    if (left > limits::max_results_kept_per_client)
      keep_from += static_cast<std::ptrdiff_t>(left - limits::max_results_kept_per_client);
    row_.pruned = std::max(row_.pruned, acknowledged);
    if (keep_from != row_.kept.begin()) row_.pruned = std::max(row_.pruned, *std::prev(keep_from));
    std::for_each(row_.kept.begin(), keep_from,
                  [&](std::uint64_t sequence) { rows_.erase(keys_.result(client_, sequence)); });
    row_.kept.erase(row_.kept.begin(), keep_from);
  }

  void save() { rows_.put(keys_.client(client_), encode(row_)); }

  void forget() {
    for (const auto sequence : row_.kept) rows_.erase(keys_.result(client_, sequence));
    rows_.erase(keys_.client(client_));
  }

 private:
  RowTransaction& rows_;
  const rows::AccountKeys& keys_;
  ClientId client_;
  rows::ClientRow row_;
  bool is_new_ = false;
};

/// Makes room for one more client by forgetting the one that was not heard of for longest.
Result<void> forget_longest_unused(RowTransaction& rows, const rows::AccountKeys& keys) {
  std::optional<std::pair<Timestamp, ClientId>> longest;
  std::optional<Error> bad;
  const auto range = keys.all_of(rows::Kind::client);
  CAIRN_TRY(rows.scan(range.from, range.to, [&](BytesView key, BytesView value) {
    rows::ParsedKey parsed;
    rows::ClientRow row;
    if (!rows::parse(key, parsed) || parsed.rest.size() != 8 || !decode(value, row)) {
      bad = rows::corrupt_row(key);
      return false;
    }
    const std::pair found(row.last_used, ClientId{Reader(parsed.rest).u64()});
    if (!longest || found < *longest) longest = found;
    return true;
  }));
  if (bad) return *bad;
  if (!longest) return rows::corrupt_row(keys.drive());
  ClientRecord record(rows, keys, longest->second);
  CAIRN_TRY(record.open());
  record.forget();
  return {};
}

/// The number under which versions name this device; 0 if it has no name or too many have.
Result<std::uint32_t> device_number(RowTransaction& rows, Drive& drive, const std::string& name) {
  if (name.empty()) return 0u;
  const auto& keys = drive.keys();
  auto known = rows::read<rows::NumberRow>(rows, keys.device_number(name));
  if (!known.ok()) return known.error();
  if (*known) return static_cast<std::uint32_t>((*known)->number);
  auto& count = drive.counts().device_count;
  if (count >= limits::max_device_names_per_account) return 0u;
  ++count;
  rows.put(keys.device_number(name), encode(rows::NumberRow{count}));
  rows.put(keys.device_name(count), name);
  return count;
}

/// Brings the client's own row up to date for a commit from `device`.
Result<void> meet(ClientRecord& client, RowTransaction& rows, Drive& drive,
                  const std::string& device) {
  if (client.is_new()) {
    if (drive.counts().client_count >= limits::max_clients_per_account)
      CAIRN_TRY(forget_longest_unused(rows, drive.keys()));
    else
      ++drive.counts().client_count;
  }
  client.row().last_used = drive.now();
  if (!client.is_new() && client.row().device_name == device) return {};
  auto number = device_number(rows, drive, device);
  if (!number.ok()) return number.error();
  client.row().device = *number;
  client.row().device_name = device;
  return {};
}

}  // namespace

Result<Applied> apply(const CommitChanges& command, Timestamp now, RowTransaction& rows) {
  CAIRN_TRY(check_request(command));
  Drive drive(rows, command.account);
  CAIRN_TRY(drive.open(now));
  ClientRecord client(rows, drive.keys(), command.request.client);
  CAIRN_TRY(client.open());
  auto kept = client.kept(command.request.sequence);
  if (!kept.ok()) return kept.error();
  if (*kept) return Applied{std::move(**kept), {}, {}};

  CAIRN_TRY(meet(client, rows, drive, command.device));
  const Drive::Committer by{client.row().device, command.device, ProvenBlocks(command.proven)};
  CommitResult result;
  result.results.reserve(command.changes.size());
  for (const auto& change : command.changes) {
    auto one = drive.apply(change, by);
    if (!one.ok()) return one.error();
    result.results.push_back(std::move(*one));
  }
  result.cursor.value = drive.counts().journal_end;
  client.keep(command.request.sequence, result);
  client.prune(command.acknowledged);
  client.save();
  drive.flush(true);

  Applied applied;
  if (drive.journal_grew()) applied.changed = command.account;
  if (drive.journal_grew()) applied.cursor = result.cursor;
  applied.result = std::move(result);
  return applied;
}

}  // namespace cairn::cluster
