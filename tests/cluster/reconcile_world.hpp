// A cluster for reconcile(): the real directory machine, and nodes and Raft groups as a model in which
// everything takes time, is lost now and then, and fails under a seed. Time goes in steps of half a second.
// What must never be is a failure of the test at once.
#pragma once

#include <set>

#include "cluster/directory_machine.hpp"
#include "cluster/directory_rows.hpp"
#include "cluster/reconcile.hpp"
#include "tests/cluster/metadata_shard.hpp"
#include "tests/support/random.hpp"

namespace cairn::cluster::directory {

class ReconcileWorld {
 public:
  struct Host {
    NodeIdentity identity;
    bool up = true;
    bool gone = false;                      ///< removed by the operator
    Epoch knows;                            ///< its copy of the directory
  };
  struct Group {
    Configuration configuration;
    ReplicaId leader;
    std::uint64_t term = 0;
    Instant settled_at{0};
    std::map<ReplicaId, Instant> full_at;   ///< when a learner has caught up
  };

  static constexpr Duration step_time{500'000};

  explicit ReconcileWorld(std::uint64_t seed);

  NodeName add_node(const std::string& zone);
  /// On `voters` of the nodes that are up; takes the next of `slots_each` slots. The first is the directory's own
  /// and takes none.
  void add_shard(std::size_t voters, std::uint32_t wanted, std::uint16_t slots_each);

  /// Reports, decisions, what is due of former ones. Answers how many decisions there were.
  std::size_t step();
  /// One random failure, return, join, drain or removal.
  void trouble();
  /// What is lost comes back, or at least as much as every shard needs.
  void calm();
  /// Steps until nothing has been decided for `quiet` steps; false after `most`.
  bool settle(std::size_t most, std::size_t quiet = 80);

  void kill(const NodeName& name) { hosts.at(name).up = false; }
  void start(const NodeName& name, bool other_data = false);
  void set_state(const NodeName& name, NodeState state);
  /// The directory gets another leader, which has heard nothing.
  void forget_all();
  CommandResult run(CommandBody body);
  const DirectoryState& state();
  /// Damage to a replica.
  void rot(ReplicaId id) { rotten.insert(id); }

  /// Majority in truth.
  bool has_majority(const Shard& shard) const;
  /// That every shard has what it should, as evenly as can be.
  void expect_at_rest();
  std::int64_t leader_spread();
  /// A chain of transfers leads to a node with two leaders less than the first.
  bool leaders_can_be_evened();
  std::int64_t load_spread();

  std::map<NodeName, Host> hosts;
  std::map<ShardId, Group> groups;
  std::set<ReplicaId> rotten;               ///< or gone with their node's data
  std::set<ReplicaId> ever;                 ///< all ids that were given
  Observed observed;
  ReconcileSettings settings;
  Instant now{0};
  bool losses = true;                       ///< reports and decisions are lost now and then, or late
  std::map<std::string, std::size_t> counts;

 private:
  void elect();
  void report();
  void check(const Decision& decision);
  void carry_out(const Decision& decision);
  void act(const MarkNode& action, const std::string& why);
  void act(const AddLearner& action, const std::string& why);
  void act(const TakeIn& action, const std::string& why);
  void act(const Promote& action, const std::string& why);
  void act(const Remove& action, const std::string& why);
  void act(const Forget& action, const std::string& why);
  void act(const TransferLeadership& action, const std::string& why);
  bool live(const Shard& shard, ReplicaId id) const;
  bool caught_up(const Group& group, ReplicaId id) const;
  std::size_t live_voters(const Shard& shard, const Configuration& configuration) const;
  bool can_change(const Shard& shard, const Group& group) const;
  void change(const Shard& shard, Group& group, Configuration next);
  bool can_lose(const NodeName& name);
  bool lost() { return losses && random_.percent(8); }

  test::Random random_;
  MapRows rows_;
  DirectoryState state_;
  std::multimap<Instant, Decision> due_;
  std::uint32_t next_slot_ = 0;
  std::uint64_t next_number_ = 1;
};

}  // namespace cairn::cluster::directory
