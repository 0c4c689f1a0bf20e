// What a node does beside its replica of the directory while that leads: it founds the cluster, sums up what nodes
// report, and brings the cluster from what it is to what it should be (cluster/reconcile.hpp). All of it is kept in
// memory only and forgotten with the office. It asks and changes the directory through that replica alone, so a
// leader that has lost its office without knowing changes nothing. One actor.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "actors/clock.hpp"
#include "actors/interfaces.hpp"
#include "actors/peers.hpp"
#include "actors/routes.hpp"
#include "cluster/config.hpp"
#include "protocol/limits.hpp"

namespace cairn::actors {

struct DirectoryPace {
  std::chrono::milliseconds interval = limits::directory_interval;         ///< between looks
  std::chrono::milliseconds founding_interval = limits::founding_interval; ///< until there are shards for all slots
  std::function<cluster::Instant()> clock = steady_micros;
};

/// Of `config` it goes by the node's name and by cluster.
DirectoryActor::behavior_type directory_service(DirectoryActor::pointer self, cluster::Config config,
                                                std::shared_ptr<Routes> routes, std::shared_ptr<NodeNetwork> peers,
                                                DirectoryPace pace);

}  // namespace cairn::actors
