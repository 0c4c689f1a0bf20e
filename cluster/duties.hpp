// What the leader of the directory makes of what it hears and decides: which commands, which orders, in which words.
// Pure functions, any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cluster/control.hpp"
#include "cluster/founding.hpp"
#include "cluster/reconcile.hpp"

namespace cairn::cluster::directory {

/// Something to be done: first the command, then, if it was not refused, the order.
struct Duty {
  std::string what;                        ///< for the log: "add a learner of shard 2 on node n4"
  std::string why;
  std::optional<CommandBody> command;
  std::optional<Order> order;
};

/// What carries a decision out. `repeated`: it was decided just before, so that no event is to say it again.
Duty duty_of(const Decision& decision, const DirectoryState& state, const Observed& observed, bool repeated);

Duty duty_of(const FoundingCommand& step);

/// LeaderChanged for every shard whose leader is not as the directory has it.
std::vector<Duty> news_of_leaders(const DirectoryState& state, const Observed& observed);

/// The report without the replicas that the directory has on other nodes: of those its node cannot know.
NodeReport credible(NodeReport report, const DirectoryState& state);

/// True if the report names a leader that was not known to be one.
bool brings_news(const NodeReport& report, const Observed& observed);

/// The node where the shard's leader is, as was heard; empty if nobody leads.
NodeName leaders_node(ShardId shard, const DirectoryState& state, const Observed& observed);

}  // namespace cairn::cluster::directory
