// What a leader knows of one other replica: how far its log is known to match, what is on its way to it,
// and when it was last heard (Raft §10.2: pipelining). One thread.
#pragma once

#include <cstdint>
#include <deque>

#include "cluster/raft_types.hpp"

namespace cairn::cluster {

class RaftProgress {
 public:
  enum class State : std::uint8_t {
    probe,      ///< where the logs agree is not known: one append at a time
    replicate,  ///< appends are sent without waiting, within the bounds in flight
    snapshot,   ///< the log no longer reaches back to what it lacks
  };

  RaftProgress(std::uint64_t next, Instant now) : next_(next), heard_(now) {}

  State state() const { return state_; }
  std::uint64_t match() const { return match_; }   ///< durable there up to here
  std::uint64_t next() const { return next_; }     ///< the first entry to send
  Instant heard() const { return heard_; }

  /// True if another append may leave now.
  bool may_send(const RaftOptions& options) const;
  /// A probe that was not answered is not filled with entries again, so that a dead replica costs little.
  bool probe_unanswered() const { return probe_unanswered_; }
  void sent(std::uint64_t last_index, std::size_t entries, std::size_t bytes, Instant now);

  /// Durable there up to `index`.
  void accepted(std::uint64_t index, Instant now);
  /// No match at `prev_index`. False if the answer is about an append that is no longer on its way.
  bool rejected(std::uint64_t prev_index, std::uint64_t hint);
  /// Something came from it.
  void hear(Instant now) {
    heard_ = now;
    probe_unanswered_ = false;
  }
  void unhear() { heard_ = Instant{0}; }
  /// What was sent may be lost: true if it has not been answered for `patience`, and then it is sent again.
  bool send_again(Instant now, Duration patience);
  void probe_from(std::uint64_t next);
  void await_snapshot() { state_ = State::snapshot; }

  /// Entries for it are being read from the store.
  bool fetching = false;
  /// Committed up to here, as it was told.
  std::uint64_t told_commit = 0;
  /// The last round of the leader's asking that it answered.
  std::uint64_t round = 0;

 private:
  struct Sent {
    std::uint64_t prev_index;
    std::uint64_t last_index;
    std::size_t bytes;
  };
  State state_ = State::probe;
  std::uint64_t match_ = 0;
  std::uint64_t next_;
  std::deque<Sent> in_flight_;
  std::size_t bytes_in_flight_ = 0;
  // Appends in flight at most. After a refusal it grows again with what is accepted, as each of many that
  // overtook each other is refused, and would otherwise call for as many again.
  std::size_t window_ = std::size_t{1} << 20;
  bool paused_ = false;             // in probe: an append is on its way
  bool probe_unanswered_ = false;
  Instant heard_;
  Instant moved_{0};                // the last send into an empty pipe, or answer
};

}  // namespace cairn::cluster
