// The rows of a table that are only in memory: in key order, and found by a hash of the key, since a commit looks up
// far more rows than it walks. One thread; any threads while nobody changes it.
#pragma once

#include <cstdint>
#include <vector>

#include "storage/table.hpp"

namespace cairn::storage {

class Overlay {
 public:
  using Rows = WriteBatch::Changes;
  using Row = Rows::value_type;

  const Rows& rows() const { return rows_; }
  bool empty() const { return rows_.empty(); }
  /// Memory that the rows take. Approximate.
  std::uint64_t bytes() const { return bytes_; }

  /// The row with this key, which may be an erased one; null if there is none.
  const Row* find(BytesView key) const;
  /// Its rows, leaving it empty.
  Rows take() { return std::move(std::exchange(*this, {}).rows_); }
  /// Puts all of `newer` over what is here.
  void put(Rows&& newer);

 private:
  struct Slot {
    std::uint64_t hash;
    Row* row;  // null: free
  };

  std::size_t place_of(BytesView key, std::uint64_t hash) const;
  void grow();

  Rows rows_;
  std::vector<Slot> slots_;  // a power of two of them, at most half of them taken
  std::uint64_t bytes_ = 0;
};

}  // namespace cairn::storage
