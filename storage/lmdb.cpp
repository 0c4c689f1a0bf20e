#include "storage/lmdb.hpp"

#include <fcntl.h>
#include <lmdb.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "storage/disk.hpp"

namespace cairn::storage {
namespace {

// A write that LMDB could finish in part only is EIO to it; with less room than this, that was the
// reason.
constexpr std::uint64_t no_room_bytes = 1u << 20;

/// The environment; shared by its transactions and snapshots, so that it outlives them.
struct Environment {
  ~Environment() {
    if (env != nullptr) mdb_env_close(env);
    if (lock >= 0) ::close(lock);
  }

  std::uint64_t free_bytes() const {
    struct statvfs info {};
    if (::statvfs(path.c_str(), &info) != 0) return UINT64_MAX;
    return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
  }

  Error error(int code, const char* action) const {
    const bool full = code == ENOSPC || code == EDQUOT || code == MDB_MAP_FULL ||
                      (code == EIO && free_bytes() < no_room_bytes);
    const auto kind = full                                                 ? Errc::disk_full
                      : code == MDB_CORRUPTED || code == MDB_PAGE_NOTFOUND ? Errc::corrupt
                      : code == MDB_BAD_VALSIZE                            ? Errc::invalid_argument
                                                                           : Errc::io;
    return {kind, std::string(action) + " " + path + ": " + mdb_strerror(code)};
  }

  std::string path;
  int lock = -1;
  MDB_env* env = nullptr;
  MDB_dbi rows = 0;
};

MDB_val to_lmdb(BytesView bytes) { return {bytes.size(), const_cast<char*>(bytes.data())}; }
BytesView from_lmdb(const MDB_val& value) {
  return {static_cast<const char*>(value.mv_data), value.mv_size};
}

class Cursor {
 public:
  explicit Cursor(const Environment& environment) : environment_(environment) {}
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;
  ~Cursor() {
    if (cursor_ != nullptr) mdb_cursor_close(cursor_);
  }
  Result<void> open(MDB_txn* txn) {
    const int code = mdb_cursor_open(txn, environment_.rows, &cursor_);
    if (code != 0) return environment_.error(code, "read");
    return {};
  }
  /// False when there is no such row.
  Result<bool> move(MDB_cursor_op operation) {
    const int code = mdb_cursor_get(cursor_, &key_, &value_, operation);
    if (code == MDB_NOTFOUND) return false;
    if (code != 0) return environment_.error(code, "read");
    return true;
  }
  /// To the first row at or after `key`.
  Result<bool> seek(BytesView key) {
    if (key.empty()) return move(MDB_FIRST);
    key_ = to_lmdb(key);
    return move(MDB_SET_RANGE);
  }
  BytesView key() const { return from_lmdb(key_); }
  BytesView value() const { return from_lmdb(value_); }
  StoredRow row() const { return {key(), value()}; }

 private:
  const Environment& environment_;
  MDB_cursor* cursor_ = nullptr;
  MDB_val key_{};
  MDB_val value_{};
};

class LmdbSnapshot : public StoreSnapshot {
 public:
  explicit LmdbSnapshot(std::shared_ptr<Environment> environment)
      : environment_(std::move(environment)) {}
  ~LmdbSnapshot() override {
    if (txn_ != nullptr) mdb_txn_abort(txn_);
  }

  Result<void> refresh() override {
    int code = 0;
    if (txn_ == nullptr) {
      code = mdb_txn_begin(environment_->env, nullptr, MDB_RDONLY, &txn_);
    } else {
      if (!released_) mdb_txn_reset(txn_);
      released_ = true;
      code = mdb_txn_renew(txn_);
    }
    if (code != 0) return environment_->error(code, "read");
    released_ = false;
    return {};
  }

  void release() override {
    if (txn_ != nullptr && !released_) mdb_txn_reset(txn_);
    released_ = true;
  }

