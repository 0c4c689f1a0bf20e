#include "actors/node.hpp"

#include <sys/resource.h>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <atomic>
#include <future>
#include <map>
#include <random>
#include <thread>

#include "actors/agent.hpp"
#include "actors/blocks.hpp"
#include "actors/directory_service.hpp"
#include "actors/link.hpp"
#include "actors/log.hpp"
#include "actors/peers.hpp"
#include "actors/router.hpp"
#include "actors/rpc_admin.hpp"
#include "actors/rpc_server.hpp"
#include "actors/scheduler.hpp"
#include "actors/session.hpp"
#include "actors/sign_in.hpp"
#include "actors/supervisor.hpp"
#include "actors/watch_hub.hpp"
#include "protocol/certificates.hpp"
#include "storage/identity.hpp"

namespace cairn::actors {
namespace {

// Files that a node needs beside its connections: logs, segments, the index, libraries.
constexpr rlim_t files_beside_connections = 512;

struct SystemConfig : caf::actor_system_config {
  SystemConfig() {
    set("scheduler.max-threads", std::max(2u, std::thread::hardware_concurrency()));
    set("scheduler.max-throughput", messages_in_a_row);
    module_factories.push_back([](caf::actor_system& system) -> caf::actor_system::module* {
      return Scheduler::make(system, {});
    });
  }
};

void check_open_files(const cluster::Config& config) {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_cur < files.rlim_max) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    getrlimit(RLIMIT_NOFILE, &files);
  }
  if (files.rlim_cur < config.rpc.max_connections + files_beside_connections)
    log_warning("the limit of open files is {}: too low for rpc.max_connections = {}", files.rlim_cur,
                config.rpc.max_connections);
}

class RunningNode final : public Node {
 public:
  explicit RunningNode(const cluster::Config& config) : config_(config), system_(system_config_) {}

  ~RunningNode() override { stop(); }

  Result<void> begin() {
    check_open_files(config_);
    CAIRN_TRY(open_identity());
    CAIRN_TRY(open_keys());
    CAIRN_TRY(start_peers());
    // Before the actors, since the agent tells the cluster where it listens; calls wait for them.
    if (serves_clients()) {
      auto server = RpcServer::start(config_, routes_);
      if (!server) return server.error();
      server_ = std::move(*server);
    }
    CAIRN_TRY(start_children());
    // Before the node is ready, so that an operator can see what it waits for.
    auto admin = RpcAdmin::start(config_, AdminOf{system_, routes_, supervisor_, rpc_address()});
    if (!admin) return admin.error();
    admin_ = std::move(*admin);
    return wait_ready();
  }

  void stop() override {
    if (stopped_) return;
    stopped_ = true;
    if (admin_) admin_->stop();
    if (server_) server_->stop();
    if (peers_) peers_->stop();
    if (supervisor_) caf::anon_send(supervisor_, StopAll{});
    supervisor_ = SupervisorActor{};
    // Sessions end with their connections. Their last callbacks need the RPC loops, which go after this.
    system_.await_all_actors_done();
    server_.reset();
    admin_.reset();
  }

  bool failed() const override { return failed_; }
  std::string rpc_address() const override { return server_ ? server_->address() : std::string(); }
  std::string link_address() const override { return peers_->address(); }
  std::shared_ptr<Routes> routes() const override { return routes_; }
  caf::actor_system& system() override { return system_; }
  std::shared_ptr<Peers> peers() const override { return peers_; }

  std::vector<ChildStatus> children() const override {
    if (!supervisor_) return {};
    std::promise<std::vector<ChildStatus>> answered;
    auto answer = answered.get_future();
    caf::anon_send(supervisor_, GetChildren{Reply<std::vector<ChildStatus>>([&](Result<std::vector<ChildStatus>> all) {
                     answered.set_value(all ? std::move(*all) : std::vector<ChildStatus>{});
                   })});
    return answer.get();
  }

