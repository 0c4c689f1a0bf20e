#include "cluster/routing.hpp"

#include <algorithm>
#include <tuple>

namespace cairn::cluster {
namespace {

bool has(const std::vector<ReplicaId>& replicas, ReplicaId id) {
  return std::find(replicas.begin(), replicas.end(), id) != replicas.end();
}

Duration pause_after(std::uint32_t failures) {
  if (failures < limits::route_attempts_at_once) return Duration(0);
  const auto doublings = std::min(failures - limits::route_attempts_at_once, 16u);
  return std::min<Duration>(limits::route_pause_first * (1u << doublings), limits::route_pause_most);
}

// Replicas that each slot's reads prefer, spread evenly: the largest number comes first.
std::uint64_t preference(std::uint16_t slot, ReplicaId replica) {
  auto n = replica.value * 0x9e3779b97f4a7c15u + slot;
  n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9u;
  n = (n ^ (n >> 27)) * 0x94d049bb133111ebu;
  return n ^ (n >> 31);
}

}  // namespace

Routing::Routing(std::string self, std::uint64_t first_number, RoutingOptions options)
    : self_(std::move(self)),
      options_(options),
      next_attempt_(first_number),
      hedge_credit_(std::uint64_t{options.hedges_at_once} * limits::reads_per_hedge) {}

Result<std::uint64_t> Routing::begin(const RoutedRequest& what, Instant now) {
  const auto* owner = shard_of(what);
  const auto state = shards_.find(owner ? owner->id.value : 0);
  const std::size_t share = what.relayed ? 2 : 1;  // half of the room is for this node's own
  if (requests_.size() >= options_.max_requests / share || bytes_ + what.bytes > options_.max_bytes / share ||
      (state != shards_.end() && state->second.count >= options_.max_requests_per_shard / share))
    return Error{Errc::busy, "too many requests to shards are waiting"};
  const auto id = ++last_request_;
  auto& request = requests_[id];
  request.what = what;
  request.deadline = now + (what.relayed ? options_.relay_timeout : options_.timeout);
  bytes_ += what.bytes;
  advance(id, now);
  return id;
}

std::optional<std::uint64_t> Routing::answered(std::uint64_t number, std::string_view node, Served served,
                                               ReplicaId leader, std::uint64_t index, Instant now) {
  const auto of = attempts_.find(number);
  if (of == attempts_.end()) return std::nullopt;
  const auto id = of->second;
  auto& request = requests_.at(id);
  const auto attempt = *find(request, number);
  if (attempt.node != node) return std::nullopt;
  const bool nothing_done = served != Served::unknown && index == 0;
  if (nothing_done) --request.in_doubt;
  if (served == Served::done && !(nothing_done && request.what.by_leader && request.in_doubt > 0)) {
    const auto answered = remove(id);
    note_winner(answered, attempt, index, now);
    find_scout(answered.filed, now);
    return id;
  }
  drop_attempt(request, number);
  failed(request, now);
  if (served != Served::done) {
    note_refusal(id, request, attempt, served, leader, now);
  } else {
    const auto filed = request.filed;
    if (request.out.empty()) give_up(id, Served::unknown, now);
    note_leader(filed, attempt, now);
  }
  advance(id, now);
  return std::nullopt;
}

void Routing::not_sent(std::uint64_t number, bool no_link, Instant now) {
  const auto of = attempts_.find(number);
  if (of == attempts_.end()) return;
  const auto id = of->second;
  auto& request = requests_.at(id);
  if (auto& node = nodes_[find(request, number)->node]; no_link && !node.down_since) node.down_since = now;
  drop_attempt(request, number);
  --request.in_doubt;
  failed(request, now);
  advance(id, now);
}

void Routing::note_winner(const Request& request, const Attempt& winner, std::uint64_t index, Instant now) {
  auto& state = shards_[request.filed.value];
  if (winner.relay) {
    if (!state.leader.value || !is_down(map_->node_of(state.leader).text())) return;
    const auto* shard = map_->find(request.filed);
    if (!shard || !shard->find(winner.replica)) return;
    // What is out by another relay is not sent again for a faster one.
    const bool others_wait = !state.relay.value || is_down(map_->node_of(state.relay).text());
    set_relay(state, winner.replica);
    if (others_wait) advance_leader_requests(request.filed, now);
    return;
  }
  auto& reached = state.reached[winner.replica.value];
  reached = std::max(reached, index);
  if (request.what.by_leader) return note_leader(request.filed, winner, now);
  hedge_credit_ = std::min(hedge_credit_ + 1, std::uint64_t{options_.hedges_at_once} * limits::reads_per_hedge);
  if (const auto node = nodes_.find(winner.node); node != nodes_.end()) node->second.overtaken = 0;
  for (const auto& other : request.out) {
    if (other.sent >= winner.sent) continue;
    auto& node = nodes_[other.node];
    ++node.overtaken;
    // Who may not have reached the floor is slow with reason, for a few times.
    const auto there = state.reached.find(other.replica.value);
    const bool lags = request.what.floor > (there == state.reached.end() ? 0 : there->second);
    if (!lags || node.overtaken >= limits::overtakes_before_avoid) node.avoid_until = now + options_.avoid_time;
  }
}

// What only a leader answers.
void Routing::note_leader(directory::ShardId shard, const Attempt& winner, Instant now) {
  auto& state = shards_[shard.value];
  if (!winner.relay && winner.term >= state.term && state.leader != winner.replica)
    set_leader(shard, state, winner.replica, now);
}

// A refusal tells no more of the leader than was known when the attempt left, and who still follows an older one
// must not make the others doubt a leader that was found since.
void Routing::note_refusal(std::uint64_t id, const Request& request, const Attempt& attempt, Served served,
                           ReplicaId leader, Instant now) {
  if (!request.what.by_leader) return;
  auto& state = shards_[request.filed.value];
  if (attempt.term < state.term) return;
  if (attempt.relay && state.relay == attempt.replica) {
    if (!state.relay_busy_since) state.relay_busy_since = now;
    // One that serves some is the best there may be; one that serves nobody is left as if it were silent.
    if (served != Served::busy || now - *state.relay_busy_since >= limits::leader_doubt_after)
      set_relay(state, no_replica);
  }
  const bool was_it = state.leader == attempt.replica && !attempt.relay;
  const bool open = !state.leader.value || was_it || state.scout == id || is_down(map_->node_of(state.leader).text());
  const bool names_another = served == Served::not_leader && leader.value && leader != attempt.replica;
  if (names_another && open && leader != state.leader) {
    set_leader(request.filed, state, leader, now);
  } else if (was_it && !names_another && !request.what.relayed) {  // which would not look for another
    set_leader(request.filed, state, no_replica, now);
  }
}

void Routing::set_map(std::shared_ptr<const ClusterMap> map, Instant now) {
  map_ = std::move(map);
  for (const auto& shard : map_->slots().shards) {
    heard_leader(shard.id, shard.leader, shard.leader_term, now);
    auto& state = shards_[shard.id.value];
    if (state.leader.value && !shard.find(state.leader)) state.leader = no_replica;
    if (state.relay.value && !shard.find(state.relay)) set_relay(state, no_replica);
    std::erase_if(state.reached, [&](const auto& one) { return !shard.find(ReplicaId{one.first}); });
  }
  std::erase_if(shards_,
                [&](const auto& one) { return one.second.count == 0 && !map_->find(directory::ShardId{one.first}); });
  advance_if([](const Request&) { return true; }, now);
}

void Routing::link_changed(std::string_view name, bool up, Instant now) {
  auto& node = nodes_[std::string(name)];
  if (up) {
    node = NodeState{};
    return advance_if([](const Request& request) { return request.what.by_leader || request.out.empty(); }, now);
  }
  if (!node.down_since) node.down_since = now;
  advance_if(
      [&](Request& request) {
        return std::erase_if(request.out, [&](const Attempt& attempt) {
                 if (attempt.node != name) return false;
                 attempts_.erase(attempt.number);
                 return true;
               }) > 0;
      },
      now);
}

// By age, so that nobody is overtaken at each change.
template <class Choose>
void Routing::advance_if(Choose choose, Instant now) {
  std::vector<std::uint64_t> chosen;
  for (auto& [id, request] : requests_) {
    if (!choose(request)) continue;
    request.not_before = Instant(0);
    chosen.push_back(id);
  }
  std::sort(chosen.begin(), chosen.end());
  for (const auto id : chosen) advance(id, now);
}

void Routing::heard_leader(directory::ShardId shard, ReplicaId leader, std::uint64_t term, Instant now) {
  auto& state = shards_[shard.value];
  if (term < state.term || (term == state.term && (!leader.value || state.leader == leader))) return;
  if (state.term == 0 && state.leader == leader) {  // it is known by now what term the requests were sent in
    state.term = term;
    for (const auto id : state.for_leader)
      for (auto& attempt : requests_.at(id).out)
        if (attempt.replica == leader || attempt.relay) attempt.term = term;
    return;
  }
  state.term = term;
  for (const auto id : state.for_leader) {
    auto& request = requests_.at(id);
    request.not_before = Instant(0);
    request.failures = 0;
    request.tried.clear();
  }
  set_leader(shard, state, leader, now);
}

// Those who wait for a leader, or for one that is none any more, go on.
void Routing::set_leader(directory::ShardId shard, ShardState& state, ReplicaId leader, Instant now) {
  state.leader = leader;
  set_relay(state, no_replica);
  if (leader.value) state.scout = 0;
  advance_leader_requests(shard, now);
}

void Routing::set_relay(ShardState& state, ReplicaId relay) {
  state.relay = relay;
  state.relay_busy_since.reset();
}

void Routing::advance_leader_requests(directory::ShardId shard, Instant now) {
  const auto state = shards_.find(shard.value);
  if (state == shards_.end()) return;
  const std::vector<std::uint64_t> waiting(state->second.for_leader.begin(), state->second.for_leader.end());
  for (const auto id : waiting) advance(id, now);
}

void Routing::tick(Instant now) {
  while (!wakeups_.empty() && wakeups_.begin()->first <= now) {
    const auto id = wakeups_.begin()->second;
    wakeups_.erase(wakeups_.begin());
    requests_.at(id).wake = never;
    advance(id, now);
  }
}

std::vector<RoutingStep> Routing::take_steps() { return std::exchange(steps_, {}); }

ReplicaId Routing::leader(directory::ShardId shard) const {
  const auto state = shards_.find(shard.value);
  return state == shards_.end() ? no_replica : state->second.leader;
}

// Does what is due for the request, and sets when to look at it again.
void Routing::advance(std::uint64_t id, Instant now) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) return;
  auto& request = found->second;
  const auto* shard = shard_of(request.what);
  const auto* owner = request.what.shard.value ? map_->shard_of(Slot{request.what.slot}) : nullptr;
  const bool moved = owner && owner->id != request.what.shard;
  if (now >= request.deadline || moved) return give_up(id, moved ? Served::not_here : Served::not_leader, now);
  file(id, request, shard ? shard->id : directory::ShardId{0});
  if (!shard && request.what.relayed) return give_up(id, Served::not_leader, now);
  if (!shard) return wake_at(id, request, request.deadline);
  request.what.by_leader ? to_leader(id, request, *shard, now) : to_any(id, request, *shard, now);
}

