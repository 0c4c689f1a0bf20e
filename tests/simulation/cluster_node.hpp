// A simulated node: what actors/agent.cpp, hosting.cpp and router.cpp do, with its replicas, its watch hub and its
// part as the directory's leader. Its process can end at any event and be held up; what stays is its disk. One thread.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "cluster/membership.hpp"
#include "cluster/reporting.hpp"
#include "cluster/routing.hpp"
#include "tests/simulation/cluster_hub.hpp"
#include "tests/simulation/cluster_office.hpp"
#include "tests/simulation/cluster_replica.hpp"

namespace cairn::simulation {

class ClusterWorld;

/// Thrown by a disk's operation in which the power is lost.
struct PowerLoss {};

enum class Channel : std::uint8_t { raft, control, call, watch };

class ClusterNode {
 public:
  ClusterNode(ClusterWorld& world, std::string name, std::uint64_t data);

  // Its life.
  void start();
  /// The process ends; with `power` what was not synced may be lost, too.
  void crash(bool power);
  void pause() { paused_ = true; }
  void resume();
  /// Its disk is lost; another one takes its place.
  void wipe(std::uint64_t data);
  bool running() const { return process_ != nullptr; }
  bool paused() const { return paused_; }
  std::uint64_t process_number() const { return process_number_; }

  // Its clocks and its disk.
  void jump_wall(std::chrono::milliseconds by) { wall_offset_ += by; }
  void set_drift(std::int64_t millionths);
  void set_full(bool full) { full_ = full; }
  void set_slowness(std::uint64_t factor) { slowness_ = factor; }
  bool full() const { return full_; }
  std::uint64_t slowness() const { return slowness_; }
  Instant steady() const;
  Timestamp wall() const;
  Duration until(Instant deadline) const;

  // Events of the process: lost when it ends, late while it is held up.
  void after(Duration delay, std::function<void()> event);
  void run(std::function<void()> event);

  bool send(const std::string& to, Channel channel, std::function<void(ClusterNode&)> deliver);
  bool send_control(const std::string& to, const cluster::directory::ControlFrame& frame);
  void send_raft(ShardId shard, const cluster::Message& message);

  // From its parts.
  void replica_changed(const RoleChange& change);
  void replica_withdrew(ShardId shard, ReplicaId replica, const std::string& why);
  void heard_leader(ShardId shard, ReplicaId leader, std::uint64_t term);

  // From other nodes.
  void raft_received(ShardId shard, const cluster::Message& message);
  void control_received(const std::string& from, const Bytes& frame);
  void call_received(const std::string& from, std::uint64_t attempt, ShardRequest request, bool relay);
  void answer_received(const std::string& from, std::uint64_t attempt, ShardAnswer answer);
  void link_changed(const std::string& peer, bool up);

  /// Brings a request to its shard through failover, as the router.
  void route(ShardRequest request, AnswerTo answer) { route(std::move(request), false, std::move(answer)); }

  ClusterWorld& world() const { return world_; }
  const std::string& name() const { return name_; }
  const cluster::directory::NodeName& node_name() const { return node_name_; }
  NodeDisk& disk() { return disk_; }
  const cluster::ClusterMap& map() const { return *process_->cluster_map; }
  SimHub& hub() { return *process_->hub; }
  DirectoryOffice& office() { return *process_->office; }
  /// Nothing if there is none, or it is not open.
  ShardReplica* replica(ShardId shard);
  bool registered() const { return process_ && process_->registered.has_value(); }
  /// True if this end wants a link with the other one.
  bool wants_link(const std::string& peer) const;
  void trace(const std::string& line) const;
  template <class Visit>
  void each_replica(Visit visit) {
    if (!process_) return;
    for (auto& [shard, held] : process_->held)
      if (held.replica) visit(shard, *held.replica);
  }

 private:
  struct Held {
    cluster::Hosted what;
    std::unique_ptr<ShardReplica> replica;
    cluster::directory::ReplicaReport status;
  };
  struct Waiting {
    ShardRequest request;
    AnswerTo answer;
  };
  struct Process {
    Process(const ClusterNode& node, std::uint64_t first, const cluster::RoutingOptions& options);
    cluster::directory::SlotMap map;
    std::shared_ptr<const cluster::ClusterMap> cluster_map = std::make_shared<cluster::ClusterMap>();
    std::map<ShardId, Held> held;
    std::set<ReplicaId> going;  // are being deleted
    std::unique_ptr<SimHub> hub;
    std::unique_ptr<DirectoryOffice> office;
    cluster::Routing routing;
    std::unordered_map<std::uint64_t, Waiting> waiting;
    std::uint64_t routing_timer = 0;
    std::map<std::string, cluster::PeerAt> peers;
    std::map<std::string, cluster::FounderHeard> heard;
    bool founding_decided = false;
    std::optional<cluster::directory::Epoch> registered;
    bool registering = false;
    bool asking_map = false;
    cluster::Reporting reporting;
    std::size_t lost_turn = 0;
  };

  // The agent (cluster_agent.cpp).
  void tick();
  void found_or_not();
  void ask_founders();
  void ask_for_map(const std::string& node, cluster::directory::Epoch since);
  void refresh_map();
  void merge(cluster::directory::SlotMap newer);
  void take_map();
  void register_node();
  void registered(const ShardAnswer& answer);
  std::string directory_node() const;
  void set_peers(const cluster::directory::SlotMap& whole);
  void look_around();
  void send_report();
  bool leads_directory() const;
  void note(const std::string& what, const std::string& why);
  void hear(const std::string& from, cluster::directory::MapRequest& request);
  void hear(const std::string& from, cluster::directory::MapAnswer& answer);
  void hear(const std::string& from, cluster::directory::Report& report);
  void hear(const std::string& from, cluster::directory::ReportAnswer& answer);
  void hear(const std::string& from, cluster::directory::Order& order);
  void hear(const std::string& from, cluster::directory::Note& note);
  void hear(const std::string& from, cluster::directory::NoteAnswer& answer);

  // Hosting (cluster_agent.cpp).
  void follow(const std::vector<cluster::Hosted>& wanted, bool may_make, bool may_delete);
  void hold(const cluster::Hosted& what);
  void open_replica(ShardId shard, ReplicaId id, bool made_before);
  void remove(ShardId shard);
  void remove_leftovers(const std::vector<cluster::Hosted>& wanted);
  void delete_folder(ReplicaId id);
  void ask_all();

  // The router (cluster_node.cpp).
  void route(ShardRequest request, bool relayed, AnswerTo answer);
  void routing_pump();
  void carry_out(const cluster::SendAttempt& send);
  void deliver(std::uint64_t request, ShardAnswer answer);

  ClusterWorld& world_;
  std::string name_;
  cluster::directory::NodeName node_name_;
  NodeDisk disk_;
  cluster::directory::SlotMap founding_;
  bool paused_ = false;
  std::deque<std::function<void()>> backlog_;
  bool full_ = false;
  std::uint64_t slowness_ = 1;
  Instant clock_offset_{0};
  std::int64_t drift_ = 0;
  std::chrono::milliseconds wall_offset_{0};
  std::uint64_t process_number_ = 0;
  std::unique_ptr<Process> process_;
};

}  // namespace cairn::simulation
