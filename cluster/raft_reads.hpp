// The leader's proof that it still leads: rounds of heartbeats, each confirmed by a majority, which
// ReadIndex reads wait for (Raft §6.4) and the lease counts from (Raft §6.4.1). One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "cluster/raft_faults.hpp"
#include "cluster/raft_types.hpp"

namespace cairn::cluster {

/// A read that may be answered from rows that reflect `index` or more.
struct ReadReady {
  std::uint64_t read = 0;     ///< as Raft::read() named it
  std::uint64_t index = 0;
  friend bool operator==(const ReadReady&, const ReadReady&) = default;
};

class RaftReads {
 public:
  explicit RaftReads(Faults faults) : faults_(faults) {}

  /// A new term of office: rounds begin again and nothing waits.
  void take_office();

  /// Begins the next round.
  std::uint64_t begin_round(Instant now);
  std::uint64_t round() const { return round_; }
  /// A majority answered `round` or a later one.
  void confirm(std::uint64_t round);
  std::uint64_t confirmed() const { return confirmed_; }
  /// When the last confirmed round began; nothing before the first.
  std::optional<Instant> confirmed_since() const { return confirmed_since_; }

  /// A read that waits for a round that begins after this.
  void wait(std::uint64_t read);
  std::size_t waiting() const { return waiting_.size(); }
  /// True if a read waits for a round that has not begun.
  bool wants_round() const { return !waiting_.empty() && waiting_.back().round > round_; }
  /// The leader may name an index for its reads: those whose round is confirmed are taken out.
  /// `commit` is the committed index now, at least as new as when the round began.
  std::vector<ReadReady> take_confirmed(std::uint64_t commit);
  /// All that wait: leadership is lost.
  std::vector<std::uint64_t> take_all();

 private:
  struct Waiting {
    std::uint64_t read;
    std::uint64_t round;
  };
  struct Begun {
    std::uint64_t round;
    Instant at;
  };
  Faults faults_;
  std::uint64_t round_ = 0;
  std::uint64_t confirmed_ = 0;
  std::optional<Instant> confirmed_since_;
  std::deque<Begun> begun_;       // after the last confirmed one
  std::deque<Waiting> waiting_;
};

}  // namespace cairn::cluster