void Routing::give_up(std::uint64_t id, Served why, Instant now) {
  const auto request = remove(id);
  steps_.push_back(GiveUp{id, request.in_doubt > 0 ? Served::unknown : why});
  find_scout(request.filed, now);
}

void Routing::to_leader(std::uint64_t id, Request& request, const directory::Shard& shard, Instant now) {
  auto& state = shards_[shard.id.value];
  const auto* to = state.leader.value ? shard.find(state.leader) : nullptr;
  const bool down = to && is_down(to->node.text());
  if (to && !down) set_relay(state, no_replica);
  const bool relay = down && !request.what.relayed;
  if (relay) to = state.relay.value ? shard.find(state.relay) : nullptr;
  if (!to || is_down(to->node.text())) {
    if (request.what.relayed) return give_up(id, Served::not_leader, now);
    request.doubt_at = never;
    return look_for_leader(id, request, shard, now);
  }
  const auto asked = std::find_if(request.out.begin(), request.out.end(), [&](const Attempt& attempt) {
    return attempt.replica == to->id && attempt.relay == relay && attempt.term >= state.term && !attempt.doubted;
  });
  // Who was asked before it was known to lead is not waited for longer than others.
  if (asked != request.out.end() && request.doubt_at == never)
    request.doubt_at = asked->sent + limits::leader_doubt_after;
  if (asked != request.out.end() && now >= request.doubt_at && !request.what.relayed)
    return look_for_leader(id, request, shard, now);
  if (state.scout == id) state.scout = 0;
  if (asked == request.out.end()) {
    if (request.what.relayed && (request.in_doubt > 0 || has(request.tried, to->id)))
      return give_up(id, Served::not_leader, now);
    if (now < request.not_before) return wake_at(id, request, request.not_before);
    if (!request.what.relayed) request.tried.clear();
    send(id, request, shard, *to, relay, now);
    request.doubt_at = now + limits::leader_doubt_after;
  }
  wake_at(id, request, request.what.relayed ? request.deadline : request.doubt_at);
}

