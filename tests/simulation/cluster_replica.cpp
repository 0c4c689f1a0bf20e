// The replica's requests and the steps of its consensus, as actors/replica.cpp and replica_step.cpp.
#include "tests/simulation/cluster_replica.hpp"

#include <algorithm>

#include "cluster/membership.hpp"
#include "tests/simulation/cluster_world.hpp"

namespace cairn::simulation {

using cluster::EntryKindInLog;
using cluster::directory::GroupChange;

ShardReplica::ShardReplica(ClusterNode& node, Options options, std::shared_ptr<ReplicaFolderDisk> disk)
    : node_(node),
      options_(std::move(options)),
      disk_(std::move(disk)),
      shown_(node.world().checks().log_of(options_.shard, options_.self)) {}

ShardReplica::~ShardReplica() {
  disk_->log->observe({});
  node_.world().checks().process_ended(options_.shard, options_.self);
}

void ShardReplica::lose_power() {
  disk_->log->observe({});
  disk_->log = power_lost_ ? power_lost_ : disk_->log->image(node_.world().random());
}

void ShardReplica::die_at_write(std::uint64_t operations) {
  disk_->log->observe([this, operations]() mutable {
    if (operations-- > 0) return;
    power_lost_ = disk_->log->image(node_.world().random());
    throw PowerLoss{};
  });
}

bool ShardReplica::faulty(ClusterFault fault) const { return node_.world().faulty(fault); }

void ShardReplica::trace(const std::string& line) const {
  if (node_.world().tracing())
    node_.trace("replica " + std::to_string(options_.self.value) + " of shard " + std::to_string(options_.shard.value) +
                " " + line);
}

void ShardReplica::after(Duration delay, std::function<void()> event) {
  node_.after(delay, [alive = std::weak_ptr<int>(alive_), event = std::move(event)] {
    if (!alive.expired()) event();
  });
}

Duration ShardReplica::store_time() {
  const auto mean = static_cast<std::uint64_t>(node_.world().settings().store_time.count()) * node_.slowness();
  return Duration(mean / 2 + node_.world().random().below(mean + 1));
}

/// Tasks of the log's disk come one after the other.
void ShardReplica::on_disk(std::function<void()> task) {
  const auto now = node_.world().now();
  disk_free_ = std::max(disk_free_, now) + store_time();
  after(disk_free_ - now, std::move(task));
}

void ShardReplica::receive(const cluster::Message& message) {
  if (withdrawing_ || message.to != options_.self || message.from == options_.self) return;
  down_.erase(message.from);
  raft_->receive(message, node_.steady());
  pump();
}

void ShardReplica::peer_down(ReplicaId peer) {
  if (withdrawing_ || peer == options_.self) return;
  down_.insert(peer);
  raft_->peer_down(peer, node_.steady());
  pump();
}

bool ShardReplica::owns(std::uint16_t slot) const {
  return std::ranges::any_of(options_.slots,
                             [&](const auto& range) { return range.first <= slot && slot <= range.last; });
}

void ShardReplica::request(ShardRequest request, AnswerTo answer) {
  if (withdrawing_ || request.shard != options_.shard || (request.slot < slot_count && !owns(request.slot)))
    return answer({Served::not_here, {}, 0, {}});
  request.proposes ? propose(request, std::move(answer)) : ask(request, std::move(answer));
}

void ShardReplica::propose(ShardRequest& request, AnswerTo answer) {
  const auto refusal = [&](const Error& error) {
    return ShardAnswer{Served::done, machine_->command_error(error), 0, {}};
  };
  if (raft_->role() != cluster::Role::leader) return look_elsewhere(answer);
  if (raft_->handing_on()) return answer({Served::not_leader, {}, 0, {}});
  auto command = machine_->decode(request.body);
  if (!command) return answer(refusal(command.error()));
  if (const auto slot = (*command)->slot(); slot && !owns(slot->value)) return answer({Served::not_here, {}, 0, {}});
  const auto index = raft_->propose(std::move(request.body), node_.steady());
  if (!index && index.error().code == Errc::unavailable) return answer({Served::not_leader, {}, 0, raft_->leader()});
  if (!index) return answer(refusal(index.error()));
  proposals_.push_back({*index, raft_->term(), std::move(*command), std::move(answer)});
  pump();
}

void ShardReplica::look_elsewhere(const AnswerTo& answer) {
  answer({Served::not_leader, {}, 0, raft_->leader()});
  raft_->doubt_leader(node_.steady());
  arm_timer();
}

void ShardReplica::ask(ShardRequest& request, AnswerTo answer_to) {
  if (request.linearizable && !faulty(ClusterFault::read_without_leading)) {
    const auto number = raft_->read(node_.steady());
    if (number) {
      rounds_.emplace(*number, Read{std::move(request.body), std::move(answer_to)});
      return pump();
    }
    if (number.error().code == Errc::unavailable) return look_elsewhere(answer_to);
    return answer_to({Served::done, machine_->query_error(number.error()), table_->applied(), {}});
  }
  const auto floor = std::max<std::uint64_t>(request.floor, 1);
  if (table_->applied() >= floor || faulty(ClusterFault::floor_ignored))
    return answer({std::move(request.body), std::move(answer_to)});
  const auto until = node_.world().now() + Duration(limits::max_floor_wait);
  floors_.emplace(floor, std::pair(until, Read{std::move(request.body), std::move(answer_to)}));
  after(Duration(limits::max_floor_wait), [this] { expire_floors(); });
}

void ShardReplica::expire_floors() {
  std::vector<AnswerTo> late;
  std::erase_if(floors_, [&](auto& item) {
    if (item.second.first > node_.world().now()) return false;
    late.push_back(std::move(item.second.second.answer));
    return true;
  });
  for (const auto& answer : late) answer({Served::behind, {}, 0, raft_->leader()});
}

void ShardReplica::answer(Read read) {
  auto result = machine_->query(read.query);
  if (result) return read.answer({Served::done, std::move(*result), table_->applied(), {}});
  read.answer({Served::not_here, {}, 0, {}});
  withdraw(result.error().message);
}

Result<void> ShardReplica::change(GroupChange change, ReplicaId replica) {
  if (withdrawing_ || raft_->role() != cluster::Role::leader)
    return Error{Errc::unavailable, "this replica does not lead its shard"};
  const auto now = node_.steady();
  const auto& current = raft_->configuration();
  auto next = current;
  switch (change) {
    case GroupChange::transfer: {
      const auto started = raft_->transfer(replica, now);
      pump();
      return started;
    }
    case GroupChange::take_in:
      next = next.with_learner(replica);
      break;
    case GroupChange::promote:
      next = next.with_voter(replica);
      break;
    case GroupChange::remove:
      next = next.without(replica);
      break;
  }
  if (next == current) return {};
  if (next.voters != current.voters) {
    const auto heard = std::ranges::count_if(next.voters, [&](ReplicaId id) { return hears(id); });
    if (static_cast<std::size_t>(heard) < next.majority()) return Error{Errc::conflict, "no majority is heard"};
  }
  const auto index = raft_->propose_configuration(next, now);
  if (!index) return index.error();
  pump();
  return {};
}

bool ShardReplica::hears(ReplicaId id) const {
  if (id == options_.self) return true;
  const auto* peer = raft_->progress(id);
  if (!peer || down_.contains(id)) return false;
  return raft_->quiescent() || node_.steady() - peer->heard() <= node_.world().settings().raft.election_timeout;
}

cluster::directory::ReplicaReport ShardReplica::report() const {
  cluster::directory::ReplicaReport report;
  report.shard = options_.shard;
  report.replica = options_.self;
  report.withdrawn = withdrawing_;
  report.role = withdrawing_ ? cluster::Role::follower : raft_->role();
  report.term = raft_->term();
  if (report.role != cluster::Role::leader) return report;
  report.settled = raft_->settled_in_office() && raft_->configuration_settled();
  report.configuration = raft_->configuration();
  for (const auto* list : {&report.configuration.voters, &report.configuration.learners})
    for (const auto id : *list)
      if (const auto* peer = raft_->progress(id); peer && peer->match() > 0 && hears(id))
        report.lag[id] = raft_->log().last_index() - std::min(peer->match(), raft_->log().last_index());
  return report;
}

RoleChange ShardReplica::role() const {
  return {options_.shard, options_.self, raft_->role(), raft_->term(), raft_->leader(), settled_, table_->applied()};
}

void ShardReplica::housekeep() {
  after(Duration(1'000'000), [this] { housekeep(); });
  if (withdrawing_ || !raft_->settled_in_office()) return;
  auto command = machine_->due(node_.wall());
  if (!command) return;
  ShardRequest tick{options_.shard, slot_count, std::move(*command), true, false, 0};
  propose(tick, [](const ShardAnswer&) {});
}

void ShardReplica::pump() {
  const auto alive = std::weak_ptr<int>(alive_);
  auto& checks = node_.world().checks();
  checks.stepped(options_.shard, *raft_);
  while (!withdrawing_) {
    auto ready = raft_->take_ready(node_.steady());
    if (ready.empty()) break;
    for (auto& message : ready.messages) {
      checks.raft(options_.shard).sending(*raft_, message);
      node_.send_raft(options_.shard, message);
    }
    if (ready.store) store(std::move(*ready.store));
    if (!ready.apply.empty()) apply(ready.apply);
    if (alive.expired()) return;
    answer_reads(ready);
    for (const auto& item : ready.fetches) fetch(item);
    serve_snapshots(ready);
    checks.stepped(options_.shard, *raft_);
  }
  if (withdrawing_) return;
  checkpoint_if_due();
  office_changed();
  tell_changed();
  arm_timer();
}

void ShardReplica::arm_timer() {
  const auto deadline = raft_->deadline();
  ++timer_;
  if (deadline == cluster::never) return;
  after(node_.until(deadline), [this, timer = timer_] {
    if (withdrawing_ || timer != timer_) return;
    raft_->tick(node_.steady());
    pump();
  });
}

void ShardReplica::store(cluster::StoreStep step) {
  node_.world().checks().raft(options_.shard).storing(*raft_, step.entries);
  const bool early = faulty(ClusterFault::stored_before_sync);
  on_disk([this, step = std::move(step), early] {
    if (withdrawing_) return;
    if (node_.full()) {
      const auto dropped = raft_->store_refused(step.number, node_.steady());
      trace("has no room for a store step");
      while (!dropped.empty() && !proposals_.empty() && proposals_.back().index >= dropped.front()) {
        const Error full{Errc::disk_full, "the server is out of disk space"};
        proposals_.back().answer({Served::done, machine_->command_error(full), 0, {}});
        proposals_.pop_back();
      }
      return pump();
    }
    // Shown before it is done: who dies within it may have any part of it.
    if (step.hard_state) {
      shown_->write(*step.hard_state);
      if (const auto done = log_->set_hard_state(*step.hard_state); !done) violated(done.error().message);
    }
    shown_->write(SimLogDisk::Entries{step.entries});
    if (const auto done = log_->append(step.entries); !done) violated(done.error().message);
    if (early) {
      raft_->stored(step.number, node_.steady());
      pump();
    }
    // Nothing else of the log's disk comes in between.
    const auto wait = store_time();
    disk_free_ = std::max(disk_free_, node_.world().now() + wait);
    after(wait, [this, number = step.number, early] {
      if (withdrawing_) return;
      if (const auto synced = log_->sync(); !synced) violated(synced.error().message);
      shown_->sync();
      if (!early) raft_->stored(number, node_.steady());
      pump();
    });
  });
}

void ShardReplica::apply(const std::vector<storage::LogEntry>& entries) {
  storage::WriteBatch batch;
  std::vector<std::pair<AnswerTo, ShardAnswer>> answers;
  std::vector<Growth> grown;
  const bool leads = raft_->role() == cluster::Role::leader;
  for (const auto& entry : entries) {
    std::optional<Proposal> own;
    if (!proposals_.empty() && proposals_.front().index == entry.index) {
      own = std::move(proposals_.front());
      proposals_.pop_front();
      if (own->term != entry.term) {
        answers.emplace_back(std::move(own->answer), ShardAnswer{Served::not_leader, {}, 0, raft_->leader()});
        own.reset();
      }
    }
    if (entry.kind != static_cast<std::uint8_t>(EntryKindInLog::command)) {
      node_.world().checks().applied(options_.shard, options_.self, entry, nullptr);
      continue;
    }
    auto command = own ? Result(std::move(own->command)) : machine_->decode(entry.body);
    auto effect = command ? machine_->apply(**command, batch) : Result<cluster::Effect>(command.error());
    if (!effect) {
      if (own) own->answer({Served::unknown, {}, 0, {}});
      for (auto& [to, answer] : answers) to({Served::unknown, {}, 0, {}});
      return withdraw("log entry " + std::to_string(entry.index) + ": " + effect.error().message);
    }
    node_.world().checks().applied(options_.shard, options_.self, entry, &*effect);
    if (effect->changed.value) grown.push_back({effect->changed, effect->cursor, options_.shard, entry.index, leads});
    if (own) answers.emplace_back(std::move(own->answer), ShardAnswer{Served::done, effect->result, entry.index, {}});
  }
  const auto last = entries.back().index;
  batch.put(cluster::position_key, cluster::encode(raft_->position_at(last)));
  table_->apply(std::move(batch), last);
  rows_since_ += entries.size();
  for (auto& [to, answer] : answers) to(std::move(answer));
  for (const auto& growth : grown) node_.hub().grew(growth);
}

void ShardReplica::answer_reads(const cluster::Ready& ready) {
  const auto take = [&](std::uint64_t number) {
    const auto node = rounds_.extract(number);
    return node ? std::optional<Read>(std::move(node.mapped())) : std::nullopt;
  };
  for (const auto& confirmed : ready.reads)
    if (auto read = take(confirmed.read)) answer(std::move(*read));
  for (const auto number : ready.failed_reads)
    if (auto read = take(number)) read->answer({Served::not_leader, {}, 0, raft_->leader()});
  if (withdrawing_) return;
  std::vector<Read> due;
  const auto end = floors_.upper_bound(table_->applied());
  for (auto it = floors_.begin(); it != end; ++it) due.push_back(std::move(it->second.second));
  floors_.erase(floors_.begin(), end);
  for (auto& read : due) answer(std::move(read));
}

void ShardReplica::fetch(const cluster::EntryFetch& fetch) {
  on_disk([this, fetch] {
    if (withdrawing_) return;
    auto entries = log_->read(fetch.from, fetch.max_entries, fetch.max_bytes);
    if (!entries && entries.error().code == Errc::corrupt) return withdraw(entries.error().message);
    raft_->fetched(fetch.peer, entries ? std::move(*entries) : std::vector<storage::LogEntry>{}, node_.steady());
    pump();
  });
}

void ShardReplica::checkpoint_if_due() {
  if (checkpoint_ || installing_ || held_part_ || rows_since_ < node_.world().settings().checkpoint_entries) return;
  const auto index = table_->applied();
  checkpoint_ = table_->begin_checkpoint();
  if (!checkpoint_) return;
  rows_since_ = 0;
  after(4 * store_time(), [this, index] { checkpoint_written(index); });
}

void ShardReplica::checkpoint_written(std::uint64_t index) {
  if (withdrawing_) return;
  if (node_.full()) {
    checkpoint_.reset();
    table_->abandon_checkpoint();
  } else {
    const auto written = checkpoint_->write();
    checkpoint_.reset();
    const auto finished = written ? table_->finish_checkpoint() : written;
    if (!finished) return withdraw(finished.error().message);
    auto to = index - std::min(node_.world().settings().kept_entries, index);
    for (const auto& [transfer, source] : sources_) to = std::min(to, source.position.index);
    on_disk([this, to] {
      if (withdrawing_ || to < log_->first_index() || to > log_->last_index()) return;
      const auto compacted = log_->compact(to);
      if (!compacted) return withdraw(compacted.error().message);
      shown_->write(SimLogDisk::Compact{to});
      raft_->compacted(to);
    });
  }
  keep_held_part();
}

void ShardReplica::office_changed() {
  const bool leads = raft_->role() == cluster::Role::leader;
  if (leads == led_ && raft_->term() == led_term_) return;
  led_ = leads;
  led_term_ = raft_->term();
  settled_ = false;
  if (proposals_.empty()) return;
  if (leads) return give_up_lost();
  after(Duration(limits::deposed_answer_wait), [this] {
    if (withdrawing_) return;
    raft_->role() == cluster::Role::leader ? give_up_lost() : give_up_all(Served::unknown);
  });
}

void ShardReplica::give_up_lost() {
  while (!proposals_.empty() && !raft_->log().matches(proposals_.back().index, proposals_.back().term)) {
    auto answer = std::move(proposals_.back().answer);
    proposals_.pop_back();
    answer({Served::unknown, {}, 0, {}});
  }
}

void ShardReplica::give_up_all(Served served) {
  for (auto& proposal : std::exchange(proposals_, {})) proposal.answer({served, {}, 0, {}});
}

void ShardReplica::tell_changed() {
  const bool leads = raft_->role() == cluster::Role::leader;
  settled_ = leads && raft_->settled_in_office() && (settled_ || raft_->applied() == raft_->commit());
  const auto now = role();
  if (told_ && told_->same_office(now)) return;
  if (!told_ || told_->role != now.role)
    trace("is a " + std::string(cluster::to_string(now.role)) + " in term " + std::to_string(now.term));
  told_ = now;
  node_.replica_changed(now);
}

void ShardReplica::resign() {
  raft_->resign(node_.steady());
  for (auto& message : raft_->take_ready(node_.steady()).messages)
    if (std::holds_alternative<cluster::TransferNow>(message.body)) node_.send_raft(options_.shard, message);
}

void ShardReplica::withdraw(const std::string& why) {
  if (withdrawing_ || faulty(ClusterFault::withdrawn_goes_on)) return;
  trace("withdraws: " + why);
  withdrawing_ = true;
  resign();
  if (!faulty(ClusterFault::withdrawn_still_leads)) tell_changed();
  give_up_all(Served::unknown);
  for (auto& [number, read] : std::exchange(rounds_, {})) read.answer({Served::not_here, {}, 0, {}});
  for (auto& [floor, waiting] : std::exchange(floors_, {})) waiting.second.answer({Served::not_here, {}, 0, {}});
  on_disk([this, why] {
    disk_->withdrawn = why;
    node_.replica_withdrew(options_.shard, options_.self, why);
  });
}

}  // namespace cairn::simulation
