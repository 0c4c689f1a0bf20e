// The replica: proposals into consensus, committed entries into the rows, answers out. Never waits for the disk.
#include <caf/response_promise.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <deque>
#include <random>

#include "actors/clock.hpp"
#include "actors/errors.hpp"
#include "actors/log.hpp"
#include "actors/replica.hpp"
#include "cluster/metadata_machine.hpp"
#include "cluster/raft.hpp"

namespace cairn::actors {
namespace {

using Promise = caf::typed_response_promise<Answer>;

// A proposal on its way: its place in the log and who waits for it.
struct Waiting {
  std::uint64_t index;
  std::uint64_t term;
  cluster::Command command;
  Promise promise;
};

// A proposal that came before this start's election.
struct Early {
  Propose proposal;
  Promise promise;
};

Answer answer(const cluster::CommandResult& result) { return Answer{cluster::encode(result), Served::done, 0, 0}; }

const Error stopped{Errc::unavailable, "the shard has stopped; the request may have taken effect"};

// A timer that is not set again when it has fired.
constexpr std::uint64_t once = 1;

// An idle shard is silent after so many heartbeats.
constexpr std::uint32_t heartbeats_before_silence = 20;

// Writes wait when so many times the checkpoint's own bound of rows is only in memory: the disk is behind.
constexpr std::uint64_t overlay_bounds_before_waiting = 4;

cluster::RaftOptions raft_options() {
  cluster::RaftOptions options;
  options.quiesce_after_heartbeats = heartbeats_before_silence;
  options.cache_bytes = 0;  // nobody else reads the log
  return options;
}

class Replica {
 public:
  Replica(ReplicaActor::pointer self, OpenedShard shard, cluster::Config::Metadata config,
          std::shared_ptr<Routes> routes)
      : self_(self),
        config_(config),
        routes_(std::move(routes)),
        table_(std::move(shard.table)),
        machine_(*table_),
        raft_(only_replica, raft_options(), std::move(shard.recovered), steady_micros(), std::random_device{}()) {
    const ReplicaActor me{self};
    store_ = self->spawn<caf::linked + caf::detached>(shard_store, me, shard.store, shard.disk, config.reserve_bytes);
    checkpointer_ = self->spawn<caf::linked + caf::detached>(checkpointer, me);
    last_checkpoint_ = steady_now();
    set_timer();
    raft_.tick(steady_micros());
    pump();
  }

  // Who waits is told at once, instead of finding out by a timeout.
  ~Replica() {
    for (auto& waiting : waiting_) waiting.promise.deliver(answer(stopped));
    for (auto& early : early_) early.promise.deliver(answer(stopped));
  }

  Promise propose(Propose& message) {
    auto promise = self_->make_response_promise<Promise>();
    if (raft_.role() != cluster::Role::leader && early_.size() < limits::max_proposals_in_flight) {
      early_.push_back({std::move(message), promise});
    } else {
      propose(message, promise);
      pump();
    }
    return promise;
  }

  Answer ask(const Ask& message) {
    const auto query = cluster::decode_query(message.query);
    if (!query) return Answer{cluster::encode(cluster::QueryResult(query.error())), Served::done, 0, 0};
    auto result = Answer{cluster::encode(machine_.query(*query)), Served::done, table_->applied(), 0};
    table_->release_snapshot();
    return result;
  }

  void stored(const Stored& message) {
    log_bytes_ = message.log_bytes;
    if (message.error) {
      refuse(*message.error, raft_.store_refused(message.step, steady_micros()));
    } else {
      raft_.stored(message.step, steady_micros());
    }
    pump();
    checkpoint_if_due();
    table_->release_snapshot();
  }

  void log_compacted(const LogCompacted& message) { raft_.compacted(message.index); }

  void raft_timer(const RaftTimer& message) {
    if (message.number != raft_timer_) return;
    raft_timer_at_ = cluster::never;
    raft_.tick(steady_micros());
    pump();
  }

