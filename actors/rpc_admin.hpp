// The Admin interface (protocol/admin.capnp) of a node, on its socket, with a KJ loop of its own, so that it
// answers also while clients keep theirs busy. Start and stop from any thread that is not the loop.
#pragma once

#include <caf/fwd.hpp>

#include <memory>
#include <string>

#include "actors/interfaces.hpp"
#include "actors/routes.hpp"
#include "cluster/config.hpp"

namespace cairn::actors {

/// What it speaks for. `system` outlives it; what is not there yet is named as missing.
struct AdminOf {
  caf::actor_system& system;
  std::shared_ptr<Routes> routes;
  SupervisorActor supervisor;  ///< of the node's children; may be invalid
  std::string rpc_address;     ///< empty: the node serves no clients
};

class RpcAdmin {
 public:
  /// Listens on admin_socket_path(config), whose directory is there. bad_config if it cannot.
  static Result<std::unique_ptr<RpcAdmin>> start(const cluster::Config& config, AdminOf node);
  virtual ~RpcAdmin() = default;

  /// Stops listening, drops all connections, takes the socket's file away. The loop goes on until this object
  /// goes, which must be after the actors that may still answer.
  virtual void stop() = 0;
  virtual const std::string& path() const = 0;
};

}  // namespace cairn::actors
