#include "cluster/replica_log.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "protocol/limits.hpp"

namespace cairn::cluster {

ReplicaLog::ReplicaLog(std::uint64_t term, std::uint64_t last_index, std::uint64_t applied)
    : term_(term), last_index_(last_index) {
  // Without peers every stored entry counts, so the owner replays up to the last one before this.
  if (applied != last_index) std::abort();
}

Result<std::uint64_t> ReplicaLog::propose(Bytes command) {
  if (in_flight() >= limits::max_proposals_in_flight)
    return Error{Errc::busy, "the shard has as many proposals in flight as it takes"};
  if (bytes_in_flight_ + command.size() > limits::max_proposal_bytes_in_flight)
    return Error{Errc::busy, "the shard has as many bytes of proposals in flight as it takes"};
  bytes_in_flight_ += command.size();
  waiting_.push_back({++last_index_, term_, static_cast<std::uint8_t>(EntryKindInLog::command),
                      std::move(command)});
  return last_index_;
}

std::vector<storage::LogEntry> ReplicaLog::ready() {
  if (!out_.empty() || waiting_.empty()) return {};
  std::size_t count = 0;
  std::size_t bytes = 0;
  while (count < waiting_.size() && count < limits::max_batch_entries) {
    bytes += waiting_[count].body.size();
    if (count > 0 && bytes > limits::max_batch_bytes) break;
    ++count;
  }
  const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(count);
  out_.assign(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(end));
  waiting_.erase(waiting_.begin(), end);
  return out_;
}

std::vector<storage::LogEntry> ReplicaLog::stored() {
  if (out_.empty()) std::abort();
  for (const auto& entry : out_) bytes_in_flight_ -= entry.body.size();
  return std::exchange(out_, {});
}

std::vector<std::uint64_t> ReplicaLog::refused() {
  std::vector<std::uint64_t> indexes;
  indexes.reserve(in_flight());
  for (const auto& entry : out_) indexes.push_back(entry.index);
  for (const auto& entry : waiting_) indexes.push_back(entry.index);
  last_index_ -= indexes.size();
  bytes_in_flight_ = 0;
  out_.clear();
  waiting_.clear();
  return indexes;
}

}  // namespace cairn::cluster