  Result<std::optional<BytesView>> get(BytesView key) override {
    CAIRN_TRY(check());
    if (key.empty()) return std::optional<BytesView>();
    auto wanted = to_lmdb(key);
    MDB_val value{};
    const int code = mdb_get(txn_, environment_->rows, &wanted, &value);
    if (code == MDB_NOTFOUND) return std::optional<BytesView>();
    if (code != 0) return environment_->error(code, "read");
    return std::optional<BytesView>(from_lmdb(value));
  }

  Result<Lookup> look_up(BytesView key) override {
    CAIRN_TRY(check());
    Cursor cursor(*environment_);
    CAIRN_TRY(cursor.open(txn_));
    const auto found = cursor.seek(key);
    if (!found.ok()) return found.error();
    Lookup lookup;
    if (*found && cursor.key() == key) {
      lookup.value = cursor.value();
      return lookup;
    }
    if (*found) lookup.after = cursor.row();
    const auto earlier = cursor.move(*found ? MDB_PREV : MDB_LAST);
    if (!earlier.ok()) return earlier.error();
    if (*earlier) lookup.before = cursor.row();
    return lookup;
  }

  Result<void> scan(BytesView from, BytesView to,
                    const std::function<bool(BytesView, BytesView)>& visit) override {
    CAIRN_TRY(check());
    Cursor cursor(*environment_);
    CAIRN_TRY(cursor.open(txn_));
    auto found = cursor.seek(from);
    while (found.ok() && *found) {
      if (!to.empty() && cursor.key() >= to) break;
      if (!visit(cursor.key(), cursor.value())) break;
      found = cursor.move(MDB_NEXT);
    }
    if (!found.ok()) return found.error();
    return {};
  }

  Result<void> scan_back(BytesView from, BytesView to,
                         const std::function<bool(BytesView, BytesView)>& visit) override {
    CAIRN_TRY(check());
    Cursor cursor(*environment_);
    CAIRN_TRY(cursor.open(txn_));
    auto found = to.empty() ? cursor.move(MDB_LAST) : cursor.seek(to);
    if (found.ok() && !to.empty()) found = cursor.move(*found ? MDB_PREV : MDB_LAST);
    while (found.ok() && *found) {
      if (cursor.key() < from) break;
      if (!visit(cursor.key(), cursor.value())) break;
      found = cursor.move(MDB_PREV);
    }
    if (!found.ok()) return found.error();
    return {};
  }

 private:
  Result<void> check() const {
    if (released_) return Error{Errc::internal, "a released snapshot was read"};
    return {};
  }

  std::shared_ptr<Environment> environment_;
  MDB_txn* txn_ = nullptr;
  bool released_ = true;
};

/// Puts rows so that runs of new rows fill their pages. LMDB splits a full page in its middle
/// unless the new row is the page's last one, so a run that grows in front of older rows leaves
/// half-empty pages behind it. Once a run is long enough, the older rows of its page are taken out;
/// the run is then written at the end of its page; and they are put back behind it.
class LmdbTransaction : public StoreTransaction {
 public:
  LmdbTransaction(std::shared_ptr<Environment> environment, MDB_txn* txn)
      : environment_(std::move(environment)), txn_(txn) {}
  ~LmdbTransaction() override { abort(); }

  Result<void> put(BytesView key, BytesView value) override {
    CAIRN_TRY(begin());
    if (in_gap(key)) gap_begin_ = key;
    if (!held_.empty() && key >= held_.front().first) CAIRN_TRY(put_back());
    const int code = insert(key, value);
    if (code != MDB_KEYEXIST) {
      CAIRN_TRY(check(code));
      return held_.empty() ? check(follow_run()) : Result<void>();
    }
    run_ = 0;
    auto k = to_lmdb(key);
    auto v = to_lmdb(value);
    return check(mdb_cursor_put(cursor_, &k, &v, MDB_CURRENT));
  }

