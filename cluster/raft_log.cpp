#include "cluster/raft_log.hpp"

#include <algorithm>

#include "cluster/raft_types.hpp"

namespace cairn::cluster {

RaftLog::RaftLog(std::uint64_t index, std::uint64_t term, Faults faults)
    : faults_(faults), compacted_index_(index), compacted_term_(term), last_index_(index), stored_(index) {}

void RaftLog::restore(storage::LogEntry entry, std::uint64_t applied) {
  append(std::move(entry));
  stored_ = last_index_;
  trim(applied, 0);
}

std::optional<std::uint64_t> RaftLog::term_at(std::uint64_t index) const {
  if (index == compacted_index_) return compacted_term_;
  if (index < compacted_index_ || index > last_index_) return std::nullopt;
  return std::prev(runs_.upper_bound(index))->second;
}

std::uint64_t RaftLog::first_of_term(std::uint64_t index) const {
  if (index <= compacted_index_) return compacted_index_;
  return std::prev(runs_.upper_bound(index))->first;
}

void RaftLog::append(storage::LogEntry entry) {
  if (entry.index != last_index_ + 1) throw RaftBug("an appended entry leaves a gap in the log");
  if (runs_.empty() || runs_.rbegin()->second != entry.term) runs_[entry.index] = entry.term;
  last_index_ = entry.index;
  cache_bytes_ += entry.body.size();
  cache_.push_back(std::move(entry));
}

void RaftLog::truncate(std::uint64_t from) {
  if (from <= compacted_index_) throw RaftBug("a truncation reaches into the compacted log");
  while (!cache_.empty() && cache_.back().index >= from) {
    cache_bytes_ -= cache_.back().body.size();
    cache_.pop_back();
  }
  runs_.erase(runs_.lower_bound(from), runs_.end());
  last_index_ = std::min(last_index_, from - 1);
  // The batch that is out may hold entries of the same indexes that others will replace: it counts for
  // what was before them only.
  stored_ = std::min(stored_, last_index_);
  if (!faults_.has(Fault::stored_covers_replaced)) batch_last_ = std::min(batch_last_, last_index_);
}

std::vector<storage::LogEntry> RaftLog::next_batch(std::size_t max_count, std::size_t max_bytes) {
  if (batch_out_ || stored_ == last_index_) return {};
  auto batch = slice(stored_ + 1, last_index_, max_count, max_bytes);
  if (!batch) throw RaftBug("an entry left memory before it was durable");
  batch_out_ = true;
  batch_last_ = batch->back().index;
  return std::move(*batch);
}

void RaftLog::batch_stored() {
  batch_out_ = false;
  stored_ = std::max(stored_, std::min(batch_last_, last_index_));
}

void RaftLog::batch_refused() { batch_out_ = false; }

std::optional<std::vector<storage::LogEntry>> RaftLog::slice(std::uint64_t from, std::uint64_t to,
                                                             std::size_t max_count, std::size_t max_bytes) const {
  to = std::min(to, last_index_);
  if (from > to) return std::vector<storage::LogEntry>{};
  if (cache_.empty() || from < cache_.front().index) return std::nullopt;
  std::vector<storage::LogEntry> out;
  std::size_t bytes = 0;
  for (auto i = from - cache_.front().index; i < cache_.size() && cache_[i].index <= to; ++i) {
    bytes += cache_[i].body.size();
    if (!out.empty() && (out.size() == max_count || bytes > max_bytes)) break;
    out.push_back(cache_[i]);
  }
  return out;
}

const storage::LogEntry* RaftLog::find(std::uint64_t index) const {
  if (cache_.empty() || index < cache_.front().index || index > last_index_) return nullptr;
  return &cache_[index - cache_.front().index];
}

void RaftLog::trim(std::uint64_t index, std::size_t keep_bytes) {
  index = std::min(index, stored_);
  while (!cache_.empty() && cache_.front().index <= index && cache_bytes_ > keep_bytes) {
    cache_bytes_ -= cache_.front().body.size();
    cache_.pop_front();
  }
  // Without bytes to count, a body of nothing still goes.
  while (keep_bytes == 0 && !cache_.empty() && cache_.front().index <= index) cache_.pop_front();
}

void RaftLog::compact(std::uint64_t index) {
  if (index <= compacted_index_) return;
  const auto term = term_at(index);
  if (!term || index > stored_) throw RaftBug("a compaction reaches past the durable log");
  const auto next = term_at(index + 1);
  runs_.erase(runs_.begin(), runs_.upper_bound(index));
  if (next) runs_[index + 1] = *next;
  compacted_index_ = index;
  compacted_term_ = *term;
  while (!cache_.empty() && cache_.front().index <= index) {
    cache_bytes_ -= cache_.front().body.size();
    cache_.pop_front();
  }
}

void RaftLog::reset(std::uint64_t index, std::uint64_t term) {
  if (faults_.has(Fault::keep_log_after_snapshot) && index < last_index_) {
    if (index > compacted_index_) compact(index);
    compacted_term_ = term;
    return;
  }
  compacted_index_ = last_index_ = stored_ = index;
  compacted_term_ = term;
  runs_.clear();
  cache_.clear();
  cache_bytes_ = 0;
  batch_last_ = std::min(batch_last_, index);
}

}  // namespace cairn::cluster
