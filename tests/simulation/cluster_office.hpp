// The directory's leader on a simulated node, as actors/directory_service.cpp: founding, duties and decisions are the
// real ones. It ends with the node's process. One thread.
#pragma once

#include <deque>
#include <functional>
#include <set>

#include "cluster/duties.hpp"
#include "tests/simulation/cluster_replica.hpp"

namespace cairn::simulation {

class DirectoryOffice {
 public:
  explicit DirectoryOffice(ClusterNode& node);

  void replica_changed(const RoleChange& change);
  void report(const std::string& from, const cluster::directory::NodeReport& report);
  void note(const std::string& what, const std::string& why);

  bool leads() const { return leading_; }
  const cluster::directory::DirectoryState& state() const { return state_; }
  const std::string& waits() const { return waits_; }

 private:
  using Step = void (DirectoryOffice::*)();
  void take_office(const RoleChange& change);
  void resign();
  void set_timer();
  void begin_round();
  void end_round();
  void look(Step next);
  void found();
  void write_down();
  void check_replaced(const cluster::directory::Remove& remove, Duration dead_after) const;
  void decide();
  void work(Step next);
  void propose(cluster::directory::Duty duty, Step next);
  void give(const std::optional<cluster::directory::Order>& order);
  void request(ShardRequest request, std::function<void(const ShardAnswer&)> then);

  ClusterNode& node_;
  cluster::directory::FoundingPlan plan_;
  bool leading_ = false;
  std::uint64_t office_ = 0;
  std::uint64_t term_ = 0;
  bool founded_ = false;
  cluster::directory::DirectoryState state_;
  cluster::directory::Observed observed_;
  std::string waits_;
  std::set<std::string> decided_;
  std::set<std::string> given_;  // of the fault orders_lost
  std::deque<cluster::directory::RecordEvent> notes_;
  bool in_round_ = false;
  bool again_ = false;
  std::deque<cluster::directory::Duty> duties_;
};

}  // namespace cairn::simulation
