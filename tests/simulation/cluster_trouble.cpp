// Bad luck of a simulated cluster: crashes, also within a write, pauses, cuts, full and slow disks, clocks; and what
// is lost for good, one thing at a time: a node, a disk, a replica to rot.
#include <algorithm>

#include "tests/simulation/cluster_world.hpp"
#include "tests/simulation/run.hpp"

namespace cairn::simulation {

void ClusterWorld::trouble() {
  if (!chaos_) return;
  after(Duration(luck_.trouble_micros / 4 + random_.below(luck_.trouble_micros)), [this] { trouble(); });
  const auto all = names();
  auto* victim = nodes_.at(all[random_.below(all.size())]).get();
  if (random_.percent(40))
    if (auto* leader = shard_leader(ShardId{static_cast<std::uint32_t>(random_.between(1, 1 + plan_.shards))}))
      for (const auto& name : all)
        nodes_.at(name)->each_replica([&](ShardId, const ShardReplica& replica) {
          if (&replica == leader) victim = nodes_.at(name).get();
        });
  switch (draw_kind(random_, luck_.chances)) {
    case 0:
      return crash(*victim);
    case 1:
      return cut();
    case 2: {
      if (!victim->running() || victim->paused()) return;
      trace(victim->name(), "is stopped");
      victim->pause();
      links_changed();
      const auto pause = random_.percent(50) ? random_.below(400'000) : random_.below(2'500'000);
      return after(Duration(pause), [this, victim] {
        if (!victim->paused()) return;
        trace(victim->name(), "goes on");
        victim->resume();
        links_changed();
      });
    }
    case 3:
      return disk_trouble(*victim);
    case 4:
      return clock_trouble(*victim);
    case 5:
      return die_within_write(*victim);
    case 6:
      return lose_node(*victim);
    case 7:
      return lose_disk(*victim);
    case 8:
      return rot(*victim);
  }
}

void ClusterWorld::restart_later(const std::string& name, std::uint64_t within_micros) {
  after(Duration(random_.below(within_micros)), [this, name] {
    if (!dead_.contains(name)) nodes_.at(name)->start();
  });
}

void ClusterWorld::crash(ClusterNode& node) {
  if (!node.running()) return;
  ++outcome_.crashes;
  node.crash(random_.percent(70));
  restart_later(node.name(), random_.percent(40) ? 50'000 : random_.percent(70) ? 600'000 : 2'500'000);
  if (!random_.percent(10)) return;
  for (const auto& name : names())
    if (random_.percent(60)) {
      nodes_.at(name)->crash(true);
      restart_later(name, 300'000);
    }
}

void ClusterWorld::cut() {
  const auto all = names();
  std::set<std::string> side;
  if (random_.percent(50)) {
    side.insert(all[random_.below(all.size())]);
  } else {
    for (const auto& name : all)
      if (random_.percent(50)) side.insert(name);
  }
  std::string line = "cut off:";
  for (const auto& name : side) line += " " + name;
  trace("", line);
  for (const auto& a : all)
    for (const auto& b : all)
      if (side.contains(a) != side.contains(b)) cuts_.insert({a, b});
  links_changed();
  after(Duration(random_.percent(50) ? random_.below(300'000) : random_.below(2'500'000)), [this] { heal(); });
}

void ClusterWorld::heal() {
  if (cuts_.empty()) return;
  trace("", "healed");
  cuts_.clear();
  links_changed();
}

void ClusterWorld::disk_trouble(ClusterNode& node) {
  const bool full = random_.percent(60);
  trace(node.name(), full ? "has a full disk" : "has a slow disk");
  if (full)
    node.set_full(true);
  else
    node.set_slowness(20);
  after(Duration(random_.below(1'000'000)), [&node] {
    node.set_full(false);
    node.set_slowness(1);
  });
}

void ClusterWorld::clock_trouble(ClusterNode& node) {
  node.jump_wall(std::chrono::milliseconds(random_.below(7'200'000)) - std::chrono::hours(1));
  const auto bound = static_cast<std::int64_t>(settings_.raft.clock_drift_ppm) - 1'000;
  node.set_drift(static_cast<std::int64_t>(random_.below(2 * static_cast<std::uint64_t>(bound))) - bound);
}

void ClusterWorld::die_within_write(ClusterNode& node) {
  std::vector<ShardReplica*> replicas;
  node.each_replica([&](ShardId, ShardReplica& replica) { replicas.push_back(&replica); });
  if (!replicas.empty()) replicas[random_.below(replicas.size())]->die_at_write(random_.below(12));
}

// What is lost for good. A group of three bears one loss, so nothing may be lost before everything is whole.

void ClusterWorld::lose_node(ClusterNode& node) {
  if (loss_open_ || names().size() < 4 || !not_whole(false).empty()) return;
  trace(node.name(), "is lost for good");
  ++outcome_.losses;
  dead_.insert(node.name());
  node.wipe(next_disk_++);
}

void ClusterWorld::lose_disk(ClusterNode& node) {
  if (loss_open_ || !not_whole(false).empty()) return;
  ++outcome_.losses;
  node.wipe(next_disk_++);
  // It is replaced once it was seen to be dead, or registers too early.
  restart_later(node.name(), 3'000'000);
}

void ClusterWorld::rot(ClusterNode& node) {
  if (loss_open_ || !not_whole(false).empty()) return;
  std::vector<ShardReplica*> replicas;
  node.each_replica([&](ShardId, ShardReplica& replica) { replicas.push_back(&replica); });
  if (replicas.empty()) return;
  auto& victim = *replicas[random_.below(replicas.size())];
  const bool log = random_.percent(50);
  if (!(log ? victim.rot_log() : victim.rot_row())) return;
  trace(node.name(),
        std::string(log ? "the log" : "a row") + " of replica " + std::to_string(victim.id().value) + " rots");
  ++outcome_.losses;
  // Damage shows when it is read, which may be never.
  loss_open_ = true;
  if (log) crash(node);
}

}  // namespace cairn::simulation
