// The values that consensus speaks of: replicas, their roles, a group's configuration, the bounds of one
// group, and time as its caller measures it. Plain values, any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "protocol/bytes.hpp"
#include "protocol/error.hpp"
#include "protocol/ids.hpp"
#include "protocol/limits.hpp"

namespace cairn::cluster {

/// One replica of one group, from 1. A replica that lost or damaged its log returns under a new id: under
/// the old one it would have forgotten votes and acknowledgements.
using ReplicaId = StrongId<struct ReplicaTag, std::uint64_t>;
inline constexpr ReplicaId no_replica{0};

/// A length of time, and a point of the caller's own monotonic clock.
using Duration = std::chrono::microseconds;
using Instant = std::chrono::microseconds;
inline constexpr Instant never = Instant::max();

enum class Role : std::uint8_t { follower, pre_candidate, candidate, leader };
std::string_view to_string(Role role);

/// Kinds of log entries; part of the log: append only.
enum class EntryKindInLog : std::uint8_t { no_op = 1, command = 2, configuration = 3 };

/// Who belongs to a group. Both lists are sorted and share nobody.
struct Configuration {
  std::vector<ReplicaId> voters;
  std::vector<ReplicaId> learners;   ///< receive the log but do not count (Raft §4.2.1)

  bool has_voter(ReplicaId id) const;
  bool has_learner(ReplicaId id) const;
  bool contains(ReplicaId id) const { return has_voter(id) || has_learner(id); }
  /// Voters that make a majority.
  std::size_t majority() const { return voters.size() / 2 + 1; }

  /// This one with a change. Adding who is there, or removing who is not, changes nothing.
  Configuration with_learner(ReplicaId id) const;
  Configuration with_voter(ReplicaId id) const;   ///< promotes a learner, too
  Configuration without(ReplicaId id) const;
  friend bool operator==(const Configuration&, const Configuration&) = default;
};

/// True if the voters differ by one at most, so that every two majorities meet (Raft §4.1).
bool one_voter_apart(const Configuration& a, const Configuration& b);

/// Body of a configuration entry; part of the log: append only (golden test).
Bytes encode(const Configuration& configuration);
/// protocol if the bytes are not a whole configuration in its one form.
Result<Configuration> decode_configuration(BytesView bytes);

/// The log position that rows reflect, with what consensus must know there. A replica keeps it with its
/// rows, in the same checkpoint, and a snapshot carries it.
struct Position {
  std::uint64_t index = 0;
  std::uint64_t term = 0;
  Configuration configuration;             ///< the last one at or before `index`
  friend bool operator==(const Position&, const Position&) = default;
};

/// Where a replica keeps its position among its rows: before all rows of the machine.
inline constexpr BytesView position_key{"\x01position"};
/// Value of that row (golden test).
Bytes encode(const Position& position);
/// corrupt if the bytes are not a whole position in its one form.
Result<Position> decode_position(BytesView bytes);

/// The bounds and intervals of one group. Each replica of a group must have the same election_timeout,
/// lease_reads and clock_drift_ppm.
struct RaftOptions {
  Duration heartbeat_interval{50'000};
  /// A follower that heard nothing for this long, or up to twice as long at random, campaigns.
  Duration election_timeout{300'000};
  /// A follower that is told that its leader is down campaigns within this, at random.
  Duration down_delay{6'000};
  /// Campaigns in a hurry after that, before the normal timeout holds again.
  std::uint32_t max_hurried_campaigns = 12;

  /// Reads within the lease need no round (Raft §6.4.1). Followers then keep their promise not to vote
  /// also when they are told that the leader is down, so failover takes up to election_timeout.
  bool lease_reads = false;
  /// How far each clock's rate may be from true time, in millionths. Lease reads are only as good as this.
  std::uint32_t clock_drift_ppm = 10'000;

  std::size_t max_append_entries = limits::max_batch_entries;
  std::size_t max_append_bytes = 1u << 20;
  std::size_t max_bytes_in_flight = 8u << 20;      ///< unacknowledged entries per follower
  std::size_t max_messages_in_flight = 64;         ///< unacknowledged appends per follower
  std::size_t cache_bytes = 32u << 20;             ///< entries kept in memory for followers
  std::size_t max_reads_waiting = limits::max_proposals_in_flight;
  std::size_t snapshot_chunk_bytes = 256u << 10;
  std::size_t max_snapshot_chunks_in_flight = 4;
  std::uint64_t max_promotion_lag = 4'096;         ///< entries that a learner may lack when promoted
  /// Idle heartbeats before the group falls silent; 0 is never. The caller then owes peer_down().
  std::uint32_t quiesce_after_heartbeats = 0;
  Duration store_retry_interval{200'000};          ///< after the store had no room
};

/// A broken invariant of consensus: the replica must stop.
struct RaftBug : std::logic_error {
  using std::logic_error::logic_error;
};

}  // namespace cairn::cluster
