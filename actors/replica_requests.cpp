#include "actors/replica_requests.hpp"

#include <algorithm>

namespace cairn::actors {

void TurnsAnswers::put(Responder& to, Answer answer) {
  auto sink = to.put(std::move(answer));
  if (sink && std::ranges::find(sinks_, sink) == sinks_.end()) sinks_.push_back(std::move(sink));
}

void TurnsAnswers::flush() {
  for (const auto& sink : std::exchange(sinks_, {})) sink->flush();
}

void WaitingProposals::add(WaitingProposal proposal) {
  answer_from(proposal.index, Answer{{}, Served::unknown, 0, 0});
  waiting_.push_back(std::move(proposal));
}

std::optional<WaitingProposal> WaitingProposals::take(const storage::LogEntry& entry, cluster::ReplicaId leader,
                                                      TurnsAnswers& answers) {
  if (waiting_.empty() || waiting_.front().index != entry.index) return std::nullopt;
  auto proposal = std::move(waiting_.front());
  waiting_.pop_front();
  if (proposal.term == entry.term) return proposal;
  answers.put(proposal.answer, Served::not_leader, leader);
  return std::nullopt;
}

void WaitingProposals::answer_from(std::uint64_t index, const Answer& answer) {
  TurnsAnswers answers;
  for (; !waiting_.empty() && waiting_.back().index >= index; waiting_.pop_back())
    answers.put(waiting_.back().answer, answer);
}

void WaitingProposals::pass(std::uint64_t index) {
  TurnsAnswers answers;
  for (; !waiting_.empty() && waiting_.front().index <= index; waiting_.pop_front())
    answers.put(waiting_.front().answer, Served::unknown);
}

// A log that lost an entry lost all after it.
void WaitingProposals::give_up_lost(const cluster::RaftLog& log) {
  TurnsAnswers answers;
  for (; !waiting_.empty() && !log.matches(waiting_.back().index, waiting_.back().term); waiting_.pop_back())
    answers.put(waiting_.back().answer, Served::unknown);
}

void WaitingProposals::give_up_all() {
  TurnsAnswers answers;
  for (auto& proposal : std::exchange(waiting_, {})) answers.put(proposal.answer, Served::unknown);
}

std::optional<WaitingReads::Read> WaitingReads::take_round(std::uint64_t number) {
  const auto found = rounds_.find(number);
  if (found == rounds_.end()) return std::nullopt;
  auto read = std::move(found->second);
  rounds_.erase(found);
  return read;
}

std::vector<WaitingReads::Read> WaitingReads::take_floors(std::uint64_t applied) {
  std::vector<Read> out;
  const auto end = floors_.upper_bound(applied);
  for (auto it = floors_.begin(); it != end; ++it) out.push_back(std::move(it->second.read));
  floors_.erase(floors_.begin(), end);
  return out;
}

std::optional<std::chrono::milliseconds> WaitingReads::expire(std::chrono::milliseconds now,
                                                              cluster::ReplicaId leader) {
  std::optional<std::chrono::milliseconds> next;
  TurnsAnswers answers;
  for (auto it = floors_.begin(); it != floors_.end();) {
    if (it->second.until <= now) {
      answers.put(it->second.read.answer, Served::behind, leader);
      it = floors_.erase(it);
      continue;
    }
    next = std::min(next.value_or(it->second.until), it->second.until);
    ++it;
  }
  return next;
}

void WaitingReads::give_up_all(Served served) {
  TurnsAnswers answers;
  for (auto& [number, read] : std::exchange(rounds_, {})) answers.put(read.answer, served);
  for (auto& [floor, waiting] : std::exchange(floors_, {})) answers.put(waiting.read.answer, served);
}

}  // namespace cairn::actors
