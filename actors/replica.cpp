// The replica: requests in, answers out, and what its node asks of it. Never waits for the disk.
#include "actors/replica.hpp"

#include <algorithm>
#include <random>

#include "actors/clock.hpp"
#include "actors/errors.hpp"
#include "actors/log.hpp"
#include "actors/replica_state.hpp"

namespace cairn::actors {
namespace {

// What a timer of the replica is for.
enum Timer : std::uint64_t { housekeeping, housekeeping_again, waiting_reads, deposed };

}  // namespace

Replica::Replica(ReplicaActor::pointer self, OpenedReplica opened, ReplicaOptions options,
                 std::shared_ptr<Routes> routes, std::shared_ptr<ReplicaNetwork> network)
    : self_(self),
      options_(std::move(options)),
      routes_(std::move(routes)),
      network_(std::move(network)),
      disk_(opened.disk),
      held_(std::move(opened.held)),
      rows_(options_.shard, options_.self, std::move(opened.table), options_.metadata, options_.log_entries_kept),
      raft_(options_.self, options_.raft, std::move(opened.recovered), steady_micros(), std::random_device{}()),
      opened_complete_(raft_.alone() && raft_.applied() == raft_.log().last_index()) {
  const ReplicaActor me{self};
  store_ = self->spawn<caf::linked + caf::detached>(shard_store, me, opened.store, disk_,
                                                    storage::ReplicaFolder(options_.directory),
                                                    options_.metadata.reserve_bytes);
  checkpointer_ = self->spawn<caf::linked + caf::detached>(checkpointer, me);
  log_bytes_ = opened.store->used_bytes();
  set_housekeeping_timer();
  raft_.tick(steady_micros());
  pump();
}

// Who waits is told at once, instead of finding out by a timeout, and so is who can lead on.
Replica::~Replica() {
  if (withdrawing_) return;
  try {
    resign();
  } catch (const cluster::RaftBug& bug) {
    log_error("replica {} ends by a bug: {}", options_.self.value, bug.what());
  }
  end_waiting();
}

Responder::Promise Replica::request(Propose& message) {
  auto promise = self_->make_response_promise<Responder::Promise>();
  propose(message, Responder(promise));
  return promise;
}

Responder::Promise Replica::request(Ask& message) {
  auto promise = self_->make_response_promise<Responder::Promise>();
  ask(message, Responder(promise));
  return promise;
}

void Replica::request(const RemoteRequests& message) {
  for (auto& [request, asker] : *message.all) {
    Responder answer(std::move(asker));
    if (auto* proposal = std::get_if<Propose>(&request))
      propose(*proposal, std::move(answer));
    else
      ask(std::get<Ask>(request), std::move(answer));
  }
  answers_.flush();
}

bool Replica::owns(std::uint16_t slot) const {
  const auto after = std::ranges::upper_bound(options_.slots, slot, {}, &cluster::directory::SlotRange::first);
  return after != options_.slots.begin() && std::prev(after)->last >= slot;
}

bool Replica::here(const Target& target) const {
  if (withdrawing_ || (target.shard != 0 && target.shard != options_.shard.value)) return false;
  return target.slot == whole_shard || owns(target.slot);
}

Answer Replica::refusal(const Error& error) { return Answer{rows_.machine().command_error(error), Served::done, 0, 0}; }

void Replica::propose(Propose& message, Responder answer) {
  if (!here(message.target)) return answers_.put(answer, Served::not_here);
  if (raft_.role() == cluster::Role::leader) {
    put_in_log(message, std::move(answer));
    return step_soon();
  }
  if (!raft_.alone() || early_.size() >= limits::max_proposals_in_flight) return look_elsewhere(answer);
  early_.push_back({std::move(message), std::move(answer)});
}

void Replica::put_in_log(Propose& message, Responder answer) {
  auto command = rows_.machine().decode(message.command);
  if (!command) return answers_.put(answer, refusal(command.error()));
  if (const auto slot = (*command)->slot(); slot && !owns(slot->value)) return answers_.put(answer, Served::not_here);
  // Somebody else leads in a moment, and may do it then.
  if (raft_.handing_on()) return answers_.put(answer, Served::not_leader);
  const auto index = raft_.propose(std::move(message.command), steady_micros());
  if (index) return proposals_.add({*index, raft_.term(), std::move(*command), std::move(answer)});
  answers_.put(answer, refusal(index.error()));
}

void Replica::look_elsewhere(Responder& answer) {
  answers_.put(answer, Served::not_leader, raft_.leader());
  raft_.doubt_leader(steady_micros());
  set_raft_timer();
}

// Nobody else can have committed what is not applied here.
bool Replica::alone_and_complete() const {
  return raft_.alone() && (opened_complete_ || (raft_.settled_in_office() && raft_.configuration_settled()));
}

void Replica::ask(Ask& message, Responder responder) {
  if (!here(message.target)) return answers_.put(responder, Served::not_here);
  const bool complete = alone_and_complete();
  if (message.linearizable && !complete) return ask_linearizable(message, std::move(responder));
  // A replica without rows knows nothing yet, which is not the same as that there is nothing.
  const auto floor = std::max<std::uint64_t>(message.floor, complete ? 0 : 1);
  if (rows_.applied() >= floor) {
    answer({std::move(message.query), std::move(responder)});
    return rows_.table()->release_snapshot();
  }
  if (reads_.full()) return answers_.put(responder, Served::behind, raft_.leader());
  reads_.add_floor(floor, steady_now() + limits::max_floor_wait, {std::move(message.query), std::move(responder)});
  if (!std::exchange(reads_timer_set_, true))
    self_->delayed_send(ReplicaActor{self_}, limits::max_floor_wait, TimerFired{waiting_reads});
}

void Replica::ask_linearizable(Ask& message, Responder responder) {
  const auto number = raft_.read(steady_micros());
  if (number) {
    reads_.add_round(*number, {std::move(message.query), std::move(responder)});
    return step_soon();
  }
  if (number.error().code == Errc::unavailable) return look_elsewhere(responder);
  answers_.put(responder, Answer{rows_.machine().query_error(number.error()), Served::done, rows_.applied(), 0});
}

void Replica::answer(WaitingReads::Read read) {
  const auto give = [&](Bytes result) {
    answers_.put(read.answer, Answer{std::move(result), Served::done, rows_.applied(), 0});
  };
  auto result = rows_.machine().query(read.query);
  if (result) return give(std::move(*result));
  const bool others = !raft_.configuration().has_voter(options_.self) || raft_.configuration().voters.size() > 1;
  if (!others || result.error().code != Errc::corrupt) return give(rows_.machine().query_error(result.error()));
  answers_.put(read.answer, Served::not_here);
  withdraw(result.error().message);
}

void Replica::expire_reads() {
  reads_timer_set_ = false;
  const auto next = reads_.expire(steady_now(), raft_.leader());
  if (!next) return;
  reads_timer_set_ = true;
  const auto wait = std::max(*next - steady_now(), std::chrono::milliseconds(1));
  self_->delayed_send(ReplicaActor{self_}, wait, TimerFired{waiting_reads});
}

void Replica::received(RaftReceived& message) {
  if (withdrawing_ || message.message.to != options_.self || message.message.from == options_.self) return;
  down_.erase(message.message.from);
  raft_.receive(std::move(message.message), steady_micros());
  step_soon();
}

void Replica::peer_down(const PeerDown& message) {
  if (withdrawing_ || message.replica == options_.self) return;
  down_.insert(message.replica);
  raft_.peer_down(message.replica, steady_micros());
  pump();
}

void Replica::change_group(const ChangeGroup& message) {
  if (withdrawing_) return;
  const auto changed = change(message.change, message.replica);
  message.reply(changed ? Result<bool>(true) : Result<bool>(changed.error()));
  pump();
}

Result<void> Replica::change(GroupChange change, cluster::ReplicaId replica) {
  if (raft_.role() != cluster::Role::leader) return Error{Errc::unavailable, "this replica does not lead its shard"};
  const auto now = steady_micros();
  auto next = raft_.configuration();
  switch (change) {
    case GroupChange::transfer:
      return raft_.transfer(replica, now);
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
  if (next == raft_.configuration()) return {};
  if (next.voters != raft_.configuration().voters) CAIRN_TRY(check_majority(next));
  const auto index = raft_.propose_configuration(next, now);
  return index ? Result<void>() : Result<void>(index.error());
}

// A silent group heard everybody when it fell silent, and would be told who went since.
bool Replica::hears(cluster::ReplicaId replica) const {
  if (replica == options_.self) return true;
  const auto* peer = raft_.progress(replica);
  if (!peer || down_.contains(replica)) return false;
  return raft_.quiescent() || steady_micros() - peer->heard() <= options_.raft.election_timeout;
}

Result<void> Replica::check_majority(const cluster::Configuration& next) const {
  const auto heard = std::ranges::count_if(next.voters, [&](cluster::ReplicaId id) { return hears(id); });
  if (static_cast<std::size_t>(heard) >= next.majority()) return {};
  return Error{Errc::conflict, "of the " + std::to_string(next.voters.size()) + " voters that there would be, " +
                                   std::to_string(heard) + " are heard: no majority"};
}

void Replica::report(const GetReplica& message) {
  ReplicaStatus status;
  auto& report = status.report;
  report.shard = options_.shard;
  report.replica = options_.self;
  report.role = raft_.role();
  report.term = raft_.term();
  report.withdrawn = withdrawing_;
  if (report.role == cluster::Role::leader) {
    report.settled = raft_.settled_in_office() && raft_.configuration_settled();
    report.configuration = raft_.configuration();
    for (const auto* list : {&report.configuration.voters, &report.configuration.learners})
      for (const auto id : *list)
        if (const auto* peer = raft_.progress(id); peer && peer->match() > 0 && hears(id))
          report.lag[id] = raft_.log().last_index() - std::min(peer->match(), raft_.log().last_index());
  }
  status.leader = raft_.leader();
  status.applied = rows_.applied();
  status.committed = raft_.commit();
  status.last_index = raft_.log().last_index();
  status.checkpointed = rows_.table()->checkpointed();
  status.log_bytes = log_bytes_;
  message.reply(std::move(status));
}

void Replica::timer(const TimerFired& message) {
  if (withdrawing_) return;
  switch (static_cast<Timer>(message.generation)) {
    case waiting_reads:
      return expire_reads();
    case deposed:
      // What this replica leads with again is still on its way.
      return raft_.role() == cluster::Role::leader ? proposals_.give_up_lost(raft_.log()) : proposals_.give_up_all();
    case housekeeping:
      set_housekeeping_timer();
      break;
    case housekeeping_again:
      break;
  }
  checkpoint_if_due();
  housekeep();
}

void Replica::set_housekeeping_timer() {
  self_->delayed_send(ReplicaActor{self_}, options_.metadata.tick_interval, TimerFired{housekeeping});
}

void Replica::housekeep() {
  if (housekeeping_ || !raft_.settled_in_office()) return;
  auto command = rows_.machine().due(now());
  rows_.table()->release_snapshot();
  if (!command) return;
  housekeeping_ = true;
  self_->request(ReplicaActor{self_}, caf::infinite, Propose{{0, whole_shard}, std::move(*command)})
      .then(
          [this](const Answer& answer) {
            housekeeping_ = false;
            if (answer.served == Served::done && rows_.machine().more_due(answer.result))
              self_->send(ReplicaActor{self_}, TimerFired{housekeeping_again});
          },
          [this](caf::error&) { housekeeping_ = false; });
}

void Replica::office_changed() {
  const bool leads = raft_.role() == cluster::Role::leader;
  if (leads == led_ && raft_.term() == led_term_) return;
  led_ = leads;
  led_term_ = raft_.term();
  settled_ = false;
  if (proposals_.empty()) return;
  // The new leader's log tells soon what became of them, mostly.
  if (leads)
    proposals_.give_up_lost(raft_.log());
  else
    self_->delayed_send(ReplicaActor{self_}, limits::deposed_answer_wait, TimerFired{deposed});
}

void Replica::resign() {
  raft_.resign(steady_micros());
  for (const auto& message : raft_.take_ready(steady_micros()).messages)
    if (std::holds_alternative<cluster::TransferNow>(message.body)) network_->send(options_.shard, message);
}

void Replica::end_waiting() {
  proposals_.give_up_all();
  for (auto& early : std::exchange(early_, {})) answers_.put(early.answer, Served::not_here);
  reads_.give_up_all(Served::not_here);
  answers_.flush();
}

void Replica::withdraw(const std::string& why) {
  if (withdrawing_) return;
  const auto& voters = raft_.configuration().voters;
  if (voters == std::vector{options_.self})
    end_process("replica", {Errc::corrupt, why + "; no other replica has what it held"});
  withdrawing_ = true;
  withdrawn_why_ = why;
  log_error("replica {} of shard {} withdraws: {}", options_.self.value, options_.shard.value, why);
  resign();
  tell_changed();  // this node must not take itself for the leader's
  end_waiting();
  self_->send(store_, MarkWithdrawn{why});
}

void Replica::withdrawal_marked() {
  if (const auto agent = routes_->agent())
    self_->send(agent, ReplicaWithdrew{options_.shard, options_.self, withdrawn_why_});
  for (const auto& part : {caf::actor_cast<caf::actor>(store_), caf::actor_cast<caf::actor>(checkpointer_)})
    self_->send_exit(part, caf::exit_reason::user_shutdown);
  if (snapshots_) self_->send_exit(snapshots_, caf::exit_reason::user_shutdown);
  self_->quit();
}

ReplicaActor::behavior_type replica(ReplicaActor::pointer self, OpenedReplica opened, ReplicaOptions options,
                                    std::shared_ptr<Routes> routes, std::shared_ptr<ReplicaNetwork> network) {
  auto state =
      std::make_shared<Replica>(self, std::move(opened), std::move(options), std::move(routes), std::move(network));
  return {
      [state](Propose& message) { return state->request(message); },
      [state](Ask& message) { return state->request(message); },
      [state](const RemoteRequests& message) { state->request(message); },
      [state](RaftReceived& message) { state->received(message); },
      [state](const PeerDown& message) { state->peer_down(message); },
      [state](const SetSlots& message) { state->set_slots(message); },
      [state](const ChangeGroup& message) { state->change_group(message); },
      [state](const GetReplica& message) { state->report(message); },
      [state](const Stored& message) { state->stored(message); },
      [state](const LogCompacted& message) { state->log_compacted(message); },
      [state](CheckpointWritten& message) { state->checkpoint_written(message); },
      [state](EntriesFetched& message) { state->entries_fetched(message); },
      [state](const LogReset& message) { state->log_reset(message); },
      [state](const WithdrawalMarked&) { state->withdrawal_marked(); },
      [state](const RotFound& message) { state->withdraw(message.why); },
      [state](SnapshotPart& message) { state->snapshot_part(message); },
      [state](const SnapshotFailed& message) { state->snapshot_failed(message); },
      [state](const SnapshotKept& message) { state->snapshot_kept(message); },
      [state](const SnapshotRefused& message) { state->snapshot_refused(message); },
      [state](SnapshotInPlace& message) { state->snapshot_in_place(message); },
      [state](const RaftTimer& message) { state->raft_timer(message); },
      [state](const StepDue&) { state->step(); },
      [state](const TimerFired& message) { state->timer(message); },
  };
}

}  // namespace cairn::actors
