// Elections of consensus: who may be voted for, when to campaign, how terms are taken up.
#include <algorithm>

#include "cluster/raft.hpp"

namespace cairn::cluster {

/// A voter may. So may one that its log removes, until that is committed: it may be the only one whose log
/// is long enough to win. It does not count its own vote then (Raft §4.2.2).
bool Raft::may_campaign() const {
  return configuration().has_voter(self_) || membership_.at(commit_).has_voter(self_);
}

/// True while this replica must not help to elect another: it leads, or heard from a leader within the
/// shortest election timeout (Raft §4.2.3; the lease of §6.4.1 rests on it).
bool Raft::promised(Instant now) const {
  if (faults_.has(Fault::vote_within_lease)) return false;
  return role_ == Role::leader || now - contact_ < options_.election_timeout;
}

/// The election restriction (Raft §3.6.1).
bool Raft::up_to_date(const VoteRequest& request) const {
  if (faults_.has(Fault::vote_for_shorter_log)) return true;
  if (faults_.has(Fault::vote_by_length_only)) return request.last_index >= log_.last_index();
  const auto last_term = log_.last_term();
  return request.last_term > last_term ||
         (request.last_term == last_term && request.last_index >= log_.last_index());
}

std::size_t Raft::quorum() const {
  const auto& voters = configuration().voters;
  return faults_.has(Fault::half_is_majority) ? (voters.size() + 1) / 2 : configuration().majority();
}

bool Raft::won() const {
  if (!votes_.contains(self_)) return false;
  if (faults_.has(Fault::candidate_counts_answers)) return vote_answers_ + 1 >= quorum();
  const auto granted = std::ranges::count_if(votes_, [&](ReplicaId id) {
    return configuration().has_voter(id) || (faults_.has(Fault::learner_counts) && configuration().contains(id));
  });
  return static_cast<std::size_t>(granted) >= quorum();
}

void Raft::campaign(bool pre, bool transfer, Instant now) {
  role_ = pre ? Role::pre_candidate : Role::candidate;
  leader_ = no_replica;
  quiescent_ = false;
  votes_.clear();
  vote_answers_ = 0;
  const VoteRequest request{pre, transfer, log_.last_index(), log_.last_term()};
  if (pre) {
    votes_.insert(self_);
  } else {
    // The vote for itself counts, and the request leaves, when term, vote and log are durable.
    set_hard_state(term() + 1, self_);
    own_vote_step_ = next_step_;
  }
  reset_election_timer(now);
  for (const auto& id : configuration().voters) {
    if (id == self_) continue;
    if (pre) send(id, term() + 1, request);
    else send_when_stored(id, request, log_.last_index());
  }
  // Under the fault that learners count they are asked as well.
  if (faults_.has(Fault::learner_counts))
    for (const auto& id : configuration().learners)
      if (id != self_) send(id, pre ? term() + 1 : term(), request);
  if (pre && won()) campaign(false, false, now);
}

void Raft::reset_election_timer(Instant now) {
  const auto spread = [&](Duration shortest) {
    return now + shortest + Duration(random(static_cast<std::uint64_t>(shortest.count()) + 1));
  };
  if (hurried_campaigns_ == 0 || role_ == Role::follower) {
    timer_ = spread(options_.election_timeout);
    return;
  }
  // The leader is known to be down: those who do not know it yet will, in a moment.
  --hurried_campaigns_;
  timer_ = spread(role_ == Role::candidate ? 4 * options_.down_delay : 2 * options_.down_delay);
}

void Raft::become_follower(std::uint64_t new_term, ReplicaId leader, Instant now) {
  if (role_ == Role::leader) {
    for (const auto read : reads_.take_all()) ready_.failed_reads.push_back(read);
    for (const auto& read : confirmed_reads_) ready_.failed_reads.push_back(read.read);
    confirmed_reads_.clear();
    for (const auto& [id, send] : sends_) ready_.snapshots_closed.push_back(send.transfer());
    sends_.clear();
    peers_.clear();
    transfer_.reset();
  }
  if (new_term != term()) {
    set_hard_state(new_term, no_replica);
    if (!installing_) {
      receiving_.reset();
      keeps_.clear();
    }
  }
  role_ = Role::follower;
  leader_ = leader;
  votes_.clear();
  quiescent_ = false;
  reset_election_timer(now);
}

void Raft::become_leader(Instant now) {
  role_ = Role::leader;
  leader_ = self_;
  quiescent_ = false;
  hurried_campaigns_ = 0;
  idle_heartbeats_ = 0;
  lease_given_up_ = false;
  transfer_.reset();
  receiving_.reset();
  keeps_.clear();
  reads_.take_office();
  peers_.clear();
  configuration_changed(now);
  // What earlier terms left commits with the first entry of this one (Raft §3.6.2, §6.4).
  office_index_ = log_.last_index() + 1;
  append_to_log({office_index_, term(), static_cast<std::uint8_t>(EntryKindInLog::no_op), {}});
  beat(now);
}

/// Takes up a later term, refuses an earlier one. False if the message is dealt with (Raft §3.3).
bool Raft::take_term(const Message& message, Instant now) {
  const auto* request = std::get_if<VoteRequest>(&message.body);
  const auto* answer = std::get_if<VoteAnswer>(&message.body);
  if (request && quiescent_) {
    // Somebody lost the leader. Being quiescent is no sign that it is gone: it hears of this as well.
    if (role_ == Role::leader) wake(now);
    else {
      quiescent_ = false;
      contact_ = now;
      reset_election_timer(now);
    }
  }
  if (message.term > term()) {
    if (request && !request->transfer && promised(now)) {
      if (request->pre) send(message.from, VoteAnswer{true, false});
      return false;
    }
    // A pre-vote changes nobody's term, neither asked nor granted (Raft §9.6).
    if ((request && request->pre) || (answer && answer->pre && answer->granted)) return true;
    if (role_ == Role::leader && faults_.has(Fault::keep_leading_in_old_term)) return false;
    become_follower(message.term, no_replica, now);
    return true;
  }
  if (message.term == term()) return true;
  const bool from_leader = std::holds_alternative<Append>(message.body) ||
                           std::holds_alternative<Heartbeat>(message.body) ||
                           std::holds_alternative<SnapshotChunk>(message.body);
  if (from_leader && faults_.has(Fault::accept_old_leader) && role_ != Role::leader) return true;
  if (answer && !answer->pre && faults_.has(Fault::candidate_counts_old_votes)) return true;
  if (answer && answer->pre && faults_.has(Fault::pre_vote_counts_as_vote)) return true;
  // Whoever leads or campaigns in an earlier term learns of this one and stands back.
  if (from_leader) send_when_stored(message.from, HeartbeatAnswer{0}, 0);
  else if (request) send_when_stored(message.from, VoteAnswer{request->pre, false}, 0);
  return false;
}

/// Asked of voters; who does not count itself one votes all the same, since its log may lack the
/// configuration in which it does (Raft §4.1).
void Raft::handle(const Message& message, const VoteRequest& request, Instant now) {
  if (request.pre) {
    const bool granted = message.term > term() && up_to_date(request);
    return send(message.from, granted ? message.term : term(), VoteAnswer{true, granted});
  }
  const ReplicaId vote{hard_state_.vote};
  const bool free = vote == no_replica || vote == message.from || faults_.has(Fault::vote_twice_in_term);
  // Also in a term that this replica took up without voting the promise to an earlier leader stands.
  const bool kept = request.transfer || !promised(now);
  const bool granted = free && kept && role_ != Role::leader && up_to_date(request);
  if (granted) {
    if (vote != message.from) set_hard_state(term(), message.from);
    reset_election_timer(now);
  }
  send_when_stored(message.from, VoteAnswer{false, granted}, 0);
}

void Raft::handle(const Message& message, const VoteAnswer& answer, Instant now) {
  if (!answer.granted) return;
  const bool counts_pre = answer.pre && role_ == Role::candidate && faults_.has(Fault::pre_vote_counts_as_vote);
  if (answer.pre && !counts_pre) {
    if (role_ != Role::pre_candidate || message.term != term() + 1) return;
    votes_.insert(message.from);
    ++vote_answers_;
    if (won()) campaign(false, false, now);
    return;
  }
  if (role_ != Role::candidate) return;
  votes_.insert(message.from);
  ++vote_answers_;
  if (won()) become_leader(now);
}

/// The leader chose this replica: no pre-vote, and no promise holds others back (Raft §3.10, §4.2.3).
void Raft::handle(const Message& message, const TransferNow&, Instant now) {
  if (message.from != leader_ || role_ == Role::leader || !may_campaign()) return;
  campaign(false, true, now);
}

}  // namespace cairn::cluster
