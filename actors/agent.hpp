// The node's agent: its part in the cluster. It registers the node, keeps the newest map in the routes and on
// disk, holds links with whom it must, holds the replicas that the directory says, and reports them.
// Decisions are in cluster/membership.hpp; detached, since it writes small files.
#pragma once

#include <memory>

#include "actors/interfaces.hpp"
#include "actors/peers.hpp"
#include "actors/routes.hpp"
#include "cluster/config.hpp"
#include "storage/identity.hpp"

namespace cairn::actors {

/// What an agent begins with.
struct AgentStart {
  cluster::Config config;
  std::shared_ptr<storage::Identity> identity;
  std::shared_ptr<Routes> routes;
  std::shared_ptr<Peers> peers;
  std::string rpc_address;                 ///< empty: serves no clients
  /// Answered once: true when the node does its part (alone: its shards are led), or why it cannot.
  Reply<bool> ready;
};

AgentActor::behavior_type agent(AgentActor::pointer self, AgentStart start);

}  // namespace cairn::actors
