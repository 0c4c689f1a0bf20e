#include "cluster/reconcile_view.hpp"

#include <algorithm>
#include <tuple>

namespace cairn::cluster::directory {

const Member* ShardView::find(ReplicaId id) const {
  const auto at = std::ranges::find(members, id, &Member::id);
  return at == members.end() ? nullptr : &*at;
}

std::vector<std::size_t> ShardView::hosts() const {
  std::vector<std::size_t> out;
  for (const auto& member : members) out.push_back(member.node);
  return out;
}

View::View(const DirectoryState& state, const Observed& heard, Instant at, const ReconcileSettings& by)
    : observed(heard), settings(by), now(at) {
  add_nodes(state);
  shards.reserve(state.shards.size());
  for (const auto& [id, shard] : state.shards) add_shard(shard);
  add_loads();
}

void View::add_nodes(const DirectoryState& state) {
  for (const auto& [name, node] : state.nodes) {
    if (node.state == NodeState::removed) continue;
    NodeView view;
    view.node = &node;
    const auto heard = observed.heard.find(name);
    if (heard != observed.heard.end()) view.heard = heard->second;
    // Who has just registered and was never heard is starting, and has as much time as others.
    auto since = observed.leading_since;
    if (node.state == NodeState::joining) {
      const auto seen = observed.joining.find(name);
      since = seen == observed.joining.end() ? now : seen->second;
    }
    view.silence = now - view.heard.value_or(since);
    view.silent = view.silence > settings.dead_after;
    const bool metadata = node.roles.has(NodeRole::metadata);
    view.host = metadata && node.state == NodeState::alive && !view.silent;
    if (metadata && node.state != NodeState::draining) ++usable_nodes;
    numbers_.emplace_hint(numbers_.end(), name, nodes.size());
    nodes.push_back(view);
    placement.add_node(node.zone, view.host);
  }
}

void View::add_member(const Replica& replica, ShardView& view) const {
  const auto number = numbers_.find(replica.node);
  if (number == numbers_.end()) return;  // never: a node with replicas is not removed
  const auto& node = nodes[number->second];
  Member member;
  member.id = replica.id;
  member.node = number->second;
  member.kind = replica.kind;
  member.withdrawn = observed.withdrawn.contains(replica.id);
  member.lost = node.silent || member.withdrawn;
  member.draining = node.node->state == NodeState::draining;
  if (view.group) {
    member.votes = view.group->configuration.has_voter(replica.id);
    member.learns = view.group->configuration.has_learner(replica.id);
    if (member.kind == ReplicaKind::voter && !member.votes) member.lost = true;
    const auto lag = view.group->lag.find(replica.id);
    const bool caught_up =
        replica.id == view.group->leader || (lag != view.group->lag.end() && lag->second <= settings.max_promotion_lag);
    member.live = member.votes && !member.lost && caught_up;
  }
  view.members.push_back(member);
}

void View::add_shard(const Shard& shard) {
  ShardView view;
  view.shard = &shard;
  view.target = target_voters(shard.wanted, usable_nodes);
  const auto group = observed.groups.find(shard.id);
  view.heard = group != observed.groups.end() && now - group->second.heard <= settings.dead_after;
  const bool usable =
      view.heard && group->second.settled && group->second.epoch >= shard.changed && shard.find(group->second.leader);
  if (usable) view.group = &group->second;
  for (const auto& replica : shard.replicas) add_member(replica, view);
  // A leader that is withdrawn, or whose node is silent, speaks for nobody.
  if (view.group && (!view.find(view.group->leader) || view.leader().lost)) view.group = nullptr;
  view.good = static_cast<std::size_t>(std::ranges::count_if(view.members, &Member::good));
  const auto voters = static_cast<std::size_t>(std::ranges::count(view.members, ReplicaKind::voter, &Member::kind));
  // Which of too many voters are good is not known without the group, but it is a change that goes on.
  view.in_change = voters < view.members.size() || view.good > view.target || (!view.group && voters > view.target);
  if (view.group) ++nodes[view.leader().node].leads;
  shards.push_back(std::move(view));
}

void View::add_loads() {
  for (const auto& shard : shards)
    for (const auto& member : shard.members)
      if (member.kind != ReplicaKind::leaving && !member.withdrawn) placement.change_load(member.node, 1);
  // Who is to go when a change ends is gone already in the count, or several changes at once would all
  // flee from the same node.
  for (auto& shard : shards) {
    if (!shard.group || !shard.in_change) continue;
    const auto coming = std::ranges::count_if(shard.members, [](const Member& member) {
      return member.kind == ReplicaKind::learner && !member.lost && !member.draining;
    });
    if (shard.good + static_cast<std::size_t>(coming) <= shard.target) continue;
    shard.discounted = worst(shard, true);
    placement.change_load(shard.members[*shard.discounted].node, -1);
  }
}

Placement::ZoneCounts View::zones_of(const ShardView& shard) const {
  Placement::ZoneCounts out;
  for (const auto& member : shard.members)
    if (member.kind != ReplicaKind::leaving && !member.lost && !member.draining) ++out[placement.zone(member.node)];
  return out;
}

std::size_t View::worst(const ShardView& shard, bool with_learners) const {
  auto zones = zones_of(shard);
  std::optional<std::tuple<bool, std::uint32_t, std::int64_t, bool, std::size_t>> found;
  for (std::size_t i = 0; i < shard.members.size(); ++i) {
    const auto& member = shard.members[i];
    const bool learner = member.kind == ReplicaKind::learner && !member.lost && !member.draining;
    if (!member.good() && !(with_learners && learner)) continue;
    const bool leads = shard.group && member.id == shard.group->leader;
    // While a learner is still to come, which voters will be behind is not known.
    const bool behind = !with_learners && !member.live;
    const std::tuple place(behind, zones[placement.zone(member.node)], placement.load(member.node), !leads, i);
    if (!found || place > *found) found = place;
  }
  return std::get<4>(found.value());
}

}  // namespace cairn::cluster::directory
