// Changes of rows in memory: found by a hash of the key, since a commit looks up far more rows than it walks, and put
// in key order only when they are walked. One thread; any threads once changes() was called and nobody changes them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "protocol/bytes.hpp"

namespace cairn::storage {

/// Changes that take effect together. The last one for a key wins. Keys are not empty and do not begin with a zero
/// byte: those are a table's own.
class WriteBatch {
 public:
  struct Row {
    Bytes key;
    std::optional<Bytes> value;  ///< nothing: the row is erased
    std::uint64_t hash;
  };
  /// In key order, found by a row or a key.
  struct Before {
    using is_transparent = void;
    bool operator()(const Row* a, const Row* b) const { return a->key < b->key; }
    bool operator()(const Row* row, BytesView key) const { return row->key < key; }
    bool operator()(BytesView key, const Row* row) const { return key < row->key; }
  };
  using Changes = std::set<const Row*, Before>;

  void put(BytesView key, BytesView value) { set(key, value); }
  void erase(BytesView key) { set(key, std::nullopt); }
  /// Moves all of `newer`, which is empty then, over what is here.
  void take_in(WriteBatch&& newer);
  void clear() { *this = {}; }

  bool empty() const { return rows_.empty(); }
  /// Memory that the rows take. Approximate.
  std::uint64_t bytes() const { return bytes_; }
  /// Null: this batch does not touch the key.
  const Row* find(BytesView key) const;
  /// Valid until the next change.
  const Changes& changes() const;

 private:
  struct Slot {
    std::uint64_t hash = 0;
    Row* row = nullptr;  // null: free
  };

  void set(BytesView key, std::optional<BytesView> value);
  Row* find(BytesView key, std::uint64_t hash) const;
  void add(std::unique_ptr<Row> row);
  void put_in_slot(Row& row);
  void order() const;

  std::vector<std::unique_ptr<Row>> rows_;
  std::vector<Slot> slots_;  // a power of two of them, at most half of them taken; none for a few rows
  mutable Changes ordered_;  // the first of rows_
  std::uint64_t bytes_ = 0;
};

}  // namespace cairn::storage
