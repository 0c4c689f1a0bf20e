#include "cluster/raft_reads.hpp"

namespace cairn::cluster {

void RaftReads::take_office() { *this = RaftReads(faults_); }

std::uint64_t RaftReads::begin_round(Instant now) {
  begun_.push_back({++round_, now});
  return round_;
}

void RaftReads::confirm(std::uint64_t round) {
  if (round <= confirmed_) return;
  confirmed_ = round;
  while (!begun_.empty() && begun_.front().round <= round) {
    confirmed_since_ = begun_.front().at;
    begun_.pop_front();
  }
}

void RaftReads::wait(std::uint64_t read) {
  waiting_.push_back({read, faults_.has(Fault::read_round_from_before) ? round_ : round_ + 1});
}

std::vector<ReadReady> RaftReads::take_confirmed(std::uint64_t commit) {
  std::vector<ReadReady> out;
  while (!waiting_.empty() && (waiting_.front().round <= confirmed_ || faults_.has(Fault::read_without_round))) {
    out.push_back({waiting_.front().read, commit});
    waiting_.pop_front();
  }
  return out;
}

std::vector<std::uint64_t> RaftReads::take_all() {
  std::vector<std::uint64_t> out;
  for (const auto& waiting : waiting_) out.push_back(waiting.read);
  waiting_.clear();
  return out;
}

}  // namespace cairn::cluster
