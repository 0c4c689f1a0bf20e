#include "storage/block_index.hpp"

namespace cairn::storage {
namespace {

using namespace block_format;

constexpr std::size_t rows_per_clearing = 10'000;
const Bytes first_key{'b'};
const Bytes end_key{'c'};

/// A table takes its store for itself; this lets it have one that outlives it.
class SharedStore : public OrderedStore {
 public:
  explicit SharedStore(std::shared_ptr<OrderedStore> store) : store_(std::move(store)) {}
  Result<std::unique_ptr<StoreSnapshot>> snapshot() override { return store_->snapshot(); }
  Result<std::unique_ptr<StoreTransaction>> begin() override { return store_->begin(); }
  std::size_t max_key_bytes() const override { return store_->max_key_bytes(); }
  Result<std::uint64_t> used_bytes() override { return store_->used_bytes(); }

 private:
  std::shared_ptr<OrderedStore> store_;
};

Error bad_row() { return {Errc::corrupt, "a row of the block index has a wrong form"}; }

}  // namespace

Result<std::unique_ptr<BlockIndex>> BlockIndex::open(std::shared_ptr<OrderedStore> store) {
  auto table = Table::open(std::make_unique<SharedStore>(std::move(store)));
  if (!table) return table.error();
  std::unique_ptr<BlockIndex> index(new BlockIndex(std::move(*table)));
  CAIRN_TRY(index->count_rows());
  index->release();
  return index;
}

Result<void> BlockIndex::clear(OrderedStore& store) {
  for (;;) {
    std::vector<Bytes> keys;
    {
      auto snapshot = store.snapshot();
      if (!snapshot) return snapshot.error();
      CAIRN_TRY((*snapshot)->refresh());
      CAIRN_TRY((*snapshot)->scan("", "", [&](BytesView key, BytesView) {
        keys.emplace_back(key);
        return keys.size() < rows_per_clearing;
      }));
    }
    if (keys.empty()) return {};
    auto transaction = store.begin();
    if (!transaction) return transaction.error();
    for (const auto& key : keys) CAIRN_TRY((*transaction)->erase(key));
    CAIRN_TRY((*transaction)->commit());
  }
}

Result<void> BlockIndex::count_rows() {
  bool bad = false;
  CAIRN_TRY(table_->scan("", "", [&](BytesView key, BytesView value) {
    const auto row = decode_row(value);
    bad = !row || !id_of_key(key);
    if (!bad) count(*row, true);
    return !bad;
  }));
  if (bad) return bad_row();
  return {};
}

Result<std::optional<BlockIndex::Row>> BlockIndex::find(const BlockId& id) {
  const auto value = table_->get(index_key(id));
  if (!value) return value.error();
  if (!*value) return std::optional<Row>();
  auto row = decode_row(**value);
  if (!row) return bad_row();
  return row;
}

void BlockIndex::set(const BlockId& id, const std::optional<Row>& old, const std::optional<Row>& row,
                     std::uint64_t applied) {
  if (old) count(*old, false);
  if (row) count(*row, true);
  WriteBatch batch;
  const auto key = index_key(id);
  if (row)
    batch.put(key, encode_row(*row));
  else
    batch.erase(key);
  table_->apply(std::move(batch), applied);
}

Result<std::vector<std::pair<BlockId, BlockIndex::Row>>> BlockIndex::page(
    const std::optional<BlockId>& after, std::size_t count) {
  std::vector<std::pair<BlockId, Row>> rows;
  auto from = first_key;
  if (after) (from = index_key(*after)).push_back('\0');
  bool bad = false;
  CAIRN_TRY(table_->scan(from, end_key, [&](BytesView key, BytesView value) {
    const auto id = id_of_key(key);
    const auto row = decode_row(value);
    bad = !id || !row;
    if (!bad) rows.emplace_back(*id, *row);
    return !bad && rows.size() < count;
  }));
  if (bad) return bad_row();
  return rows;
}

Result<void> BlockIndex::checkpoint() {
  const auto checkpoint = table_->begin_checkpoint();
  if (!checkpoint) return {};
  if (auto written = checkpoint->write(); !written) {
    table_->abandon_checkpoint();
    return written;
  }
  return table_->finish_checkpoint();
}

SegmentUse BlockIndex::use(std::uint32_t segment) const {
  const auto found = uses_.find(segment);
  return found == uses_.end() ? SegmentUse{} : found->second;
}

void BlockIndex::count(const Row& row, bool add) {
  const auto bytes = footprint(row.location, row.sealed_bytes);
  const auto change = [add](std::uint64_t& sum, std::uint64_t by) { add ? sum += by : sum -= by; };
  change(totals_.blocks, 1);
  change(totals_.sealed_bytes, row.sealed_bytes);
  if (row.quarantined) {
    change(totals_.quarantined_blocks, 1);
    change(totals_.quarantined_bytes, row.sealed_bytes);
  }
  if (row.damaged) change(totals_.damaged_blocks, 1);
  auto& use = uses_[row.location.segment];
  change(use.live_bytes, bytes);
  change(use.blocks, 1);
  if (add) use.end = std::max(use.end, row.location.offset + bytes);
  if (use.blocks == 0) uses_.erase(row.location.segment);
}

}  // namespace cairn::storage
