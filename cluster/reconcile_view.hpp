// What reconcile() decides from: the directory and what was heard, put side by side for each node and
// replica. A plain value that lives for one decision. One thread.
#pragma once

#include <optional>
#include <vector>

#include "cluster/placement.hpp"
#include "cluster/reconcile.hpp"

namespace cairn::cluster::directory {

struct NodeView {
  const Node* node = nullptr;
  std::optional<Instant> heard;
  Duration silence{0};          ///< since it was heard, or could have been
  bool silent = false;          ///< not heard for dead_after
  bool host = false;            ///< may be given replicas
  std::int64_t leads = 0;       ///< shards
};

struct Member {
  ReplicaId id;
  std::size_t node = 0;         ///< its place in View::nodes
  ReplicaKind kind = ReplicaKind::voter;
  bool votes = false;           ///< in the configuration that is in effect
  bool learns = false;          ///< likewise
  bool withdrawn = false;
  bool lost = false;            ///< withdrawn, on a silent node, or a voter that is in no configuration
  bool draining = false;        ///< its node is
  bool live = false;            ///< votes, is not lost, and has nearly all of the log
  /// A voter that is to stay, unless there are too many.
  bool good() const { return kind == ReplicaKind::voter && votes && !lost && !draining; }
};

struct ShardView {
  const Shard* shard = nullptr;
  const ObservedGroup* group = nullptr;   ///< nothing if nothing may be decided about the shard now
  std::vector<Member> members;
  std::size_t target = 0;                 ///< voters
  std::size_t good = 0;                   ///< members that are
  bool in_change = false;                 ///< a learner, a leaving replica, or more voters than it should have
  bool heard = false;                     ///< its leader was, within dead_after: a change can go on
  bool decided = false;
  std::optional<std::size_t> discounted;  ///< the member whose load is taken off already, since it will go

  const Member* find(ReplicaId id) const;
  const Member& leader() const { return *find(group->leader); }
  std::vector<std::size_t> hosts() const; ///< nodes of all members
};

struct View {
  View(const DirectoryState& state, const Observed& observed, Instant now, const ReconcileSettings& settings);

  /// Replicas of the shard that stay, by zone.
  Placement::ZoneCounts zones_of(const ShardView& shard) const;
  /// The one of too many that goes: one that is behind, or in the fullest zone, on the most loaded node, rather
  /// not the leader.
  std::size_t worst(const ShardView& shard, bool with_learners) const;

  const Observed& observed;
  const ReconcileSettings& settings;
  Instant now;
  std::size_t usable_nodes = 0;           ///< metadata nodes that are not draining
  std::vector<NodeView> nodes;            ///< without those that are removed, by name
  Placement placement;                    ///< the same nodes under the same numbers
  std::vector<ShardView> shards;          ///< by id

 private:
  void add_nodes(const DirectoryState& state);
  void add_shard(const Shard& shard);
  void add_member(const Replica& replica, ShardView& view) const;
  void add_loads();

  std::map<NodeName, std::size_t> numbers_;
};

/// Moves of leaders for balance; `shards` that are decided or in change are left alone.
void balance_leaders(View& view, std::vector<Decision>& out);

}  // namespace cairn::cluster::directory