  void checkpoint_written(CheckpointWritten& message) {
    checkpointing_ = false;
    last_checkpoint_ = steady_now();
    if (message.error) {
      log_error("metadata checkpoint refused: {}; it will be tried again", message.error->message);
      table_->abandon_checkpoint();
      return store_held_step();
    }
    if (const auto finished = table_->finish_checkpoint(); !finished)
      end_process("metadata checkpoint", finished.error());
    self_->send(checkpointer_, FreeCheckpoint{std::move(message.checkpoint)});
    self_->send(store_, CompactLog{message.index});
    store_held_step();
    table_->release_snapshot();
  }

  void timer(const TimerFired& message) {
    if (message.generation != once) set_timer();
    checkpoint_if_due();
    if (ticking_ || !raft_.settled_in_office()) return;
    const cluster::Tick tick{config_.trash_retention.count(), config_.version_retention.count()};
    const cluster::Command command{now(), tick};
    const auto due = machine_.tick_due(command.now, tick);
    table_->release_snapshot();
    if (!due) return;
    ticking_ = true;
    self_->request(ReplicaActor{self_}, caf::infinite, Propose{{0, whole_shard}, cluster::encode(command)})
        .then([this](const Answer& result) { ticked(result); }, [this](caf::error&) { ticking_ = false; });
  }

 private:
  void ticked(const Answer& message) {
    ticking_ = false;
    const auto result = cluster::decode_command_result(message.result);
    const auto* done = result ? std::get_if<cluster::TickDone>(&*result) : nullptr;
    if (done && done->more) self_->send(ReplicaActor{self_}, TimerFired{once});
  }

  void set_timer() { self_->delayed_send(ReplicaActor{self_}, config_.tick_interval, TimerFired{0}); }

  void propose(Propose& message, Promise& promise) {
    auto command = cluster::decode_command(message.command);
    if (!command) {
      promise.deliver(answer(command.error()));
      return;
    }
    const auto index = raft_.propose(std::move(message.command), steady_micros());
    if (!index) {
      promise.deliver(answer(index.error()));
      return;
    }
    waiting_.push_back({*index, raft_.term(), std::move(*command), promise});
  }

  // Does what consensus asks for until it asks for nothing.
  void pump() {
    while (true) {
      auto ready = raft_.take_ready(steady_micros());
      if (ready.empty()) break;
      if (!ready.messages.empty() || !ready.fetches.empty() || ready.snapshot_keep)
        end_process("metadata", {Errc::internal, "a shard of one replica has something to tell to others"});
      if (ready.store) {
        held_step_ = std::move(ready.store);
        store_held_step();  // to the disk while what is committed is applied
      }
      if (!ready.apply.empty()) apply(ready.apply);
    }
    if (raft_.role() == cluster::Role::leader && !early_.empty()) {
      for (auto& early : std::exchange(early_, {})) propose(early.proposal, early.promise);
      return pump();
    }
    set_raft_timer();
  }

  void set_raft_timer() {
    const auto at = raft_.deadline();
    if (at == raft_timer_at_) return;
    raft_timer_at_ = at;
    ++raft_timer_;
    if (at == cluster::never) return;
    const auto wait = std::max(at - steady_micros(), cluster::Duration(0));
    self_->delayed_send(ReplicaActor{self_}, wait, RaftTimer{raft_timer_});
  }

  void store_held_step() {
    if (!held_step_ || rows_behind()) return;
    self_->send(store_, StoreEntries{std::move(*held_step_)});
    held_step_.reset();
  }

  bool rows_behind() const {
    return checkpointing_ && table_->overlay_bytes() > overlay_bounds_before_waiting * config_.checkpoint_overlay_bytes;
  }

  // Their places in the log will be used again, so that they are the last that wait.
  void refuse(const Error& error, const std::vector<std::uint64_t>& dropped) {
    for (auto& early : std::exchange(early_, {})) early.promise.deliver(answer(error));
    while (!dropped.empty() && !waiting_.empty() && waiting_.back().index >= dropped.front()) {
      waiting_.back().promise.deliver(answer(error));
      waiting_.pop_back();
    }
  }

