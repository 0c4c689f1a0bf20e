// What a table remembers of its store between two checkpoints, so that it need not look there again: rows that were
// looked up, and gaps in which there are none. One thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <map>
#include <vector>

#include "storage/write_batch.hpp"

namespace cairn::storage {

/// Rows that were looked up lately, since most commits look up the same few: the folders that they are about.
class RememberedRows {
 public:
  /// `hash`: WriteBatch::hash_of(key).
  const Bytes* find(BytesView key, std::uint64_t hash) const {
    const auto& row = rows_[hash % rows_.size()];
    return row.hash == hash && row.key == key ? &row.value : nullptr;
  }
  void keep(BytesView key, std::uint64_t hash, BytesView value) {
    if (key.size() + value.size() > max_kept_bytes) return;
    auto& row = rows_[hash % rows_.size()];
    row.hash = hash;
    row.key = key;
    row.value = value;
  }
  /// Those that the batch changes.
  void forget(const WriteBatch& batch) {
    for (auto& row : rows_)
      if (!row.key.empty() && batch.find(row.key, row.hash)) row = {};
  }

 private:
  static constexpr std::size_t max_kept_rows = 1'024;
  static constexpr std::size_t max_kept_bytes = 512;  // of one

  struct Kept {
    std::uint64_t hash = 0;
    Bytes key;  // empty: none
    Bytes value;
  };
  std::vector<Kept> rows_ = std::vector<Kept>(max_kept_rows);
};

/// Gaps between keys of the store. Most of what is looked up in vain are names of new files, and those come many to a
/// folder, often one name after the other. To learn a gap costs more than to look for one key: where few are met again,
/// most lookups pass them by.
class RememberedGaps {
 public:
  /// Whether the next lookup should ask hold(), and keep() what it finds. Changes from lookup to lookup.
  bool wanted() { return credit_ > 0 || ++passed_by_ % asked_while_useless == 0; }
  /// Whether `key` lies in a gap.
  bool hold(BytesView key) {
    const auto next = ends_.upper_bound(key);
    bool held = false;
    if (next != ends_.begin()) {
      const auto& [begin, end] = *std::prev(next);
      held = begin < key && (end.empty() || key < end);
    }
    credit_ = held ? std::min(credit_ + hit_credit, max_credit) : std::max(credit_ - 1, 0);
    return held;
  }
  /// Between two keys of the store that follow each other; `after` is empty behind its last.
  void keep(BytesView before, BytesView after) {
    if (ends_.size() >= max_kept) ends_.clear();
    ends_.insert_or_assign(Bytes(before), Bytes(after));
  }
  void forget() { ends_.clear(); }

 private:
  static constexpr std::size_t max_kept = 4'096;
  static constexpr unsigned asked_while_useless = 8;  // one in so many
  static constexpr int hit_credit = 8;                // lookups that one hit pays for
  static constexpr int max_credit = 4'096;            // enough to learn as many gaps anew after they were forgotten

  std::map<Bytes, Bytes, std::less<>> ends_;  // by their beginnings
  unsigned passed_by_ = 0;
  int credit_ = 0;
};

}  // namespace cairn::storage
