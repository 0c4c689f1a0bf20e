// A node's part in its cluster, as decisions: what map to begin with, whom to hold links with, which replicas to
// hold, whether it may found. Pure functions, any thread.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cluster/cluster_map.hpp"
#include "cluster/config.hpp"

namespace cairn::cluster {

/// The map that founders begin with: the directory's shard with a voter on each, their ids from 1 in their order.
directory::SlotMap founding_map(const std::vector<NodeAt>& founders);

/// `map`, and of `founding` the directory's shard with its nodes while `map` does not know it yet.
directory::SlotMap with_founding(directory::SlotMap map, const directory::SlotMap& founding);

struct PeerAt {
  std::string address;
  bool dial = true;
  friend bool operator==(const PeerAt&, const PeerAt&) = default;
};

/// Whom a node holds links with: every node that holds a replica, and `seeds` while those are all that it knows. It
/// dials those with larger names at once, and all if it holds no replica, since they may not know it then.
std::map<std::string, PeerAt> peers_of(const directory::SlotMap& map, const directory::NodeName& self,
                                       const std::vector<NodeAt>& seeds);

/// A replica that a node should hold.
struct Hosted {
  directory::ShardId shard;
  ReplicaId replica;
  Configuration founders;  ///< voters that it begins with; none: it waits to be taken in
  std::vector<directory::SlotRange> slots;
  bool leaving = false;  ///< kept if it is there, but not made any more
  friend bool operator==(const Hosted&, const Hosted&) = default;
};
std::vector<Hosted> hosted_by(const directory::SlotMap& map, const directory::NodeName& self);

/// Whether a node named among the founders may begin as one. It must not once the others are founded: a founder
/// whose disk was lost would vote twice. So at its very first start it hears all the others first, and
/// that they name the same founders: two lists could have two majorities.
enum class MayFound : std::uint8_t { wait, yes, no };
/// What another founder has answered.
struct FounderHeard {
  directory::Epoch epoch;                     ///< of the map of one that has answered
  std::vector<directory::NodeName> founders;  ///< that it names, in order
};
/// `heard`: of each other founder that has answered. `founded`: it began as one before.
MayFound may_found(const std::vector<NodeAt>& founders, const directory::NodeName& self, bool founded,
                   const std::map<std::string, FounderHeard>& heard);
/// The names of `nodes`, in their order.
std::vector<directory::NodeName> names_of(const std::vector<NodeAt>& nodes);

}  // namespace cairn::cluster
