// Brings requests to shards on whichever node they are answered, through failover: the actor around
// cluster/routing.hpp.
#pragma once

#include <memory>
#include <string>

#include "actors/interfaces.hpp"
#include "actors/peers.hpp"
#include "actors/routes.hpp"
#include "cluster/routing.hpp"

namespace cairn::actors {

/// `node`: the name of this node, as the map has it. It reads the map from `routes` at its start and at each
/// MapChanged. `options` are for tests.
RouterActor::behavior_type router(RouterActor::pointer self, std::string node, std::shared_ptr<Routes> routes,
                                  std::shared_ptr<NodeNetwork> network, cluster::RoutingOptions options);

}  // namespace cairn::actors
