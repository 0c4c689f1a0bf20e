// Which replica each request to a shard is sent to, when it is sent again and when it is given up: what a router
// knows and decides. Pure: time is an argument, what is to be done comes out of take_steps(). One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "cluster/cluster_map.hpp"
#include "cluster/node_faults.hpp"
#include "cluster/served.hpp"
#include "protocol/limits.hpp"

namespace cairn::cluster {

/// Bounds and waits, as protocol/limits.hpp names them.
struct RoutingOptions {
  std::size_t max_requests = limits::max_routed_requests;
  std::size_t max_requests_per_shard = limits::max_routed_requests_per_shard;
  std::size_t max_bytes = limits::max_routed_bytes;
  Duration timeout = limits::route_timeout;
  Duration relay_timeout = limits::relay_timeout;  ///< of what is relayed for another node
  Duration hedge_after = limits::read_hedge_after;
  Duration avoid_time = limits::read_avoid_time;
  std::uint32_t hedges_at_once = limits::read_hedges_at_once;
  NodeFaults faults;
};

struct RoutedRequest {
  directory::ShardId shard;  ///< 0: the owner of `slot`
  std::uint16_t slot = 0;    ///< slot_count or more: none
  bool by_leader = true;     ///< otherwise by any replica, once that has reached `floor`
  std::uint64_t floor = 0;
  std::size_t bytes = 0;
  bool relayed = false;  ///< of another node's router, for the leader: each replica is asked once, at most
};

/// Send the request to the shard's replica on `node`, under the number `attempt`; or with `relay` to that node's
/// router, which reaches the leader.
struct SendAttempt {
  std::uint64_t request = 0;
  std::uint64_t attempt = 0;
  directory::ShardId shard;
  std::string node;
  bool relay = false;
};
/// `why`: unknown if it was sent, and may take effect yet; else not_here if it names a shard and a slot that is
/// another's now, not_leader if there was no leader to be asked in time.
struct GiveUp {
  std::uint64_t request = 0;
  Served why = Served::unknown;
};
using RoutingStep = std::variant<SendAttempt, GiveUp>;

/// Requests for the leader go to the one that the newest term names. While nobody is known to lead, one request of
/// the shard looks for the leader from voter to voter and the others wait for what it finds. A request moves on
/// when its node is lost, when it is refused and when a newer leader is heard of; what it was asked before may still
/// answer it. Sending twice is therefore usual: who asks must mean what takes effect once.
///
/// While there is no link to the node of who leads, for longer than an election takes, the one request that looks for
/// the leader asks, in turns, the voters themselves and the routers of their nodes to pass it on; the others follow by
/// the one that did. A relayed request looks for nobody, and follows nobody once it was sent: whose it is asks again.
///
/// Requests for any replica go to the one on this node, else to one that depends on the slot. One that is not
/// answered soon is asked of another replica, too, and the first answer counts; a node that was overtaken so is the
/// last choice for a while.
class Routing {
 public:
  /// `self`: this node's name. `first_number`: of the attempts; random, so that answers to what an earlier router
  /// of this node sent are not taken for answers to this one's.
  Routing(std::string self, std::uint64_t first_number, RoutingOptions options = {});

  /// The request's number. busy: as many as there may be.
  Result<std::uint64_t> begin(const RoutedRequest& request, Instant now);

  /// `node` says this to an attempt. The request that is answered by it; nothing if it goes on, or the attempt is
  /// of nobody who waits. `leader`: who leads as far as it knows (0: nobody); `index`: what it answered from. What the
  /// leader answers from nothing is an error that kept it from beginning: no answer to whoever was asked before.
  std::optional<std::uint64_t> answered(std::uint64_t attempt, std::string_view node, Served served, ReplicaId leader,
                                        std::uint64_t index, Instant now);
  /// The attempt could not be sent; `no_link`: nor could another one to the node.
  void not_sent(std::uint64_t attempt, bool no_link, Instant now);

  void set_map(std::shared_ptr<const ClusterMap> map, Instant now);
  void link_changed(std::string_view node, bool up, Instant now);
  /// `leader` (0: nobody) leads the shard in `term`.
  void heard_leader(directory::ShardId shard, ReplicaId leader, std::uint64_t term, Instant now);
  void tick(Instant now);

  /// What to do, in order.
  std::vector<RoutingStep> take_steps();
  /// When tick() has something to do.
  Instant deadline() const { return wakeups_.empty() ? never : wakeups_.begin()->first; }

  std::size_t requests() const { return requests_.size(); }
  std::size_t bytes() const { return bytes_; }
  /// Who leads as far as is known; 0: nobody.
  ReplicaId leader(directory::ShardId shard) const;

