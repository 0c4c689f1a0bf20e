#include "tests/simulation/cluster_world.hpp"

#include <algorithm>
#include <cstdio>

#include "tests/simulation/run.hpp"

namespace cairn::simulation {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t max_trace_lines = 1'500;
constexpr std::size_t founder_count = 3;

std::string stamp(Instant at) {
  char text[32];
  std::snprintf(text, sizeof text, "%10.3f ms ", static_cast<double>(at.count()) / 1000);
  return text;
}

}  // namespace

ClusterWorld::ClusterWorld(const ClusterRun& run) : run_(run), random_(run.seed * 0x9e37 + 1'009) {
  draw_luck();
  for (std::size_t i = 1; i <= founder_count; ++i) {
    const auto name = "n" + std::to_string(i);
    founders_.push_back({cluster::directory::NodeName::parse(name).value(), name + ":7000"});
    plan_.founders.push_back(founders_.back().name);
  }
  plan_.shards = static_cast<std::uint32_t>(random_.between(1, 2));
  plan_.replicas = 3;
  plan_.cluster = cluster::directory::ClusterId{random_.next() | 1};
  for (const auto& founder : founders_) {
    add_node(founder.name.text());
    restart_later(founder.name.text(), 200'000);
  }
  const auto spares = random_.between(1, 2);
  for (std::uint64_t i = 1; i <= spares; ++i) {
    const auto name = "s" + std::to_string(i);
    add_node(name);
    restart_later(name, 2'500'000);
  }
  const auto clients = random_.between(2, 4);
  for (std::uint64_t i = 1; i <= clients; ++i) {
    clients_.push_back(std::make_unique<ClusterClient>(*this, i));
    after(Duration(random_.below(300'000)), [this, i] { clients_[i - 1]->step(); });
  }
}

void ClusterWorld::draw_luck() {
  const auto maybe = [&](std::uint64_t percent) { return random_.percent(percent); };
  luck_.loss = maybe(40) ? random_.below(10) : 0;
  luck_.doubled = maybe(40) ? random_.below(8) : 0;
  luck_.late = maybe(40) ? random_.below(30) : 0;
  luck_.delay_micros = maybe(80) ? 200 : 2'000;
  luck_.trouble_micros = maybe(50) ? 150'000 : 500'000;
  luck_.life_micros = 2'500'000 + random_.below(3'500'000);
  luck_.early = maybe(25);
  // crash, cut, pause, disk, clock, death within a write, lost node, lost disk, rot
  luck_.chances = {4, 3, 2, 1, 1, 4, 0, 0, 0};
  if (maybe(60)) luck_.chances[6 + random_.below(3)] = 3;
  if (maybe(20)) luck_.chances = {0, 0, 0, 0, 0, 0, 2, 2, 2};
  auto& raft = settings_.raft;
  raft.lease_reads = maybe(25);
  raft.clock_drift_ppm = 20'000;
  raft.quiesce_after_heartbeats = maybe(60) ? 4 : 0;
  raft.max_append_entries = maybe(50) ? random_.between(1, 4) : 4'096;
  raft.max_messages_in_flight = maybe(30) ? random_.between(1, 4) : 64;
  raft.cache_bytes = maybe(60) ? 256 : 1u << 20;
  raft.snapshot_chunk_bytes = maybe(50) ? random_.between(300, 3'000) : 256u << 10;
  raft.max_promotion_lag = maybe(50) ? 8 : 4'096;
  settings_.store_time = Duration(maybe(80) ? 150 : 2'000);
  settings_.checkpoint_entries = random_.between(5, 80);
  settings_.kept_entries = random_.below(20);
}

void ClusterWorld::add_node(const std::string& name) {
  auto node = std::make_unique<ClusterNode>(*this, name, next_disk_++);
  const auto bound = static_cast<std::int64_t>(settings_.raft.clock_drift_ppm) - 1'000;
  node->set_drift(static_cast<std::int64_t>(random_.below(2 * static_cast<std::uint64_t>(bound))) - bound);
  nodes_[name] = std::move(node);
}

std::vector<std::string> ClusterWorld::names() const {
  std::vector<std::string> out;
  for (const auto& [name, node] : nodes_)
    if (!dead_.contains(name)) out.push_back(name);
  return out;
}

ClusterNode* ClusterWorld::node(const std::string& name) {
  const auto found = nodes_.find(name);
  return found == nodes_.end() ? nullptr : found->second.get();
}

ClusterNode& ClusterWorld::any_node() {
  std::vector<ClusterNode*> up;
  for (const auto& [name, node] : nodes_)
    if (node->running() && !node->paused()) up.push_back(node.get());
  return up.empty() ? *nodes_.begin()->second : *up[random_.below(up.size())];
}

void ClusterWorld::after(Duration delay, std::function<void()> event) {
  events_.push({now_ + std::max(delay, Duration(0)), next_event_++, std::move(event)});
}

void ClusterWorld::trace(const std::string& who, const std::string& line) {
  if (!run_.trace) return;
  auto& lines = outcome_.trace;
  const auto most = run_.messages ? 100 * max_trace_lines : max_trace_lines;
  if (lines.size() >= 2 * most) lines.erase(lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(most));
  lines.push_back(stamp(now_) + who + " " + line);
}

void ClusterWorld::run_until(Instant end) {
  while (!events_.empty() && events_.top().at <= end) {
    auto event = std::move(const_cast<Event&>(events_.top()));
    events_.pop();
    now_ = event.at;
    ++outcome_.events;
    event.run();
  }
  now_ = end;
}

// Watches.

void ClusterWorld::wake_watch(AccountId account) {
  watches_.push_back(std::make_unique<ClusterWatch>(*this, account));
  watches_.back()->start();
}

bool ClusterWorld::any_watch_on(const std::string& node) const {
  return std::ranges::any_of(watches_, [&](const auto& watch) { return watch->node() == node; });
}

std::vector<AccountId> ClusterWorld::watched_on(const std::string& node) const {
  std::vector<AccountId> out;
  for (const auto& watch : watches_)
    if (watch->node() == node) out.push_back(watch->account());
  return out;
}

void ClusterWorld::tell_watches(const std::string& name, const Growth& growth) {
  for (const auto& watch : watches_) {
    if (watch->node() != name || watch->account() != growth.account) continue;
    node(name)->after(Duration(1), [watch = watch.get(), name, growth] {
      if (watch->node() == name) watch->grew(growth);
    });
  }
}

// The run.

ClusterOutcome ClusterWorld::run() {
  outcome_.violation = violation_of([&] {
    chaos_ = luck_.early;
    if (luck_.early) after(Duration(luck_.trouble_micros), [this] { trouble(); });
    found();
    chaos_ = true;
    if (!luck_.early) after(Duration(luck_.trouble_micros), [this] { trouble(); });
    run_until(now_ + Duration(luck_.life_micros));
    end_trouble();
    come_to_rest();
    if (random_.percent(40)) {
      last_words();
      come_to_rest();
    }
  });
  outcome_.simulated = now_;
  outcome_.made = checks_.made();
  outcome_.acknowledged = checks_.acknowledgements();
  return std::move(outcome_);
}

ClusterOutcome run_cluster(const ClusterRun& run) { return ClusterWorld(run).run(); }

std::string explain(const ClusterRun& run) { return explain_by(run, run_cluster); }

}  // namespace cairn::simulation
