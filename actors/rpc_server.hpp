// The RPC port: listens, accepts, guards and serves client connections on its own KJ loops. Start and
// stop from any thread that is none of the loops.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "actors/routes.hpp"
#include "cluster/config.hpp"

namespace cairn::actors {

class RpcServer {
 public:
  /// Binds and serves. `routes` may still be empty: calls answer unavailable until the actors are there.
  /// bad_config if the address or the certificate cannot be used.
  static Result<std::unique_ptr<RpcServer>> start(const cluster::Config& config, std::shared_ptr<Routes> routes);
  virtual ~RpcServer() = default;

  /// Stops listening and drops all connections, and with them their sessions. The loops go on, so that
  /// actors that still hold callbacks can let go of them; they end with this object.
  virtual void stop() = 0;
  /// "127.0.0.1:7420", with the port that was really bound.
  virtual const std::string& address() const = 0;
};

}  // namespace cairn::actors
