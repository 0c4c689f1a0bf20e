// The other nodes as this node's actors see them: what is for one of them goes into its link, what comes from
// one goes to the actor that it is for. A node without links has no others. Any thread; nothing blocks but
// start() and stop().
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "actors/link.hpp"
#include "actors/peer_frames.hpp"
#include "actors/routes.hpp"

namespace cairn::actors {

/// How a replica speaks to the others of its shard. What cannot be sent is lost: consensus asks again.
class ReplicaNetwork {
 public:
  virtual ~ReplicaNetwork() = default;
  virtual void send(cluster::directory::ShardId shard, const cluster::Message& message) = 0;
};

/// How actors speak to those of another node.
class NodeNetwork {
 public:
  virtual ~NodeNetwork() = default;
  /// Errors as Links::send().
  virtual Result<void> send(const NodeName& to, Channel channel, Bytes frame) = 0;
};

class Peers : public ReplicaNetwork, public NodeNetwork {
 public:
  /// Without `options` there are no links. Errors as Links::start().
  static Result<std::shared_ptr<Peers>> start(std::optional<LinkOptions> options, std::shared_ptr<Routes> routes);

  /// To the node that holds the message's receiver as the routes' map has it.
  void send(cluster::directory::ShardId shard, const cluster::Message& message) override = 0;
  using NodeNetwork::send;

  /// Errors as Links::set_peers().
  virtual Result<void> set_peers(std::map<NodeName, LinkPeer> peers) = 0;
  /// Where the links listen; empty without links.
  virtual std::string address() const = 0;
  virtual std::vector<LinkStatus> status() const = 0;
  /// As Links::strangers().
  virtual std::uint64_t strangers() const = 0;
  virtual void inject(const NodeName& peer, LinkFault fault) = 0;
  /// Closes the links; nothing comes from them any more. May be repeated.
  virtual void stop() = 0;
};

}  // namespace cairn::actors
