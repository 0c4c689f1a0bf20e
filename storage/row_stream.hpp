// A table's checkpointed rows as one stream of bytes, which a snapshot carries from replica to replica
// (disk_format.md, "Row stream"). Every row travels with the checksum that it has at rest, so rot is found at
// either end. Memory is bounded by one part and one row. One thread each.
#pragma once

#include <cstdint>
#include <memory>

#include "storage/table.hpp"

namespace cairn::storage {

/// A stored row larger than this is in no table of Cairn.
inline constexpr std::size_t max_streamed_row_bytes = 48u << 20;

/// Walks the rows of a view in key order, without the table's own.
class RowStreamReader {
 public:
  explicit RowStreamReader(std::shared_ptr<StoreSnapshot> rows) : rows_(std::move(rows)) {}

  /// The row of `key`, checked. not_found; corrupt.
  Result<Bytes> row(BytesView key);

  struct Part {
    Bytes bytes;
    bool last = false;
  };
  /// The next part of the stream: `max_bytes` of it, or what is left. corrupt if a row fails its checksum.
  Result<Part> next(std::size_t max_bytes);
  /// Where the next part begins.
  std::uint64_t offset() const { return offset_; }

 private:
  Result<void> fill(std::size_t bytes);

  std::shared_ptr<StoreSnapshot> rows_;
  Bytes from_{"\x01"};  // the next key to read is at or after this
  Bytes pending_;       // made and not given out
  std::uint64_t rows_read_ = 0;
  std::uint64_t offset_ = 0;
  bool ended_ = false;
};

/// Takes a stream apart again.
class RowStreamWriter {
 public:
  /// Adds the rows that are complete now to `batch`. protocol if the bytes are no such stream; corrupt if a
  /// row fails its checksum.
  Result<void> take(BytesView bytes, WriteBatch& batch);
  /// True if the stream is complete, to its last byte.
  bool finished() const { return finished_ && pending_.empty(); }
  /// Bytes of the rows that were added since the last call.
  std::size_t take_added() { return std::exchange(added_, 0); }

 private:
  Bytes pending_;  // the begin of a row
  Bytes last_key_;
  std::uint64_t rows_ = 0;
  std::size_t added_ = 0;
  bool finished_ = false;
};

}  // namespace cairn::storage
