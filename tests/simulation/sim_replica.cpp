#include "tests/simulation/sim_replica.hpp"

#include "protocol/codec.hpp"

namespace cairn::simulation {

using cluster::Fault;

SimReplica::SimReplica(Surroundings& around, const ReplicaSettings& settings, ReplicaId id,
                       cluster::Configuration founders)
    : around_(around), settings_(settings), id_(id), founders_(std::move(founders)) {
  around_.checks().watch_disk(id, disk_);
}

Instant SimReplica::local_now() const {
  return clock_offset_ + around_.now() + around_.now() * drift_ / 1'000'000;
}

void SimReplica::set_drift(std::int64_t millionths) {
  const auto before = local_now();
  drift_ = millionths;
  clock_offset_ += before - local_now();
}

Duration SimReplica::store_time() {
  const auto mean = static_cast<std::uint64_t>(settings_.store_time.count()) * static_cast<std::uint64_t>(slow_);
  return Duration(mean / 2 + around_.random().below(mean + 1));
}

void SimReplica::after(Duration delay, std::function<void()> event) {
  around_.after(delay, [this, process = process_, event = std::move(event)] {
    if (process == process_ && up()) event();
  });
}

void SimReplica::withdraw(const std::string& why) {
  trace("withdraws: " + why);
  withdrawn_ = true;
  if (up()) crash();
}

cluster::Position SimReplica::stored_position() {
  const auto row = table_->get(position_key).value();
  return row ? cluster::decode_position(*row).value() : cluster::Position{0, 0, founders_};
}

std::optional<cluster::RaftRecovered> SimReplica::recover() {
  storage::ShardStore::Recovered found;
  log_ = open_sim_log(disk_, found, settings_.faults.has(Fault::read_past_rot));
  auto store = std::move(stopped_rows_);
  rows_ = store.get();
  table_ = storage::Table::open(std::move(store)).value();
  machine_ = std::make_unique<KvMachine>(*table_, settings_.faults);
  cluster::RaftRecovered recovered;
  recovered.hard_state = found.hard_state;
  recovered.applied = stored_position();
  recovered.log = cluster::RaftLog(found.first_index - 1, found.compacted_term, settings_.faults);
  auto& applied = recovered.applied;
  if (settings_.faults.has(Fault::replay_checkpointed) && applied.index > found.first_index + 10) applied.index -= 10;
  for (auto index = found.first_index; index <= found.last_index; ++index) {
    auto entry = log_->read(index, 1, ~0u);
    if (!entry) {
      withdraw(entry.error().message);
      return std::nullopt;
    }
    recovered.log.restore(std::move(entry->front()), applied.index);
  }
  if (settings_.faults.has(Fault::replay_checkpointed)) applied.term = recovered.log.term_at(applied.index).value_or(0);
  if (found.first_index > applied.index + 1)
    throw Violation("replica " + std::to_string(id_.value) + " has a log that begins after its rows");
  if (must_reset_log(recovered.log, applied)) {
    (void)log_->reset(applied.index, applied.term);
    recovered.log = cluster::RaftLog(applied.index, applied.term, settings_.faults);
  }
  return recovered;
}

void SimReplica::start() {
  if (up() || withdrawn_) return;
  ++process_;
  auto recovered = recover();
  if (!recovered) {
    stopped_rows_ = rows_->reopen();
    return;
  }
  trace("starts: term " + std::to_string(recovered->hard_state.term) + " applied " +
        std::to_string(recovered->applied.index) + " log " + std::to_string(recovered->log.first_index()) + ".." +
        std::to_string(recovered->log.last_index()));
  raft_ = std::make_unique<cluster::Raft>(id_, settings_.raft, std::move(*recovered), local_now(),
                                          around_.random().next(), settings_.faults);
  pump();
}

void SimReplica::crash() {
  trace("crashes");
  ++process_;
  around_.checks().forget_process(id_);
  disk_->crash(around_.random());
  raft_.reset();
  checkpoint_.reset();
  machine_.reset();
  stopped_rows_ = rows_->reopen();
  table_.reset();
  log_.reset();
  sources_.clear();
  incoming_.clear();
  auto waiting = std::exchange(waiting_, {});
  auto reading = std::exchange(reading_, {});
  for (auto& [index, item] : waiting) item.answered(Error{Errc::unavailable, "the replica ended"});
  for (auto& [number, item] : reading) item.answered(Error{Errc::unavailable, "the replica ended"});
}

void SimReplica::receive(const cluster::Message& message) {
  if (!up()) return;
  raft_->receive(message, local_now());
  pump();
}

void SimReplica::peer_down(ReplicaId peer) {
  if (!up()) return;
  raft_->peer_down(peer, local_now());
  pump();
}

void SimReplica::transfer(ReplicaId to) {
  const auto started = raft_->transfer(to, local_now());
  trace("hands its office to " + std::to_string(to.value) + (started ? "" : ": " + started.error().message));
  pump();
}

void SimReplica::resign() {
  trace("resigns");
  raft_->resign(local_now());
  pump();
}

/// What it tells who asked the wrong replica.
Error SimReplica::look_elsewhere(const Error& error) {
  if (error.code == Errc::unavailable) {
    raft_->doubt_leader(local_now());
    pump();
  }
  return error;
}

void SimReplica::change(const cluster::Configuration& next) {
  const auto index = raft_->propose_configuration(next, local_now());
  if (around_.tracing()) {
    std::string line = "changes the configuration to";
    for (const auto id : next.voters) line += " " + std::to_string(id.value);
    for (const auto id : next.learners) line += " (" + std::to_string(id.value) + ")";
    trace(line + (index ? " at " + std::to_string(*index) : ": " + index.error().message));
  }
  pump();
}

void SimReplica::put(const Put& put, Answered answered) {
  const auto index = raft_->propose(encode(put), local_now());
  if (!index) return answered(look_elsewhere(index.error()));
  if (settings_.faults.has(Fault::answer_before_commit)) answered(machine_->get(put.key));
  const auto old = waiting_.find(*index);
  if (old != waiting_.end()) {
    old->second.answered(Error{Errc::unavailable, "another leader's entry came instead"});
    waiting_.erase(old);
  }
  waiting_.emplace(*index, Waiting{put, std::move(answered)});
  pump();
}

void SimReplica::read(std::uint64_t key, std::uint64_t floor, Answered answered) {
  const auto number = raft_->read(local_now());
  if (!number) return answered(look_elsewhere(number.error()));
  reading_.emplace(*number, Reading{key, floor, std::move(answered)});
  pump();
}

Result<std::uint64_t> SimReplica::local_read(std::uint64_t key, std::uint64_t floor) {
  if (table_->applied() < floor && !settings_.faults.has(Fault::stale_local_read))
    return Error{Errc::unavailable, "the replica is not that far"};
  const auto value = machine_->get(key);
  around_.checks().local_read(key, value, table_->applied(), floor);
  return value;
}

void SimReplica::pump() {
  const auto process = process_;
  around_.checks().stepped(*raft_);
  for (;;) {
    auto ready = raft_->take_ready(local_now());
    if (ready.empty()) break;
    handle(std::move(ready));
    if (process != process_) return;
    around_.checks().stepped(*raft_);
  }
  checkpoint_if_due();
  arm_timer();
}

void SimReplica::arm_timer() {
  const auto deadline = raft_->deadline();
  ++timer_;
  if (deadline == cluster::never) return;
  const auto wait = std::max(deadline - local_now(), Duration(0));
  after(wait * 1'000'000 / (1'000'000 + drift_) + Duration(1), [this, timer = timer_] {
    if (timer != timer_) return;
    raft_->tick(local_now());
    pump();
  });
}

void SimReplica::handle(cluster::Ready ready) {
  for (auto& message : ready.messages) {
    around_.checks().sending(*raft_, message);
    around_.send(std::move(message));
  }
  if (ready.store) store(std::move(*ready.store));
  if (!ready.apply.empty()) apply(ready.apply);
  for (const auto& read : ready.reads) {
    const auto it = reading_.find(read.read);
    if (it == reading_.end()) continue;
    auto reading = std::move(it->second);
    reading_.erase(it);
    const auto value = machine_->get(reading.key);
    around_.checks().read(reading.key, value, table_->applied(), reading.floor);
    reading.answered(value);
  }
  for (const auto read : ready.failed_reads) {
    const auto it = reading_.find(read);
    if (it == reading_.end()) continue;
    auto reading = std::move(it->second);
    reading_.erase(it);
    reading.answered(Error{Errc::unavailable, "the replica no longer leads"});
  }
  for (const auto& item : ready.fetches) fetch(item);
  for (const auto& item : ready.snapshot_reads) read_snapshot(item);
  for (const auto transfer : ready.snapshots_closed) sources_.erase(transfer);
  if (ready.snapshot_keep) keep_snapshot(std::move(*ready.snapshot_keep));
}

void SimReplica::store(cluster::StoreStep step) {
  if (full_) {
    after(store_time(), [this, number = step.number] {
      const auto dropped = raft_->store_refused(number, local_now());
      trace("has no room for a store step");
      for (const auto index : dropped)
        if (const auto it = waiting_.find(index); it != waiting_.end()) {
          auto answered = std::move(it->second.answered);
          waiting_.erase(it);
          answered(Error{Errc::disk_full, "the disk is full"});
        }
      pump();
    });
    return;
  }
  around_.checks().storing(*raft_, step.entries);
  const auto number = step.number;
  after(store_time() / 2, [this, step = std::move(step)] {
    if (step.hard_state) (void)log_->set_hard_state(*step.hard_state);
    if (const auto done = log_->append(step.entries); !done)
      throw Violation("a store step is refused: " + done.error().message);
  });
  after(store_time() + Duration(settings_.store_time.count() * slow_), [this, number] {
    (void)log_->sync();
    raft_->stored(number, local_now());
    pump();
  });
}

void SimReplica::apply(const std::vector<storage::LogEntry>& entries) {
  storage::WriteBatch batch;
  std::vector<std::function<void()>> answers;
  std::uint64_t cursor = machine_->last_cursor();
  for (const auto& entry : entries) {
    if (settings_.faults.has(Fault::apply_past_gap) && entries.size() > 2 && &entry == &entries[1]) continue;
    std::optional<PutResult> result;
    std::optional<Put> put;
    if (entry.kind == static_cast<std::uint8_t>(cluster::EntryKindInLog::command)) {
      put = decode_put(entry.body);
      if (!put) throw Violation("an applied command is damaged");
      result = machine_->apply(*put, batch);
      cursor += result->known && !result->repeated;
    }
    around_.checks().applied(id_, entry, result ? &*result : nullptr, cursor);
    const auto it = waiting_.find(entry.index);
    if (it == waiting_.end()) continue;
    auto waiting = std::move(it->second);
    waiting_.erase(it);
    answers.push_back([waiting, result, same = put == waiting.put] {
      if (!same) return waiting.answered(Error{Errc::unavailable, "another leader's entry came instead"});
      if (!result->known) return waiting.answered(Error{Errc::request_forgotten, "a later request was seen"});
      waiting.answered(result->before);
    });
  }
  const auto last = entries.back().index;
  batch.put(position_key, cluster::encode(raft_->position_at(last)));
  table_->apply(std::move(batch), last);
  if (around_.tracing()) trace("applied .." + std::to_string(last));
  for (const auto& answer : answers) answer();
}

void SimReplica::checkpoint_if_due() {
  if (checkpoint_ || table_->applied() < table_->checkpointed() + settings_.checkpoint_entries) return;
  const auto index = table_->applied();
  checkpoint_ = table_->begin_checkpoint();
  if (!checkpoint_) return;
  if (settings_.faults.has(Fault::compact_past_checkpoint)) {
    (void)log_->compact(index);
    (void)log_->sync();
    raft_->compacted(index);
  }
  after(4 * store_time(), [this, index] {
    if (!checkpoint_) return;
    (void)checkpoint_->write();
    checkpoint_.reset();
    (void)table_->finish_checkpoint();
    const auto keep = std::min(settings_.kept_entries, index);
    if (log_->last_index() < index - keep || index - keep < log_->first_index()) return;
    (void)log_->compact(index - keep);
    raft_->compacted(index - keep);
    trace("checkpointed .." + std::to_string(index));
  });
}

void SimReplica::fetch(const cluster::EntryFetch& fetch) {
  after(store_time(), [this, fetch] {
    auto entries = log_->read(fetch.from, fetch.max_entries, fetch.max_bytes);
    if (!entries && entries.error().code == Errc::corrupt) return withdraw(entries.error().message);
    raft_->fetched(fetch.peer, entries ? std::move(*entries) : std::vector<storage::LogEntry>{}, local_now());
    pump();
  });
}

Result<Bytes> SimReplica::snapshot_rows(cluster::Position& position) {
  const auto view = rows_->snapshot().value();
  Writer out;
  bool found = false;
  CAIRN_TRY(view->scan({}, {}, [&](BytesView key, BytesView stored) {
    if (key[0] == '\0') return true;
    const auto value = storage::open_row(key, stored);
    if (!value) return true;
    if (key == position_key) {
      position = cluster::decode_position(*value).value();
      found = true;
    }
    if (settings_.faults.has(Fault::forget_results) && is_result_row(key)) return true;
    out.bytes(key).bytes(*value);
    return true;
  }));
  if (!found) return Error{Errc::not_found, "there is no checkpoint"};
  return out.take();
}

void SimReplica::read_snapshot(const cluster::SnapshotRead& read) {
  after(store_time(), [this, read] {
    if (read.offset == 0) {
      Source source;
      auto bytes = snapshot_rows(source.position);
      if (!bytes) {
        raft_->snapshot_failed(read.peer, read.transfer, local_now());
        return pump();
      }
      source.bytes = std::move(*bytes);
      sources_[read.transfer] = std::move(source);
    }
    const auto it = sources_.find(read.transfer);
    if (it == sources_.end()) return;
    const auto& source = it->second;
    auto part = source.bytes.substr(read.offset, read.max_bytes);
    const bool last = read.offset + part.size() == source.bytes.size();
    raft_->snapshot_read(read.peer, read.transfer, source.position, read.offset, std::move(part), last, local_now());
    pump();
  });
}

void SimReplica::keep_snapshot(cluster::SnapshotKeep keep) {
  if (keep.offset == 0) incoming_.clear();
  incoming_ += keep.bytes;
  const auto next = keep.offset + keep.bytes.size();
  after(store_time(), [this, keep = std::move(keep), next] {
    if (keep.last) return install_snapshot(keep);
    raft_->snapshot_kept(keep.transfer, next, local_now());
    pump();
  });
}

void SimReplica::install_snapshot(const cluster::SnapshotKeep& keep) {
  storage::WriteBatch batch;
  Reader in(incoming_);
  while (in.remaining() > 0 && !in.failed()) {
    const auto key = in.bytes();
    const auto value = in.bytes();
    if (!in.failed() && !key.empty() && key[0] != '\0') batch.put(key, value);
  }
  if (in.failed()) throw Violation("a snapshot arrives in pieces that do not fit");
  auto store = storage::make_memory_store();
  auto* rows = store.get();
  auto table = storage::Table::open(std::move(store)).value();
  table->apply(std::move(batch), keep.position.index);
  const auto checkpoint = table->begin_checkpoint();
  (void)checkpoint->write();
  (void)table->finish_checkpoint();
  checkpoint_.reset();
  machine_.reset();
  table_ = std::move(table);
  rows_ = rows;
  machine_ = std::make_unique<KvMachine>(*table_, settings_.faults);
  trace("put the rows of a snapshot of " + std::to_string(keep.position.index) + " in place");
  around_.checks().installed(id_, keep.position, *machine_);
  // A crash may come between the rows and the log.
  after(store_time(), [this, keep] {
    if (settings_.faults.has(Fault::keep_log_after_snapshot) && log_->last_index() > keep.position.index) {
      (void)log_->compact(keep.position.index);
      (void)log_->sync();
    } else {
      (void)log_->reset(keep.position.index, keep.position.term);
    }
    raft_->snapshot_installed(keep.transfer, local_now());
    pump();
  });
}

}  // namespace cairn::simulation
