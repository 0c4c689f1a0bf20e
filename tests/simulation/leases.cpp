// What the promises of a leader's lease are for (Raft §6.4.1): others that would take over while the leader
// still answers reads by itself, one trouble after the other, so that none heals another.
#include "tests/simulation/world.hpp"

namespace cairn::simulation {

using namespace std::chrono_literals;

void World::draw_leases() {
  auto& raft = replica_settings_.raft;
  raft.lease_reads = true;
  raft.clock_drift_ppm = random_.percent(30) ? 20'000 : 100'000;
  raft.quiesce_after_heartbeats = 0;
  // With few heartbeats a leader learns late that it is none.
  if (random_.percent(70)) raft.heartbeat_interval = 70ms;
  replica_settings_.store_time = Duration(200);
  luck_.voters = random_.percent(70) ? 3 : 5;
  luck_.trouble_micros = 600'000;
  luck_.life_micros = 3'500'000;
  luck_.delay_micros = 200;
  luck_.loss = 0;
  luck_.late = random_.percent(30) ? random_.below(20) : 0;
  luck_.crashes = luck_.cuts = luck_.changes = luck_.clocks = luck_.rots = false;
  luck_.hide_new_leaders = luck_.worst_drift = true;
  readers_ = true;
  luck_.chances = {0, 0, random_.percent(30) ? 1u : 0u, 0, 0, 0, 0, 6};
}

void World::lease_trouble() {
  auto* lead = leader();
  if (!lead || !cuts_.empty() || writes_held_) return;
  const auto old = lead->id();
  const auto rival = any(lead->raft().configuration().voters);
  if (rival == old) return;
  switch (random_.below(3)) {
    case 0: silence_leader(old); break;
    case 1: court(old, rival); break;
    case 2: restart_voters(old, rival); break;
  }
}

/// The leader's clock runs as slowly as it may from now on, the others' as fast.
void World::turn_clocks(ReplicaId old) {
  const auto bound = static_cast<std::int64_t>(replica_settings_.raft.clock_drift_ppm);
  for (const auto id : ids()) replica(id)->set_drift(id == old ? -bound : bound);
}

/// Nobody hears the leader, and some are told at once: another leads as soon as their promises end.
void World::silence_leader(ReplicaId old) {
  writes_held_ = true;
  turn_clocks(old);
  after(90ms + Duration(random_.below(70'000)), [this, old] {
    if (!chaos_) return;
    cut_off(old);
    // One that campaigns alone wins at once.
    const auto rival = any(ids());
    const bool all = random_.percent(30);
    for (const auto id : ids())
      if (id != old && (all || id == rival || rival == old)) replica(id)->peer_down(old);
    heal_after(350ms);
  });
}

/// One that no longer hears the leader asks for the votes of those who do. Its log must be as long as theirs.
void World::court(ReplicaId old, ReplicaId rival) {
  writes_held_ = true;
  after(30ms, [this, old, rival] {
    if (!chaos_) return;
    cuts_.insert({old, rival});
    cuts_.insert({rival, old});
    trace(old, "and " + std::to_string(rival.value) + " are cut apart");
    replica(rival)->peer_down(old);
    heal_after(450ms);
  });
}

/// As before, but those who do hear the leader restart, and it is cut off from them.
void World::restart_voters(ReplicaId old, ReplicaId rival) {
  court(old, rival);
  after(30ms + replica_settings_.raft.election_timeout + Duration(random_.below(80'000)), [this, old, rival] {
    if (!chaos_) return;
    cut_off(old);
    for (const auto id : ids())
      if (id != old && id != rival && replica(id)->up()) {
        replica(id)->crash();
        restart_later(id, 2'000);
      }
  });
}

}  // namespace cairn::simulation
