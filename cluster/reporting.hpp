// Whom a node reports to: the node where the directory leads, as far as this node knows, and how it finds out that
// another does. No network: the agent says what happens. One thread.
#pragma once

#include <string>
#include <vector>

#include "cluster/cluster_map.hpp"
#include "cluster/config.hpp"
#include "cluster/control.hpp"
#include "cluster/node_faults.hpp"

namespace cairn::cluster {

class Reporting {
 public:
  /// `join`: whom to report to while no replica of the directory is known.
  Reporting(directory::NodeName self, std::vector<NodeAt> join, NodeFaults faults = {})
      : self_(std::move(self)), join_(std::move(join)), faults_(faults) {}

  /// The node to report to, which may be this one; empty: none is known.
  std::string node(const ClusterMap& map) const;
  /// The directory's leader that is known; 0: none.
  ReplicaId leader() const { return leader_; }
  bool leads_here(const ClusterMap& map) const;

  /// Once an interval, before its report. Who answered no report of limits::max_unanswered_reports intervals is not
  /// taken for the leader any more.
  void tick(const ClusterMap& map, Instant now);
  /// At the last tick the directory's leader, wherever it is, had not answered for limits::lost_after: this node may
  /// have been forgotten, or look for it where it was long ago.
  bool lost() const { return lost_; }
  /// To another node. Reports may be sent at any time; many may be on their way at once.
  void sent(const std::string& node);
  /// Who did not lead names who does, as far as it knows; but whether that is this node, its own replica says. Only
  /// the node to report to is believed.
  void answered(const std::string& from, const directory::ReportAnswer& answer, const ClusterMap& map);
  void link_lost(const std::string& node);
  /// This node's own replica of the directory said so; 0: it knows of none.
  void heard_leader(ReplicaId leader) { leader_ = leader; }

 private:
  directory::NodeName self_;
  std::vector<NodeAt> join_;
  NodeFaults faults_;
  ReplicaId leader_;
  std::string report_to_;
  std::uint32_t unanswered_ = 0;  // intervals
  bool heard_ = true;             // since the last tick
  Instant heard_at_{0};
  bool lost_ = false;
  std::size_t turn_ = 0;
};

}  // namespace cairn::cluster
