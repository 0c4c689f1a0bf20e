// The network of a simulated cluster: links that come and go as their ends see it, and frames that are lost, doubled
// and late. A link keeps frames of the watch channel in order and loses them only with itself.
#include <algorithm>

#include "tests/simulation/cluster_world.hpp"

namespace cairn::simulation {

bool ClusterWorld::may_link(const ClusterNode& from, const ClusterNode& to) const {
  if (!from.running() || !to.running() || from.paused() || to.paused()) return false;
  if (cuts_.contains({from.name(), to.name()})) return false;
  return from.wants_link(to.name()) || to.wants_link(from.name());
}

void ClusterWorld::links_changed() {
  for (const auto& [one, from] : nodes_)
    for (const auto& [other, to] : nodes_)
      if (one != other && from->running()) look_at_link(*from, *to);
}

/// An end sees that the other is gone by its silence, and that it is there by its dialing.
void ClusterWorld::look_at_link(const ClusterNode& from, const ClusterNode& to) {
  const Pair pair{from.name(), to.name()};
  auto& link = links_[pair];
  const bool may = may_link(from, to);
  if (may == link.up) return;
  const auto wait = may ? Duration(20'000 + random_.below(60'000)) : Duration(limits::link_silence_timeout);
  after(wait, [this, pair, may, changes = link.changes] {
    const auto& now = links_[pair];
    auto& a = *nodes_.at(pair.first);
    if (now.changes != changes || !a.running() || a.paused() || may_link(a, *nodes_.at(pair.second)) != may) return;
    set_link(pair, may);
    if (may) set_link({pair.second, pair.first}, true);
  });
}

void ClusterWorld::set_link(const Pair& pair, bool up) {
  auto& link = links_[pair];
  if (link.up == up) return;
  link.up = up;
  ++link.changes;
  auto& node = *nodes_.at(pair.first);
  node.run([&node, other = pair.second, up] { node.link_changed(other, up); });
}

void ClusterWorld::node_started(ClusterNode& node) {
  for (auto& [pair, link] : links_)
    if (pair.first == node.name()) {
      link.up = false;
      ++link.changes;
    }
  links_changed();
}

/// A connection breaks with the process at its other end.
void ClusterWorld::node_ended(ClusterNode& node) {
  for (auto& [pair, link] : links_) {
    if (pair.first == node.name()) {
      link.up = false;
      ++link.changes;
    }
    if (pair.second != node.name() || !link.up) continue;
    after(Duration(500 + random_.below(8'000)), [this, pair = pair, changes = link.changes] {
      if (links_[pair].changes != changes || !nodes_.at(pair.first)->running()) return;
      set_link(pair, false);
      links_changed();
    });
  }
  for (const auto& client : clients_) client->node_ended(node.name());
  for (const auto& watch : watches_) watch->node_ended(node.name());
}

void ClusterWorld::crash_at_write(ClusterNode& node) {
  ++outcome_.crashes;
  node.crash(true);
  restart_later(node.name(), 600'000);
}

bool ClusterWorld::send(const ClusterNode& from, const std::string& to, Channel channel,
                        std::function<void(ClusterNode&)> deliver_to) {
  const Pair pair{from.name(), to};
  const auto target = nodes_.find(to);
  auto& link = links_[pair];
  if (target == nodes_.end() || !link.up) return false;
  const bool in_order = channel == Channel::watch;
  if (!in_order && chaos_ && random_.percent(luck_.loss)) return true;
  const auto process = target->second->process_number();
  const auto sender = from.process_number();
  const auto copies = !in_order && channel != Channel::call && chaos_ && random_.percent(luck_.doubled) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    auto delay = Duration(luck_.delay_micros / 2 + random_.below(luck_.delay_micros));
    if (chaos_ && random_.below(1'000) < luck_.late) delay += Duration(random_.below(200'000));
    if (in_order) {
      link.last = std::max(link.last, now_ + delay);
      delay = link.last - now_;
    }
    after(delay, [this, pair, process, sender, in_order, deliver_to]() mutable {
      // What a process sent may be on the wire when it ends.
      if (nodes_.at(pair.first)->process_number() != sender && random_.percent(60)) return;
      deliver(pair, process, in_order, std::move(deliver_to));
    });
  }
  return true;
}

void ClusterWorld::deliver(const Pair& pair, std::uint64_t process, bool in_order,
                           std::function<void(ClusterNode&)> frame) {
  auto& to = *nodes_.at(pair.second);
  if (!to.running() || to.process_number() != process) return;
  if (!cuts_.contains(pair)) return to.run([&to, frame = std::move(frame)] { frame(to); });
  // The connection sends again what the cut swallowed, for as long as it lives.
  if (!in_order || !links_[pair].up) return;
  after(Duration(50'000), [this, pair, process, in_order, frame = std::move(frame)]() mutable {
    deliver(pair, process, in_order, std::move(frame));
  });
}

}  // namespace cairn::simulation
