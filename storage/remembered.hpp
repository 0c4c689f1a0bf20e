// What a table remembers of its store between two checkpoints, so that it need not look there again: rows that were
// looked up, and gaps in which there are none. One thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "storage/key_words.hpp"
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
/// most lookups pass them by. Only the beginnings of keys are kept: one that shares its own with an end of a gap is not
/// known to lie in it.
class RememberedGaps {
 public:
  /// Whether the next lookup should ask hold(), and keep() what it finds. Changes from lookup to lookup.
  bool wanted() { return credit_ > 0 || ++passed_by_ % asked_while_useless == 0; }
  /// Whether `key` lies in a gap.
  bool hold(BytesView key) {
    const auto start = start_of(key);
    const auto next = std::upper_bound(begins_.begin(), begins_.end(), start);
    const auto at = static_cast<std::size_t>(next - begins_.begin()) - 1;
    const bool held = next != begins_.begin() && begins_[at] < start && start < ends_[at];
    credit_ = held ? std::min(credit_ + hit_credit, max_credit) : std::max(credit_ - 1, 0);
    return held;
  }
  /// Between two keys of the store that follow each other; `before` is empty at its beginning, `after` at its end.
  void keep(BytesView before, BytesView after) {
    if (begins_.size() >= max_kept) forget();
    const auto begin = start_of(before);
    const auto end = after.empty() ? last_start : start_of(after);
    const auto place = std::lower_bound(begins_.begin(), begins_.end(), begin);
    const auto at = place - begins_.begin();
    if (place != begins_.end() && *place == begin) {
      ends_[static_cast<std::size_t>(at)] = end;
    } else {
      begins_.insert(place, begin);
      ends_.insert(ends_.begin() + at, end);
    }
  }
  void forget() {
    begins_.clear();
    ends_.clear();
  }

 private:
  using Start = std::array<std::uint64_t, 4>;
  static Start start_of(BytesView key) { return key_words<4>(key); }

  static constexpr Start last_start{~0ull, ~0ull, ~0ull, ~0ull};
  static constexpr std::size_t max_kept = 4'096;
  static constexpr unsigned asked_while_useless = 8;  // one in so many
  static constexpr int hit_credit = 8;                // lookups that one hit pays for
  static constexpr int max_credit = 4'096;            // enough to learn as many gaps anew after they were forgotten

  std::vector<Start> begins_;  // in order, each with its end in ends_
  std::vector<Start> ends_;
  unsigned passed_by_ = 0;
  int credit_ = 0;
};

}  // namespace cairn::storage