// Either nobody is known to lead, or who is has not answered for long (the request then has a doubt_at).
void Routing::look_for_leader(std::uint64_t id, Request& request, const directory::Shard& shard, Instant now) {
  auto& state = shards_[shard.id.value];
  const bool doubts = request.doubt_at != never;
  if (state.scout == 0) state.scout = id;
  // One at a time, so that a leader that is slow is not asked again by all of them.
  if (state.scout != id) return wake_at(id, request, doubts ? now + limits::leader_doubt_after : request.deadline);
  if (now < request.not_before) return wake_at(id, request, request.not_before);
  const bool relays = request.relays && state.leader.value && is_long_down(map_->node_of(state.leader).text(), now);
  // Who relays has nothing to say before the leader does, and refuses at once if it cannot.
  const Duration patience = doubts || relays ? limits::leader_doubt_after : limits::leader_search_patience;
  if (!doubts && !request.out.empty() && now < request.out.back().sent + patience)
    return wake_at(id, request, request.out.back().sent + patience);
  if (const auto* voter = next_voter(id, request, shard)) {
    send(id, request, shard, *voter, relays && voter->node.text() != self_, now);
    if (doubts) request.doubt_at = now + patience;
    return wake_at(id, request, now + patience);
  }
  request.tried.clear();  // all were asked: again, after a pause, those too whose answers may be lost
  request.relays = !request.relays;
  for (auto& attempt : request.out) attempt.doubted = !options_.faults.has(NodeFault::leader_asked_once);
  request.not_before = now + limits::route_pause_most;
  wake_at(id, request, request.not_before);
}

