// The replica: proposals into the log, stored entries into the rows, answers out. Never waits for the disk.
#include <caf/response_promise.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <deque>

#include "actors/clock.hpp"
#include "actors/errors.hpp"
#include "actors/log.hpp"
#include "actors/shard.hpp"
#include "cluster/metadata_machine.hpp"
#include "cluster/replica_log.hpp"

namespace cairn::actors {
namespace {

using Promise = caf::typed_response_promise<Answer>;

// A proposal on its way: its index in the log and who waits for it.
struct Waiting {
  std::uint64_t index;
  cluster::Command command;
  Promise promise;
};

Answer answer(const cluster::CommandResult& result) { return Answer{cluster::encode(result)}; }

const Error stopped{Errc::unavailable, "the shard has stopped; the request may have taken effect"};

// A timer that is not set again when it has fired.
constexpr std::uint64_t once = 1;

// Writes wait when so many times the checkpoint's own bound of rows is only in memory: the disk is behind.
constexpr std::uint64_t overlay_bounds_before_waiting = 4;

class Replica {
 public:
  Replica(ReplicaActor::pointer self, OpenedShard shard, cluster::Config::Metadata config,
          std::shared_ptr<Routes> routes)
      : self_(self),
        config_(config),
        routes_(std::move(routes)),
        table_(std::move(shard.table)),
        machine_(*table_),
        log_(shard.term, shard.store->last_index(), table_->applied()) {
    const ReplicaActor me{self};
    store_ = self->spawn<caf::linked + caf::detached>(shard_store, me, shard.store, shard.disk, config.reserve_bytes);
    checkpointer_ = self->spawn<caf::linked + caf::detached>(checkpointer, me);
    last_checkpoint_ = steady_now();
    set_timer();
  }

  // Who waits is told at once, instead of finding out by a timeout.
  ~Replica() {
    for (auto& waiting : waiting_) waiting.promise.deliver(answer(stopped));
  }

  Promise propose(Propose& message) {
    auto promise = self_->make_response_promise<Promise>();
    auto command = cluster::decode_command(message.command);
    if (!command) return promise.deliver(answer(command.error()));
    const auto index = log_.propose(std::move(message.command));
    if (!index) return promise.deliver(answer(index.error()));
    waiting_.push_back({*index, std::move(*command), promise});
    store_next();
    return promise;
  }

  Answer ask(const Ask& message) {
    const auto query = cluster::decode_query(message.query);
    if (!query) return Answer{cluster::encode(cluster::QueryResult(query.error()))};
    auto result = Answer{cluster::encode(machine_.query(*query))};
    table_->release_snapshot();
    return result;
  }

  void stored(const Stored& message) {
    storing_ = false;
    log_bytes_ = message.log_bytes;
    if (message.error) return refuse(*message.error);
    const auto entries = log_.stored();
    store_next();  // the next batch goes to the disk while this one is applied
    apply(entries);
    checkpoint_if_due();
    table_->release_snapshot();
  }

  void checkpoint_written(CheckpointWritten& message) {
    checkpointing_ = false;
    last_checkpoint_ = steady_now();
    if (message.error) {
      log_error("metadata checkpoint refused: {}; it will be tried again", message.error->message);
      table_->abandon_checkpoint();
      return store_next();
    }
    if (const auto finished = table_->finish_checkpoint(); !finished)
      end_process("metadata checkpoint", finished.error());
    self_->send(checkpointer_, FreeCheckpoint{std::move(message.checkpoint)});
    self_->send(store_, CompactLog{message.index});
    store_next();
    table_->release_snapshot();
  }

  void timer(const TimerFired& message) {
    if (message.generation != once) set_timer();
    checkpoint_if_due();
    if (ticking_) return;
    const cluster::Tick tick{config_.trash_retention.count(), config_.version_retention.count()};
    const cluster::Command command{now(), tick};
    const auto due = machine_.tick_due(command.now, tick);
    table_->release_snapshot();
    if (!due) return;
    ticking_ = true;
    self_->request(ReplicaActor{self_}, caf::infinite, Propose{cluster::encode(command)})
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

  void store_next() {
    if (storing_ || rows_behind()) return;
    auto entries = log_.ready();
    if (entries.empty()) return;
    storing_ = true;
    self_->send(store_, StoreEntries{std::move(entries)});
  }

  bool rows_behind() const {
    return checkpointing_ &&
           table_->overlay_bytes() > overlay_bounds_before_waiting * config_.checkpoint_overlay_bytes;
  }

  void refuse(const Error& error) {
    const auto refused = log_.refused();
    for (std::size_t i = 0; i < refused.size() && !waiting_.empty(); ++i) {
      waiting_.front().promise.deliver(answer(error));
      waiting_.pop_front();
    }
  }

  void apply(const std::vector<storage::LogEntry>& entries) {
    if (entries.empty()) return;
    storage::WriteBatch batch;
    std::vector<std::pair<Promise, Answer>> answers;
    std::vector<JournalGrew> grown;
    answers.reserve(entries.size());
    for (const auto& entry : entries) {
      // Every entry of this start was proposed here, so its decoded form is the first that waits.
      auto& waiting = waiting_.front();
      if (waiting.index != entry.index)
        end_process("metadata", {Errc::internal, "log entries and proposals are out of step"});
      auto applied = machine_.apply(waiting.command, batch);
      if (!applied) end_process("metadata rows", applied.error());
      answers.emplace_back(std::move(waiting.promise), answer(applied->result));
      if (applied->changed.value) grown.push_back({applied->changed.value, applied->cursor.value});
      waiting_.pop_front();
    }
    table_->apply(std::move(batch), entries.back().index);
    for (auto& [promise, result] : answers) promise.deliver(std::move(result));
    if (const auto hub = routes_->watch_hub())
      for (const auto& growth : grown) self_->send(hub, growth);
  }

  void checkpoint_if_due() {
    if (checkpointing_) return;
    const bool large = table_->overlay_bytes() > config_.checkpoint_overlay_bytes ||
                       log_bytes_ > log_bytes_at_checkpoint_ + config_.checkpoint_log_bytes;
    const bool old = table_->applied() > table_->checkpointed() &&
                     steady_now() - last_checkpoint_ > config_.checkpoint_interval;
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
  cluster::ReplicaLog log_;
  ShardStoreActor store_;
  CheckpointerActor checkpointer_;
  std::deque<Waiting> waiting_;
  bool storing_ = false;
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
      [state](const Stored& message) { state->stored(message); },
      [state](CheckpointWritten& message) { state->checkpoint_written(message); },
      [state](const TimerFired& message) { state->timer(message); },
  };
}

}  // namespace cairn::actors
