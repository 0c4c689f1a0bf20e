#include "tests/simulation/world.hpp"

#include <algorithm>
#include <cstdio>

#include "tests/simulation/run.hpp"

namespace cairn::simulation {

using cluster::Configuration;
using namespace std::chrono_literals;

namespace {

constexpr ReplicaId nobody = cluster::no_replica;
constexpr std::size_t max_trace_lines = 400;

std::string stamp(Instant at) {
  char text[32];
  std::snprintf(text, sizeof text, "%10.3f ms ", static_cast<double>(at.count()) / 1000);
  return text;
}

}  // namespace

World::World(const RunSettings& settings) : settings_(settings), random_(settings.seed * 0x9e37 + 77) {
  draw_luck();
  Configuration founders;
  auto size = std::vector<std::uint64_t>{1, 2, 3, 3, 3, 3, 4, 5, 5}[random_.below(9)];
  if (luck_.voters > 0) size = luck_.voters;
  for (std::uint64_t i = 1; i <= size; ++i) founders.voters.push_back(ReplicaId{i});
  checks_.set_founders(founders);
  for (const auto id : founders.voters) add_replica(id, founders);
  for (auto& [id, replica] : replicas_) replica->start();
  clients_.resize(random_.between(2, 5));
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    clients_[i].id = i + 1;
    clients_[i].target = ReplicaId{1};
    // The first two are a writer and a reader where stale reads are looked for.
    if (readers_ && i < 2) clients_[i].put_percent = i == 0 ? 100 : 0;
    else clients_[i].put_percent = std::vector<std::uint64_t>{5, 55, 55, 95}[random_.below(4)];
    after(Duration(random_.below(20'000)), [this, i] { client_step(i); });
  }
  watchers_.resize(2);
  for (std::size_t i = 0; i < watchers_.size(); ++i) {
    watchers_[i].at = ReplicaId{1};
    after(Duration(random_.below(20'000)), [this, i] { watcher_step(i); });
  }
}

void World::draw_luck() {
  const auto maybe = [&](std::uint64_t percent) { return random_.percent(percent); };
  luck_.loss = maybe(50) ? random_.below(15) : 0;
  luck_.doubled = maybe(50) ? random_.below(10) : 0;
  luck_.damaged = maybe(50) ? 10 : 0;
  luck_.late = maybe(50) ? random_.below(40) : 0;
  luck_.delay_micros = maybe(70) ? 200 : 3'000;
  luck_.trouble_micros = maybe(50) ? 60'000 : 250'000;
  luck_.crashes = maybe(70);
  luck_.cuts = maybe(60);
  luck_.changes = maybe(50);
  luck_.transfers = maybe(40);
  luck_.clocks = maybe(30);
  luck_.disks = maybe(30);
  luck_.rots = luck_.changes && maybe(30);
  luck_.down_notices = maybe(60);
  luck_.one_way = maybe(8);
  luck_.dead_leader = maybe(8);
  luck_.life_micros = 1'000'000 + random_.below(1'500'000);
  keys_ = random_.between(1, 4);
  draw_bounds();
  if (maybe(60)) draw_theme();
}

/// Some runs are about one kind of trouble, so that what needs several of a kind in a row comes up.
void World::draw_theme() {
  auto& raft = replica_settings_.raft;
  luck_.life_micros = 600'000 + random_.below(600'000);
  luck_.one_way = luck_.dead_leader = luck_.disks = false;
  switch (random_.below(5)) {
    case 0:  // elections upon elections
      luck_.trouble_micros = 12'000;
      luck_.crashes = luck_.cuts = luck_.down_notices = true;
      luck_.restart_micros = 8'000;
      luck_.cut_micros = 60'000;
      luck_.loss = random_.below(25);
      luck_.late = random_.below(random_.percent(50) ? 400 : 80);
      raft.lease_reads = false;
      luck_.chances = {3, 2, 0, 1, 6, 0, 0, 0};
      break;
    case 1:  // leaders that do not know that they are none, asked by readers
      luck_.trouble_micros = 100'000;
      luck_.hide_new_leaders = true;
      luck_.delay_micros = 200;
      replica_settings_.store_time = Duration(200);
      luck_.crashes = luck_.cuts = luck_.transfers = luck_.down_notices = true;
      luck_.clocks = false;
      luck_.restart_micros = 20'000;
      luck_.cut_micros = 300'000;
      luck_.late = random_.percent(50) ? random_.below(100) : 0;
      luck_.loss = 0;
      readers_ = true;
      raft.lease_reads = random_.percent(80);
      luck_.chances = {1, 2, 3, 0, 1, 0, 0, 0};
      break;
    case 2:  // leaders that are cut off with many entries that nobody else has
      luck_.trouble_micros = 80'000;
      luck_.cuts = luck_.down_notices = luck_.flood = true;
      luck_.cut_micros = 250'000;
      raft.lease_reads = false;
      raft.snapshot_chunk_bytes *= 20;
      // One by one over a slow network they would not be sent before the end.
      raft.max_messages_in_flight = std::max<std::size_t>(raft.max_messages_in_flight, 4);
      replica_settings_.checkpoint_entries = random_.between(3, 10);
      replica_settings_.kept_entries = 0;
      luck_.chances = {1, 6, 0, 1, 0, 0, 0, 0};
      break;
    case 3:  // leaders that serve reads within their lease when others would take over
      draw_leases();
      break;
    case 4:  // a leader that dies in silence
      luck_.life_micros = 300'000;
      luck_.voters = random_.percent(70) ? 3 : 5;
      luck_.dead_leader = true;
      raft.quiesce_after_heartbeats = 2;
      break;
  }
}

/// Bounds so tight that they are met, or so wide that they are not.
void World::draw_bounds() {
  const auto maybe = [&](std::uint64_t percent) { return random_.percent(percent); };
  auto& raft = replica_settings_.raft;
  raft.heartbeat_interval = 30ms;
  raft.election_timeout = 150ms;
  raft.down_delay = 4ms;
  raft.lease_reads = maybe(40);
  raft.clock_drift_ppm = 20'000;
  raft.max_append_entries = maybe(50) ? random_.between(1, 4) : 4'096;
  raft.max_messages_in_flight = maybe(50) ? random_.between(1, 4) : 64;
  raft.max_bytes_in_flight = maybe(30) ? 100 : 8u << 20;
  raft.cache_bytes = maybe(70) ? 64 : 1u << 20;
  raft.snapshot_chunk_bytes = random_.between(40, 400);
  raft.max_snapshot_chunks_in_flight = random_.between(1, 4);
  raft.max_promotion_lag = 8;
  raft.quiesce_after_heartbeats = maybe(40) ? 2 : 0;
  raft.store_retry_interval = 50ms;
  replica_settings_.faults = settings_.faults;
  replica_settings_.store_time = Duration(maybe(70) ? 200 : 4'000);
  replica_settings_.checkpoint_entries = random_.between(5, 60);
  replica_settings_.kept_entries = random_.below(15);
}

void World::add_replica(ReplicaId id, const Configuration& founders) {
  auto replica = std::make_unique<SimReplica>(*this, replica_settings_, id, founders);
  replica->jump_clock(Duration(random_.below(1'000'000'000)));
  replica->set_drift(draw_drift());
  replicas_[id] = std::move(replica);
}

std::int64_t World::draw_drift() {
  const auto bound = static_cast<std::int64_t>(replica_settings_.raft.clock_drift_ppm);
  if (luck_.worst_drift) return random_.percent(50) ? bound : -bound;
  return static_cast<std::int64_t>(random_.below(2 * static_cast<std::uint64_t>(bound) + 1)) - bound;
}

SimReplica* World::replica(ReplicaId id) {
  const auto it = replicas_.find(id);
  return it == replicas_.end() ? nullptr : it->second.get();
}

/// The leader of the latest term, as far as one is up.
SimReplica* World::leader() {
  SimReplica* best = nullptr;
  for (auto& [id, replica] : replicas_)
    if (replica->up() && replica->raft().role() == cluster::Role::leader &&
        (!best || replica->raft().term() > best->raft().term()))
      best = replica.get();
  return best;
}

std::vector<ReplicaId> World::ids() const {
  std::vector<ReplicaId> out;
  for (const auto& [id, replica] : replicas_) out.push_back(id);
  return out;
}

void World::after(Duration delay, std::function<void()> event) {
  events_.push({now_ + std::max(delay, Duration(0)), next_event_++, std::move(event)});
}

void World::trace(ReplicaId id, const std::string& line) {
  if (!settings_.trace) return;
  if (outcome_.trace.size() >= 2 * max_trace_lines)
    outcome_.trace.erase(outcome_.trace.begin(), outcome_.trace.begin() + max_trace_lines);
  outcome_.trace.push_back(stamp(now_) + (id == nobody ? "  " : "#" + std::to_string(id.value)) + " " + line);
}

void World::send(cluster::Message message) {
  outcome_.elections += std::holds_alternative<cluster::VoteRequest>(message.body);
  outcome_.snapshots += std::holds_alternative<cluster::SnapshotChunk>(message.body);
  if (luck_.hide_new_leaders && chaos_) hide_new_leader(message);
  if (cuts_.contains({message.from, message.to}) || (chaos_ && random_.percent(luck_.loss))) {
    if (settings_.trace) trace(nobody, "lost " + describe(message));
    return;
  }
  if (chaos_ && random_.percent(luck_.damaged))
    if (auto* chunk = std::get_if<cluster::SnapshotChunk>(&message.body); chunk && !chunk->bytes.empty())
      chunk->bytes[random_.below(chunk->bytes.size())] ^= 0x20;
  const auto copies = chaos_ && random_.percent(luck_.doubled) ? 2 : 1;
  const auto bytes = encode(message);
  for (int i = 0; i < copies; ++i) {
    auto delay = luck_.delay_micros / 2 + random_.below(luck_.delay_micros);
    if (chaos_ && random_.below(1'000) < luck_.late)
      delay += random_.below(std::vector<std::uint64_t>{20'000, 100'000, 2'000'000}[random_.below(3)]);
    after(Duration(delay), [this, bytes] {
      const auto received = cluster::decode_message(bytes);
      if (!received) throw Violation("a message is not what was encoded");
      if (cuts_.contains({received->from, received->to})) return;
      auto* to = replica(received->to);
      if (!to || !to->up()) return;
      if (settings_.trace) trace(received->to, "< " + describe(*received));
      to->receive(*received);
    });
  }
}

void World::run_until(Instant end) {
  while (!events_.empty() && events_.top().at <= end) {
    auto event = std::move(const_cast<Event&>(events_.top()));
    events_.pop();
    now_ = event.at;
    ++outcome_.events;
    event.run();
  }
  now_ = end;
}

RunOutcome World::run() {
  outcome_.violation = violation_of([&] {
    after(Duration(luck_.trouble_micros), [this] { trouble(); });
    run_until(Duration(luck_.life_micros));
    chaos_ = false;
    if (luck_.one_way) one_way_scenario();
    if (luck_.dead_leader) dead_leader_scenario();
    if (luck_.transfers && random_.percent(15)) failed_transfer_scenario();
    converge();
  });
  outcome_.simulated = now_;
  outcome_.acknowledged = checks_.acknowledgements();
  return std::move(outcome_);
}

RunOutcome run_seed(const RunSettings& settings) { return World(settings).run(); }

std::string explain(const RunSettings& settings) { return explain_by(settings, run_seed); }

}  // namespace cairn::simulation
