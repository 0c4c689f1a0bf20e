// Bad luck and the operator of the simulated group: crashes, cuts, full and slow disks, rot, clocks,
// changes of membership; and the quiet end in which everything must come right again.
#include "tests/simulation/run.hpp"
#include "tests/simulation/world.hpp"

namespace cairn::simulation {

using cluster::Configuration;
using namespace std::chrono_literals;

void World::trouble() {
  if (!chaos_) return;
  after(Duration(luck_.trouble_micros / 4 + random_.below(luck_.trouble_micros)), [this] { trouble(); });
  auto* lead = leader();
  const auto victim = lead && random_.percent(50) ? lead->id() : any(ids());
  switch (draw_kind(random_, luck_.chances)) {
    case 0:
      if (luck_.crashes) crash(victim);
      break;
    case 1:
      if (luck_.cuts) cut();
      break;
    case 2:
      if (luck_.transfers && lead) random_.percent(30) ? lead->resign() : lead->transfer(any(ids()));
      break;
    case 3:
      if (luck_.changes) change_membership();
      break;
    case 4:
      // Leases rest on clocks whose rates are bounded; they need not survive clocks that jump.
      if (luck_.clocks && !replica_settings_.raft.lease_reads)
        replica(victim)->jump_clock(Duration(random_.below(400'000)));
      if (luck_.down_notices) tell_down(victim, 60);
      break;
    case 5:
      disk_trouble(victim);
      break;
    case 6:
      rot(victim);
      break;
    case 7:
      lease_trouble();
      break;
  }
}

void World::cut_off(ReplicaId id) {
  for (const auto other : ids()) {
    if (other == id) continue;
    cuts_.insert({id, other});
    cuts_.insert({other, id});
  }
  trace(id, "is cut off");
}

/// The moment at which a stale leader is most dangerous: another takes office and it does not hear of it.
void World::hide_new_leader(const cluster::Message& message) {
  const bool leads = std::holds_alternative<cluster::Heartbeat>(message.body);
  const bool hands_on = std::holds_alternative<cluster::TransferNow>(message.body);
  if (hands_on && random_.percent(50)) {
    heal_after(300ms);
    const auto old = message.from;
    after(Duration(0), [this, old] {
      for (const auto other : ids())
        if (other != old) cuts_.insert({other, old});
    });
    return;
  }
  if (!leads || message.term <= newest_term_) return;
  newest_term_ = message.term;
  writes_held_ = false;
  if (readers_) clients_[0].target = message.from;
  for (const auto& [id, replica] : replicas_)
    if (id != message.from && replica->up() && replica->raft().role() == cluster::Role::leader) {
      cut_off(id);
      heal_after(250ms);
    }
}

void World::disk_trouble(ReplicaId victim) {
  if (!luck_.disks) return;
  const bool full = random_.percent(50);
  if (full) replica(victim)->set_full(true);
  else replica(victim)->set_slow(30);
  after(Duration(random_.below(500'000)), [this, victim, full] {
    if (full) replica(victim)->set_full(false);
    else replica(victim)->set_slow(1);
  });
}

/// One damaged replica in a run, and a majority beside it: without that everything stops, rightly.
void World::rot(ReplicaId victim) {
  auto* lead = leader();
  if (!luck_.rots || !lead || !lead->raft().settled_in_office() || !lead->raft().configuration_settled() ||
      lead->raft().configuration().voters.size() < 3)
    return;
  luck_.rots = false;
  if (!replica(victim)->rot()) return;
  rotten_ = victim;
  trace(victim, "an entry of its log rots");
  crash(victim);
}

void World::crash(ReplicaId id) {
  auto* victim = replica(id);
  if (!victim->up()) return;
  ++outcome_.crashes;
  victim->crash();
  if (luck_.down_notices) tell_down(id, 80);
  restart_later(id, random_.percent(30) ? 20'000 : luck_.restart_micros);
  if (random_.percent(10))
    for (const auto other : ids())
      if (random_.percent(60)) {
        if (replica(other)->up()) replica(other)->crash();
        restart_later(other, 200'000);
      }
}

void World::restart_later(ReplicaId id, std::uint64_t within_micros) {
  after(Duration(random_.below(within_micros)), [this, id] { replica(id)->start(); });
}

/// What a link tells when it breaks: not to all, and not only when the other is dead.
void World::tell_down(ReplicaId peer, std::uint64_t percent) {
  for (const auto id : ids()) {
    if (id == peer || !random_.percent(percent)) continue;
    after(Duration(random_.below(4'000)), [this, id, peer] {
      if (settings_.trace) trace(id, "is told that " + std::to_string(peer.value) + " is down");
      replica(id)->peer_down(peer);
    });
  }
}

void World::cut() {
  const auto everybody = ids();
  auto* lead = leader();
  const auto one = lead && random_.percent(60) ? lead->id() : any(everybody);
  const auto kind = random_.below(6);
  const auto other = any(everybody);
  std::string line = "cut:";
  for (const auto a : everybody)
    for (const auto b : everybody) {
      if (a == b) continue;
      const bool is_cut = kind == 0   ? a == one || b == one                // alone
                          : kind == 1 ? a == one                            // is not heard
                          : kind == 2 ? b == one                            // hears nothing
                          : kind == 4 ? a == one && b == other              // one does not hear another
                          : kind == 5 ? (a == one && b == other) || (a == other && b == one)
                                      : (a.value % 2) != (b.value % 2);     // two halves
      if (!is_cut) continue;
      cuts_.insert({a, b});
      line += " " + std::to_string(a.value) + ">" + std::to_string(b.value);
    }
  trace(cluster::no_replica, line);
  if (luck_.down_notices && random_.percent(60)) tell_down(one, 70);
  if (luck_.flood) flood(one);
  after(Duration(random_.below(random_.percent(50) ? 200'000 : luck_.cut_micros)), [this] { heal(); });
}

void World::heal() {
  if (!cuts_.empty()) trace(cluster::no_replica, "healed");
  cuts_.clear();
  writes_held_ = false;
  ++heals_;
}

/// Heals what is cut now, not what is cut later.
void World::heal_after(Duration delay) {
  after(delay, [this, heals = heals_] {
    if (heals == heals_) heal();
  });
}

void World::replace_withdrawn(SimReplica& lead, bool& acted) {
  const auto& configuration = lead.raft().configuration();
  for (const auto& [id, replica] : replicas_)
    if ((replica->withdrawn() || id == rotten_) && configuration.contains(id)) {
      lead.change(configuration.without(id));
      acted = true;
      return;
    }
}

void World::change_membership() {
  auto* lead = leader();
  // Also a leader that does not know yet that it is none may be asked.
  if (random_.percent(30))
    for (auto& [id, replica] : replicas_)
      if (replica->up() && replica->raft().role() == cluster::Role::leader && random_.percent(50)) lead = replica.get();
  if (!lead) return;
  ++outcome_.configurations;
  bool acted = false;
  replace_withdrawn(*lead, acted);
  if (acted) return;
  const auto configuration = lead->raft().configuration();
  const auto voters = configuration.voters.size();
  const auto next = ReplicaId{replicas_.rbegin()->first.value + 1};
  switch (random_.below(4)) {
    case 0:
      if (voters + configuration.learners.size() >= 6 || replicas_.size() >= 12) break;
      add_replica(next, {});
      replica(next)->start();
      lead->change(configuration.with_learner(next));
      break;
    case 1:
    case 2:
      if (!configuration.learners.empty()) {
        const auto id = any(configuration.learners);
        lead->change(random_.percent(80) ? configuration.with_voter(id) : configuration.without(id));
      } else if (voters < 5) {
        // One that was removed comes back.
        const auto id = any(ids());
        if (!configuration.contains(id) && !replica(id)->withdrawn()) lead->change(configuration.with_learner(id));
      }
      break;
    case 3:
      // Whoever is left to vote must be sound until the damaged one is known to be gone.
      if (rotten_ != cluster::no_replica && voters < 4) break;
      if (voters > 1 && (voters > 2 || random_.percent(30)))
        lead->change(configuration.without(random_.percent(30) ? lead->id() : any(configuration.voters)));
      break;
  }
}

/// Everything runs again, and more than a majority of the voters of a settled leader do.
bool World::all_sound() {
  heal();
  for (auto& [id, replica] : replicas_) {
    replica->set_full(false);
    replica->set_slow(1);
    replica->start();
  }
  run_until(now_ + 1'500ms);
  auto* lead = leader();
  if (!lead || !lead->raft().settled_in_office() || !lead->raft().configuration_settled()) return false;
  const auto& voters = lead->raft().configuration().voters;
  std::size_t sound = 0;
  for (const auto id : voters) sound += replica(id)->up();
  return voters.size() >= 3 && sound - 1 > voters.size() / 2;
}

/// A leader that sends and does not hear: the others must get another, for good.
void World::one_way_scenario() {
  if (!all_sound()) return;
  const auto deaf = leader()->id();
  for (const auto id : ids())
    if (id != deaf) cuts_.insert({id, deaf});
  trace(deaf, "no longer hears anybody");
  const auto before = checks_.acknowledgements();
  run_until(now_ + 2'500ms);
  if (checks_.acknowledgements() == before)
    throw Violation("nothing was written for 2.5 s beside a leader that hears nobody");
  heal();
}

/// A leader that dies when there is nothing to say, and stays dead: the others are told, or are asked for a leader that
/// does not answer, and must not wait.
void World::dead_leader_scenario() {
  quiet_clients_ = true;
  if (!all_sound()) return;
  const auto dead = leader()->id();
  leader()->crash();
  const bool told = random_.percent(50);
  if (told) {
    for (const auto id : ids())
      if (id != dead) replica(id)->peer_down(dead);
    run_until(now_ + 1'000ms);
  }
  quiet_clients_ = false;
  if (told && !leader()) throw Violation("nobody leads 1 s after all were told that the leader is down");
  for (std::size_t i = 0; i < clients_.size(); ++i)
    if (clients_[i].idle) client_step(i);
  if (told) return;
  run_until(now_ + 2'500ms);
  if (!leader()) throw Violation("nobody leads 2.5 s after the leader died in silence, although clients ask for one");
}

/// A leader that hands on to a voter that is down, which it does not know: it must take its office up again.
void World::failed_transfer_scenario() {
  if (!all_sound()) return;
  auto* lead = leader();
  auto others = lead->raft().configuration().voters;
  std::erase_if(others, [&](ReplicaId id) { return id == lead->id() || !replica(id)->up(); });
  const auto down = any(others);
  replica(down)->crash();
  lead->transfer(down);
  const auto before = checks_.acknowledgements();
  run_until(now_ + 2'500ms);
  if (checks_.acknowledgements() == before)
    throw Violation("nothing was written for 2.5 s after a leader tried to hand on to a voter that is down");
}

bool World::converged() {
  auto* lead = leader();
  if (!lead || !lead->raft().settled_in_office() || !lead->raft().configuration_settled()) return false;
  for (const auto& client : clients_)
    if (!client.idle) return false;
  const auto& configuration = lead->raft().configuration();
  for (const auto& [id, replica] : replicas_) {
    if (!configuration.contains(id) || replica->withdrawn()) continue;
    if (!replica->up() || replica->raft().applied() != lead->raft().log().last_index()) return false;
  }
  return true;
}

void World::converge() {
  heal();
  chaos_ = false;
  trace(cluster::no_replica, "from here on nothing goes wrong");
  for (auto& [id, replica] : replicas_) {
    replica->set_full(false);
    replica->set_slow(1);
    replica->start();
  }
  run_until(now_ + 800ms);
  quiet_clients_ = true;
  const auto end = now_ + 12s;
  while (!converged()) {
    if (now_ >= end) throw Violation("the group does not come to rest 12 s after the last trouble");
    run_until(now_ + 50ms);
  }
  for (const auto& [id, replica] : replicas_)
    if (replica->up() && leader()->raft().configuration().contains(id)) checks_.finish(replica->machine());
  for (std::size_t i = 0; i < watchers_.size(); ++i) {
    watchers_[i].at = leader()->id();
    watchers_[i].moved = true;
    watcher_step(i);
    while (watchers_[i].moved) {
      watchers_[i].at = leader()->id();
      watcher_step(i);
    }
    if (watchers_[i].seen != checks_.cursor()) throw Violation("a watcher misses the end");
  }
}

}  // namespace cairn::simulation