  void apply(const std::vector<storage::LogEntry>& entries) {
    storage::WriteBatch batch;
    std::vector<std::pair<Promise, Answer>> answers;
    std::vector<JournalGrew> grown;
    answers.reserve(entries.size());
    for (const auto& entry : entries) {
      if (entry.kind != static_cast<std::uint8_t>(cluster::EntryKindInLog::command)) continue;
      const bool ours = !waiting_.empty() && waiting_.front().index == entry.index;
      if (ours && waiting_.front().term != entry.term)
        end_process("metadata", {Errc::internal, "log entries and proposals are out of step"});
      auto command =
          ours ? Result<cluster::Command>(std::move(waiting_.front().command)) : cluster::decode_command(entry.body);
      if (!command) end_process("metadata log", command.error());
      auto applied = machine_.apply(*command, batch);
      if (!applied) end_process("metadata rows", applied.error());
      if (applied->changed.value)
        grown.push_back({applied->changed.value, applied->cursor.value, 0, entry.index, true});
      if (!ours) continue;
      answers.emplace_back(std::move(waiting_.front().promise), answer(applied->result));
      waiting_.pop_front();
    }
    const auto last = entries.back().index;
    batch.put(cluster::position_key, cluster::encode(raft_.position_at(last)));
    table_->apply(std::move(batch), last);
    for (auto& [promise, result] : answers) promise.deliver(std::move(result));
    if (const auto hub = routes_->watch_hub())
      for (const auto& growth : grown) self_->send(hub, growth);
  }

  void checkpoint_if_due() {
    if (checkpointing_) return;
    const bool large = table_->overlay_bytes() > config_.checkpoint_overlay_bytes ||
                       log_bytes_ > log_bytes_at_checkpoint_ + config_.checkpoint_log_bytes;
    const bool old =
        table_->applied() > table_->checkpointed() && steady_now() - last_checkpoint_ > config_.checkpoint_interval;
    if (!large && !old) return;
    const auto index = table_->applied();
    auto checkpoint = table_->begin_checkpoint();
    if (!checkpoint) return;
    checkpointing_ = true;
    log_bytes_at_checkpoint_ = log_bytes_;
    // It writes to what lies under the table, so it holds the table's lease too.
    self_->send(checkpointer_, WriteCheckpoint{leased(std::move(checkpoint), table_), index});
  }

  ReplicaActor::pointer self_;
  cluster::Config::Metadata config_;
  std::shared_ptr<Routes> routes_;
  std::shared_ptr<storage::Table> table_;
  cluster::MetadataMachine machine_;
  cluster::Raft raft_;
  ShardStoreActor store_;
  CheckpointerActor checkpointer_;
  std::deque<Waiting> waiting_;  // by index
  std::vector<Early> early_;
  std::optional<cluster::StoreStep> held_step_;
  std::uint64_t raft_timer_ = 0;  // the number of the one that counts
  cluster::Instant raft_timer_at_ = cluster::never;
  bool checkpointing_ = false;
  bool ticking_ = false;
  std::uint64_t log_bytes_ = 0;
  std::uint64_t log_bytes_at_checkpoint_ = 0;
  std::chrono::milliseconds last_checkpoint_{0};
};

}  // namespace

ReplicaActor::behavior_type shard_replica(ReplicaActor::pointer self, OpenedShard shard,
                                          cluster::Config::Metadata config, std::shared_ptr<Routes> routes) {
  auto state = std::make_shared<Replica>(self, std::move(shard), config, std::move(routes));
  return {
      [state](Propose& message) { return state->propose(message); },
      [state](const Ask& message) { return state->ask(message); },
      [](const RemoteRequest&) {},
      [](const RaftReceived&) {},
      [](const PeerDown&) {},
      [](const SetSlots&) {},
      [](const ChangeGroup&) {},
      [](const GetReplica&) {},
      [state](const Stored& message) { state->stored(message); },
      [state](const LogCompacted& message) { state->log_compacted(message); },
      [state](CheckpointWritten& message) { state->checkpoint_written(message); },
      [state](const RaftTimer& message) { state->raft_timer(message); },
      [state](const TimerFired& message) { state->timer(message); },
  };
}

}  // namespace cairn::actors
