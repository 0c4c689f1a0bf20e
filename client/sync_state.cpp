#include "client/sync_state.hpp"

#include <sqlite3.h>

#include <cstring>

#include "protocol/names.hpp"

namespace cairn::client {
namespace {

/// Another number means a file of another release, whose rows may mean something else.
constexpr int schema_version = 1;

constexpr const char* schema = R"sql(
  CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS base (
    path BLOB PRIMARY KEY, kind INTEGER NOT NULL,
    local_size INTEGER NOT NULL, local_mode INTEGER NOT NULL, local_time INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    entry INTEGER NOT NULL, version INTEGER NOT NULL, remote_size INTEGER NOT NULL,
    remote_mode INTEGER NOT NULL, remote_time INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS mirror (
    entry INTEGER PRIMARY KEY, parent INTEGER NOT NULL, name BLOB NOT NULL, kind INTEGER NOT NULL,
    version INTEGER NOT NULL, size INTEGER NOT NULL, mode INTEGER NOT NULL, time INTEGER NOT NULL);
)sql";

/// What is below a folder sorts from "folder/" up to, and without, "folder0": '0' follows '/'.
std::string first_below(const std::string& path) { return path + "/"; }
std::string past_below(const std::string& path) { return path + "0"; }

}  // namespace

/// One execution of a statement: binds in order, steps, reads in order.
class SyncState::Row {
 public:
  Row(SyncState& state, const char* sql) : state_(state) {
    auto prepared = state.prepare(sql);
    if (prepared.ok()) statement_ = *prepared;
    else error_ = prepared.error();
  }
  ~Row() {
    if (statement_ == nullptr) return;
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }
  Row(const Row&) = delete;
  Row& operator=(const Row&) = delete;

  template <class Number>
  Row& number(Number value) {
    if (statement_ != nullptr) sqlite3_bind_int64(statement_, ++bound_, static_cast<sqlite3_int64>(value));
    return *this;
  }
  /// `value` lives until the row is done.
  Row& blob(const std::string& value) {
    if (statement_ != nullptr)
      sqlite3_bind_blob64(statement_, ++bound_, value.data(), value.size(), SQLITE_STATIC);
    return *this;
  }

  /// True while there is a row to read.
  Result<bool> step() {
    if (error_) return *error_;
    column_ = 0;
    switch (sqlite3_step(statement_)) {
      case SQLITE_ROW: return true;
      case SQLITE_DONE: return false;
      default: return state_.error("use");
    }
  }
  Result<void> done() {
    const auto stepped = step();
    if (!stepped.ok()) return stepped.error();
    return {};
  }

  template <class Number>
  Number read() {
    return static_cast<Number>(sqlite3_column_int64(statement_, column_++));
  }
  std::string read_blob() {
    const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column_));
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column_++));
    return bytes == nullptr ? std::string() : std::string(bytes, size);
  }

 private:
  SyncState& state_;
  sqlite3_stmt* statement_ = nullptr;
  std::optional<Error> error_;
  int bound_ = 0;
  int column_ = 0;
};

Error SyncState::error(const char* doing) const {
  const auto text = "cannot " + std::string(doing) + " " + printable(path_) + ": " + sqlite3_errmsg(database_);
  switch (sqlite3_errcode(database_)) {
    case SQLITE_FULL: return {Errc::disk_full, text};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return {Errc::corrupt, text + "; without the file the next sync starts afresh and compares everything"};
    default: return {Errc::io, text};
  }
}

