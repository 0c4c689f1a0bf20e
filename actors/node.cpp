#include "actors/node.hpp"

#include <sys/resource.h>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <atomic>
#include <future>
#include <thread>

#include "actors/blocks.hpp"
#include "actors/log.hpp"
#include "actors/peers.hpp"
#include "actors/rpc_server.hpp"
#include "actors/session.hpp"
#include "actors/shard.hpp"
#include "actors/sign_in.hpp"
#include "actors/supervisor.hpp"
#include "actors/watch_hub.hpp"
#include "storage/disk.hpp"

namespace cairn::actors {
namespace {

// Files that a node needs beside its connections: logs, segments, the index, libraries.
constexpr rlim_t files_beside_connections = 512;

struct SystemConfig : caf::actor_system_config {
  SystemConfig() {
    // Work stealing sleeps between polls, which costs a lone request up to milliseconds.
    set("scheduler.policy", caf::atom("sharing"));
    set("scheduler.max-threads", std::max(2u, std::thread::hardware_concurrency()));
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
    if (auto data = storage::open_directory(config_.node.data); !data)
      return Error{data.error().code, "node.data: " + config_.node.data + ": " + data.error().message};
    const auto key_file = config_.blocks.key_file.empty() ? config_.node.data + "/block-keys" : config_.blocks.key_file;
    auto keys = storage::KeyRing::open_or_create(key_file);
    if (!keys) return Error{keys.error().code, key_file + ": " + keys.error().message};
    keys_ = std::move(*keys);
    auto peers = Peers::start(std::nullopt, routes_);
    if (!peers) return peers.error();
    peers_ = std::move(*peers);
    CAIRN_TRY(start_children());
    auto server = RpcServer::start(config_, routes_);
    if (!server) return server.error();
    server_ = std::move(*server);
    return {};
  }

  void stop() override {
    if (stopped_) return;
    stopped_ = true;
    if (server_) server_->stop();
    if (supervisor_) caf::anon_send(supervisor_, StopAll{});
    supervisor_ = SupervisorActor{};
    // Sessions end with their connections. Their last callbacks need the RPC loops, which go after this.
    system_.await_all_actors_done();
    server_.reset();
  }

  bool failed() const override { return failed_; }
  const std::string& rpc_address() const override { return server_->address(); }
  std::shared_ptr<Routes> routes() const override { return routes_; }
  caf::actor_system& system() override { return system_; }

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
  // The node's children in the order in which they need each other.
  std::vector<ChildSpec> table() {
    std::vector<ChildSpec> children;
    children.push_back({"watch hub", [this] {
                          return started(
                              system_.spawn(watch_hub, std::size_t{config_.rpc.max_connections}, config_.node.name,
                                            routes_, std::shared_ptr<NodeNetwork>(peers_)),
                              &Routes::set_watch_hub);
                        }});
    children.push_back({"shard", [this]() -> Result<caf::actor> {
                          auto shard = open_shard(config_.metadata, config_.node.data + "/shard", &shard_lease_);
                          if (!shard) return shard.error();
                          const auto actor = system_.spawn(shard_replica, std::move(*shard), config_.metadata, routes_);
                          return started(ShardActor(actor), &Routes::set_shard);
                        }});
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
    for (std::size_t i = 0; i < config_.accounts.password_threads; ++i)
      children.push_back({"password " + std::to_string(i + 1), [this, i] {
                            auto actor = system_.spawn<caf::detached>(password, config_.accounts.password_cost);
                            routes_->set_password(i, actor);
                            return Result<caf::actor>(caf::actor_cast<caf::actor>(actor));
                          }});
    children.push_back(
        {"sign-in",
         [this] { return started(system_.spawn(sign_in, config_.accounts, keys_, routes_), &Routes::set_sign_in); }});
    return children;
  }

  template <class Actor>
  Result<caf::actor> started(Actor actor, void (Routes::*set)(Actor)) {
    (*routes_.*set)(actor);
    return caf::actor_cast<caf::actor>(actor);
  }

  Result<void> start_children() {
    const auto& supervision = config_.supervision;
    const cluster::RestartLimits limits{supervision.max_restarts, supervision.window, supervision.backoff_first,
                                        supervision.backoff_most};
    std::promise<Result<bool>> started;
    auto outcome = started.get_future();
    supervisor_ = system_.spawn<caf::detached>(
        supervisor, table(), limits, Reply<bool>([&](Result<bool> all) { started.set_value(std::move(all)); }));
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
  std::shared_ptr<const storage::KeyRing> keys_;
  std::shared_ptr<Routes> routes_ = std::make_shared<Routes>();
  std::shared_ptr<Peers> peers_;
  Lease shard_lease_;  // these are used by the supervisor alone
  Lease blocks_lease_;
  SupervisorActor supervisor_;
  std::unique_ptr<RpcServer> server_;
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
