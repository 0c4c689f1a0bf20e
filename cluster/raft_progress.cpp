#include "cluster/raft_progress.hpp"

#include <algorithm>

namespace cairn::cluster {

bool RaftProgress::may_send(const RaftOptions& options) const {
  if (fetching) return false;
  switch (state_) {
    case State::probe: return !paused_;
    case State::replicate:
      return in_flight_.size() < std::min(window_, options.max_messages_in_flight) &&
             bytes_in_flight_ < options.max_bytes_in_flight;
    case State::snapshot: return false;
  }
  return false;
}

void RaftProgress::sent(std::uint64_t last_index, std::size_t entries, std::size_t bytes, Instant now) {
  if (state_ == State::probe) {
    paused_ = probe_unanswered_ = true;
    moved_ = now;
    return;
  }
  if (entries == 0) return;
  if (in_flight_.empty()) moved_ = now;
  in_flight_.push_back({next_ - 1, last_index, bytes});
  next_ = last_index + 1;
  bytes_in_flight_ += bytes;
}

void RaftProgress::accepted(std::uint64_t index, Instant now) {
  match_ = std::max(match_, index);
  if (state_ == State::snapshot) return;
  if (state_ == State::probe) {
    // An answer to an append from before the probe does not say where the logs agree.
    if (index + 1 < next_) return;
    state_ = State::replicate;
    paused_ = false;
    next_ = match_ + 1;
    return;
  }
  next_ = std::max(next_, match_ + 1);
  while (!in_flight_.empty() && in_flight_.front().last_index <= index) {
    bytes_in_flight_ -= in_flight_.front().bytes;
    ++window_;
    in_flight_.pop_front();
    moved_ = now;
  }
}

bool RaftProgress::rejected(std::uint64_t prev_index, std::uint64_t hint) {
  if (prev_index <= match_ || state_ == State::snapshot) return false;
  if (state_ == State::probe && prev_index + 1 != next_) return false;
  const auto of_it = [&](const Sent& sent) { return sent.prev_index == prev_index; };
  if (state_ == State::replicate && std::ranges::none_of(in_flight_, of_it)) return false;
  // In the pipe everything after the rejected append is rejected as well: begin where the logs may agree.
  probe_from(std::max(match_ + 1, std::min(hint, prev_index)));
  return true;
}

bool RaftProgress::send_again(Instant now, Duration patience) {
  if (state_ == State::snapshot || now - moved_ < patience) return false;
  if (state_ == State::probe) {
    paused_ = false;
    return true;
  }
  if (in_flight_.empty()) return false;
  probe_from(match_ + 1);
  return true;
}

void RaftProgress::probe_from(std::uint64_t next) {
  state_ = State::probe;
  next_ = std::max<std::uint64_t>(next, 1);
  in_flight_.clear();
  bytes_in_flight_ = 0;
  window_ = 1;
  paused_ = false;
  probe_unanswered_ = false;
}

}  // namespace cairn::cluster
