#include "cluster/reconcile.hpp"

#include <algorithm>
#include <tuple>

#include "cluster/reconcile_view.hpp"

namespace cairn::cluster::directory {
namespace {

std::string seconds(Duration time) {
  const auto tenths = time.count() / 100'000;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
}

/// The decisions about nodes and replicas.
class Reconciliation {
 public:
  Reconciliation(View& view, std::vector<Decision>& out) : view_(view), out_(out) {}

  /// Who is heard lives: that needs no time to be sure of.
  void welcome() {
    for (const auto& node : view_.nodes) {
      const auto state = node.node->state;
      const bool gone = state == NodeState::joining || state == NodeState::dead;
      if (!node.silent && node.heard && gone && !view_.settings.faults.has(NodeFault::dead_stay_dead))
        out_.push_back({MarkNode{node.node->name, NodeState::alive, node.node->changed}, "it was heard"});
    }
  }

  void run() {
    welcome();
    mark_dead();
    // A shard without a leader must not hold up the others.
    for (const auto& shard : view_.shards) changes_ += shard.in_change && shard.heard ? 1 : 0;
    for (auto& shard : view_.shards) {
      if (!shard.group) continue;
      if (!go_on(shard)) shrink(shard);
    }
    repair();
    if (!repairs_wait_) balance();
  }

 private:
  void decide(ShardView& shard, Action action, std::string why) {
    shard.decided = true;
    out_.push_back({std::move(action), std::move(why)});
  }

  const std::string& name(const Member& member) const { return view_.nodes[member.node].node->name.text(); }

  void mark_dead() {
    if (view_.settings.faults.has(NodeFault::dead_not_noticed)) return;
    for (const auto& node : view_.nodes) {
      const auto state = node.node->state;
      if (node.silent && (state == NodeState::joining || state == NodeState::alive))
        out_.push_back(
            {MarkNode{node.node->name, NodeState::dead, node.node->changed},
             "it has not been heard for " + seconds(node.silence)});
    }
  }

  /// The next step of a change that has begun; false if none has.
  bool go_on(ShardView& shard) {
    const auto leaving = std::ranges::find(shard.members, ReplicaKind::leaving, &Member::kind);
    if (leaving != shard.members.end()) {
      const bool forgets = view_.settings.faults.has(NodeFault::forgotten_before_removed);
      if ((leaving->votes || leaving->learns) && !forgets)
        remove(shard, *leaving, "it is leaving");
      else
        decide(shard, Forget{shard.shard->id, leaving->id, shard.shard->changed}, "it is out of the group");
      return true;
    }
    const auto learner = std::ranges::find(shard.members, ReplicaKind::learner, &Member::kind);
    if (learner == shard.members.end()) return false;
    go_on_with_learner(shard, *learner);
    return true;
  }

  void go_on_with_learner(ShardView& shard, const Member& learner) {
    const auto id = shard.shard->id;
    const auto changed = shard.shard->changed;
    const auto lag = shard.group->lag.find(learner.id);
    if (learner.votes)
      decide(shard, Promote{id, learner.id, changed}, "it votes already");
    else if (learner.lost || learner.draining)
      remove(shard, learner, reason(learner));
    else if (!learner.learns)
      decide(shard, TakeIn{id, learner.id}, "node " + name(learner) + " is to hold it");
    else if (lag != shard.group->lag.end() && lag->second <= view_.settings.max_promotion_lag)
      decide(shard, Promote{id, learner.id, changed},
             "it lacks " + std::to_string(lag->second) + " entries, at most " +
                 std::to_string(view_.settings.max_promotion_lag) + " are allowed");
  }

  std::string reason(const Member& member) const {
    if (member.withdrawn) return "it withdrew because its rows are damaged";
    if (view_.nodes[member.node].silent) return "node " + name(member) + " is dead";
    if (member.draining) return "node " + name(member) + " is draining";
    if (member.lost) return "it is not in the group";
    return "the shard has more replicas than it should";
  }

