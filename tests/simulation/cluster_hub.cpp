#include "tests/simulation/cluster_hub.hpp"

#include <algorithm>
#include <limits>

#include "tests/simulation/cluster_world.hpp"

namespace cairn::simulation {
namespace {

constexpr Duration lease{limits::interest_lease};
constexpr Duration interval{limits::interest_interval};

}  // namespace

SimHub::SimHub(ClusterNode& node) : node_(node) {
  node_.after(interval, [this] { tick(); });
}

void SimHub::grew(const Growth& growth) {
  deliver(growth);
  if (!growth.leads) return;
  if (const auto led = led_.find(growth.shard); led != led_.end())
    led->second.index = std::max(led->second.index, growth.index);
  for (auto& [peer, interested] : interested_) {
    if (!interested.growth) continue;
    const bool sent = node_.send(peer, Channel::watch,
                                 [growth, from = node_.name()](ClusterNode& to) { to.hub().hear(from, growth); });
    if (!sent) interested.missed = true;
  }
}

void SimHub::replica_changed(const RoleChange& change) {
  if (change.role != cluster::Role::leader || !change.settled) {
    led_.erase(change.shard);
    return;
  }
  auto& led = led_[change.shard];
  const bool announced = led.term == change.term && led.replica == change.replica;
  led = {change.shard, change.replica, change.term, std::max(led.index, change.index)};
  if (announced || node_.world().faulty(ClusterFault::hub_hides_leader)) return;
  for (auto& [peer, interested] : interested_) announce(peer, interested, led);
  poke(change.shard, change.index);
}

void SimHub::link_changed(const std::string& peer, bool up) {
  told_.erase(peer);
  interested_.erase(peer);
  if (!holders().contains(peer)) return;
  if (up) return tell(peer, true);
  for (const auto& shard : node_.map().slots().shards)
    if (shard.find_on(cluster::directory::NodeName::parse(peer).value())) poke(shard.id, 0);
}

void SimHub::map_changed() {
  const auto now = holders();
  std::erase_if(told_, [&](const auto& peer) { return !now.contains(peer); });
  std::erase_if(led_, [&](const auto& one) {
    const auto* shard = node_.map().find(one.first);
    return shard && !shard->find_on(node_.node_name());
  });
  for (const auto& peer : now)
    if (!told_.contains(peer)) tell(peer, true);
}

void SimHub::subscribed() {
  if (std::exchange(wants_growth_, true)) return;
  tell_holders(true);
}

void SimHub::tick() {
  node_.after(interval, [this] { tick(); });
  wants_growth_ = node_.world().any_watch_on(node_.name());
  tell_holders(false);
  std::erase_if(interested_, [&](const auto& one) { return node_.steady() >= one.second.until; });
  for (auto& [peer, interested] : interested_)
    if (std::exchange(interested.missed, false)) announce_all(peer, interested);
  poke_out_of_sight();
}

std::set<std::string> SimHub::holders() const {
  std::set<std::string> nodes;
  for (const auto& shard : node_.map().slots().shards)
    for (const auto& replica : shard.replicas)
      if (replica.node.text() != node_.name()) nodes.insert(replica.node.text());
  return nodes;
}

void SimHub::tell_holders(bool fresh) {
  for (const auto& peer : holders()) tell(peer, fresh || !told_.contains(peer));
}

void SimHub::tell(const std::string& peer, bool fresh) {
  const Interest interest{wants_growth_, fresh};
  const bool sent = node_.send(peer, Channel::watch,
                               [interest, from = node_.name()](ClusterNode& to) { to.hub().hear(from, interest); });
  if (sent)
    told_.insert(peer);
  else
    told_.erase(peer);
}

void SimHub::hear(const std::string&, const Leads& leads) {
  node_.heard_leader(leads.shard, leads.replica, leads.term);
  poke(leads.shard, leads.index);
}

void SimHub::hear(const std::string&, const Growth& growth) { deliver(growth); }

void SimHub::deliver(const Growth& growth) { node_.world().tell_watches(node_.name(), growth); }

void SimHub::poke(ShardId shard, std::uint64_t index) {
  for (const auto account : node_.world().watched_on(node_.name())) {
    const auto* owner = node_.map().shard_of(slot_of(account));
    if (owner && owner->id == shard)
      deliver({account, Cursor{std::numeric_limits<std::uint64_t>::max()}, shard, index, true});
  }
}

void SimHub::poke_out_of_sight() {
  for (const auto& shard : node_.map().slots().shards) {
    const bool all = std::ranges::all_of(shard.replicas, [&](const auto& replica) {
      return replica.node.text() == node_.name() || told_.contains(replica.node.text());
    });
    if (!all) poke(shard.id, 0);
  }
}

void SimHub::hear(const std::string& from, const Interest& interest) {
  const auto known = interested_.find(from);
  const bool is_new =
      known == interested_.end() || known->second.until <= node_.steady() || (interest.growth && !known->second.growth);
  auto& interested = interested_[from];
  interested.until = node_.steady() + lease;
  interested.growth = interest.growth;
  if (is_new || interest.fresh) announce_all(from, interested);
}

void SimHub::announce_all(const std::string& to, Interested& interested) {
  for (const auto& [shard, led] : led_) announce(to, interested, led);
}

void SimHub::announce(const std::string& to, Interested& interested, const Leads& leads) {
  const bool sent = node_.send(to, Channel::watch,
                               [leads, from = node_.name()](ClusterNode& other) { other.hub().hear(from, leads); });
  if (!sent) interested.missed = true;
}

}  // namespace cairn::simulation
