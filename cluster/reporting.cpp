#include "cluster/reporting.hpp"

#include <utility>

#include "protocol/limits.hpp"

namespace cairn::cluster {

using directory::directory_shard;

std::string Reporting::node(const ClusterMap& map) const {
  if (const auto leader = map.node_of(leader_); !leader.empty()) return leader.text();
  const auto* shard = map.find(directory_shard);
  if (!shard || shard->replicas.empty()) return join_.empty() ? std::string() : join_[turn_ % join_.size()].name.text();
  // Without a leader that is known, each of the others in turn: one of them knows.
  const auto count = shard->replicas.size();
  const auto& first = shard->replicas[turn_ % count].node;
  return (first == self_ ? shard->replicas[(turn_ + 1) % count].node : first).text();
}

bool Reporting::leads_here(const ClusterMap& map) const { return leader_.value && map.node_of(leader_) == self_; }

void Reporting::tick(const ClusterMap& map, Instant now) {
  if (std::exchange(heard_, false) || leads_here(map)) heard_at_ = now;
  lost_ = now - heard_at_ > limits::lost_after && !faults_.has(NodeFault::never_lost);
  if (report_to_.empty() || report_to_ != node(map) || ++unanswered_ <= limits::max_unanswered_reports) return;
  if (faults_.has(NodeFault::silent_leader_kept)) return;
  leader_ = {};
  ++turn_;
  report_to_.clear();
  unanswered_ = 0;
}

void Reporting::sent(const std::string& node) {
  if (report_to_ != node) unanswered_ = 0;
  report_to_ = node;
}

void Reporting::answered(const std::string& from, const directory::ReportAnswer& answer, const ClusterMap& map) {
  if (answer.leads) {
    heard_ = true;
    if (report_to_ == from) unanswered_ = 0;
    return;
  }
  if (report_to_ == from) report_to_.clear();
  // Who was asked before this node heard of a leader must not make it forget that leader.
  if (from != node(map)) return;
  const bool names_itself = map.node_of(answer.leader) == self_;
  leader_ = names_itself ? ReplicaId{} : answer.leader;
  if (!leader_.value) ++turn_;
}

void Reporting::link_lost(const std::string& node) {
  if (report_to_ == node) report_to_.clear();
}

}  // namespace cairn::cluster
