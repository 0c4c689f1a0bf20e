// From wanted to actual state: what the directory's leader does about what it hears. A pure function, to be
// called again and again (about twice a second): it remembers nothing, and what has not been done yet it
// decides again, so every action must be safe to repeat. When all is as it should be it decides nothing.
// Any thread.
//
// How a decision is carried out, and what follows from it:
//   MarkNode            SetNodeState
//   AddLearner          AddReplica; the node then makes an empty replica of the new id
//   TakeIn              the shard's leader adds the learner to its Raft configuration
//   Promote             the shard's leader makes it a voter; when that is committed, PromoteReplica
//   Remove              RemoveReplica (it is leaving); then the shard's leader takes it out
//   Forget              ForgetReplica; the node then deletes what it has of it
//   TransferLeadership  the shard's leader hands on its office
//
// The bounds on what goes on at once hold if the commands to the directory (MarkNode, AddLearner) are done
// before the next call; the rest may take as long as it likes, or be lost. The shard's leader refuses a
// change after which the voters that it hears would be no majority: it knows sooner than the directory.
//
// Rules:
//  - nothing but that a node lives is decided before the leader of the directory is as old as settings.grace and
//    dead_after; and nothing about a shard whose leader has not been heard within dead_after, changes its
//    configuration, or spoke before its node knew of the last change of the shard here: it may not have done its part
//    yet;
//  - a node that has not been heard for dead_after is dead, one that registered and was never heard, too;
//  - one change at a time for each shard, and settings.max_changes shards at once;
//  - a voter is removed only if those that are known to be live and caught up still make a majority;
//  - a replica that is lost (on a dead node, or withdrawn) or on a draining node is replaced: first another
//    learner, promoted when it has caught up, then the old one goes. Where no node is free, a withdrawn one
//    makes room for its successor, and lost ones go if that lets the group bear more losses;
//  - a shard should have min(wanted, metadata nodes that are not draining) voters, made odd. Dead nodes
//    count: replicas that live are never given up because others died;
//  - no two replicas of a shard on one node; in zones as evenly as can be; then on nodes as evenly as can
//    be: in a zone, loads differ by one at most;
//  - leaders as evenly as their voters allow: no chain of transfers leads from a node to one with two less.
//    At most settings.max_leader_moves in each leader_interval, and no leader that is newer than
//    leader_settle.
// Moves for balance strictly improve (zones, then sum of squares), so they end and never turn back.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "cluster/directory_settings.hpp"
#include "cluster/directory_types.hpp"
#include "cluster/observed.hpp"

namespace cairn::cluster::directory {

struct MarkNode { NodeName node; NodeState state = NodeState::alive; Epoch expected; };
struct AddLearner { ShardId shard; NodeName node; Epoch expected; };
struct TakeIn { ShardId shard; ReplicaId replica; };
struct Promote { ShardId shard; ReplicaId replica; Epoch expected; };
struct Remove { ShardId shard; ReplicaId replica; Epoch expected; };
struct Forget { ShardId shard; ReplicaId replica; Epoch expected; };
struct TransferLeadership {
  ShardId shard;
  ReplicaId from;
  ReplicaId to;
  bool for_balance = false;
};
using Action = std::variant<MarkNode, AddLearner, TakeIn, Promote, Remove, Forget, TransferLeadership>;

struct Decision {
  Action action;
  std::string why;              ///< one sentence, for the event
};

/// In the order in which to carry them out.
std::vector<Decision> reconcile(const DirectoryState& state, const Observed& observed, Instant now,
                                const ReconcileSettings& settings);

/// To be called with what reconcile() decided: keeps the pace of leader moves, and forgets what was heard of
/// nodes, shards and replicas that `state` has no more.
void remember(Observed& observed, const DirectoryState& state, const std::vector<Decision>& decisions, Instant now);

/// The number of voters that a shard should have, given how many want and how many nodes can.
std::size_t target_voters(std::uint32_t wanted, std::size_t usable_nodes);

}  // namespace cairn::cluster::directory