void Routing::to_any(std::uint64_t id, Request& request, const directory::Shard& shard, Instant now) {
  if (request.out.empty()) {
    if (now < request.not_before) return wake_at(id, request, request.not_before);
  } else {
    const auto due = request.out.back().sent + options_.hedge_after;
    if (now < due) return wake_at(id, request, due);
    if (hedge_credit_ < limits::reads_per_hedge) return wake_at(id, request, now + options_.hedge_after);
  }
  const auto* replica = next_reader(request, shard, now);
  if (!replica && request.out.empty()) {
    request.tried.clear();  // all refused: the next round
    replica = next_reader(request, shard, now);
    if (!replica) return wake_at(id, request, now + limits::route_pause_most);  // there is a link to none
  }
  if (!replica) {  // all are asked: who refused does better by now, perhaps, and what who is silent said may be lost
    auto doubt_at = now + limits::leader_doubt_after;
    for (auto& attempt : request.out) {
      const auto at = attempt.sent + limits::leader_doubt_after;
      attempt.doubted = at <= now;
      if (!attempt.doubted) doubt_at = std::min(doubt_at, at);
    }
    if (!options_.faults.has(NodeFault::readers_asked_once))
      std::erase_if(request.tried, [&](ReplicaId tried) { return !is_asked(request, tried); });
    replica = next_reader(request, shard, now);
    if (!replica) return wake_at(id, request, doubt_at);
    if (now < request.not_before) return wake_at(id, request, request.not_before);
  }
  if (!request.out.empty()) hedge_credit_ -= limits::reads_per_hedge;
  send(id, request, shard, *replica, false, now);
  wake_at(id, request, now + options_.hedge_after);
}

// This node's own first; a learner cannot lead.
const directory::Replica* Routing::next_voter(std::uint64_t id, const Request& request,
                                              const directory::Shard& shard) const {
  const directory::Replica* found = nullptr;
  for (std::size_t i = 0; i < shard.replicas.size(); ++i) {
    const auto& replica = shard.replicas[(id + i) % shard.replicas.size()];
    if (replica.kind == directory::ReplicaKind::learner || has(request.tried, replica.id)) continue;
    if (is_asked(request, replica.id) || is_down(replica.node.text())) continue;
    if (replica.node.text() == self_) return &replica;
    if (!found) found = &replica;
  }
  return found;
}

