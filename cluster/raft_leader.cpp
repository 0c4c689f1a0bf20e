// Leading of consensus: replication, commitment, reads, snapshots to others, handing on the office.
#include <algorithm>
#include <functional>

#include "cluster/raft.hpp"

namespace cairn::cluster {

/// The greatest value that a majority of the voters has reached. `own` is this replica's.
template <class Value>
Value Raft::majority_of(Value own, Value (*of)(const RaftProgress&)) const {
  std::vector<Value> values;
  // A leader that removes itself does not count itself (Raft §4.2.2).
  if (configuration().has_voter(self_) || faults_.has(Fault::removed_leader_counts_itself)) values.push_back(own);
  for (const auto& [id, peer] : peers_)
    if (configuration().has_voter(id) || faults_.has(Fault::learner_counts)) values.push_back(of(peer));
  std::ranges::sort(values, std::greater<>());
  return values.size() < quorum() ? Value{} : values[quorum() - 1];
}

bool Raft::settled_in_office() const { return role_ == Role::leader && commit_ >= office_index_; }

void Raft::configuration_changed(Instant now) {
  for (auto it = peers_.begin(); it != peers_.end();) {
    if (configuration().contains(it->first)) {
      ++it;
      continue;
    }
    close_snapshot(it->first);
    it = peers_.erase(it);
  }
  const auto add = [&](ReplicaId id) {
    if (id != self_) peers_.try_emplace(id, log_.last_index() + 1, now);
  };
  std::ranges::for_each(configuration().voters, add);
  std::ranges::for_each(configuration().learners, add);
}

void Raft::handle(const Message& message, const AppendAnswer& answer, Instant now) {
  const auto it = peers_.find(message.from);
  if (role_ != Role::leader || it == peers_.end()) return;
  auto& peer = it->second;
  hear_round(peer, answer.round);
  if (!answer.accepted) {
    peer.rejected(answer.index, answer.hint);
    return;
  }
  if (answer.index > log_.last_index()) throw RaftBug("a follower acknowledges entries that the leader does not have");
  peer.accepted(answer.index, now);
  if (peer.state() == RaftProgress::State::snapshot) {
    // The log may have been compacted past the snapshot meanwhile: then another one follows.
    const auto send = sends_.find(message.from);
    const bool installed = send != sends_.end() && send->second.index() > 0 && peer.match() >= send->second.index();
    if (installed || peer.match() + 1 >= log_.first_index()) {
      close_snapshot(message.from);
      peer.probe_from(peer.match() + 1);
    }
  }
  advance_commit(now);
}

void Raft::handle(const Message& message, const HeartbeatAnswer& answer, Instant) {
  const auto it = peers_.find(message.from);
  if (role_ == Role::leader && it != peers_.end()) hear_round(it->second, answer.round);
}

void Raft::handle(const Message& message, const SnapshotAnswer& answer, Instant now) {
  const auto it = peers_.find(message.from);
  if (role_ != Role::leader || it == peers_.end()) return;
  hear_round(it->second, answer.round);
  const auto send = sends_.find(message.from);
  if (send == sends_.end() || send->second.transfer() != answer.transfer) return;
  if (!answer.refused) return send->second.kept(answer.next_offset, now);
  close_snapshot(message.from);
  it->second.probe_from(it->second.match() + 1);
}

void Raft::hear_round(RaftProgress& peer, std::uint64_t round) {
  peer.round = std::max(peer.round, round);
  confirm_rounds();
}

void Raft::confirm_rounds() {
  reads_.confirm(majority_of<std::uint64_t>(reads_.round(), [](const RaftProgress& p) { return p.round; }));
}

/// Commitment by counting is for entries of this term only; earlier ones commit with them (Raft §3.6.2).
/// The leader's own copy counts when it is durable (Raft §10.2.1).
void Raft::advance_commit(Instant now) {
  const auto own = faults_.has(Fault::count_unsynced_own) ? log_.last_index() : log_.stored();
  const auto index = majority_of<std::uint64_t>(own, [](const RaftProgress& p) { return p.match(); });
  if (index <= commit_) return;
  if (log_.term_at(index) != term() && !faults_.has(Fault::commit_old_term_by_counting)) return;
  commit_to(index);
  if (!configuration_settled() || configuration().has_voter(self_)) return;
  // This leader is removed, and that is committed now: somebody else leads (Raft §4.2.2).
  if (const auto best = longest_voter(); best != no_replica) send(best, TransferNow{});
  become_follower(term(), no_replica, now);
}

/// Of the others, the voter that is known to have most of the log.
ReplicaId Raft::longest_voter() const {
  ReplicaId best = no_replica;
  for (const auto& [id, peer] : peers_)
    if (configuration().has_voter(id) && (best == no_replica || peer.match() > peers_.at(best).match())) best = id;
  return best;
}

void Raft::resign(Instant now) {
  if (role_ != Role::leader) return;
  if (const auto best = longest_voter(); best != no_replica) send(best, TransferNow{});
  become_follower(term(), no_replica, now);
}

void Raft::beat(Instant now) {
  // A leader that does not hear a majority cannot commit: it stands back (check-quorum, Raft §6.2).
  const auto heard = majority_of<Instant>(now, [](const RaftProgress& p) { return p.heard(); });
  if (now - heard > options_.election_timeout && !faults_.has(Fault::no_check_quorum))
    return become_follower(term(), no_replica, now);
  const auto patience = 2 * options_.heartbeat_interval;
  for (auto& [id, peer] : peers_) {
    if (!faults_.has(Fault::never_send_again)) peer.send_again(now, patience);
    if (peer.state() == RaftProgress::State::snapshot && now - peer.heard() > 2 * options_.election_timeout) {
      close_snapshot(id);
      peer.probe_from(peer.match() + 1);
    }
  }
  idle_heartbeats_ = idle(now) ? idle_heartbeats_ + 1 : 0;
  quiescent_ = options_.quiesce_after_heartbeats > 0 && idle_heartbeats_ > options_.quiesce_after_heartbeats;
  if (quiescent_) {
    send_heartbeats(0, true);
    timer_ = never;
    return;
  }
  send_heartbeats(reads_.begin_round(now), false);
  timer_ = now + options_.heartbeat_interval;
}

void Raft::send_heartbeats(std::uint64_t round, bool quiesce) {
  for (auto& [id, peer] : peers_) {
    peer.told_commit = std::min(commit_, peer.match());
    send(id, Heartbeat{peer.told_commit, round, quiesce});
  }
  confirm_rounds();
}

/// Nothing to say to anybody, and everybody there to hear it.
bool Raft::idle(Instant now) const {
  const auto last = log_.last_index();
  if (commit_ != last || applied_ != last || reads_.waiting() > 0 || transfer_) return false;
  return std::ranges::all_of(peers_, [&](const auto& item) {
    return item.second.match() == last && item.second.state() == RaftProgress::State::replicate &&
           now - item.second.heard() < 3 * options_.heartbeat_interval;
  });
}

void Raft::wake(Instant now) {
  idle_heartbeats_ = 0;
  if (!quiescent_) return;
  quiescent_ = false;
  for (auto& [id, peer] : peers_) peer.hear(now);
  beat(now);
}

void Raft::replicate(Instant now) {
  for (auto& [id, peer] : peers_) {
    replicate_to(id, peer, now);
    tell_commit(id, peer);
  }
}

/// An append tells what is committed, too; who got none since is told at once. Whoever has seen a commit that only the
/// leader knew of could read nowhere else while that one is replaced.
void Raft::tell_commit(ReplicaId id, RaftProgress& peer) {
  const auto commit = std::min(commit_, peer.match());
  if (peer.told_commit >= commit) return;
  peer.told_commit = commit;
  send(id, Heartbeat{commit, 0, false});
}

void Raft::replicate_to(ReplicaId id, RaftProgress& peer, Instant now) {
  if (peer.state() == RaftProgress::State::snapshot) return send_snapshot(id, peer, now);
  while (peer.may_send(options_)) {
    if (peer.next() < log_.first_index()) {
      if (now - peer.heard() > options_.election_timeout) return peer.sent(0, 0, 0, now);
      peer.await_snapshot();
      return send_snapshot(id, peer, now);
    }
    const bool probing = peer.state() == RaftProgress::State::probe;
    if (!probing && peer.next() > log_.last_index()) return;
    if (probing && (peer.probe_unanswered() || peer.next() > log_.last_index())) return send_append(id, peer, {}, now);
    auto entries = log_.slice(peer.next(), log_.last_index(), options_.max_append_entries, options_.max_append_bytes);
    if (!entries) {
      peer.fetching = true;
      ready_.fetches.push_back({id, peer.next(), options_.max_append_entries, options_.max_append_bytes});
      return;
    }
    send_append(id, peer, std::move(*entries), now);
  }
}

void Raft::send_append(ReplicaId id, RaftProgress& peer, std::vector<storage::LogEntry> entries, Instant now) {
  const auto prev = peer.next() - 1;
  std::size_t bytes = 0;
  for (const auto& entry : entries) bytes += entry.body.size();
  const auto count = entries.size();
  peer.told_commit = std::min(commit_, prev + count);
  send(id, Append{prev, *log_.term_at(prev), commit_, reads_.round(), std::move(entries)});
  peer.sent(prev + count, count, bytes, now);
}

void Raft::fetched(ReplicaId id, std::vector<storage::LogEntry> entries, Instant now) {
  const auto it = peers_.find(id);
  if (role_ != Role::leader || it == peers_.end()) return;
  auto& peer = it->second;
  const bool wanted = std::exchange(peer.fetching, false);
  if (!wanted || entries.empty() || entries.front().index != peer.next() || !peer.may_send(options_) ||
      peer.next() < log_.first_index())
    return;
  for (const auto& entry : entries)
    if (!log_.matches(entry.index, entry.term)) return;
  send_append(id, peer, std::move(entries), now);
}

void Raft::send_snapshot(ReplicaId id, RaftProgress&, Instant now) {
  auto it = sends_.find(id);
  if (it == sends_.end()) it = sends_.emplace(id, SnapshotSend(next_transfer_++, now)).first;
  auto& out = it->second;
  if (const auto offset = out.next_read(options_.max_snapshot_chunks_in_flight))
    ready_.snapshot_reads.push_back({id, out.transfer(), *offset, options_.snapshot_chunk_bytes});
  for (auto& chunk : out.take_chunks(now, 2 * options_.heartbeat_interval)) {
    chunk.round = reads_.round();
    send(id, std::move(chunk));
  }
}

void Raft::snapshot_read(ReplicaId id, std::uint64_t transfer, const Position& position, std::uint64_t offset,
                         Bytes bytes, bool last, Instant now) {
  const auto it = sends_.find(id);
  if (it == sends_.end() || it->second.transfer() != transfer) return;
  // A snapshot that the log does not follow would only lead to the next one.
  if (position.index + 1 < log_.first_index() || !it->second.read(position, offset, std::move(bytes), last))
    snapshot_failed(id, transfer, now);
}

void Raft::snapshot_failed(ReplicaId id, std::uint64_t transfer, Instant) {
  const auto it = sends_.find(id);
  if (it == sends_.end() || it->second.transfer() != transfer) return;
  close_snapshot(id);
  auto& peer = peers_.at(id);
  peer.probe_from(peer.match() + 1);
}

void Raft::close_snapshot(ReplicaId id) {
  const auto it = sends_.find(id);
  if (it == sends_.end()) return;
  ready_.snapshots_closed.push_back(it->second.transfer());
  sends_.erase(it);
}

void Raft::try_transfer(Instant now) {
  if (!transfer_ || transfer_->sent) return;
  const auto* peer = progress(transfer_->to);
  if (!peer || !configuration().has_voter(transfer_->to)) {
    transfer_.reset();
    return;
  }
  // Proposals wait meanwhile, so that the other's log becomes as long as this one (Raft §3.10).
  if (peer->match() != log_.last_index() || now - peer->heard() > options_.election_timeout) return;
  // The new leader may be elected within the lease: it is void from here on (Raft §6.4.1).
  if (!faults_.has(Fault::lease_after_transfer)) lease_given_up_ = true;
  send(transfer_->to, TransferNow{});
  transfer_->sent = true;
}

/// Followers that answered a round promised not to vote for election_timeout after they heard it. Two
/// clocks, each wrong by the stated bound, may disagree by twice that (Raft §6.4.1).
bool Raft::lease_holds(Instant now) const {
  if (!options_.lease_reads || lease_given_up_ || !reads_.confirmed_since()) return false;
  const std::int64_t clocks = faults_.has(Fault::lease_without_drift) ? 0 : 2;
  const auto lease = options_.election_timeout * (1'000'000 - clocks * options_.clock_drift_ppm) / 1'000'000;
  return now < *reads_.confirmed_since() + lease || faults_.has(Fault::lease_without_end);
}

/// Reads see what was committed when they came, and that is known only once an entry of this term is
/// committed (Raft §6.4).
void Raft::release_reads(Instant now) {
  if (settled_in_office() || faults_.has(Fault::read_before_own_entry)) {
    if (lease_holds(now))
      for (const auto read : reads_.take_all()) confirmed_reads_.push_back({read, commit_});
    for (const auto& read : reads_.take_confirmed(commit_)) confirmed_reads_.push_back(read);
  }
  while (!confirmed_reads_.empty() && confirmed_reads_.front().index <= applied_) {
    ready_.reads.push_back(confirmed_reads_.front());
    confirmed_reads_.pop_front();
  }
}

}  // namespace cairn::cluster
