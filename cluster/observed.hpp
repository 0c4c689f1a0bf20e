// What the directory's leader has heard: nodes report what they see of their replicas, and this is the sum
// of it. Kept in memory only: a new leader hears it all again. Plain values, one thread.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "cluster/directory_types.hpp"

namespace cairn::cluster::directory {

/// What a node says of one replica that it holds.
struct ReplicaReport {
  ShardId shard;
  ReplicaId replica;
  Epoch epoch;                                  ///< of the directory that its node had when it looked at the replica
  Role role = Role::follower;
  std::uint64_t term = 0;
  bool withdrawn = false;                       ///< it found rot in itself and takes no part any more
  // Of a leader only:
  bool settled = false;                         ///< Raft::configuration_settled() and settled_in_office()
  Configuration configuration;
  std::map<ReplicaId, std::uint64_t> lag;       ///< entries that each other lacks; who was never heard is not there
};

struct NodeReport {
  NodeName node;
  std::vector<ReplicaReport> replicas;
};

/// A shard as its leader sees it.
struct ObservedGroup {
  ReplicaId leader;
  std::uint64_t term = 0;
  Instant since{0};                             ///< when this leader was first heard of
  Instant heard{0};                             ///< its last report
  Epoch epoch;                                  ///< and what its node knew of the directory then
  bool settled = false;
  Configuration configuration;
  std::map<ReplicaId, std::uint64_t> lag;
};

/// Instants are of the directory leader's own monotonic clock.
struct Observed {
  Instant leading_since{0};                     ///< when this directory's leader took office
  std::map<NodeName, Instant> heard;            ///< the last report of each node
  std::map<NodeName, Instant> joining;          ///< when each that is joining and was never heard was first seen so
  std::map<ShardId, ObservedGroup> groups;
  std::set<ReplicaId> withdrawn;
  Instant leaders_moved{0};                     ///< the last move of leaders for balance
};

/// Takes in a report. Of two leaders of a shard the one of the later term counts. Times never go back.
void observe(Observed& observed, const NodeReport& report, Instant now);

}  // namespace cairn::cluster::directory
