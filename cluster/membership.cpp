#include "cluster/membership.hpp"

#include <algorithm>

namespace cairn::cluster {

using directory::NodeName;
using directory::SlotMap;

SlotMap founding_map(const std::vector<NodeAt>& founders) {
  SlotMap map;
  directory::Shard shard;
  shard.id = directory::directory_shard;
  shard.wanted = static_cast<std::uint32_t>(founders.size());
  std::uint64_t id = 0;
  for (const auto& founder : founders) {
    shard.replicas.push_back({ReplicaId{++id}, founder.name, directory::ReplicaKind::voter});
    map.nodes.push_back({founder.name, 0, founder.address, {}});
  }
  std::ranges::sort(map.nodes, {}, &directory::NodeAddress::name);
  if (!founders.empty()) map.shards.push_back(std::move(shard));
  return map;
}

SlotMap with_founding(SlotMap map, const SlotMap& founding) {
  if (founding.shards.empty() || ClusterMap(map).find(directory::directory_shard)) return map;
  map.shards.insert(map.shards.begin(), founding.shards.front());
  for (const auto& node : founding.nodes) {
    const auto at = std::ranges::lower_bound(map.nodes, node.name, {}, &directory::NodeAddress::name);
    if (at == map.nodes.end() || at->name != node.name) map.nodes.insert(at, node);
  }
  return map;
}

std::map<std::string, PeerAt> peers_of(const SlotMap& map, const NodeName& self, const std::vector<NodeAt>& seeds) {
  std::set<NodeName> holders;
  for (const auto& shard : map.shards)
    for (const auto& replica : shard.replicas) holders.insert(replica.node);
  const bool known = holders.contains(self);
  std::map<std::string, PeerAt> peers;
  for (const auto& node : map.nodes)
    if (node.name != self && holders.contains(node.name) && !node.link_address.empty())
      peers[node.name.text()] = {node.link_address, !known || self < node.name};
  if (peers.empty())
    for (const auto& seed : seeds)
      if (seed.name != self) peers[seed.name.text()] = {seed.address, true};
  return peers;
}

std::vector<Hosted> hosted_by(const SlotMap& map, const NodeName& self) {
  std::vector<Hosted> out;
  for (const auto& shard : map.shards) {
    const auto* replica = shard.find_on(self);
    if (!replica) continue;
    Hosted hosted{shard.id, replica->id, {}, shard.slots, replica->kind == directory::ReplicaKind::leaving};
    // Before its first leader is known nobody has come and nobody is forgotten. Afterwards the voters may be others
    // than the founders, and one that is made so late hears of its group from the leader.
    if (replica->kind == directory::ReplicaKind::voter && shard.leader_term == 0)
      for (const auto& other : shard.replicas)
        if (other.kind != directory::ReplicaKind::learner) hosted.founders.voters.push_back(other.id);
    out.push_back(std::move(hosted));
  }
  return out;
}

std::vector<NodeName> names_of(const std::vector<NodeAt>& nodes) {
  std::vector<NodeName> names;
  for (const auto& node : nodes) names.push_back(node.name);
  return names;
}

MayFound may_found(const std::vector<NodeAt>& founders, const NodeName& self, bool founded,
                   const std::map<std::string, FounderHeard>& heard) {
  if (std::ranges::find(founders, self, &NodeAt::name) == founders.end()) return MayFound::no;
  if (founded) return MayFound::yes;
  const auto names = names_of(founders);
  bool all = true;
  for (const auto& founder : founders) {
    if (founder.name == self) continue;
    const auto found = heard.find(founder.name.text());
    if (found == heard.end()) {
      all = false;
    } else if (found->second.epoch.value > 0) {
      return MayFound::no;
    } else if (found->second.founders != names) {
      all = false;
    }
  }
  return all ? MayFound::yes : MayFound::wait;
}

}  // namespace cairn::cluster
