// Following of consensus: taking entries, commitment and snapshots from the leader of the term.
#include <algorithm>

#include "cluster/raft.hpp"
#include "protocol/digest.hpp"

namespace cairn::cluster {

void Raft::follow(const Message& message, Instant now) {
  if (role_ == Role::leader) throw RaftBug("two replicas lead in one term");
  if (role_ != Role::follower) become_follower(term(), message.from, now);
  leader_ = message.from;
  contact_ = now;
  hurried_campaigns_ = 0;
  quiescent_ = false;
  reset_election_timer(now);
}

void Raft::handle(const Message& message, const Append& append, Instant now) {
  follow(message, now);
  if (installing_) return;
  if (append.prev_index < commit_) {
    // What is committed is the same everywhere.
    return send_when_stored(message.from, AppendAnswer{true, commit_, 0, append.round}, commit_);
  }
  const bool unchecked = faults_.has(Fault::append_without_match) && append.prev_index <= log_.last_index();
  if (!log_.matches(append.prev_index, append.prev_term) && !unchecked) {
    // The whole term that does not match is passed over at once (Raft §3.5).
    const auto hint = append.prev_index > log_.last_index()
                          ? log_.last_index() + 1
                          : std::max(log_.first_of_term(append.prev_index), commit_ + 1);
    return send_when_stored(message.from, AppendAnswer{false, append.prev_index, hint, append.round}, 0);
  }
  const auto last = take_entries(append);
  // Only what was compared just now is known to be the leader's (Raft §3.5).
  commit_to(std::min(append.commit, faults_.has(Fault::follower_commits_unverified) ? log_.last_index() : last));
  send_when_stored(message.from, AppendAnswer{true, last, 0, append.round}, last);
}

/// The index up to which the log is now the leader's.
std::uint64_t Raft::take_entries(const Append& append) {
  if (faults_.has(Fault::truncate_on_any_append) && append.prev_index < log_.last_index())
    truncate_log(append.prev_index + 1);
  for (const auto& entry : append.entries) {
    if (const auto term = log_.term_at(entry.index)) {
      // An entry that is there stays, with all after it: the append may be an old one.
      if (*term == entry.term || faults_.has(Fault::keep_conflicting_entries)) continue;
      truncate_log(entry.index);
    }
    append_to_log(entry);
  }
  return append.prev_index + append.entries.size();
}

void Raft::truncate_log(std::uint64_t from) {
  if (from <= commit_) throw RaftBug("a committed entry would be truncated");
  for (auto index = from; index <= log_.last_index(); ++index)
    if (const auto* entry = log_.find(index)) unapplied_bytes_ -= entry->body.size();
  log_.truncate(from);
  membership_.truncate(from);
}

/// A configuration is in effect as soon as it is in the log (Raft §4.1).
void Raft::append_to_log(storage::LogEntry entry) {
  if (entry.kind == static_cast<std::uint8_t>(EntryKindInLog::configuration)) {
    auto configuration = decode_configuration(entry.body);
    if (!configuration) throw RaftBug("a configuration in the log has a wrong form");
    membership_.append(entry.index, std::move(*configuration));
  }
  unapplied_bytes_ += entry.body.size();
  log_.append(std::move(entry));
}

void Raft::commit_to(std::uint64_t index) {
  if (index <= commit_) return;
  if (index > log_.last_index()) throw RaftBug("an entry is committed that is not in the log");
  commit_ = index;
}

void Raft::handle(const Message& message, const Heartbeat& heartbeat, Instant now) {
  const bool followed = leader_ == message.from;
  follow(message, now);
  if (installing_) return;
  commit_to(heartbeat.commit);
  // The answer says only that no later term is known here: a slow disk does not hold it up.
  if (heartbeat.round > 0) send_when_stored(message.from, HeartbeatAnswer{heartbeat.round}, 0);
  // If this was on its way when the leader was said to be down, nobody will say so again.
  if (heartbeat.quiesce && followed && commit_ == log_.last_index()) {
    quiescent_ = true;
    timer_ = never;
  }
}

void Raft::handle(const Message& message, SnapshotChunk& chunk, Instant now) {
  follow(message, now);
  const auto& position = chunk.position;
  const auto answer = [&](const SnapshotReceive& receive) {
    send_when_stored(message.from, SnapshotAnswer{chunk.transfer, receive.kept_offset, false, chunk.round}, 0);
  };
  const bool of_this_leader = receiving_ && receiving_->from == message.from && receiving_->term == message.term;
  const bool same = of_this_leader && receiving_->transfer == chunk.transfer;
  if (installing_) {
    if (same) answer(*receiving_);
    return;
  }
  if (position.index <= commit_ || log_.matches(position.index, position.term)) {
    // The log already holds what the snapshot would bring.
    commit_to(position.index);
    receiving_.reset();
    keeps_.clear();
    return send_when_stored(message.from, AppendAnswer{true, position.index, 0, chunk.round}, position.index);
  }
  // What is left of a transfer that the leader gave up must not end the one that follows it.
  if (of_this_leader && chunk.transfer < receiving_->transfer) return;
  // A damaged chunk is as good as lost: it comes again.
  if (crc32c(chunk.bytes) != chunk.crc && !faults_.has(Fault::snapshot_chunk_unchecked)) return;
  if (!same) {
    if (chunk.offset != 0)
      return send_when_stored(message.from, SnapshotAnswer{chunk.transfer, 0, true, chunk.round}, 0);
    receiving_ = SnapshotReceive{message.from, message.term, chunk.transfer, next_transfer_++,
                                 position, 0, 0, false, 0, {}};
    keeps_.clear();
  }
  receiving_->round = chunk.round;
  const bool next = chunk.offset == receiving_->next_offset || faults_.has(Fault::snapshot_out_of_order);
  if (next && !receiving_->ended && keeps_.size() < options_.max_snapshot_chunks_in_flight)
    return take_chunks(std::move(chunk));
  // One that overtook the next waits for it: the leader sends what is in flight again only after a long silence.
  if (chunk.offset > receiving_->next_offset && receiving_->early.size() < options_.max_snapshot_chunks_in_flight)
    receiving_->early.emplace(chunk.offset, std::move(chunk));
  answer(*receiving_);
}

/// Gives the next chunk of the snapshot to the caller, and those after it that came early.
void Raft::take_chunks(SnapshotChunk chunk) {
  auto& receive = *receiving_;
  for (;;) {
    receive.next_offset = chunk.offset + chunk.bytes.size();
    receive.ended = chunk.last;
    keeps_.push_back({receive.local, receive.position, chunk.offset, std::move(chunk.bytes), chunk.last});
    auto after = receive.early.extract(receive.next_offset);
    if (after.empty()) return;
    chunk = std::move(after.mapped());
  }
}

void Raft::snapshot_kept(std::uint64_t transfer, std::uint64_t next_offset, Instant) {
  if (!receiving_ || receiving_->local != transfer) return;
  receiving_->kept_offset = next_offset;
  // A round of an earlier term would pass for one of this term.
  if (receiving_->term != term()) return;
  send_when_stored(receiving_->from, SnapshotAnswer{receiving_->transfer, next_offset, false, receiving_->round}, 0);
}

void Raft::snapshot_installed(std::uint64_t transfer, Instant) {
  if (!installing_ || !receiving_ || receiving_->local != transfer) throw RaftBug("a snapshot is installed unasked");
  const auto receive = std::move(*receiving_);
  receiving_.reset();
  installing_ = false;
  // Also what the log holds after the snapshot goes: it is not known to follow it (Raft §5.1).
  log_.reset(receive.position.index, receive.position.term);
  auto position = receive.position;
  if (faults_.has(Fault::snapshot_without_configuration)) position.configuration = configuration();
  membership_.reset(position);
  unapplied_bytes_ = 0;
  commit_ = applied_ = position.index;
  if (receive.term == term())
    send_when_stored(receive.from, AppendAnswer{true, position.index, 0, receive.round}, position.index);
}

void Raft::snapshot_refused(std::uint64_t transfer, Instant) {
  if (!receiving_ || receiving_->local != transfer) return;
  if (receiving_->term == term())
    send_when_stored(receiving_->from, SnapshotAnswer{receiving_->transfer, 0, true, receiving_->round}, 0);
  receiving_.reset();
  keeps_.clear();
  installing_ = false;
}

}  // namespace cairn::cluster
