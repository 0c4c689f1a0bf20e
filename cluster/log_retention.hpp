// How far a replica's log may be forgotten: entries behind the last checkpoint are kept for followers that were
// away, within a bound of entries and one of bytes, since what they lack would cost a snapshot. One thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>

namespace cairn::cluster {

class LogRetention {
 public:
  LogRetention(std::uint64_t max_entries, std::uint64_t max_bytes) : max_entries_(max_entries), max_bytes_(max_bytes) {}

  /// Entries up to `index`, of `bytes` in all, follow what was counted before.
  void count(std::uint64_t index, std::uint64_t bytes) {
    if (!marks_.empty() && marks_.back().bytes < max_bytes_ / marks_in_bound) {
      marks_.back().index = index;
      marks_.back().bytes += bytes;
    } else {
      marks_.push_back({index, bytes});
    }
    bytes_ += bytes;
    while (marks_.size() > 1 && bytes_ - marks_.front().bytes > max_bytes_) {
      bytes_ -= marks_.front().bytes;
      passed_ = marks_.front().index;
      marks_.pop_front();
    }
  }

  /// The index up to which the log may be forgotten when `checkpointed` is; 0: none of it.
  std::uint64_t forget_to(std::uint64_t checkpointed) const {
    const auto by_count = checkpointed > max_entries_ ? checkpointed - max_entries_ : 0;
    return std::min(checkpointed, std::max(by_count, passed_));
  }

 private:
  static constexpr std::uint64_t marks_in_bound = 64;
  struct Mark {
    std::uint64_t index;  // of its last entry
    std::uint64_t bytes;
  };
  std::uint64_t max_entries_;
  std::uint64_t max_bytes_;
  std::deque<Mark> marks_;
  std::uint64_t bytes_ = 0;   // of all marks
  std::uint64_t passed_ = 0;  // entries up to here are beyond the bound of bytes
};

}  // namespace cairn::cluster