Result<std::unique_ptr<SyncState>> SyncState::open(const std::string& path) {
  sqlite3* database = nullptr;
  const int opened = sqlite3_open_v2(path.c_str(), &database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  std::unique_ptr<SyncState> state(new SyncState(database, path));
  if (opened != SQLITE_OK) return state->error("open");
  // In this mode a power failure may undo the last changes, but never mixes them.
  CAIRN_TRY(state->run("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"));
  {
    Row version(*state, "PRAGMA user_version");
    const auto found = version.step();
    if (!found.ok()) return found.error();
    const auto number = version.read<int>();
    if (number != 0 && number != schema_version)
      return Error{Errc::corrupt, printable(path) + " is of another release: version " + std::to_string(number)};
  }
  CAIRN_TRY(state->run(schema));
  CAIRN_TRY(state->run("PRAGMA user_version = 1"));
  return state;
}

SyncState::~SyncState() {
  for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(database_);
}

Result<void> SyncState::run(const char* sql) {
  if (sqlite3_exec(database_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) return error("use");
  return {};
}

Result<sqlite3_stmt*> SyncState::prepare(const char* sql) {
  if (const auto found = statements_.find(sql); found != statements_.end()) return found->second;
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(database_, sql, -1, &statement, nullptr) != SQLITE_OK) return error("use");
  statements_[sql] = statement;
  return statement;
}

Result<void> SyncState::together(const std::function<Result<void>()>& work) {
  CAIRN_TRY(run("BEGIN IMMEDIATE"));
  auto outcome = work();
  if (outcome.ok()) return run("COMMIT");
  if (const auto undone = run("ROLLBACK"); !undone.ok()) return undone;
  return outcome;
}

Result<std::optional<std::string>> SyncState::get(const std::string& key) {
  Row row(*this, "SELECT value FROM facts WHERE key = ?");
  const auto found = row.blob(key).step();
  if (!found.ok()) return found.error();
  if (!*found) return std::optional<std::string>();
  return std::optional(row.read_blob());
}

Result<void> SyncState::set(const std::string& key, const std::string& value) {
  return Row(*this, "INSERT OR REPLACE INTO facts VALUES (?, ?)").blob(key).blob(value).done();
}

Result<BaseTree> SyncState::base() {
  BaseTree tree;
  Row row(*this,
          "SELECT path, kind, local_size, local_mode, local_time, inode, entry, version, remote_size, "
          "remote_mode, remote_time FROM base");
  for (;;) {
    const auto found = row.step();
    if (!found.ok()) return found.error();
    if (!*found) return tree;
    const auto path = row.read_blob();
    BaseNode node;
    node.local.kind = node.remote.kind = row.read<EntryKind>();
    node.local.size = row.read<std::uint64_t>();
    node.local.attributes.mode = row.read<std::uint32_t>();
    node.local.attributes.modified_nanos = row.read<std::int64_t>();
    node.local.inode = row.read<std::uint64_t>();
    node.remote.entry.value = row.read<std::uint64_t>();
    node.remote.version.value = row.read<std::uint32_t>();
    node.remote.size = row.read<std::uint64_t>();
    node.remote.attributes.mode = row.read<std::uint32_t>();
    node.remote.attributes.modified_nanos = row.read<std::int64_t>();
    tree.emplace_hint(tree.end(), path, node);
  }
}

Result<void> SyncState::put_base(const SyncPath& path, const BaseNode& node) {
  const auto& [local, remote] = node;
  return Row(*this, "INSERT OR REPLACE INTO base VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
      .blob(path)
      .number(static_cast<int>(local.kind))
      .number(local.size)
      .number(local.attributes.mode)
      .number(local.attributes.modified_nanos)
      .number(local.inode)
      .number(remote.entry.value)
      .number(remote.version.value)
      .number(remote.size)
      .number(remote.attributes.mode)
      .number(remote.attributes.modified_nanos)
      .done();
}

Result<void> SyncState::remove_base(const SyncPath& path) {
  const auto first = first_below(path);
  const auto past = past_below(path);
  return Row(*this, "DELETE FROM base WHERE path = ? OR (path >= ? AND path < ?)")
      .blob(path)
      .blob(first)
      .blob(past)
      .done();
}

Result<void> SyncState::move_base(const SyncPath& from, const SyncPath& to) {
  CAIRN_TRY(remove_base(to));
  const auto first = first_below(from);
  const auto past = past_below(from);
  return Row(*this,
             "UPDATE base SET path = CAST(? || substr(path, ?) AS BLOB) "
             "WHERE path = ? OR (path >= ? AND path < ?)")
      .blob(to)
      .number(from.size() + 1)
      .blob(from)
      .blob(first)
      .blob(past)
      .done();
}

Result<Mirror> SyncState::mirror() {
  Mirror mirror;
  Row row(*this, "SELECT entry, parent, name, kind, version, size, mode, time FROM mirror");
  for (;;) {
    const auto found = row.step();
    if (!found.ok()) return found.error();
    if (!*found) return mirror;
    MirrorNode node;
    node.node.entry.value = row.read<std::uint64_t>();
    node.parent.value = row.read<std::uint64_t>();
    node.name = row.read_blob();
    node.node.kind = row.read<EntryKind>();
    node.node.version.value = row.read<std::uint32_t>();
    node.node.size = row.read<std::uint64_t>();
    node.node.attributes.mode = row.read<std::uint32_t>();
    node.node.attributes.modified_nanos = row.read<std::int64_t>();
    mirror.emplace(node.node.entry.value, std::move(node));
  }
}

Result<void> SyncState::put_mirror(EntryId entry, const MirrorNode& node) {
  return Row(*this, "INSERT OR REPLACE INTO mirror VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
      .number(entry.value)
      .number(node.parent.value)
      .blob(node.name)
      .number(static_cast<int>(node.node.kind))
      .number(node.node.version.value)
      .number(node.node.size)
      .number(node.node.attributes.mode)
      .number(node.node.attributes.modified_nanos)
      .done();
}

Result<void> SyncState::remove_mirror(EntryId entry) {
  return Row(*this, "DELETE FROM mirror WHERE entry = ?").number(entry.value).done();
}

Result<void> SyncState::clear_mirror() { return run("DELETE FROM mirror"); }

}  // namespace cairn::client