  /// Takes one away if the others can do without it; a leader hands on its office first.
  void remove(ShardView& shard, const Member& member, const std::string& why) {
    if (member.id == shard.group->leader) return hand_on(shard, member, why);
    if (member.votes) {
      const auto others = std::ranges::count_if(
          shard.members, [&](const Member& other) { return other.live && other.id != member.id; });
      const auto left = shard.group->configuration.voters.size() - 1;
      if (static_cast<std::size_t>(others) < left / 2 + 1) return;
    }
    decide(shard, Remove{shard.shard->id, member.id, shard.shard->changed}, why);
  }

  void hand_on(ShardView& shard, const Member& leader, const std::string& why) {
    const Member* to = nullptr;
    const auto leads = [&](const Member& member) { return view_.nodes[member.node].leads; };
    for (const auto& member : shard.members)
      if (member.live && member.good() && member.id != leader.id && (!to || leads(member) < leads(*to))) to = &member;
    if (!to) return;
    --view_.nodes[leader.node].leads;
    ++view_.nodes[to->node].leads;
    decide(shard, TransferLeadership{shard.shard->id, leader.id, to->id, false}, "it is to be removed: " + why);
  }

  /// Removes a voter that is lost, draining, or one too many.
  void shrink(ShardView& shard) {
    const auto* victim = surplus(shard);
    if (!victim) return;
    if (victim->good()) {
      if (shard.discounted) view_.placement.change_load(shard.members[*shard.discounted].node, 1);
      view_.placement.change_load(victim->node, -1);
    }
    shard.in_change = true;
    remove(shard, *victim, reason(*victim));
  }

  const Member* surplus(ShardView& shard) {
    const auto first = [&](auto&& holds) {
      const auto at = std::ranges::find_if(shard.members, holds);
      return at == shard.members.end() ? nullptr : &*at;
    };
    const auto* lost = first([](const Member& member) { return member.lost; });
    const auto* draining = first([](const Member& member) { return member.draining; });
    const bool replaced = shard.good >= shard.target || view_.settings.faults.has(NodeFault::removed_before_successor);
    if (replaced && (lost || draining)) return lost ? lost : draining;
    if (shard.good > shard.target) {
      // Compare as if the one that is discounted were still there.
      if (shard.discounted) view_.placement.change_load(shard.members[*shard.discounted].node, 1);
      const auto worst = view_.worst(shard, false);
      if (shard.discounted) view_.placement.change_load(shard.members[*shard.discounted].node, -1);
      return &shard.members[worst];
    }
    if (!lost || view_.placement.best(shard.hosts(), {})) return nullptr;
    return lost_without_successor(shard);
  }

  /// Where no node is free for a successor: who makes room for one, or whose going lowers the majority.
  const Member* lost_without_successor(const ShardView& shard) const {
    const Member* any = nullptr;
    std::size_t lost = 0;
    for (const auto& member : shard.members) {
      if (!member.lost) continue;
      if (view_.nodes[member.node].host) return &member;
      if (member.votes) ++lost;
      any = &member;
    }
    const bool even = shard.group->configuration.voters.size() % 2 == 0;
    return lost >= 2 || even ? any : nullptr;
  }

  /// Begins to replace what is missing, the most endangered shards first.
  void repair() {
    std::vector<std::pair<std::ptrdiff_t, ShardView*>> waiting;
    for (auto& shard : view_.shards) {
      if (!shard.group || shard.in_change || shard.decided || shard.good >= shard.target) continue;
      const auto live = std::ranges::count_if(shard.members, &Member::live);
      const auto majority = static_cast<std::ptrdiff_t>(shard.group->configuration.majority());
      waiting.emplace_back(live - majority, &shard);
    }
    std::ranges::stable_sort(waiting, {}, [](const auto& one) { return one.first; });
    for (const auto& [margin, shard] : waiting) {
      const auto host = view_.placement.best(shard->hosts(), view_.zones_of(*shard));
      if (!host) continue;
      if (changes_ >= view_.settings.max_changes) {
        repairs_wait_ = true;
        return;
      }
      add(*shard, *host,
          "the shard has " + std::to_string(shard->good) + " of " + std::to_string(shard->target) + " good replicas");
    }
  }