// Who was overtaken lately comes last; of the others first the one on this node, and as a second one the leader,
// which has reached every floor.
const directory::Replica* Routing::next_reader(const Request& request, const directory::Shard& shard,
                                               Instant now) const {
  const auto leads = leader(shard.id);
  const auto rank = [&](const directory::Replica& replica) {
    const auto& node = replica.node.text();
    return std::tuple(!is_avoided(node, now), !request.out.empty() && replica.id == leads, node == self_,
                      preference(request.what.slot, replica.id));
  };
  const directory::Replica* best = nullptr;
  for (const auto& replica : shard.replicas) {
    if (replica.kind == directory::ReplicaKind::learner || has(request.tried, replica.id)) continue;
    if (is_down(replica.node.text())) continue;
    if (!best || rank(replica) > rank(*best)) best = &replica;
  }
  return best;
}

void Routing::send(std::uint64_t id, Request& request, const directory::Shard& shard, const directory::Replica& to,
                   bool relay, Instant now) {
  if (request.out.size() >= limits::max_route_attempts) drop_attempt(request, request.out.front().number);
  const auto number = next_attempt_++;
  ++request.in_doubt;
  request.out.push_back({number, to.id, to.node.text(), shards_[shard.id.value].term, now, relay});
  request.tried.push_back(to.id);
  attempts_.emplace(number, id);
  steps_.push_back(SendAttempt{id, number, shard.id, to.node.text(), relay});
}

void Routing::failed(Request& request, Instant now) { request.not_before = now + pause_after(++request.failures); }

std::vector<Routing::Attempt>::iterator Routing::find(Request& request, std::uint64_t number) {
  return std::find_if(request.out.begin(), request.out.end(),
                      [&](const Attempt& attempt) { return attempt.number == number; });
}

void Routing::drop_attempt(Request& request, std::uint64_t number) {
  attempts_.erase(number);
  request.out.erase(find(request, number));
}

const directory::Shard* Routing::shard_of(const RoutedRequest& what) const {
  return what.shard.value ? map_->find(what.shard) : map_->shard_of(Slot{what.slot});
}

void Routing::file(std::uint64_t id, Request& request, directory::ShardId shard) {
  if (request.filed_at_all && request.filed == shard) return;
  unfile(id, request);
  request.filed = shard;
  request.filed_at_all = true;
  auto& state = shards_[shard.value];
  ++state.count;
  if (request.what.by_leader) state.for_leader.insert(id);
}

void Routing::unfile(std::uint64_t id, Request& request) {
  if (!std::exchange(request.filed_at_all, false)) return;
  auto& state = shards_[request.filed.value];
  --state.count;
  state.for_leader.erase(id);
  if (state.scout == id) state.scout = 0;
}

Routing::Request Routing::remove(std::uint64_t id) {
  const auto found = requests_.find(id);
  auto request = std::move(found->second);
  requests_.erase(found);
  unfile(id, request);
  if (request.wake != never) wakeups_.erase({request.wake, id});
  for (const auto& attempt : request.out) attempts_.erase(attempt.number);
  bytes_ -= request.what.bytes;
  return request;
}

// When the one that looked for the leader has gone, the next one does: at the next tick, as many may go at once.
void Routing::find_scout(directory::ShardId shard, Instant now) {
  const auto found = shards_.find(shard.value);
  if (found == shards_.end() || found->second.scout || found->second.for_leader.empty()) return;
  const auto leader = found->second.leader;
  if (leader.value && !is_down(map_->node_of(leader).text())) return;
  const auto next = *found->second.for_leader.begin();
  wake_at(next, requests_.at(next), now);
}

void Routing::wake_at(std::uint64_t id, Request& request, Instant at) {
  at = std::min(at, request.deadline);
  if (at == request.wake) return;
  if (request.wake != never) wakeups_.erase({request.wake, id});
  request.wake = at;
  wakeups_.emplace(at, id);
}

bool Routing::is_asked(const Request& request, ReplicaId replica) const {
  return std::any_of(request.out.begin(), request.out.end(),
                     [&](const Attempt& attempt) { return attempt.replica == replica && !attempt.doubted; });
}

bool Routing::is_down(const std::string& name) const {
  const auto node = nodes_.find(name);
  return node != nodes_.end() && node->second.down_since;
}

bool Routing::is_long_down(const std::string& name, Instant now) const {
  const auto node = nodes_.find(name);
  return node != nodes_.end() && node->second.down_since && now - *node->second.down_since >= limits::relay_after;
}

bool Routing::is_avoided(const std::string& name, Instant now) const {
  const auto node = nodes_.find(name);
  return node != nodes_.end() && now < node->second.avoid_until;
}

}  // namespace cairn::cluster
