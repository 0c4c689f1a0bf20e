// A node: its actor system, its ordered table of children, and its RPC port. Everything a cairnd process
// is, as an object that a test can start and stop.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "actors/routes.hpp"
#include "cluster/config.hpp"

namespace cairn::actors {

class Node {
 public:
  /// Opens the data directory, starts the children in order, then listens. An error names what failed.
  static Result<std::unique_ptr<Node>> start(const cluster::Config& config);
  virtual ~Node() = default;   ///< stops it if it runs

  /// Stops accepting, ends sessions, stops the children in reverse order. Everything acknowledged is
  /// durable anyway; stopping only closes it tidily.
  virtual void stop() = 0;
  /// True once a child failed beyond its limits: the process should end, loudly.
  virtual bool failed() const = 0;
  /// "127.0.0.1:7420", with the port that was really bound.
  virtual const std::string& rpc_address() const = 0;
  virtual std::vector<ChildStatus> children() const = 0;
  /// The node's actors: for tests and benchmarks.
  virtual std::shared_ptr<Routes> routes() const = 0;
  virtual caf::actor_system& system() = 0;
};

}  // namespace cairn::actors