 private:
  bool lone() const { return config_.link.listen.empty(); }
  bool has(cluster::directory::NodeRole role) const { return config_.node.roles.has(role); }
  bool serves_clients() const { return has(cluster::directory::NodeRole::api); }

  Result<void> open_identity() {
    if (const auto good = check_node_name(config_.node.name); !good)
      return Error{Errc::bad_config, "node.name: " + good.error().message};
    if (!lone()) {
      auto id = cluster_id_of(config_.link.authority);
      if (!id) return Error{Errc::bad_config, "link.authority: " + id.error().message};
      cluster_id_ = std::move(*id);
    }
    std::random_device random;
    const auto data = std::uint64_t{random()} << 32 | random() | 1;
    auto identity = storage::Identity::open(config_.node.data, config_.node.name, cluster_id_, data);
    if (!identity) {
      const Error why{identity.error().code, "node.data: " + identity.error().message};
      if (!lone() && why.code != Errc::busy) tell_why_not(link_options(), configured_peers(), why);
      return why;
    }
    identity_ = std::move(*identity);
    return {};
  }

  Result<void> open_keys() {
    const auto key_file = config_.blocks.key_file.empty() ? config_.node.data + "/block-keys" : config_.blocks.key_file;
    auto keys = storage::KeyRing::open_or_create(key_file);
    if (!keys) return Error{keys.error().code, key_file + ": " + keys.error().message};
    keys_ = std::move(*keys);
    return {};
  }

  LinkOptions link_options() const {
    LinkOptions options;
    options.self = config_.node.name;
    options.cluster_id = cluster_id_;
    options.incarnation = identity_ ? identity_->values().incarnation : 0;
    options.listen = config_.link.listen;
    options.certificate = config_.link.certificate;
    options.key = config_.link.key;
    options.authority = config_.link.authority;
    return options;
  }

  std::map<NodeName, LinkPeer> configured_peers() const {
    std::map<NodeName, LinkPeer> peers;
    for (const auto* list : {&config_.cluster.founders, &config_.cluster.join})
      for (const auto& peer : *list) peers[peer.name.text()] = {peer.address};
    return peers;
  }

  Result<void> start_peers() {
    std::optional<LinkOptions> options;
    if (!lone()) options = link_options();
    auto peers = Peers::start(std::move(options), routes_);
    if (!peers) return peers.error();
    peers_ = std::move(*peers);
    return {};
  }

  // The node's children in the order in which they need each other.
  std::vector<ChildSpec> table() {
    std::vector<ChildSpec> children;
    children.push_back({"watch hub", [this] {
                          return started(
                              system_.spawn(watch_hub, std::size_t{config_.rpc.max_connections}, config_.node.name,
                                            routes_, std::shared_ptr<NodeNetwork>(peers_)),
                              &Routes::set_watch_hub);
                        }});
    children.push_back({"router", [this] {
                          const auto actor =
                              system_.spawn(router, config_.node.name, routes_, std::shared_ptr<NodeNetwork>(peers_),
                                            cluster::RoutingOptions{});
                          // Alone, requests go to the replica itself: the agent tells the routes.
                          if (!lone()) routes_->set_shard(ShardActor(actor));
                          return started(actor, &Routes::set_router);
                        }});
    if (has(cluster::directory::NodeRole::metadata))
      children.push_back({"directory service", [this] {
                            return started(system_.spawn(directory_service, config_, routes_, peers_, DirectoryPace{}),
                                           &Routes::set_directory);
                          }});
    children.push_back({"replicas", [this] {
                          return started(system_.spawn<caf::detached>(supervisor, std::vector<ChildSpec>{},
                                                                      restart_limits(), Reply<bool>()),
                                         &Routes::set_replica_supervisor);
                        }});
    children.push_back({"agent", [this] {
                          AgentStart start{config_, identity_, routes_, peers_, rpc_address(), ready_};
                          return started(system_.spawn<caf::detached>(agent, std::move(start)), &Routes::set_agent);
                        }});
    if (has(cluster::directory::NodeRole::block)) add_block_children(children);
    if (serves_clients()) add_client_children(children);
    return children;
  }

