// The spread of leaders over nodes.
#include <algorithm>
#include <cstdint>
#include <utility>

#include "cluster/reconcile_view.hpp"

namespace cairn::cluster::directory {
namespace {

/// Nodes as points, and for each shard whose leader may move, ways from its leader's node to those of its
/// other live voters.
class LeaderBalance {
 public:
  explicit LeaderBalance(View& view)
      : view_(view),
        ways_(view.nodes.size()),
        closed_(view.nodes.size()),
        came_(view.nodes.size()),
        seen_(view.nodes.size()) {
    for (auto& shard : view_.shards) {
      if (!may_move(shard)) continue;
      for (const auto& member : shard.members)
        if (member.live && member.good() && member.id != shard.group->leader && view_.nodes[member.node].host)
          ways_[shard.leader().node].push_back({&shard, &member});
    }
  }

  void run(std::vector<Decision>& out) {
    // From the most burdened down. What cannot be relieved closes all that can be reached from it: none
    // there has two less, so none that has no more can be relieved that way either.
    std::vector<std::size_t> order;
    for (std::size_t node = 0; node < ways_.size(); ++node)
      if (!ways_[node].empty()) order.push_back(node);
    std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return leads(a) > leads(b); });
    std::int64_t least = 0;
    for (std::size_t node = 0, found = 0; node < ways_.size(); ++node)
      if (view_.nodes[node].host && (found++ == 0 || leads(node) < least)) least = leads(node);
    std::uint64_t moves = 0;
    for (const auto node : order) {
      if (moves >= view_.settings.max_leader_moves || leads(node) < least + 2) return;
      if (closed_[node]) continue;
      const auto path = relieve(node);
      for (const auto& way : path) {
        move(way, out);
        ++moves;
      }
    }
  }

 private:
  struct Way {
    ShardView* shard;
    const Member* to;
  };

  bool may_move(const ShardView& shard) const {
    return shard.group && !shard.in_change && !shard.decided &&
           view_.now - shard.group->since >= view_.settings.leader_settle;
  }

  std::int64_t leads(std::size_t node) const { return view_.nodes[node].leads; }

  /// The shortest chain of transfers to a node with two leaders less, the last transfer first.
  std::vector<Way> relieve(std::size_t start) {
    ++search_;
    seen_[start] = search_;
    std::vector<std::size_t> reached{start};
    for (std::size_t i = 0; i < reached.size(); ++i) {
      const auto node = reached[i];
      for (const auto& way : ways_[node]) {
        const auto to = way.to->node;
        if (way.shard->decided || seen_[to] == search_ || closed_[to]) continue;
        seen_[to] = search_;
        came_[to] = {node, way};
        if (leads(to) + 2 <= leads(start)) return path_to(to, start);
        reached.push_back(to);
      }
    }
    for (const auto node : reached) closed_[node] = true;
    return {};
  }

  std::vector<Way> path_to(std::size_t end, std::size_t start) const {
    std::vector<Way> path;
    for (auto at = end; at != start; at = came_[at].first) path.push_back(came_[at].second);
    return path;
  }

  void move(const Way& way, std::vector<Decision>& out) {
    const auto from = way.shard->leader().node;
    const auto to = way.to->node;
    out.push_back({TransferLeadership{way.shard->shard->id, way.shard->group->leader, way.to->id, true},
                   "node " + view_.nodes[from].node->name.text() + " leads " + std::to_string(leads(from)) +
                       " shards and node " + view_.nodes[to].node->name.text() + " " + std::to_string(leads(to))});
    --view_.nodes[from].leads;
    ++view_.nodes[to].leads;
    way.shard->decided = true;
  }

  View& view_;
  std::vector<std::vector<Way>> ways_;
  std::vector<bool> closed_;
  // Of the search with this number: the node and the way over which another was reached.
  std::uint64_t search_ = 0;
  std::vector<std::pair<std::size_t, Way>> came_;
  std::vector<std::uint64_t> seen_;
};

}  // namespace

void balance_leaders(View& view, std::vector<Decision>& out) {
  if (view.now - view.observed.leaders_moved < view.settings.leader_interval) return;
  LeaderBalance(view).run(out);
}

}  // namespace cairn::cluster::directory
