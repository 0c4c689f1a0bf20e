#include "cluster/raft.hpp"

#include <algorithm>
#include <utility>

namespace cairn::cluster {
namespace {

Error no_room() { return {Errc::disk_full, "the server is out of disk space; reading goes on"}; }

}  // namespace

bool must_reset_log(const RaftLog& log, const Position& applied) {
  return log.last_index() < applied.index || !log.matches(applied.index, applied.term);
}

Raft::Raft(ReplicaId self, const RaftOptions& options, RaftRecovered recovered, Instant now, std::uint64_t seed,
           Faults faults)
    : self_(self),
      options_(options),
      faults_(faults),
      random_state_(seed),
      hard_state_(recovered.hard_state),
      log_(std::move(recovered.log)),
      membership_(recovered.applied, faults),
      commit_(recovered.applied.index),
      applied_(recovered.applied.index),
      contact_(now),
      reads_(faults) {
  if (must_reset_log(log_, recovered.applied)) throw RaftBug("a replica starts with rows that its log does not reach");
  for (auto index = applied_ + 1; index <= log_.last_index(); ++index) {
    const auto* entry = log_.find(index);
    if (!entry) throw RaftBug("a replica starts without the entries that it must apply");
    unapplied_bytes_ += entry->body.size();
    if (entry->kind != static_cast<std::uint8_t>(EntryKindInLog::configuration)) continue;
    auto configuration = decode_configuration(entry->body);
    if (!configuration) throw RaftBug("a configuration in the log has a wrong form");
    membership_.append(index, std::move(*configuration));
  }
  // What this replica promised before it stopped is forgotten, so it waits as long as a promise lasts
  // (Raft §6.4.1). Without leases nothing was promised.
  if (!options_.lease_reads || faults_.has(Fault::restart_forgets_lease)) contact_ = now - options_.election_timeout;
  reset_election_timer(now);
  // Nobody else can lead a group of one: it need not wait. A promise to one that was removed is kept.
  if (membership_.current().voters == std::vector{self_} && !options_.lease_reads) timer_ = now;
}

void Raft::receive(Message message, Instant now) {
  if (message.to != self_ || !take_term(message, now)) return;
  if (role_ == Role::leader) {
    if (const auto peer = peers_.find(message.from); peer != peers_.end()) peer->second.hear(now);
  }
  std::visit([&](auto& body) { handle(message, body, now); }, message.body);
}

void Raft::tick(Instant now) {
  if (transfer_ && now >= transfer_->until && !faults_.has(Fault::transfer_without_end)) transfer_.reset();
  if (now < timer_) return;
  if (role_ == Role::leader) {
    beat(now);
  } else if (!may_campaign()) {
    reset_election_timer(now);
  } else {
    // A pre-vote first: a replica that cannot win must not disturb who leads (Raft §9.6).
    campaign(true, false, now);
  }
}

Instant Raft::deadline() const {
  auto next = timer_;
  if (transfer_) next = std::min(next, transfer_->until);
  if (store_blocked_until_ > Instant{0}) next = std::min(next, store_blocked_until_);
  return next;
}

void Raft::peer_down(ReplicaId peer, Instant now) {
  if (role_ == Role::leader) {
    const auto it = peers_.find(peer);
    if (it != peers_.end() && it->second.state() != RaftProgress::State::snapshot)
      it->second.probe_from(it->second.match() + 1);
    // A silent group would not hear when the peer is back.
    if (it != peers_.end() && quiescent_) wake(now);
    return;
  }
  if (peer != leader_ || faults_.has(Fault::quiescent_for_ever)) return;
  quiescent_ = false;
  leader_ = no_replica;
  if (!may_campaign()) return reset_election_timer(now);
  // The promise not to vote stands if leases rest on it: a link that is down is no proof of death.
  const auto earliest = options_.lease_reads ? std::max(now, contact_ + options_.election_timeout) : now;
  if (!options_.lease_reads) contact_ = now - options_.election_timeout;
  hurried_campaigns_ = options_.max_hurried_campaigns;
  timer_ = earliest + Duration(random(static_cast<std::uint64_t>(options_.down_delay.count()) + 1));
}

void Raft::doubt_leader(Instant now) {
  if (!quiescent_ || role_ != Role::follower || faults_.has(Fault::doubt_changes_nothing)) return;
  quiescent_ = false;
  contact_ = now;
  reset_election_timer(now);
}

Result<std::uint64_t> Raft::propose(Bytes command, Instant now) {
  if (role_ != Role::leader) return Error{Errc::unavailable, "this replica does not lead its shard"};
  if (transfer_) return Error{Errc::busy, "the shard is handing on its leadership"};
  if (store_blocked_until_ > Instant{0}) return no_room();
  if (log_.last_index() - applied_ >= limits::max_proposals_in_flight ||
      unapplied_bytes_ + command.size() > limits::max_proposal_bytes_in_flight)
    return Error{Errc::busy, "too many changes are waiting; send it again later"};
  wake(now);
  const auto kind = static_cast<std::uint8_t>(EntryKindInLog::command);
  append_to_log({log_.last_index() + 1, term(), kind, std::move(command)});
  return log_.last_index();
}

Result<std::uint64_t> Raft::propose_configuration(const Configuration& next, Instant now) {
  if (role_ != Role::leader) return Error{Errc::unavailable, "this replica does not lead its shard"};
  if (transfer_) return Error{Errc::busy, "the shard is handing on its leadership"};
  if (store_blocked_until_ > Instant{0}) return no_room();
  if (next.voters.empty() || !one_voter_apart(next, configuration()))
    return Error{Errc::invalid_argument, "a configuration changes by one voter at a time and keeps at least one"};
  // One at a time (Raft §4.1), and not before an entry of this term is committed (the correction of 2015
  // to §4.1): otherwise two leaders' changes could have majorities that do not meet.
  if (!configuration_settled() && !faults_.has(Fault::two_configurations_at_once))
    return Error{Errc::conflict, "another change of the shard's configuration is on its way"};
  if (!settled_in_office() && !faults_.has(Fault::configuration_before_own_entry))
    return Error{Errc::conflict, "the shard's leader is too new to change its configuration"};
  for (const auto id : next.voters) {
    if (id == self_ || configuration().has_voter(id)) continue;
    const auto* peer = progress(id);
    if (!peer || peer->match() + options_.max_promotion_lag < log_.last_index())
      return Error{Errc::busy, "replica " + std::to_string(id.value) + " lacks too many entries to vote"};
  }
  wake(now);
  const auto kind = static_cast<std::uint8_t>(EntryKindInLog::configuration);
  append_to_log({log_.last_index() + 1, term(), kind, encode(next)});
  configuration_changed(now);
  return log_.last_index();
}

Result<void> Raft::transfer(ReplicaId to, Instant now) {
  if (role_ != Role::leader) return Error{Errc::unavailable, "this replica does not lead its shard"};
  if (transfer_) return Error{Errc::busy, "the shard is handing on its leadership"};
  if (to == self_) return {};
  if (!configuration().has_voter(to) || !progress(to))
    return Error{Errc::invalid_argument, "replica " + std::to_string(to.value) + " is no voter of the shard"};
  wake(now);
  transfer_ = Transfer{to, now + options_.election_timeout};
  return {};
}

Result<std::uint64_t> Raft::read(Instant now) {
  if (role_ != Role::leader) return Error{Errc::unavailable, "this replica does not lead its shard"};
  if (reads_.waiting() >= options_.max_reads_waiting) return Error{Errc::busy, "too many reads are waiting"};
  wake(now);
  reads_.wait(next_read_);
  return next_read_++;
}

void Raft::stored(std::uint64_t step, Instant now) {
  if (!step_out_ || step != next_step_ - 1) throw RaftBug("a store step is reported that is not out");
  step_out_ = false;
  stored_step_ = step;
  if (log_.batch_out()) log_.batch_stored();
  // A candidate's vote for itself counts when it is durable (Raft §3.8).
  if (role_ == Role::candidate && stored_step_ >= own_vote_step_) {
    votes_.insert(self_);
    if (won()) become_leader(now);
  }
  if (role_ == Role::leader) advance_commit(now);
}

std::vector<std::uint64_t> Raft::store_refused(std::uint64_t step, Instant now) {
  if (!step_out_ || step != next_step_ - 1) throw RaftBug("a store step is reported that is not out");
  step_out_ = false;
  if (log_.batch_out()) log_.batch_refused();
  hard_state_changed_ |= step_has_hard_state_;
  store_blocked_until_ = now + options_.store_retry_interval;
  std::vector<std::uint64_t> dropped;
  if (role_ != Role::leader) return dropped;
  if (peers_.empty() && settled_in_office() && membership_.current_index() <= log_.stored()) {
    for (auto index = log_.stored() + 1; index <= log_.last_index(); ++index) dropped.push_back(index);
    truncate_log(log_.stored() + 1);
    if (!hard_state_changed_) store_blocked_until_ = Instant{0};
    return dropped;
  }
  // Others have room, maybe: the one with the longest log leads on.
  const auto best = longest_voter();
  if (best != no_replica && !transfer_) transfer_ = Transfer{best, now + options_.election_timeout};
  return dropped;
}

void Raft::compacted(std::uint64_t index) { log_.compact(index); }

Position Raft::position_at(std::uint64_t index) const {
  const auto term = log_.term_at(index);
  if (index > applied_ || !term) throw RaftBug("a position is asked for that is not applied or long gone");
  return {index, *term, membership_.at(index)};
}

const RaftProgress* Raft::progress(ReplicaId peer) const {
  const auto it = peers_.find(peer);
  return it == peers_.end() ? nullptr : &it->second;
}

Ready Raft::take_ready(Instant now) {
  if (role_ == Role::leader) advance_commit(now);
  if (role_ == Role::leader) {
    // Reads that came while a round was out share the next one (Raft §6.4).
    if (reads_.wants_round() && reads_.confirmed() == reads_.round() && !lease_holds(now))
      send_heartbeats(reads_.begin_round(now), false);
    replicate(now);
    try_transfer(now);
  }
  if (store_blocked_until_ > Instant{0} && now >= store_blocked_until_) store_blocked_until_ = Instant{0};
  next_store_step();
  release_held();
  next_applies();
  if (role_ == Role::leader) release_reads(now);
  // The last chunk's work resets the log, so it waits for the step that is out.
  if (!keeps_.empty() && !installing_ && !(keeps_.front().last && step_out_)) {
    installing_ = keeps_.front().last;
    ready_.snapshot_keep = std::move(keeps_.front());
    keeps_.pop_front();
  }
  return std::exchange(ready_, {});
}

void Raft::send(ReplicaId to, std::uint64_t term, MessageBody body) {
  ready_.messages.push_back({self_, to, term, std::move(body)});
}

/// The message promises this replica's hard state as it is now, and its log up to `index`.
void Raft::send_when_stored(ReplicaId to, MessageBody body, std::uint64_t index) {
  std::uint64_t step = 0;
  if (hard_state_changed_) step = next_step_;
  else if (step_out_ && step_has_hard_state_) step = next_step_ - 1;
  held_.push_back({step, index, {self_, to, term(), std::move(body)}});
}

void Raft::release_held() {
  std::vector<Held> still;
  for (auto& held : held_) {
    // What was promised in an earlier term is of no use to anybody, and may no longer be true.
    if (held.message.term != term()) continue;
    const bool vote = std::holds_alternative<VoteAnswer>(held.message.body);
    const bool early = (vote && faults_.has(Fault::vote_before_stored)) ||
                       (!vote && faults_.has(Fault::acknowledge_before_stored));
    if (early || (stored_step_ >= held.step && log_.stored() >= held.index))
      ready_.messages.push_back(std::move(held.message));
    else
      still.push_back(std::move(held));
  }
  held_ = std::move(still);
}

void Raft::set_hard_state(std::uint64_t term, ReplicaId vote) {
  const bool new_term = term != hard_state_.term;
  hard_state_ = {term, vote.value};
  if (faults_.has(Fault::term_not_stored) && new_term && vote == no_replica) return;
  hard_state_changed_ = true;
}

void Raft::next_store_step() {
  if (step_out_ || installing_ || store_blocked_until_ > Instant{0}) return;
  auto entries = log_.next_batch(limits::max_batch_entries, limits::max_batch_bytes);
  if (entries.empty() && !hard_state_changed_) return;
  StoreStep step{next_step_++, {}, std::move(entries)};
  step_has_hard_state_ = hard_state_changed_;
  if (hard_state_changed_) step.hard_state = hard_state_;
  if (step.hard_state && faults_.has(Fault::vote_not_stored)) step.hard_state->vote = 0;
  hard_state_changed_ = false;
  step_out_ = true;
  ready_.store = std::move(step);
}

// Only what is durable here is applied, so that rows never reflect more than the log holds.
void Raft::next_applies() {
  const auto to = std::min(commit_, log_.stored());
  if (applied_ >= to || installing_) return;
  auto entries = log_.slice(applied_ + 1, to, limits::max_batch_entries, limits::max_batch_bytes);
  if (!entries) throw RaftBug("an entry left memory before it was applied");
  applied_ = entries->back().index;
  for (const auto& entry : *entries) unapplied_bytes_ -= entry.body.size();
  ready_.apply = std::move(*entries);
  membership_.commit(applied_);
  log_.trim(applied_, alone() ? 0 : options_.cache_bytes);  // nobody else reads it
}

/// SplitMix64: the same for the same seed on every machine.
std::uint64_t Raft::random(std::uint64_t bound) {
  auto x = random_state_ += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return (x ^ (x >> 31)) % bound;
}

}  // namespace cairn::cluster
