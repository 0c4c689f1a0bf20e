// The steps of a replica's consensus: what Ready asks for is done or sent to where it is done, and what comes back
// is put in. The order of things is raft.hpp's.
#include <algorithm>

#include "actors/clock.hpp"
#include "actors/errors.hpp"
#include "actors/log.hpp"
#include "actors/replica_state.hpp"

namespace cairn::actors {

using cluster::EntryKindInLog;

// What has come meanwhile is taken in before, so that one append, one flush and one answer serve all of it.
void Replica::step_soon() {
  if (!std::exchange(step_due_, true)) self_->send(ReplicaActor{self_}, StepDue{});
}

void Replica::step() {
  step_due_ = false;
  pump();
  if (withdrawing_) return;
  checkpoint_if_due();
  rows_.table()->release_snapshot();
}

// Does what consensus asks for until it asks for nothing.
void Replica::pump() {
  while (!withdrawing_) {
    auto ready = raft_.take_ready(steady_micros());
    if (ready.empty()) {
      if (raft_.role() != cluster::Role::leader || early_.empty()) break;
      for (auto& early : std::exchange(early_, {})) put_in_log(early.proposal, std::move(early.answer));
      continue;
    }
    // Who has it stored is told that it is committed before whoever asked is: if this node is lost then, the asker can
    // read it there.
    for (const auto& message : ready.messages) network_->send(options_.shard, message);
    if (ready.store) {
      held_step_ = std::move(ready.store);
      store_held_step();  // to the disk while what is committed is applied
    }
    if (!ready.apply.empty()) apply(ready.apply);
    if (withdrawing_) return;
    answer_reads(ready);
    for (const auto& fetch : ready.fetches) self_->send(store_, FetchEntries{fetch});
    serve_snapshots(ready);
  }
  answers_.flush();
  if (withdrawing_) return;
  opened_complete_ = opened_complete_ && raft_.alone();
  office_changed();
  tell_changed();
  set_raft_timer();
}

// A follower's deadline moves on with every append. An earlier timer only looks in vain, once, and then is set anew.
void Replica::set_raft_timer() {
  const auto at = raft_.deadline();
  if (at >= raft_timer_at_) return;
  raft_timer_at_ = at;
  ++raft_timer_;
  const auto wait = std::max(at - steady_micros(), cluster::Duration(0));
  self_->delayed_send(ReplicaActor{self_}, wait, RaftTimer{raft_timer_});
}

void Replica::raft_timer(const RaftTimer& message) {
  if (withdrawing_ || message.number != raft_timer_) return;
  raft_timer_at_ = cluster::never;
  raft_.tick(steady_micros());
  pump();
}

void Replica::store_held_step() {
  if (!held_step_ || rows_.behind()) return;
  self_->send(store_, StoreEntries{std::move(*held_step_)});
  held_step_.reset();
}

void Replica::stored(const Stored& message) {
  if (withdrawing_) return;
  log_bytes_ = message.log_bytes;
  const bool full = message.error != nullptr;
  if (full || store_full_) tell_room(message.error.get());
  store_full_ = full;
  if (message.error) {
    refuse(*message.error, raft_.store_refused(message.step, steady_micros()));
  } else {
    raft_.stored(message.step, steady_micros());
  }
  step_soon();
}

void Replica::tell_room(const Error* full) {
  const auto agent = routes_->agent();
  if (!agent) return;
  const auto name =
      "replica " + std::to_string(options_.self.value) + " of shard " + std::to_string(options_.shard.value);
  self_->send(agent, full ? NodeWarned{name, "is read-only", full->message}
                          : NodeWarned{name, "is writable again", "there is room on its disk"});
}

// Their places in the log will be used again, so that they are the last that wait.
void Replica::refuse(const Error& error, const std::vector<std::uint64_t>& dropped) {
  for (auto& early : std::exchange(early_, {})) answers_.put(early.answer, refusal(error));
  if (!dropped.empty()) proposals_.answer_from(dropped.front(), refusal(error));
  answers_.flush();
}

void Replica::apply(const std::vector<storage::LogEntry>& entries) {
  storage::WriteBatch batch;
  std::vector<std::pair<Responder, Answer>> answers;
  std::vector<JournalGrew> grown;
  std::uint64_t bytes = 0;
  const bool leads = raft_.role() == cluster::Role::leader;
  const bool tells = routes_->growth_wanted();
  std::unordered_map<std::uint64_t, std::size_t> grown_by_account;
  answers.reserve(entries.size());
  for (const auto& entry : entries) {
    rows_.apply_part(batch, entry.index - 1);
    bytes += entry.body.size();
    auto own = proposals_.take(entry, raft_.leader(), answers_);
    if (entry.kind != static_cast<std::uint8_t>(EntryKindInLog::command)) continue;
    auto command = own ? Result(std::move(own->command)) : rows_.machine().decode(entry.body);
    auto effect = command ? rows_.machine().apply(**command, batch) : Result<cluster::Effect>(command.error());
    if (!effect) {
      if (effect.error().code == Errc::io) end_process("replica rows", effect.error());
      if (own) answers_.put(own->answer, Served::unknown);
      for (auto& [responder, answer] : answers) answers_.put(responder, Served::unknown);
      answers_.flush();
      return withdraw("log entry " + std::to_string(entry.index) + ": " + effect.error().message);
    }
    if (tells && effect->changed.value) {
      const auto place = grown_by_account.emplace(effect->changed.value, grown.size()).first->second;
      if (place == grown.size()) grown.emplace_back();
      grown[place] = {effect->changed.value, effect->cursor.value, options_.shard.value, entry.index, leads};
    }
    if (own)
      answers.emplace_back(std::move(own->answer), Answer{std::move(effect->result), Served::done, entry.index, 0});
  }
  rows_.apply(std::move(batch), raft_.position_at(entries.back().index), bytes);
  for (auto& [responder, answer] : answers) answers_.put(responder, std::move(answer));
  answers_.flush();
  if (grown.empty()) return;
  if (const auto hub = routes_->watch_hub())
    for (const auto& growth : grown) self_->send(hub, growth);
}

void Replica::answer_reads(const cluster::Ready& ready) {
  for (const auto& confirmed : ready.reads)
    if (auto read = reads_.take_round(confirmed.read)) answer(std::move(*read));
  for (const auto number : ready.failed_reads)
    if (auto read = reads_.take_round(number)) answers_.put(read->answer, Served::not_leader, raft_.leader());
  if (!withdrawing_ && reads_.any_floor())
    for (auto& read : reads_.take_floors(rows_.applied())) answer(std::move(read));
  answers_.flush();
}

void Replica::entries_fetched(EntriesFetched& message) {
  if (withdrawing_) return;
  raft_.fetched(message.peer, std::move(message.entries), steady_micros());
  pump();
}

SnapshotActor Replica::snapshots() {
  if (!snapshots_)
    snapshots_ = self_->spawn<caf::linked + caf::detached>(replica_snapshots, ReplicaActor{self_},
                                                           storage::ReplicaFolder(options_.directory), disk_,
                                                           options_.metadata.reserve_bytes, held_);
  return snapshots_;
}

void Replica::serve_snapshots(cluster::Ready& ready) {
  for (const auto& read : ready.snapshot_reads) read_snapshot(read);
  for (const auto transfer : ready.snapshots_closed) {
    rows_.source_closed(transfer);
    self_->send(snapshots(), CloseSnapshot{transfer});
  }
  if (!ready.snapshot_keep) return;
  held_part_ = std::move(ready.snapshot_keep);
  keep_held_part();
}

void Replica::read_snapshot(const cluster::SnapshotRead& read) {
  if (read.offset != 0) return self_->send(snapshots(), ReadSnapshot{read, nullptr});
  auto rows = rows_.open_source(read.transfer);
  if (rows) return self_->send(snapshots(), ReadSnapshot{read, std::move(*rows)});
  log_warning("snapshot for replica {}: {}", read.peer.value, rows.error().message);
  self_->delayed_send(ReplicaActor{self_}, limits::snapshot_retry_wait, SnapshotFailed{read.peer, read.transfer});
}

void Replica::snapshot_part(SnapshotPart& message) {
  if (withdrawing_) return;
  raft_.snapshot_read(message.peer, message.transfer, message.position, message.offset, std::move(message.bytes),
                      message.last, steady_micros());
  pump();
}

void Replica::snapshot_failed(const SnapshotFailed& message) {
  if (withdrawing_) return;
  rows_.source_closed(message.transfer);
  raft_.snapshot_failed(message.peer, message.transfer, steady_micros());
  pump();
}

// The last part puts other rows in place, so no checkpoint of the old ones may be on its way then.
void Replica::keep_held_part() {
  if (!held_part_) return;
  if (held_part_->last) {
    if (rows_.checkpointing()) return;
    installing_ = true;
  }
  self_->send(snapshots(), KeepSnapshot{std::move(*held_part_)});
  held_part_.reset();
}

void Replica::snapshot_kept(const SnapshotKept& message) {
  if (withdrawing_) return;
  raft_.snapshot_kept(message.transfer, message.next_offset, steady_micros());
  pump();
}

void Replica::snapshot_refused(const SnapshotRefused& message) {
  if (withdrawing_) return;
  installing_ = false;
  raft_.snapshot_refused(message.transfer, steady_micros());
  pump();
}

void Replica::snapshot_in_place(SnapshotInPlace& message) {
  if (withdrawing_) return;
  rows_.replace(std::move(message.table));
  self_->send(store_, ResetLog{message.transfer, message.position.index, message.position.term});
}

void Replica::log_reset(const LogReset& message) {
  if (withdrawing_) return;
  installing_ = false;
  raft_.snapshot_installed(message.transfer, steady_micros());
  log_info("replica {} of shard {} took a snapshot of entry {}", options_.self.value, options_.shard.value,
           rows_.applied());
  proposals_.pass(rows_.applied());
  told_.reset();  // whoever follows the rows must look again
  answer_reads({});
  pump();
  rows_.table()->release_snapshot();
}

void Replica::checkpoint_if_due() {
  if (installing_ || held_part_) return;
  if (auto checkpoint = rows_.checkpoint_if_due(log_bytes_)) self_->send(checkpointer_, std::move(*checkpoint));
}

void Replica::checkpoint_written(CheckpointWritten& message) {
  if (withdrawing_) return;
  if (message.error) log_error("a checkpoint is refused: {}; it will be tried again", message.error->message);
  if (const auto finished = rows_.checkpoint_written(message.error.get()); !finished) {
    if (finished.error().code == Errc::corrupt) return withdraw(finished.error().message);
    end_process("replica checkpoint", finished.error());
  }
  if (!message.error) {
    self_->send(checkpointer_, FreeCheckpoint{std::move(message.checkpoint)});
    if (const auto index = rows_.forget_to(message.index, raft_.alone(), log_bytes_); index > 0)
      self_->send(store_, CompactLog{index});
  }
  keep_held_part();
  store_held_step();
  rows_.table()->release_snapshot();
}

void Replica::tell_changed() {
  const bool leads = raft_.role() == cluster::Role::leader;
  settled_ = leads && raft_.settled_in_office() && (settled_ || raft_.applied() == raft_.commit());
  if (told_ && told_->role == raft_.role() && told_->term == raft_.term() && told_->leader == raft_.leader() &&
      told_->settled == settled_)
    return;
  told_ = ReplicaChanged{options_.shard, options_.self, raft_.role(),   raft_.term(),
                         raft_.leader(), settled_,      rows_.applied()};
  const auto tell = [&](const auto& actor) {
    if (actor) self_->send(actor, *told_);
  };
  tell(routes_->agent());
  tell(routes_->router());
  tell(routes_->watch_hub());
  if (options_.shard == cluster::directory::directory_shard) tell(routes_->directory());
}

}  // namespace cairn::actors