  /// Most rows that come to be erased were never stored, and lie side by side: they came and went since the last
  /// checkpoint. So the gap around one that is not there is remembered for those that follow.
  Result<void> erase(BytesView key) override {
    CAIRN_TRY(begin());
    if (in_gap(key)) return {};
    CAIRN_TRY(put_back());
    run_ = 0;
    auto found = to_lmdb(key);
    MDB_val value{};
    int code = mdb_cursor_get(cursor_, &found, &value, MDB_SET_RANGE);
    if (code == 0 && from_lmdb(found) == key) return check(mdb_cursor_del(cursor_, 0));
    if (code != 0 && code != MDB_NOTFOUND) return check(code);
    gap_begin_ = key;
    gap_end_ = code == 0 ? from_lmdb(found) : BytesView();
    return {};
  }

  Result<void> commit() override {
    CAIRN_TRY(begin());
    CAIRN_TRY(put_back());
    close_cursor();
    const int code = mdb_txn_commit(txn_);  // ends the transaction in any case
    txn_ = nullptr;
    return check(code);
  }

 private:
  static constexpr std::size_t page_bytes = 4096;
  static constexpr std::size_t long_run = 16;  // rows
  static constexpr std::size_t max_held = 256;

  Result<void> begin() {
    if (txn_ == nullptr) return Error{Errc::internal, "the transaction has ended"};
    if (cursor_ != nullptr) return {};
    return check(mdb_cursor_open(txn_, environment_->rows, &cursor_));
  }

  /// Whether no row with the key can be there.
  bool in_gap(BytesView key) const {
    return !gap_begin_.empty() && key > gap_begin_ && (gap_end_.empty() || key < gap_end_);
  }

  int insert(BytesView key, BytesView value) {
    auto k = to_lmdb(key);
    auto v = to_lmdb(value);
    return mdb_cursor_put(cursor_, &k, &v, MDB_NOOVERWRITE);
  }

  /// After an insertion: counts it to the run of those that lie before the same older row.
  int follow_run() {
    MDB_val key{}, value{};
    int code = mdb_cursor_get(cursor_, &key, &value, MDB_GET_CURRENT);
    if (code != 0) return code;
    const auto* const place = static_cast<const char*>(key.mv_data);
    code = mdb_cursor_get(cursor_, &key, &value, MDB_NEXT);
    if (code != 0) {
      run_ = 0;
      return code == MDB_NOTFOUND ? 0 : code;
    }
    if (run_ > 0 && from_lmdb(key) == run_end_) {
      ++run_;
    } else {
      run_ = 1;
      run_end_ = from_lmdb(key);
    }
    return run_ < long_run ? 0 : take_out(place);
  }

  /// Takes out the rows from the cursor on that share the page of `place`.
  int take_out(const char* place) {
    run_ = 0;
    MDB_val key{}, value{};
    int code = mdb_cursor_get(cursor_, &key, &value, MDB_GET_CURRENT);
    while (code == 0 && held_.size() < max_held) {
      // A key lies in its page, whatever its value does. Another page that happens to lie next to
      // this one in memory costs time only.
      const auto* const other = static_cast<const char*>(key.mv_data);
      if (other >= place + page_bytes || place >= other + page_bytes) break;
      held_.emplace_back(from_lmdb(key), from_lmdb(value));
      code = mdb_cursor_del(cursor_, 0);
      if (code == 0) code = mdb_cursor_get(cursor_, &key, &value, MDB_GET_CURRENT);
    }
    // At the end of the table the cursor has nothing under it.
    return code == MDB_NOTFOUND || code == EINVAL ? 0 : code;
  }

  Result<void> put_back() {
    for (const auto& [key, value] : held_) CAIRN_TRY(check(insert(key, value)));
    held_.clear();
    return {};
  }

  void close_cursor() {
    if (cursor_ != nullptr) mdb_cursor_close(cursor_);
    cursor_ = nullptr;
  }

  void abort() {
    close_cursor();
    if (txn_ != nullptr) mdb_txn_abort(txn_);
    txn_ = nullptr;
  }

