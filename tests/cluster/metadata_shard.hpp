// A shard's metadata for tests: a machine over a table in memory, with shorthand for commands and
// queries. Every refusal of rows fails the test at once.
#pragma once

#include <gtest/gtest.h>

#include "cluster/metadata_machine.hpp"
#include "protocol/digest.hpp"
#include "storage/memory_store.hpp"
#include "storage/row_walk.hpp"

namespace cairn::cluster {

/// Rows in a plain map, to look into and to change behind the machine's back.
class MapRows : public storage::RowReader {
 public:
  using Visit = std::function<bool(BytesView, BytesView)>;

  Result<std::optional<Bytes>> get(BytesView key) override {
    if (bad_ && *bad_ == key) return Error{Errc::corrupt, "rot"};
    const auto row = rows.find(key);
    return row == rows.end() ? std::optional<Bytes>() : std::optional<Bytes>(row->second);
  }
  Result<void> scan(BytesView from, BytesView to, const Visit& visit) override {
    for (auto row = rows.lower_bound(from); row != rows.end() && (to.empty() || row->first < to);
         ++row) {
      if (bad_ && *bad_ == row->first) return Error{Errc::corrupt, "rot"};
      if (!visit(row->first, row->second)) break;
    }
    return {};
  }
  Result<void> scan_back(BytesView from, BytesView to, const Visit& visit) override {
    auto row = to.empty() ? rows.end() : rows.lower_bound(to);
    while (row != rows.begin() && (--row)->first >= from) {
      if (bad_ && *bad_ == row->first) return Error{Errc::corrupt, "rot"};
      if (!visit(row->first, row->second)) break;
    }
    return {};
  }

  void apply(storage::WriteBatch& batch) {
    for (storage::RowWalk walk(batch); const auto* row = walk.row(); walk.step()) {
      if (const auto value = row->value())
        rows[Bytes(row->key())] = *value;
      else
        rows.erase(Bytes(row->key()));
    }
    batch.clear();
  }
  /// Reading the row of `key` finds rot from now on, until called with nothing.
  void rot(std::optional<Bytes> key) { bad_ = std::move(key); }

  std::map<Bytes, Bytes, std::less<>> rows;