  void add(ShardView& shard, std::size_t host, std::string why) {
    ++changes_;
    view_.placement.change_load(host, 1);
    shard.in_change = true;
    decide(shard, AddLearner{shard.shard->id, view_.nodes[host].node->name, shard.shard->changed}, std::move(why));
  }

  /// Begins moves that put replicas into emptier zones or onto emptier nodes.
  void balance() {
    const auto most = std::min(view_.settings.max_moves, view_.settings.max_changes);
    for (auto& shard : view_.shards) {
      if (changes_ >= most) return;
      if (!shard.group || shard.in_change || shard.decided || shard.good != shard.target) continue;
      if (shard.good == shard.members.size()) balance(shard);
    }
  }

  void balance(ShardView& shard) {
    // What a move gains: less crowded zones before more even loads.
    std::tuple<std::int64_t, std::int64_t> most{0, 1};
    std::optional<std::pair<std::size_t, std::size_t>> move;
    const auto hosts = shard.hosts();
    auto zones = view_.zones_of(shard);
    for (const auto& member : shard.members) {
      const auto from = view_.placement.zone(member.node);
      const auto others = static_cast<std::int64_t>(--zones[from]);
      if (const auto host = view_.placement.best(hosts, zones)) {
        const auto there = zones.find(view_.placement.zone(*host));
        const auto crowd = there == zones.end() ? 0 : static_cast<std::int64_t>(there->second);
        const std::tuple gain(others - crowd, view_.placement.load(member.node) - view_.placement.load(*host));
        if (gain > most) {
          most = gain;
          move = {member.node, *host};
        }
      }
      ++zones[from];
    }
    if (!move) return;
    const auto [from, to] = *move;
    const auto& old = *view_.nodes[from].node;
    const auto why = std::get<0>(most) > 0
                         ? "zone " + old.zone + " holds more replicas of the shard than it must"
                         : "node " + old.name.text() + " holds " + std::to_string(view_.placement.load(from)) +
                               " replicas and this one " + std::to_string(view_.placement.load(to));
    view_.placement.change_load(from, -1);
    add(shard, to, why);
  }

  View& view_;
  std::vector<Decision>& out_;
  std::size_t changes_ = 0;  // shards
  bool repairs_wait_ = false;
};

}  // namespace

std::size_t target_voters(std::uint32_t wanted, std::size_t usable_nodes) {
  const auto most = std::min<std::size_t>(wanted, usable_nodes);
  return most == 0 ? 1 : most - (most % 2 == 0 ? 1 : 0);
}

std::vector<Decision> reconcile(const DirectoryState& state, const Observed& observed, Instant now,
                                const ReconcileSettings& settings) {
  std::vector<Decision> out;
  View view(state, observed, now, settings);
  if (now - observed.leading_since < std::max(settings.grace, settings.dead_after)) {
    Reconciliation(view, out).welcome();
    return out;
  }
  Reconciliation(view, out).run();
  balance_leaders(view, out);
  return out;
}

void remember(Observed& observed, const DirectoryState& state, const std::vector<Decision>& decisions, Instant now) {
  for (const auto& decision : decisions) {
    const auto* transfer = std::get_if<TransferLeadership>(&decision.action);
    if (transfer && transfer->for_balance) observed.leaders_moved = now;
  }
  std::set<ReplicaId> withdrawn;
  for (const auto& [id, shard] : state.shards)
    for (const auto& replica : shard.replicas)
      if (observed.withdrawn.contains(replica.id)) withdrawn.insert(replica.id);
  observed.withdrawn = std::move(withdrawn);
  std::erase_if(observed.heard, [&](const auto& one) { return !state.nodes.contains(one.first); });
  std::map<NodeName, Instant> joining;
  for (const auto& [name, node] : state.nodes) {
    if (node.state != NodeState::joining || observed.heard.contains(name)) continue;
    const auto seen = observed.joining.find(name);
    joining[name] = seen == observed.joining.end() ? now : seen->second;
  }
  observed.joining = std::move(joining);
  std::erase_if(observed.groups, [&](const auto& one) { return !state.shards.contains(one.first); });
}

}  // namespace cairn::cluster::directory
