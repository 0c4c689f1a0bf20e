#include "cluster/raft_membership.hpp"

namespace cairn::cluster {

RaftMembership::RaftMembership(const Position& position, Faults faults) : faults_(faults) { reset(position); }

const Configuration& RaftMembership::at(std::uint64_t index) const {
  for (auto it = history_.rbegin(); it != history_.rend(); ++it)
    if (it->index <= index) return it->configuration;
  return history_.front().configuration;
}

void RaftMembership::append(std::uint64_t index, Configuration configuration) {
  history_.push_back({index, std::move(configuration)});
  if (!faults_.has(Fault::configuration_when_committed)) current_ = history_.back().configuration;
}

void RaftMembership::truncate(std::uint64_t from) {
  bool removed = false;
  while (history_.size() > 1 && history_.back().index >= from) {
    history_.pop_back();
    removed = true;
  }
  if (removed && !faults_.has(Fault::no_configuration_rollback)) current_ = history_.back().configuration;
}

void RaftMembership::commit(std::uint64_t index) {
  bool moved = false;
  while (history_.size() > 1 && history_[1].index <= index) {
    history_.pop_front();
    moved = true;
  }
  if (moved && faults_.has(Fault::configuration_when_committed)) current_ = history_.front().configuration;
}

void RaftMembership::reset(const Position& position) {
  history_.clear();
  history_.push_back({position.index, position.configuration});
  current_ = position.configuration;
}

}  // namespace cairn::cluster
