// The replicas that this node holds: started as the map says, reported, stopped and deleted when they are
// forgotten. Part of the agent; its thread only.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "actors/interfaces.hpp"
#include "actors/lease.hpp"
#include "actors/peers.hpp"
#include "actors/routes.hpp"
#include "cluster/membership.hpp"
#include "storage/identity.hpp"

namespace cairn::actors {

class Hosting {
 public:
  /// `lone`: there is nobody to rebuild a damaged replica from, so that damage is a failed start.
  Hosting(AgentActor::pointer self, const cluster::Config& config, std::shared_ptr<storage::Identity> identity,
          std::shared_ptr<Routes> routes, std::shared_ptr<Peers> peers, bool lone);

  /// Holds what `wanted` says. Replicas that were never here are made only if `may_make`. What is here and is not
  /// wanted is deleted if `may_delete`. Errors: disk_full, io: the identity could not be written.
  Result<void> follow(const std::vector<cluster::Hosted>& wanted, bool may_make, bool may_delete);

  /// Has each replica tell how it is; the answers come as ReplicaSeen.
  void ask_all();
  void seen(const ReplicaStatus& status);
  void withdrew(const ReplicaWithdrew& message);
  /// The directory of a replica is gone for good.
  Result<void> deleted(cluster::ReplicaId replica);

  /// The newest of each.
  std::vector<ReplicaStatus> statuses() const;
  const std::map<cluster::ReplicaId, std::string>& withdrawn() const { return withdrawn_; }
  bool holds(cluster::directory::ShardId shard) const { return held_.contains(shard); }

 private:
  struct Held {
    cluster::Hosted what;
    std::shared_ptr<Lease> lease = std::make_shared<Lease>();
    bool direct = false;
    ReplicaStatus status;
  };

  ChildSpec child(const cluster::Hosted& what, const std::shared_ptr<Lease>& lease, bool made_before,
                  bool direct) const;
  void remove(const Held& held);
  void start(const Held& held, bool made_before);
  void remove_leftovers(const std::vector<cluster::Hosted>& wanted);
  std::string directory_of(const cluster::Hosted& what) const;

  AgentActor::pointer self_;
  cluster::Config config_;
  std::shared_ptr<storage::Identity> identity_;
  std::shared_ptr<Routes> routes_;
  std::shared_ptr<Peers> peers_;
  bool lone_;
  SupervisorActor supervisor_;               // that knows of what is held
  std::map<cluster::directory::ShardId, Held> held_;
  std::map<cluster::ReplicaId, std::string> withdrawn_;
  std::set<cluster::ReplicaId> going_;       // are being deleted
};

}  // namespace cairn::actors