 private:
  std::optional<Bytes> bad_;
};

/// A block id that depends on `n` alone.
inline BlockId block_id(std::uint64_t n) { return sha256("block " + std::to_string(n)); }
inline BlockRef block(std::uint64_t n, std::uint32_t bytes = 1'000) { return {block_id(n), bytes}; }

inline Content inline_content(std::string bytes) {
  Content content;
  content.size = bytes.size();
  content.inline_bytes = std::move(bytes);
  return content;
}
inline Content block_content(std::vector<BlockRef> blocks) {
  Content content;
  for (const auto& one : blocks) content.size += one.bytes;
  content.blocks = std::move(blocks);
  return content;
}

class Shard {
 public:
  static constexpr std::int64_t start_millis = 1'790'000'000'000;  // 2026-09-21
  static constexpr std::int64_t day_millis = 86'400'000;

  CommandResult run(CommandBody body) {
    storage::WriteBatch batch;
    applied = run_in(std::move(body), batch);
    rows.apply(batch);
    return applied.result;
  }
  Applied run_in(CommandBody body, storage::WriteBatch& batch) {
    MetadataMachine machine(rows);
    auto one = machine.apply(Command{Timestamp{now}, std::move(body)}, batch);
    EXPECT_TRUE(one.ok()) << one.error().message;
    return one.ok() ? *one : Applied{};
  }

  AccountId make_account(const std::string& login, std::uint64_t quota = std::uint64_t{1} << 40) {
    const auto result = run(CreateAccount{login, "hash", quota});
    const auto* made = std::get_if<AccountCreated>(&result);
    EXPECT_NE(made, nullptr);
    return account = made ? made->account : AccountId{};
  }

  CommandResult commit_result(std::vector<Change> changes, std::vector<BlockRef> proven = {}) {
    CommitChanges command;
    command.account = account;
    command.request = {client, ++sequence};
    command.acknowledged = sequence - 1;
    command.device = device;
    command.changes = std::move(changes);
    command.proven = std::move(proven);
    return run(std::move(command));
  }
  CommitResult commit(std::vector<Change> changes, std::vector<BlockRef> proven = {}) {
    const auto result = commit_result(std::move(changes), std::move(proven));
    const auto* done = std::get_if<CommitResult>(&result);
    EXPECT_NE(done, nullptr) << (std::holds_alternative<Error>(result)
                                     ? std::get<Error>(result).message
                                     : "");
    return done ? *done : CommitResult{};
  }
  ChangeResult change(Change one, std::vector<BlockRef> proven = {}) {
    const auto result = commit({std::move(one)}, std::move(proven));
    return result.results.size() == 1 ? result.results[0] : ChangeResult{};
  }
  EntryId folder(const std::string& name, EntryRef parent = {}) {
    const auto result = change(MakeFolder{std::move(parent), name, {0755, 1}});
    EXPECT_FALSE(result.error) << result.error->message;
    return result.entry;
  }
  EntryId file(const std::string& name, const std::string& bytes = "x", EntryRef parent = {}) {
    const auto result = change(
        PutFile{std::move(parent), name, EntryKind::file, {}, inline_content(bytes), {0644, 1}});
    EXPECT_FALSE(result.error) << result.error->message;
    return result.entry;
  }
  /// A new version of a file in the root, based on its current one.
  ChangeResult update(const std::string& name, const Content& content,
                      std::vector<BlockRef> proven = {}) {
    const auto was = stat({root_entry, name});
    return change(PutFile{{}, name, EntryKind::file, {was.id, was.version}, content, {0644, 1}},
                  std::move(proven));
  }
  /// Ticks until there is no more; the number of ticks.
  int tick(std::int64_t trash_retention = 30 * day_millis,
           std::int64_t version_retention = 90 * day_millis) {
    for (int ticks = 1; ticks < 10'000; ++ticks) {
      const auto result = run(Tick{trash_retention, version_retention});
      const auto* done = std::get_if<TickDone>(&result);
      EXPECT_NE(done, nullptr);
      if (!done || !done->more) return ticks;
    }
    ADD_FAILURE() << "ticks without end";
    return 0;
  }

  QueryResult ask(Query query) { return MetadataMachine(rows).query(query); }
  template <class Answer>
  Answer get(Query query) {
    auto result = ask(std::move(query));
    auto* answer = std::get_if<Answer>(&result);
    EXPECT_NE(answer, nullptr) << (std::holds_alternative<Error>(result)
                                       ? std::get<Error>(result).message
                                       : "");
    return answer ? std::move(*answer) : Answer{};
  }
  std::optional<Errc> error_of(Query query) {
    const auto result = ask(std::move(query));
    const auto* error = std::get_if<Error>(&result);
    return error ? std::optional(error->code) : std::nullopt;
  }
  Entry stat(EntryRef ref) { return get<Entry>(Stat{account, std::move(ref)}); }
  std::optional<Errc> stat_error(EntryRef ref) { return error_of(Stat{account, std::move(ref)}); }
  std::vector<std::string> names(EntryRef folder = {}) {
    std::vector<std::string> out;
    for (const auto& entry : get<EntryPage>(List{account, std::move(folder), "", 0}).entries)
      out.push_back(entry.name);
    return out;
  }
  std::vector<EntryId> trash() {
    std::vector<EntryId> out;
    for (const auto& entry : get<EntryPage>(ListTrash{account, "", 0}).entries)
      out.push_back(entry.id);
    return out;
  }
  Content content(EntryRef ref, std::uint32_t version = 0) {
    return get<ContentFound>(GetContent{account, std::move(ref), VersionNumber{version}}).content;
  }
  Usage usage() { return get<Usage>(GetUsage{account}); }
  void expect_sound() {
    for (const auto& broken : check_invariants(rows)) ADD_FAILURE() << broken;
  }

  MapRows rows;
  Applied applied;    ///< of the last run()
  AccountId account;  ///< the last made
  ClientId client{7};
  std::uint64_t sequence = 0;
  std::string device = "laptop";
  std::int64_t now = start_millis;
};

inline std::optional<Errc> error_code(const ChangeResult& result) {
  return result.error ? std::optional(result.error->code) : std::nullopt;
}
inline std::optional<Errc> error_code(const CommandResult& result) {
  const auto* error = std::get_if<Error>(&result);
  return error ? std::optional(error->code) : std::nullopt;
}

}  // namespace cairn::cluster
