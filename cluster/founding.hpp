// How a cluster begins: which command makes the next piece of it, until there is nothing left to make. A pure
// function of what there is already, so it is safe to be asked again after any of its commands was lost, and by
// another leader of the directory that goes on halfway. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "cluster/directory_commands.hpp"

namespace cairn::cluster::directory {

struct FoundingPlan {
  /// cluster.founders: 1, 3, 5 or 7 metadata nodes, by name, so that all of them have one order. The founder at
  /// place n runs the directory's replica n from the start, before there is any row that says so. Empty on a node
  /// that is none: it begins no cluster.
  std::vector<NodeName> founders;
  std::uint32_t shards = 1;    ///< of accounts
  std::uint32_t replicas = 3;  ///< that each of these wants: odd
  ClusterId cluster;           ///< the name of a new cluster: a random number
};

/// There is nothing left to do.
struct Founded {};
/// To be proposed now.
struct FoundingCommand {
  CommandBody body;
};
/// Something that others must do first, as a sentence for the log.
struct FoundingWaits {
  std::string why;
};
using FoundingStep = std::variant<Founded, FoundingCommand, FoundingWaits>;

/// In this order: the cluster, without nodes, since each registers itself; when all founders are there, the
/// directory's shard on them; then shards with even parts of the slots that nobody owns
/// yet, each on as many of the founders that are well as it wants and there are (made odd), beginning with each
/// in turn.
FoundingStep next_founding_step(const DirectoryState& state, const FoundingPlan& plan);

}  // namespace cairn::cluster::directory
