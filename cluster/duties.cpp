#include "cluster/duties.hpp"

namespace cairn::cluster::directory {
namespace {

std::string name(ShardId shard) { return "shard " + std::to_string(shard.value); }

std::string name(ShardId shard, ReplicaId replica) {
  return "replica " + std::to_string(replica.value) + " of " + name(shard);
}

/// Where a replica is, for a sentence.
std::string place(ShardId shard, ReplicaId replica, const DirectoryState& state) {
  const auto at = state.shards.find(shard);
  const auto* one = at == state.shards.end() ? nullptr : at->second.find(replica);
  return one ? " on node " + one->node.text() : std::string();
}

/// How each kind of decision is carried out (reconcile.hpp).
class DutyOf {
 public:
  DutyOf(const Decision& decision, const DirectoryState& state, const Observed& observed, bool repeated)
      : why_(decision.why), state_(state), observed_(observed), repeated_(repeated) {}

  Duty operator()(const MarkNode& action) const {
    return duty("mark node " + action.node.text() + " " + std::string(to_string(action.state)),
                SetNodeState{action.node, action.state, action.expected, why_});
  }
  Duty operator()(const AddLearner& action) const {
    return duty("add a learner of " + name(action.shard) + " on node " + action.node.text(),
                AddReplica{action.shard, action.node, action.expected, why_});
  }
  Duty operator()(const TakeIn& action) const {
    return duty("take in " + spot(action), {}, Order{action.shard, GroupChange::take_in, action.replica});
  }
  Duty operator()(const Promote& action) const {
    const auto what = "promote " + spot(action);
    const auto group = observed_.groups.find(action.shard);
    // A decision is only made of a configuration that is committed.
    if (group != observed_.groups.end() && group->second.configuration.has_voter(action.replica))
      return duty(what, PromoteReplica{action.shard, action.replica, action.expected, why_});
    return duty(what, {}, Order{action.shard, GroupChange::promote, action.replica});
  }
  Duty operator()(const Remove& action) const {
    const Order order{action.shard, GroupChange::remove, action.replica};
    const auto shard = state_.shards.find(action.shard);
    const auto* replica = shard == state_.shards.end() ? nullptr : shard->second.find(action.replica);
    const auto what = "remove " + spot(action);
    if (replica && replica->kind == ReplicaKind::leaving) return duty(what, {}, order);
    return duty(what, RemoveReplica{action.shard, action.replica, action.expected, why_}, order);
  }
  Duty operator()(const Forget& action) const {
    return duty("forget " + spot(action), ForgetReplica{action.shard, action.replica, action.expected, why_});
  }
  Duty operator()(const TransferLeadership& action) const {
    const auto what = "leadership of " + name(action.shard) + " goes from replica " +
                      std::to_string(action.from.value) + " to replica " + std::to_string(action.to.value) +
                      place(action.shard, action.to, state_);
    std::optional<CommandBody> event;
    if (!repeated_) event = RecordEvent{what, why_};
    return duty(what, std::move(event), Order{action.shard, GroupChange::transfer, action.to});
  }

 private:
  Duty duty(std::string what, std::optional<CommandBody> command, std::optional<Order> order = std::nullopt) const {
    return {std::move(what), why_, std::move(command), order};
  }
  template <class Action>
  std::string spot(const Action& action) const {
    return name(action.shard, action.replica) + place(action.shard, action.replica, state_);
  }

  const std::string& why_;
  const DirectoryState& state_;
  const Observed& observed_;
  bool repeated_;
};

}  // namespace

Duty duty_of(const Decision& decision, const DirectoryState& state, const Observed& observed, bool repeated) {
  return std::visit(DutyOf(decision, state, observed, repeated), decision.action);
}

Duty duty_of(const FoundingCommand& step) {
  std::string what = "begin a cluster";
  if (const auto* make = std::get_if<MakeShard>(&step.body)) {
    what = make->slots.empty() ? "make the directory's shard on" : "make a shard on";
    for (const auto& node : make->nodes) what += " " + node.text();
  }
  return {std::move(what), "the cluster is founded", step.body, {}};
}

std::vector<Duty> news_of_leaders(const DirectoryState& state, const Observed& observed) {
  std::vector<Duty> out;
  for (const auto& [id, group] : observed.groups) {
    const auto shard = state.shards.find(id);
    if (shard == state.shards.end() || !shard->second.find(group.leader)) continue;
    if (group.term <= shard->second.leader_term) continue;
    out.push_back({name(id, group.leader) + place(id, group.leader, state) + " leads",
                   "it won the election of term " + std::to_string(group.term),
                   LeaderChanged{id, group.leader, group.term},
                   {}});
  }
  return out;
}

NodeReport credible(NodeReport report, const DirectoryState& state) {
  std::erase_if(report.replicas, [&](const ReplicaReport& one) {
    const auto shard = state.shards.find(one.shard);
    const auto* known = shard == state.shards.end() ? nullptr : shard->second.find(one.replica);
    return known && known->node != report.node;
  });
  return report;
}

bool brings_news(const NodeReport& report, const Observed& observed) {
  for (const auto& one : report.replicas) {
    if (one.role != Role::leader) continue;
    const auto group = observed.groups.find(one.shard);
    if (group == observed.groups.end() || one.term > group->second.term) return true;
  }
  return false;
}

NodeName leaders_node(ShardId shard, const DirectoryState& state, const Observed& observed) {
  const auto group = observed.groups.find(shard);
  const auto known = state.shards.find(shard);
  if (group == observed.groups.end() || known == state.shards.end()) return {};
  const auto* leader = known->second.find(group->second.leader);
  return leader ? leader->node : NodeName();
}

}  // namespace cairn::cluster::directory