  Result<void> check(int code) {
    if (code == 0) return {};
    abort();
    return environment_->error(code, "write");
  }

  std::shared_ptr<Environment> environment_;
  MDB_txn* txn_;
  MDB_cursor* cursor_ = nullptr;
  std::size_t run_ = 0;  // rows inserted one after the other before the row run_end_
  Bytes run_end_;
  Bytes gap_begin_, gap_end_;  // between them lies no row; empty: no gap is known, it goes to the table's end
  std::vector<std::pair<Bytes, Bytes>> held_;  // taken out, in order
};

class LmdbStore : public OrderedStore {
 public:
  explicit LmdbStore(std::shared_ptr<Environment> environment)
      : environment_(std::move(environment)) {}

  Result<std::unique_ptr<StoreSnapshot>> snapshot() override {
    auto snapshot = std::make_unique<LmdbSnapshot>(environment_);
    CAIRN_TRY(snapshot->refresh());
    return std::unique_ptr<StoreSnapshot>(std::move(snapshot));
  }

  Result<std::unique_ptr<StoreTransaction>> begin() override {
    MDB_txn* txn = nullptr;
    const int code = mdb_txn_begin(environment_->env, nullptr, 0, &txn);
    if (code != 0) return environment_->error(code, "write");
    return std::unique_ptr<StoreTransaction>(std::make_unique<LmdbTransaction>(environment_, txn));
  }

  std::size_t max_key_bytes() const override {
    return static_cast<std::size_t>(mdb_env_get_maxkeysize(environment_->env));
  }

  Result<std::uint64_t> used_bytes() override {
    MDB_stat stat{};
    const int code = mdb_env_stat(environment_->env, &stat);
    if (code != 0) return environment_->error(code, "stat");
    return std::uint64_t{stat.ms_psize} *
           (stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages);
  }

 private:
  std::shared_ptr<Environment> environment_;
};

Result<void> take_lock(Environment& environment) {
  const auto name = environment.path + "/LOCK";
  environment.lock = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (environment.lock < 0) return Error{Errc::io, "open " + name + ": " + std::strerror(errno)};
  // Held by the open file: the system lets go of it however the process ends.
  if (::flock(environment.lock, LOCK_EX | LOCK_NB) == 0) return {};
  if (errno == EWOULDBLOCK)
    return Error{Errc::io, environment.path + " is in use by another process or store"};
  return Error{Errc::io, "lock " + name + ": " + std::strerror(errno)};
}

}  // namespace

Result<std::unique_ptr<OrderedStore>> open_lmdb(const std::string& path,
                                                const LmdbOptions& options) {
  if (auto directory = open_directory(path); !directory.ok()) return directory.error();
  auto environment = std::make_shared<Environment>();
  environment->path = path;
  CAIRN_TRY(take_lock(*environment));

  int code = mdb_env_create(&environment->env);
  if (code == 0) code = mdb_env_set_mapsize(environment->env, options.map_bytes);
  if (code == 0) code = mdb_env_set_maxreaders(environment->env, options.max_readers);
  // NOTLS: a read transaction belongs to its object, not to the thread that began it.
  if (code == 0)
    code = mdb_env_open(environment->env, path.c_str(), MDB_NOTLS | MDB_NORDAHEAD, 0600);
  if (code != 0) return environment->error(code, "open");

  MDB_txn* txn = nullptr;
  code = mdb_txn_begin(environment->env, nullptr, 0, &txn);
  if (code != 0) return environment->error(code, "open");
  code = mdb_dbi_open(txn, nullptr, 0, &environment->rows);
  if (code != 0) {
    mdb_txn_abort(txn);
    return environment->error(code, "open");
  }
  code = mdb_txn_commit(txn);
  if (code != 0) return environment->error(code, "open");
  return std::unique_ptr<OrderedStore>(std::make_unique<LmdbStore>(std::move(environment)));
}

}  // namespace cairn::storage
