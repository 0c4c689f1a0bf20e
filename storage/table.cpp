#include "storage/table.hpp"

#include <algorithm>
#include <cstdlib>
#include <iterator>

#include "protocol/codec.hpp"
#include "protocol/digest.hpp"

namespace cairn::storage {
namespace {

using Visit = std::function<bool(BytesView, BytesView)>;

// The table's own rows sort before all others: keys that begin with a zero byte.
const Bytes meta_key{"\0applied", 8};
constexpr BytesView first_user_key{"\x01", 1};
constexpr std::size_t checksum_bytes = 4;

void require_user_key(BytesView key) {
  if (key.empty() || key.front() == '\0') std::abort();
}

std::uint32_t row_checksum(BytesView key, BytesView value) { return crc32c(value, crc32c(key)); }

void seal_row_into(Bytes& out, BytesView key, BytesView value) {
  const auto checksum = row_checksum(key, value);
  out.assign(value);
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(checksum >> shift));
}

std::string hex(BytesView bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out.push_back(digits[static_cast<unsigned char>(c) >> 4]);
    out.push_back(digits[static_cast<unsigned char>(c) & 15]);
  }
  return out;
}

/// A frozen overlay and the log position it reflects.
struct Frozen {
  WriteBatch rows;
  std::uint64_t applied = 0;
};

class OverlayCheckpoint : public Checkpoint {
 public:
  OverlayCheckpoint(std::shared_ptr<OrderedStore> store, std::shared_ptr<const Frozen> frozen)
      : store_(std::move(store)), frozen_(std::move(frozen)) {}

  Result<void> write() override {
    auto transaction = store_->begin();
    if (!transaction.ok()) return transaction.error();
    Bytes stored;
    const auto position = Writer().u64(frozen_->applied).take();
    seal_row_into(stored, meta_key, position);
    CAIRN_TRY((*transaction)->put(meta_key, stored));
    for (const auto* row : frozen_->rows.changes()) {
      if (!row->value) {
        CAIRN_TRY((*transaction)->erase(row->key));
        continue;
      }
      seal_row_into(stored, row->key, *row->value);
      CAIRN_TRY((*transaction)->put(row->key, stored));
    }
    return (*transaction)->commit();
  }

 private:
  std::shared_ptr<OrderedStore> store_;
  std::shared_ptr<const Frozen> frozen_;
};

/// Walks the rows of two overlays as one, in either direction; `newer` wins where both have a key.
template <class Iterator>
class OverlayWalk {
 public:
  struct Side {
    Iterator at, end;
  };
  OverlayWalk(Side newer, Side older, bool forwards)
      : newer_(newer), older_(older), forwards_(forwards) {}

  /// The next row, or null at the end.
  const WriteBatch::Row* peek() const {
    if (newer_.at == newer_.end && older_.at == older_.end) return nullptr;
    if (older_.at == older_.end) return *newer_.at;
    if (newer_.at == newer_.end) return *older_.at;
    return precedes((*older_.at)->key, (*newer_.at)->key) ? *older_.at : *newer_.at;
  }

  void step() {
    const auto& key = peek()->key;
    const bool older_has = older_.at != older_.end && (*older_.at)->key == key;
    const bool newer_has = newer_.at != newer_.end && (*newer_.at)->key == key;
    if (older_has) ++older_.at;
    if (newer_has) ++newer_.at;
  }

  bool precedes(BytesView a, BytesView b) const { return forwards_ ? a < b : b < a; }

 private:
  Side newer_, older_;
  bool forwards_;
};

/// Shows the rows of `walk` and, between them, those that `scan_store` feeds it, to `visit`.
template <class Walk, class ScanStore>
Result<void> merge_scan(Walk walk, const Visit& visit, const ScanStore& scan_store) {
  bool stopped = false;
  std::optional<Error> damage;
  const auto show_overlay_before = [&](const BytesView* bound) {
    while (const auto* row = walk.peek()) {
      if (bound != nullptr && !walk.precedes(row->key, *bound)) break;
      if (row->value && !visit(row->key, *row->value)) stopped = true;
      walk.step();
      if (stopped) return;
    }
  };
  CAIRN_TRY(scan_store([&](BytesView key, BytesView stored) {
    show_overlay_before(&key);
    if (stopped) return false;
    if (const auto* row = walk.peek(); row != nullptr && row->key == key) {
      if (row->value && !visit(row->key, *row->value)) stopped = true;
      walk.step();
      return !stopped;
    }
    const auto value = open_row(key, stored);
    if (!value.ok()) {
      damage = value.error();
      return false;
    }
    if (!visit(key, *value)) stopped = true;
    return !stopped;
  }));
  if (damage) return *damage;
  if (!stopped) show_overlay_before(nullptr);
  return {};
}

class OverlayTable : public Table {
 public:
  OverlayTable(std::shared_ptr<OrderedStore> store, std::unique_ptr<StoreSnapshot> snapshot,
               std::uint64_t checkpointed)
      : store_(std::move(store)),
        snapshot_(std::move(snapshot)),
        applied_(checkpointed),
        checkpointed_(checkpointed) {}

  Result<std::optional<Bytes>> get(BytesView key) override {
    require_user_key(key);
    if (const auto* row = active_.find(key)) return row->value;
    if (frozen_)
      if (const auto* row = frozen_->rows.find(key)) return row->value;
    CAIRN_TRY(hold_snapshot());
    const auto stored = snapshot_->get(key);
    if (!stored.ok()) return stored.error();
    if (!*stored) return std::optional<Bytes>();
    const auto value = open_row(key, **stored);
    if (!value.ok()) return value.error();
    return std::optional<Bytes>(Bytes(*value));
  }

