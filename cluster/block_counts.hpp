// How often a drive's kept versions name each block, and how large it is: what tells whether a
// manifest may name a block, and when a block is no longer needed. Counts lie in buckets that split
// one at a time as the drive grows (linear hashing, Litwin 1980), about a dozen blocks a row.
// Changes are held here until flush(). One thread.
#pragma once

#include <unordered_map>

#include "cluster/row_transaction.hpp"
#include "cluster/rows.hpp"

namespace cairn::cluster {

class BlockCounts {
 public:
  /// All three outlive this.
  BlockCounts(storage::RowReader& rows, const rows::AccountKeys& keys, rows::DriveRow& drive)
      : rows_(rows), keys_(keys), drive_(drive) {}

  /// The plain size of a block that the drive holds, 0 of one that it does not. Errors: of rows.
  Result<std::uint32_t> held_bytes(const BlockId& id);
  /// One more mention of `block`. Errors: of rows.
  Result<void> add(const BlockRef& block);
  /// One mention of `block` less; corrupt if there was none.
  Result<void> remove(const BlockRef& block);
  void flush(RowTransaction& rows);

 private:
  struct Bucket {
    rows::BucketRow row;
    bool changed = false;
  };

  Result<Bucket*> bucket(std::uint32_t number);
  Result<void> split();

  storage::RowReader& rows_;
  const rows::AccountKeys& keys_;
  rows::DriveRow& drive_;
  std::unordered_map<std::uint32_t, Bucket> buckets_;
};

/// The bucket, of `bucket_count`, in which counts of a block whose id begins with `prefix` lie.
std::uint32_t bucket_of(BytesView prefix, std::uint32_t bucket_count);

}  // namespace cairn::cluster