 private:
  struct Attempt {
    std::uint64_t number = 0;
    ReplicaId replica;
    std::string node;
    std::uint64_t term = 0;  // that was known when it was sent
    Instant sent{0};
    bool relay = false;
    bool doubted = false;  // its answer may be lost
  };
  struct Request {
    RoutedRequest what;
    directory::ShardId filed;  // the shard whose state counts it
    bool filed_at_all = false;
    Instant deadline = never;
    Instant wake = never;
    Instant not_before{0};
    Instant doubt_at = never;  // when the leader is in doubt that was asked
    std::uint32_t failures = 0;
    std::uint32_t in_doubt = 0;  // how often it was sent, but for where nothing was done
    bool relays = false;         // this time round, to those whom it asks for the leader
    std::vector<Attempt> out;
    std::vector<ReplicaId> tried;  // in this round
  };
  struct ShardState {
    ReplicaId leader;
    ReplicaId relay;  // whose node's router reaches the leader, to whose own there is no link
    std::optional<Instant> relay_busy_since;  // when all that it said since was that it is busy
    std::uint64_t term = 0;
    std::uint64_t scout = 0;                                   // the request that looks for the leader
    std::set<std::uint64_t> for_leader;                        // requests
    std::size_t count = 0;                                     // of requests
    std::unordered_map<std::uint64_t, std::uint64_t> reached;  // by replica: an index that it answered from
  };
  struct NodeState {
    std::optional<Instant> down_since;
    Instant avoid_until{0};
    std::uint32_t overtaken = 0;  // in a row
  };

  const directory::Shard* shard_of(const RoutedRequest& what) const;
  void file(std::uint64_t id, Request& request, directory::ShardId shard);
  void unfile(std::uint64_t id, Request& request);
  Request remove(std::uint64_t id);
  void find_scout(directory::ShardId shard, Instant now);

  void advance(std::uint64_t id, Instant now);
  template <class Choose>
  void advance_if(Choose choose, Instant now);
  void advance_leader_requests(directory::ShardId shard, Instant now);
  void give_up(std::uint64_t id, Served why, Instant now);
  void to_leader(std::uint64_t id, Request& request, const directory::Shard& shard, Instant now);
  void look_for_leader(std::uint64_t id, Request& request, const directory::Shard& shard, Instant now);
  void to_any(std::uint64_t id, Request& request, const directory::Shard& shard, Instant now);
  const directory::Replica* next_voter(std::uint64_t id, const Request& request, const directory::Shard& shard) const;
  const directory::Replica* next_reader(const Request& request, const directory::Shard& shard, Instant now) const;

  void send(std::uint64_t id, Request& request, const directory::Shard& shard, const directory::Replica& to, bool relay,
            Instant now);
  static std::vector<Attempt>::iterator find(Request& request, std::uint64_t number);
  void drop_attempt(Request& request, std::uint64_t number);
  static void failed(Request& request, Instant now);
  void wake_at(std::uint64_t id, Request& request, Instant at);

  void note_winner(const Request& request, const Attempt& winner, std::uint64_t index, Instant now);
  void note_refusal(std::uint64_t id, const Request& request, const Attempt& attempt, Served served, ReplicaId leader,
                    Instant now);
  void note_leader(directory::ShardId shard, const Attempt& winner, Instant now);
  void set_leader(directory::ShardId shard, ShardState& state, ReplicaId leader, Instant now);
  static void set_relay(ShardState& state, ReplicaId relay);
  bool is_asked(const Request& request, ReplicaId replica) const;
  bool is_down(const std::string& node) const;
  bool is_long_down(const std::string& node, Instant now) const;
  bool is_avoided(const std::string& node, Instant now) const;

  std::string self_;
  RoutingOptions options_;
  std::shared_ptr<const ClusterMap> map_ = std::make_shared<ClusterMap>();
  std::uint64_t last_request_ = 0;
  std::uint64_t next_attempt_;
  std::unordered_map<std::uint64_t, Request> requests_;
  std::unordered_map<std::uint64_t, std::uint64_t> attempts_;  // to their requests
  std::unordered_map<std::uint32_t, ShardState> shards_;       // 0: of requests whose shard is not known
  std::unordered_map<std::string, NodeState> nodes_;
  std::set<std::pair<Instant, std::uint64_t>> wakeups_;
  std::vector<RoutingStep> steps_;
  std::size_t bytes_ = 0;
  std::uint64_t hedge_credit_;  // in answered reads
};

}  // namespace cairn::cluster
