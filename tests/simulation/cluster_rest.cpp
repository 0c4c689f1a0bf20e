// A simulated cluster's begin and its quiet end, in which everything must come right again; and what is looked at
// then.
#include <algorithm>

#include "cluster/directory_machine.hpp"
#include "cluster/metadata_machine.hpp"
#include "cluster/reconcile.hpp"
#include "tests/simulation/cluster_world.hpp"

namespace cairn::simulation {

using namespace cluster::directory;
using namespace std::chrono_literals;

namespace {

constexpr Duration founding_patience = 40s;
constexpr Duration rest_patience = 60s;
constexpr Duration watch_patience = 8s;
constexpr Duration answer_patience = 10s;

}  // namespace

const DirectoryState* ClusterWorld::directory_state() {
  for (const auto& [name, node] : nodes_)
    if (node->running() && !node->paused() && node->office().leads()) return &node->office().state();
  return nullptr;
}

/// Of the latest term, as far as one is up.
ShardReplica* ClusterWorld::shard_leader(ShardId shard) {
  ShardReplica* best = nullptr;
  for (const auto& [name, node] : nodes_) {
    auto* replica = node->running() ? node->replica(shard) : nullptr;
    if (replica && replica->raft().role() == cluster::Role::leader &&
        (!best || replica->raft().term() > best->raft().term()))
      best = replica;
  }
  return best;
}

/// What a shard lacks; empty if nothing. `at_rest`: all that it logged is applied everywhere, too.
std::string ClusterWorld::shard_not_whole(const Shard& shard, std::size_t target, bool at_rest) {
  const auto name = "shard " + std::to_string(shard.id.value);
  auto* leader = shard_leader(shard.id);
  if (!leader) return name + " has no leader";
  const auto& raft = leader->raft();
  if (!raft.settled_in_office() || !raft.configuration_settled()) return name + " is not settled";
  if (!raft.configuration().learners.empty()) return name + " has a learner";
  std::vector<ReplicaId> voters;
  for (const auto& replica : shard.replicas) {
    if (replica.kind != ReplicaKind::voter) return name + " has a replica that comes or goes";
    voters.push_back(replica.id);
    auto* node = nodes_.at(replica.node.text()).get();
    auto* here = node->running() ? node->replica(shard.id) : nullptr;
    if (!here || here->id() != replica.id) return name + " lacks replica " + std::to_string(replica.id.value);
    if (here->raft().log().stored() + (at_rest ? 0 : 5) < raft.log().last_index())
      return name + " has a replica that is behind";
    if (at_rest && here->raft().applied() != raft.log().last_index()) return name + " has a replica that must apply";
  }
  if (voters != raft.configuration().voters) return name + " has other voters than the directory says";
  if (voters.size() != target) return name + " has " + std::to_string(voters.size()) + " voters";
  return {};
}

std::string ClusterWorld::not_whole(bool at_rest) {
  const auto* state = directory_state();
  if (!state) return "nobody leads the directory";
  if (state->shards.size() != plan_.shards + 1) return "there are " + std::to_string(state->shards.size()) + " shards";
  std::size_t usable = 0;
  for (const auto& [name, node] : state->nodes)
    usable += node.state == NodeState::alive || node.state == NodeState::dead;
  for (const auto& [id, shard] : state->shards)
    if (auto lacks = shard_not_whole(shard, target_voters(shard.wanted, usable), at_rest); !lacks.empty()) return lacks;
  if (!at_rest) return {};
  for (const auto& [name, node] : nodes_) {
    const auto at = state->nodes.find(node->node_name());
    if (dead_.contains(name)) continue;
    if (at == state->nodes.end() || !node->registered()) return name + " is not registered";
    if (at->second.state != NodeState::alive) return name + " is " + std::string(to_string(at->second.state));
    if (node->map().epoch() != state->epoch) return name + " has an old map";
    std::set<ReplicaId> held;
    for (const auto& [id, shard] : state->shards)
      if (const auto* replica = shard.find_on(node->node_name())) held.insert(replica->id);
    if (node->disk().made != held) return name + " has replicas that nobody knows";
    std::set<ReplicaId> folders;
    for (const auto& [id, folder] : node->disk().folders) folders.insert(id);
    if (folders != held) return name + " has folders of replicas that nobody knows";
  }
  for (const auto& client : clients_)
    if (!client->idle() || client->account().value == 0) return "a client waits";
  return {};
}

void ClusterWorld::found() {
  const auto end = now_ + founding_patience;
  const auto calm = now_ + 2s;
  bool paced = false;
  for (;;) {
    run_until(now_ + 50ms);
    const auto* state = directory_state();
    if (!paced && !chaos_ && state && !state->shards.empty()) {
      paced = true;
      operate();
    }
    if (now_ > calm && luck_.early && chaos_) {
      chaos_ = false;
      heal();
      for (const auto& name : names()) {
        nodes_.at(name)->set_full(false);
        nodes_.at(name)->set_slowness(1);
        nodes_.at(name)->resume();
        nodes_.at(name)->start();
      }
      links_changed();
    }
    const auto lacks = not_whole(false);
    if (lacks.empty()) break;
    if (now_ > end) violated("the cluster is not founded: " + lacks);
  }
  trace("", "the cluster is founded");
}

/// Sets the cluster's pace.
void ClusterWorld::operate() {
  const std::vector<std::pair<std::string, std::string>> settings{{"dead-after-millis", "1000"},
                                                                  {"grace-millis", "300"},
                                                                  {"leader-settle-millis", "1000"},
                                                                  {"leader-interval-millis", "500"},
                                                                  {"max-promotion-lag", "8"}};
  for (const auto& [name, value] : settings) {
    const auto done = std::make_shared<bool>(false);
    const auto end = now_ + 20s;
    for (auto again = now_; !*done; run_until(now_ + 5ms)) {
      if (now_ > end) violated("a setting cannot be set");
      if (now_ < again) continue;
      again = now_ + 1s;
      auto& node = any_node();
      const Command command{node.wall(), SetSetting{name, value, "the operator wants it"}};
      node.run([&] {
        node.route({directory_shard, slot_count, encode(command), true, false, 0},
                   [done](const ShardAnswer& answer) { *done = *done || answer.served == Served::done; });
      });
    }
  }
}

void ClusterWorld::end_trouble() {
  chaos_ = false;
  trace("", "from here on nothing goes wrong");
  heal();
  for (const auto& name : names()) {
    auto& node = *nodes_.at(name);
    node.set_full(false);
    node.set_slowness(1);
    node.resume();
    node.start();
  }
  links_changed();
  run_until(now_ + 1s);
  quiet_ = true;
}

/// A commit right before its shard's leader dies, and then nothing more: what its watcher is not told of now, it is
/// never told of.
void ClusterWorld::last_words() {
  auto& client = *clients_[random_.below(clients_.size())];
  const auto before = checks_.journal(client.account());
  client.write_once();
  for (const auto end = now_ + 5s; checks_.journal(client.account()) == before; run_until(now_ + 20us))
    if (now_ > end) violated("a commit to a cluster at rest is not applied");
  const auto slot = slot_of(client.account()).value;
  for (const auto& [id, shard] : directory_state()->shards) {
    const auto* leader = shard_leader(id);
    const bool owns =
        std::ranges::any_of(shard.slots, [&](const auto& range) { return range.first <= slot && slot <= range.last; });
    if (!owns || !leader) continue;
    const auto name = shard.find(leader->id())->node.text();
    nodes_.at(name)->crash(true);
    restart_later(name, 700'000);
    return;
  }
}

void ClusterWorld::come_to_rest() {
  const auto end = now_ + rest_patience;
  const auto answered = now_ + answer_patience;
  for (;;) {
    if (now_ > answered)
      for (const auto& client : clients_)
        if (!client->idle()) violated(client->waits() + " waits, although nothing goes wrong any more");
    auto lacks = not_whole(true);
    if (lacks.empty()) lacks = not_equal();
    if (lacks.empty()) break;
    if (now_ > end) violated("the cluster does not come to rest: " + lacks);
    run_until(now_ + 100ms);
  }
  check_rows();
  const auto late = now_ + watch_patience;
  for (const auto& watch : watches_)
    while (watch->cursor().value != checks_.journal(watch->account())) {
      if (now_ > late)
        violated("a watcher of account " + std::to_string(watch->account().value) + watch->where() + " stays at " +
                 std::to_string(watch->cursor().value) + " of " + std::to_string(checks_.journal(watch->account())));
      run_until(now_ + 100ms);
    }
}

/// What differs between replicas; a replica that finds rot in its rows withdraws, and the cluster is not at rest.
std::string ClusterWorld::not_equal() {
  for (const auto& [id, shard] : directory_state()->shards) {
    std::map<Bytes, Bytes> first;
    std::string who;
    for (const auto& replica : shard.replicas) {
      auto* here = nodes_.at(replica.node.text())->replica(id);
      std::map<Bytes, Bytes> rows;
      here->table().release_snapshot();  // what is stored now
      const auto scanned = here->table().scan({}, {}, [&](BytesView key, BytesView value) {
        if (key != cluster::position_key) rows.emplace(key, value);
        return true;
      });
      if (!scanned) {
        nodes_.at(replica.node.text())->run([&] { here->withdraw(scanned.error().message); });
        return "a row has rotted";
      }
      here->table().release_snapshot();
      if (who.empty()) {
        first = std::move(rows);
        who = std::to_string(replica.id.value);
      } else if (rows != first) {
        violated("replicas " + who + " and " + std::to_string(replica.id.value) + " of shard " +
                 std::to_string(id.value) + " have other rows at one index");
      }
    }
  }
  return {};
}

void ClusterWorld::check_rows() {
  for (const auto& [id, shard] : directory_state()->shards) {
    auto& rows = nodes_.at(shard.replicas.front().node.text())->replica(id)->table();
    const auto broken = id == directory_shard ? check_directory(rows) : cluster::check_invariants(rows);
    if (!broken.empty()) violated("rows of shard " + std::to_string(id.value) + ": " + broken.front());
  }
  for (const auto& [file, contents] : checks_.files()) {
    for (const auto& [id, one] : directory_state()->shards) {
      const auto slot = slot_of(file.account).value;
      const bool owns =
          std::ranges::any_of(one.slots, [&](const auto& range) { return range.first <= slot && slot <= range.last; });
      if (!owns) continue;
      cluster::MetadataMachine machine(nodes_.at(one.replicas.front().node.text())->replica(id)->table());
      const auto result = machine.query(cluster::GetContent{file.account, {root_entry, file.name}, VersionNumber{0}});
      const auto* found = std::get_if<cluster::ContentFound>(&result);
      if (!found || found->version.value != contents.size() || found->content.inline_bytes != contents.back())
        violated("an acknowledged write is lost: " + contents.back());
    }
  }
}

}  // namespace cairn::simulation
