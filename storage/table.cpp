#include "storage/table.hpp"

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "protocol/codec.hpp"
#include "protocol/digest.hpp"
#include "storage/remembered.hpp"
#include "storage/row_walk.hpp"

namespace cairn::storage {
namespace {

using Visit = VisitRow;

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
    for (RowWalk walk(frozen_->rows); const auto* row = walk.row(); walk.step()) {
      const auto value = row->value();
      if (!value) {
        CAIRN_TRY((*transaction)->erase(row->key()));
        continue;
      }
      seal_row_into(stored, row->key(), *value);
      CAIRN_TRY((*transaction)->put(row->key(), stored));
    }
    return (*transaction)->commit();
  }

 private:
  std::shared_ptr<OrderedStore> store_;
  std::shared_ptr<const Frozen> frozen_;
};

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
    const auto hash = WriteBatch::hash_of(key);
    if (const auto* row = active_.find(key, hash)) return row->value_copy();
    if (frozen_)
      if (const auto* row = frozen_->rows.find(key, hash)) return row->value_copy();
    if (const auto* value = known_rows_.find(key, hash)) return std::optional(*value);
    const auto stored = known_gaps_.wanted() ? look_up(key) : get_stored(key);
    if (!stored.ok()) return stored.error();
    if (!*stored) return std::optional<Bytes>();
    const auto value = open_row(key, **stored);
    if (!value.ok()) return value.error();
    known_rows_.keep(key, hash, *value);
    return std::optional<Bytes>(Bytes(*value));
  }

  Result<void> scan(BytesView from, BytesView to, const Visit& visit) override {
    return scan(from, to, visit, Direction::forwards);
  }

  Result<void> scan_back(BytesView from, BytesView to, const Visit& visit) override {
    return scan(from, to, visit, Direction::backwards);
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
    frozen_->rows.order();  // before the checkpoint's thread walks them, too
    frozen_->applied = applied_;
    return std::make_shared<OverlayCheckpoint>(store_, frozen_);
  }

  Result<void> finish_checkpoint() override {
    if (!frozen_) std::abort();
    CAIRN_TRY(snapshot_->refresh());
    held_ = true;
    checkpointed_ = frozen_->applied;
    known_rows_.forget(frozen_->rows);
    known_gaps_.forget();
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
  Result<std::optional<BytesView>> get_stored(BytesView key) {
    CAIRN_TRY(hold_snapshot());
    return snapshot_->get(key);
  }

  /// The same, unless it is known that there is none; learns that for those around the key, too. A row whose key is
  /// damaged would make a gap too wide, so none ends at a damaged row; that one is for who asks for it.
  Result<std::optional<BytesView>> look_up(BytesView key) {
    if (known_gaps_.hold(key)) return std::optional<BytesView>();
    CAIRN_TRY(hold_snapshot());
    const auto found = snapshot_->look_up(key);
    if (!found.ok()) return found.error();
    const auto whole = [](const auto& row) { return !row || open_row(row->key, row->value).ok(); };
    if (!found->value && whole(found->before) && whole(found->after))
      known_gaps_.keep(found->before ? found->before->key : BytesView(),
                       found->after ? found->after->key : BytesView());
    return found->value;
  }

  Result<void> scan(BytesView from, BytesView to, const Visit& visit, Direction direction) {
    from = std::max(from, first_user_key);
    if (!to.empty() && to <= from) return {};
    CAIRN_TRY(hold_snapshot());
    return scan_rows(RowWalk({&active_, frozen_ ? &frozen_->rows : nullptr}, from, to, direction), visit, open_row,
                     [&](const Visit& row) {
                       return direction == Direction::forwards ? snapshot_->scan(from, to, row)
                                                               : snapshot_->scan_back(from, to, row);
                     });
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
  RememberedRows known_rows_;
  RememberedGaps known_gaps_;
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