  void add_block_children(std::vector<ChildSpec>& children) {
    children.push_back({"block writer", [this]() -> Result<caf::actor> {
                          auto store = open_blocks(config_.blocks, config_.node.data + "/blocks", &blocks_lease_);
                          if (!store) return store.error();
                          return started(system_.spawn<caf::detached>(block_writer, std::move(*store), config_.blocks),
                                         &Routes::set_block_writer);
                        }});
    for (std::size_t i = 0; i < config_.blocks.sealers; ++i)
      children.push_back({"sealer " + std::to_string(i + 1), [this, i] {
                            auto actor = system_.spawn<caf::detached>(sealer, keys_, routes_);
                            routes_->set_sealer(i, actor);
                            return Result<caf::actor>(caf::actor_cast<caf::actor>(actor));
                          }});
    children.push_back({"collector", [this] {
                          return started(system_.spawn(collector, config_.blocks, routes_), &Routes::set_collector);
                        }});
  }

  void add_client_children(std::vector<ChildSpec>& children) {
    for (std::size_t i = 0; i < config_.accounts.password_threads; ++i)
      children.push_back({"password " + std::to_string(i + 1), [this, i] {
                            auto actor = system_.spawn<caf::detached>(password, config_.accounts.password_cost);
                            routes_->set_password(i, actor);
                            return Result<caf::actor>(caf::actor_cast<caf::actor>(actor));
                          }});
    children.push_back(
        {"sign-in",
         [this] { return started(system_.spawn(sign_in, config_.accounts, keys_, routes_), &Routes::set_sign_in); }});
  }

  Result<void> wait_ready() {
    if (became_ready_.wait_for(limits::node_ready_timeout) != std::future_status::ready)
      return Error{Errc::timed_out, "the node's shards are not led after a long time"};
    const auto ready = became_ready_.get();
    return ready ? Result<void>() : Result<void>(ready.error());
  }

  template <class Actor>
  Result<caf::actor> started(Actor actor, void (Routes::*set)(Actor)) {
    (*routes_.*set)(actor);
    return caf::actor_cast<caf::actor>(actor);
  }

  cluster::RestartLimits restart_limits() const {
    const auto& supervision = config_.supervision;
    return {supervision.max_restarts, supervision.window, supervision.backoff_first, supervision.backoff_most};
  }

  Result<void> start_children() {
    std::promise<Result<bool>> started;
    auto outcome = started.get_future();
    supervisor_ =
        system_.spawn<caf::detached>(supervisor, table(), restart_limits(),
                                     Reply<bool>([&](Result<bool> all) { started.set_value(std::move(all)); }));
    supervisor_->attach_functor([this](const caf::error& reason) {
      if (reason == escalated) failed_ = true;
    });
    const auto all = outcome.get();
    if (!all) return all.error();
    return {};
  }

  cluster::Config config_;
  SystemConfig system_config_;
  caf::actor_system system_;
  std::string cluster_id_;  // empty: no links
  std::shared_ptr<storage::Identity> identity_;
  std::shared_ptr<const storage::KeyRing> keys_;
  std::shared_ptr<Routes> routes_ = std::make_shared<Routes>();
  std::shared_ptr<Peers> peers_;
  Lease blocks_lease_;  // used by the supervisor alone
  std::promise<Result<bool>> ready_promise_;
  std::future<Result<bool>> became_ready_ = ready_promise_.get_future();
  Reply<bool> ready_{[this](Result<bool> ready) { ready_promise_.set_value(std::move(ready)); }};
  SupervisorActor supervisor_;
  std::unique_ptr<RpcServer> server_;
  std::unique_ptr<RpcAdmin> admin_;
  std::atomic<bool> failed_ = false;
  bool stopped_ = false;
};

}  // namespace

Result<std::unique_ptr<Node>> Node::start(const cluster::Config& config) {
  auto node = std::make_unique<RunningNode>(config);
  CAIRN_TRY(node->begin());
  return std::unique_ptr<Node>(std::move(node));
}

}  // namespace cairn::actors
