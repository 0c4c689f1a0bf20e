// The configurations that a replica's log holds: the last one is in effect from the moment that it is
// appended, and a truncation brings the one before it back (Raft §4.1). One thread.
#pragma once

#include <cstdint>
#include <deque>

#include "cluster/raft_faults.hpp"
#include "cluster/raft_types.hpp"

namespace cairn::cluster {

class RaftMembership {
 public:
  /// Continues after `position`, whose configuration is committed.
  RaftMembership(const Position& position, Faults faults);

  /// The one in effect.
  const Configuration& current() const { return current_; }
  /// The index of its entry, at most the base's if it has none in the log.
  std::uint64_t current_index() const { return history_.back().index; }
  /// The last one at or before `index`.
  const Configuration& at(std::uint64_t index) const;

  void append(std::uint64_t index, Configuration configuration);
  void truncate(std::uint64_t from);
  /// Entries up to `index` are committed: what is older than the last of them is forgotten.
  void commit(std::uint64_t index);
  void reset(const Position& position);

 private:
  struct Entry {
    std::uint64_t index;
    Configuration configuration;
  };
  Faults faults_;
  std::deque<Entry> history_;   // never empty; the first is committed
  Configuration current_;
};

}  // namespace cairn::cluster