  Result<void> scan(BytesView from, BytesView to, const Visit& visit) override {
    from = std::max(from, first_user_key);
    if (!to.empty() && to <= from) return {};
    CAIRN_TRY(hold_snapshot());
    using Walk = OverlayWalk<WriteBatch::Changes::const_iterator>;
    const auto range = [&](const WriteBatch::Changes& rows) {
      return Walk::Side{rows.lower_bound(from), to.empty() ? rows.end() : rows.lower_bound(to)};
    };
    return merge_scan(Walk(range(active_.changes()), range(frozen_rows()), true), visit,
                      [&](const Visit& row) { return snapshot_->scan(from, to, row); });
  }

  Result<void> scan_back(BytesView from, BytesView to, const Visit& visit) override {
    from = std::max(from, first_user_key);
    if (!to.empty() && to <= from) return {};
    CAIRN_TRY(hold_snapshot());
    using Walk = OverlayWalk<WriteBatch::Changes::const_reverse_iterator>;
    const auto range = [&](const WriteBatch::Changes& rows) {
      const auto last = to.empty() ? rows.end() : rows.lower_bound(to);
      return Walk::Side{std::make_reverse_iterator(last), std::make_reverse_iterator(rows.lower_bound(from))};
    };
    return merge_scan(Walk(range(active_.changes()), range(frozen_rows()), false), visit,
                      [&](const Visit& row) { return snapshot_->scan_back(from, to, row); });
  }

  void apply(WriteBatch&& batch, std::uint64_t applied) override {
    if (applied < applied_) std::abort();
    applied_ = applied;
    active_.take_in(std::move(batch));
  }

  std::uint64_t applied() const override { return applied_; }
  std::uint64_t checkpointed() const override { return checkpointed_; }
  std::uint64_t overlay_bytes() const override {
    return active_.bytes() + (frozen_ ? frozen_->rows.bytes() : 0);
  }

  std::shared_ptr<Checkpoint> begin_checkpoint() override {
    if (frozen_) std::abort();
    if (applied_ == checkpointed_ && active_.empty()) return nullptr;
    frozen_ = std::make_shared<Frozen>();
    frozen_->rows = std::exchange(active_, {});
    frozen_->rows.changes();  // in order before the checkpoint's thread walks them, too
    frozen_->applied = applied_;
    return std::make_shared<OverlayCheckpoint>(store_, frozen_);
  }

  Result<void> finish_checkpoint() override {
    if (!frozen_) std::abort();
    CAIRN_TRY(snapshot_->refresh());
    held_ = true;
    checkpointed_ = frozen_->applied;
    frozen_.reset();
    return {};
  }

  void abandon_checkpoint() override {
    if (!frozen_) std::abort();
    // The checkpoint object no longer reads the frozen rows: its write has returned.
    auto newer = std::exchange(active_, std::move(frozen_->rows));
    frozen_.reset();
    active_.take_in(std::move(newer));
  }

  Result<std::unique_ptr<StoreSnapshot>> stored_rows() override { return store_->snapshot(); }

  void release_snapshot() override {
    snapshot_->release();
    held_ = false;
  }

  Result<std::uint64_t> store_bytes() override { return store_->used_bytes(); }

 private:
  const WriteBatch::Changes& frozen_rows() const {
    static const WriteBatch::Changes none;
    return frozen_ ? frozen_->rows.changes() : none;
  }

  // A newer view than the last one is as good: what a checkpoint has moved to the store meanwhile
  // is still in the frozen overlay, with the same values.
  Result<void> hold_snapshot() {
    if (held_) return {};
    CAIRN_TRY(snapshot_->refresh());
    held_ = true;
    return {};
  }

  std::shared_ptr<OrderedStore> store_;
  std::unique_ptr<StoreSnapshot> snapshot_;
  bool held_ = true;
  WriteBatch active_;
  std::shared_ptr<Frozen> frozen_;
  std::uint64_t applied_;
  std::uint64_t checkpointed_;
};

}  // namespace

Result<std::unique_ptr<Table>> Table::open(std::unique_ptr<OrderedStore> store) {
  auto snapshot = store->snapshot();
  if (!snapshot.ok()) return snapshot.error();
  const auto stored = (*snapshot)->get(meta_key);
  if (!stored.ok()) return stored.error();
  std::uint64_t checkpointed = 0;
  if (*stored) {
    const auto value = open_row(meta_key, **stored);
    if (!value.ok()) return value.error();
    Reader reader(*value);
    checkpointed = reader.u64();
    if (!reader.finished())
      return Error{Errc::corrupt, "the table's position row has a wrong form"};
  }
  return std::unique_ptr<Table>(
      std::make_unique<OverlayTable>(std::move(store), std::move(snapshot).value(), checkpointed));
}

Bytes seal_row(BytesView key, BytesView value) {
  Bytes out;
  out.reserve(value.size() + checksum_bytes);
  seal_row_into(out, key, value);
  return out;
}

Result<BytesView> open_row(BytesView key, BytesView stored) {
  if (stored.size() >= checksum_bytes) {
    const auto value = stored.substr(0, stored.size() - checksum_bytes);
    Reader reader(stored.substr(value.size()));
    if (reader.u32() == row_checksum(key, value)) return value;
  }
  return Error{Errc::corrupt, "the row with key " + hex(key) + " fails its checksum"};
}

}  // namespace cairn::storage
