// The watch hub of a simulated node, as actors/watch_hub.cpp, and a watch, as actors/watches.cpp. One thread.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "tests/simulation/cluster_growth.hpp"
#include "tests/simulation/cluster_replica.hpp"

namespace cairn::simulation {

struct Interest {
  bool growth = false;
  bool fresh = false;
};
struct Leads {
  ShardId shard;
  ReplicaId replica;
  std::uint64_t term = 0;
  std::uint64_t index = 0;
};

/// Of a node; it ends with the node's process.
class SimHub {
 public:
  explicit SimHub(ClusterNode& node);

  void grew(const Growth& growth);
  void replica_changed(const RoleChange& change);
  void link_changed(const std::string& peer, bool up);
  void map_changed();
  /// Watches of the account that are on this node are told from now on.
  void subscribed();

  void hear(const std::string& from, const Interest& interest);
  void hear(const std::string& from, const Leads& leads);
  void hear(const std::string& from, const Growth& growth);

 private:
  struct Interested {
    Instant until{0};
    bool growth = false;
    bool missed = false;
  };
  std::set<std::string> holders() const;
  void tick();
  void tell_holders(bool fresh);
  void tell(const std::string& peer, bool fresh);
  void deliver(const Growth& growth);
  void poke(ShardId shard, std::uint64_t index);
  void poke_out_of_sight();
  void announce_all(const std::string& to, Interested& interested);
  void announce(const std::string& to, Interested& interested, const Leads& leads);

  ClusterNode& node_;
  bool wants_growth_ = false;
  std::set<std::string> told_;
  std::map<std::string, Interested> interested_;
  std::map<ShardId, Leads> led_;
};

}  // namespace cairn::simulation
