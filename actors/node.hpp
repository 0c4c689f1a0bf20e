// A node: its actor system, its ordered table of children, and its RPC port. Everything a cairnd process
// is, as an object that a test can start and stop.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "actors/peers.hpp"
#include "actors/routes.hpp"
#include "cluster/config.hpp"

namespace cairn::actors {

class Node {
 public:
  /// Opens the data directory, listens, and starts the children in order. Returns when the node is ready: one that
  /// is alone serves its shards, one of a cluster may still wait for others. An error names what failed.
  static Result<std::unique_ptr<Node>> start(const cluster::Config& config);
  virtual ~Node() = default;   ///< stops it if it runs

  /// Stops accepting, ends sessions, stops the children in reverse order. Everything acknowledged is
  /// durable anyway; stopping only closes it tidily.
  virtual void stop() = 0;
  /// True once a child failed beyond its limits: the process should end, loudly.
  virtual bool failed() const = 0;
  /// "127.0.0.1:7420", with the port that was really bound.
  /// Empty if the node serves no clients.
  virtual std::string rpc_address() const = 0;
  /// Where its links listen; empty if it has none.
  virtual std::string link_address() const = 0;
  virtual std::vector<ChildStatus> children() const = 0;
  /// The node's actors: for tests and benchmarks.
  virtual std::shared_ptr<Routes> routes() const = 0;
  virtual caf::actor_system& system() = 0;
  virtual std::shared_ptr<Peers> peers() const = 0;
};

}  // namespace cairn::actors
