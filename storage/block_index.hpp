// A block store's index: where each block is, in a table, with the sums over all rows kept at hand. Says
// what is on record and decides nothing. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "storage/block_format.hpp"
#include "storage/table.hpp"

namespace cairn::storage {

/// What the rows that point into one segment add up to.
struct SegmentUse {
  std::uint64_t live_bytes = 0;  ///< their records with headers and alignment
  std::uint64_t blocks = 0;
  std::uint64_t end = 0;         ///< behind the last of them, of those that were there at open or added since
};

struct BlockTotals {
  std::uint64_t blocks = 0;
  std::uint64_t sealed_bytes = 0;
  std::uint64_t quarantined_blocks = 0;
  std::uint64_t quarantined_bytes = 0;
  std::uint64_t damaged_blocks = 0;
};

class BlockIndex {
 public:
  using Row = block_format::IndexRow;

  /// Reads every row. Errc::corrupt if one is damaged: only clear() and a rebuild help then.
  static Result<std::unique_ptr<BlockIndex>> open(std::shared_ptr<OrderedStore> store);
  /// Erases every row of `store`, which no index is using; durable when it returns.
  static Result<void> clear(OrderedStore& store);

  Result<std::optional<Row>> find(const BlockId& id);
  /// Replaces `old`, what find() gave, by `row`; nothing erases it. `applied` as in Table::apply.
  void set(const BlockId& id, const std::optional<Row>& old, const std::optional<Row>& row,
           std::uint64_t applied);
  /// Up to `count` rows behind `after` in id order; none at the end.
  Result<std::vector<std::pair<BlockId, Row>>> page(const std::optional<BlockId>& after, std::size_t count);

  std::uint64_t applied() const { return table_->applied(); }
  std::uint64_t overlay_bytes() const { return table_->overlay_bytes(); }
  bool never_checkpointed() const { return table_->checkpointed() == 0; }
  /// Makes everything so far durable. disk_full changes nothing; other errors are final.
  Result<void> checkpoint();
  /// Lets the store reclaim old pages: call before every wait.
  void release() { table_->release_snapshot(); }

  const BlockTotals& totals() const { return totals_; }
  const std::map<std::uint32_t, SegmentUse>& uses() const { return uses_; }
  SegmentUse use(std::uint32_t segment) const;

 private:
  explicit BlockIndex(std::unique_ptr<Table> table) : table_(std::move(table)) {}
  Result<void> count_rows();
  void count(const Row& row, bool add);

  std::unique_ptr<Table> table_;
  BlockTotals totals_;
  std::map<std::uint32_t, SegmentUse> uses_;  // only segments with live blocks
};

}  // namespace cairn::storage
