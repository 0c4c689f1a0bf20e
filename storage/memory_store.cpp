#include "storage/memory_store.hpp"

#include <iterator>
#include <map>
#include <mutex>

namespace cairn::storage {
namespace {

using Rows = std::map<Bytes, Bytes, std::less<>>;

/// The committed rows. Snapshots share them; a commit copies them only if a snapshot still holds
/// them.
struct Shared {
  std::mutex mutex;
  std::shared_ptr<Rows> rows = std::make_shared<Rows>();
  std::optional<Errc> failure;
};

Rows& own_rows(Shared& shared) {
  if (shared.rows.use_count() > 1) shared.rows = std::make_shared<Rows>(*shared.rows);
  return *shared.rows;
}

class MemorySnapshot : public StoreSnapshot {
 public:
  explicit MemorySnapshot(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) { take(); }
  ~MemorySnapshot() override { release(); }

  Result<std::optional<BytesView>> get(BytesView key) override {
    if (!rows_) return Error{Errc::internal, "a released snapshot was read"};
    const auto found = rows_->find(key);
    if (found == rows_->end()) return std::optional<BytesView>();
    return std::optional<BytesView>(found->second);
  }

  Result<Lookup> look_up(BytesView key) override {
    if (!rows_) return Error{Errc::internal, "a released snapshot was read"};
    const auto found = rows_->lower_bound(key);
    Lookup lookup;
    if (found != rows_->end() && found->first == key) {
      lookup.value = found->second;
      return lookup;
    }
    if (found != rows_->end()) lookup.after = {found->first, found->second};
    if (found != rows_->begin()) lookup.before = {std::prev(found)->first, std::prev(found)->second};
    return lookup;
  }

  Result<void> scan(BytesView from, BytesView to,
                    const std::function<bool(BytesView, BytesView)>& visit) override {
    if (!rows_) return Error{Errc::internal, "a released snapshot was read"};
    for (auto row = rows_->lower_bound(from); row != rows_->end(); ++row) {
      if (!to.empty() && row->first >= to) break;
      if (!visit(row->first, row->second)) break;
    }
    return {};
  }

  Result<void> scan_back(BytesView from, BytesView to,
                         const std::function<bool(BytesView, BytesView)>& visit) override {
    if (!rows_) return Error{Errc::internal, "a released snapshot was read"};
    auto row = to.empty() ? rows_->end() : rows_->lower_bound(to);
    while (row != rows_->begin()) {
      --row;
      if (row->first < from || !visit(row->first, row->second)) break;
    }
    return {};
  }

  Result<void> refresh() override {
    take();
    return {};
  }

  void release() override {
    const std::lock_guard lock(shared_->mutex);
    rows_.reset();
  }

 private:
  void take() {
    const std::lock_guard lock(shared_->mutex);
    rows_ = shared_->rows;
  }

  std::shared_ptr<Shared> shared_;
  std::shared_ptr<const Rows> rows_;
};

class MemoryTransaction : public StoreTransaction {
 public:
  explicit MemoryTransaction(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}

  Result<void> put(BytesView key, BytesView value) override {
    changes_.insert_or_assign(Bytes(key), Bytes(value));
    return {};
  }

  Result<void> erase(BytesView key) override {
    changes_.insert_or_assign(Bytes(key), std::nullopt);
    return {};
  }

  Result<void> commit() override {
    const std::lock_guard lock(shared_->mutex);
    if (shared_->failure) return Error{*shared_->failure, "the store was told to fail"};
    auto& rows = own_rows(*shared_);
    for (auto& [key, value] : changes_) {
      if (value)
        rows.insert_or_assign(key, std::move(*value));
      else
        rows.erase(key);
    }
    changes_.clear();
    return {};
  }

 private:
  std::shared_ptr<Shared> shared_;
  std::map<Bytes, std::optional<Bytes>> changes_;
};

class SharedMemoryStore : public MemoryStore {
 public:
  explicit SharedMemoryStore(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}

  Result<std::unique_ptr<StoreSnapshot>> snapshot() override {
    return std::unique_ptr<StoreSnapshot>(std::make_unique<MemorySnapshot>(shared_));
  }

  Result<std::unique_ptr<StoreTransaction>> begin() override {
    return std::unique_ptr<StoreTransaction>(std::make_unique<MemoryTransaction>(shared_));
  }

  std::size_t max_key_bytes() const override { return 511; }  // as LMDB

  Result<std::uint64_t> used_bytes() override {
    const std::lock_guard lock(shared_->mutex);
    std::uint64_t bytes = 0;
    for (const auto& [key, value] : *shared_->rows) bytes += key.size() + value.size();
    return bytes;
  }

  bool rot(BytesView key) override {
    const std::lock_guard lock(shared_->mutex);
    auto& rows = own_rows(*shared_);
    const auto found = rows.find(key);
    if (found == rows.end() || found->second.empty()) return false;
    auto& byte = found->second[found->second.size() / 2];
    byte = static_cast<char>(byte ^ 0x10);
    return true;
  }

  void fail_commits(std::optional<Errc> code) override {
    const std::lock_guard lock(shared_->mutex);
    shared_->failure = code;
  }

  std::unique_ptr<MemoryStore> reopen() override {
    return std::make_unique<SharedMemoryStore>(shared_);
  }

 private:
  std::shared_ptr<Shared> shared_;
};

}  // namespace

std::unique_ptr<MemoryStore> make_memory_store() {
  return std::make_unique<SharedMemoryStore>(std::make_shared<Shared>());
}

}  // namespace cairn::storage
