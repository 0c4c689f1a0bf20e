#include "actors/rpc_admin.hpp"

#include <capnp/rpc-twoparty.h>

#include <unordered_set>

#include "actors/clock.hpp"
#include "actors/log.hpp"
#include "actors/rpc_admin_service.hpp"
#include "actors/rpc_stream.hpp"
#include "actors/rpc_unix_socket.hpp"
#include "protocol/kj_loop.hpp"
#include "protocol/rpc_errors.hpp"

namespace cairn::actors {
namespace {

using VatId = capnp::rpc::twoparty::VatId;
using Side = capnp::rpc::twoparty::Side;

constexpr auto accept_retry = 100 * kj::MILLISECONDS;
constexpr auto check_interval = 1 * kj::SECONDS;

// One operator's connection. There is no sign-in, so the small bounds of who has not signed in hold for all of
// it. The order of members is the reverse of the order in which they may go.
struct Served {
  Served(kj::Own<kj::AsyncIoStream> io, std::shared_ptr<BlockBytes> bytes, rpc::Admin::Client admin)
      : stream(kj::heap<GuardedStream>(kj::mv(io), std::move(bytes),
                                       StreamTimes{limits::admin_idle_timeout, limits::message_timeout})),
        network(kj::heap<capnp::TwoPartyVatNetwork>(*stream, Side::SERVER)) {
    stream->set_output(network);
    system = kj::heap<capnp::RpcSystem<VatId>>(capnp::makeRpcServer(*network, kj::mv(admin)));
    system->setFlowLimit(limits::max_calls_before_sign_in * limits::max_message_before_sign_in_bytes /
                         sizeof(capnp::word));
  }
  ~Served() noexcept { stream->set_output(nullptr); }
  kj::Own<GuardedStream> stream;
  kj::Own<capnp::TwoPartyVatNetwork> network;
  kj::Own<capnp::RpcSystem<VatId>> system;
};

// The connections; made, used and dropped on the loop's thread.
class AdminPort final : private kj::TaskSet::ErrorHandler {
 public:
  AdminPort(kj::AsyncIoContext& io, kj::AutoCloseFd socket, std::shared_ptr<AdminContext> context)
      : timer_(io.provider->getTimer()),
        context_(std::move(context)),
        bytes_(std::make_shared<BlockBytes>(limits::max_block_bytes_in_flight)),
        listener_(io.lowLevelProvider->wrapListenSocketFd(kj::mv(socket))),
        tasks_(*this) {
    context_->timer = &timer_;
    tasks_.add(accept());
    tasks_.add(check());
  }

 private:
  kj::Promise<void> accept() {
    return listener_->accept()
        .then(
            [this](kj::Own<kj::AsyncIoStream> stream) -> kj::Promise<void> {
              if (connections_.size() >= limits::max_admin_connections)
                log_warning("admin: more than {} connections; one was closed", limits::max_admin_connections);
              else
                tasks_.add(kj::evalNow([&] { return serve(kj::mv(stream)); }));
              return kj::READY_NOW;
            },
            [this](kj::Exception&&) -> kj::Promise<void> {
              log_warning("admin: cannot accept a connection; out of file descriptors?");
              return timer_.afterDelay(accept_retry);
            })
        .then([this] { return accept(); });
  }

  kj::Promise<void> serve(kj::Own<kj::AsyncIoStream> stream) {
    auto served = kj::heap<Served>(kj::mv(stream), bytes_, make_admin(context_));
    connections_.insert(served.get());
    auto gone = served->network->onDisconnect();
    return gone.attach(kj::defer([this, key = served.get()] { connections_.erase(key); }), kj::mv(served));
  }

  kj::Promise<void> check() {
    return timer_.afterDelay(check_interval).then([this] {
      for (auto* served : connections_) served->stream->check_time(steady_now());
      return check();
    });
  }

  void taskFailed(kj::Exception&& exception) override {
    clamp_type(exception);
    log_debug("admin: a connection ended: {}", from_exception(exception).message);
  }

  kj::Timer& timer_;
  std::shared_ptr<AdminContext> context_;
  std::shared_ptr<BlockBytes> bytes_;
  kj::Own<kj::ConnectionReceiver> listener_;
  std::unordered_set<Served*> connections_;
  kj::TaskSet tasks_;
};

class Running final : public RpcAdmin {
 public:
  explicit Running(UnixSocket socket) : path_(socket.path()), socket_(std::move(socket)) {}
  ~Running() noexcept override { stop(); }

  void begin(std::shared_ptr<AdminContext> context) {
    loop_.run([&](kj::AsyncIoContext& io) -> kj::Promise<void> {
      port_ = kj::heap<AdminPort>(io, socket_->take_fd(), std::move(context));
      return kj::READY_NOW;
    });
  }

  void stop() override {
    loop_.run([this](kj::AsyncIoContext&) -> kj::Promise<void> {
      port_ = nullptr;
      return kj::READY_NOW;
    });
    socket_.reset();
  }

  const std::string& path() const override { return path_; }

 private:
  std::string path_;
  std::optional<UnixSocket> socket_;
  kj::Own<AdminPort> port_;
  KjLoop loop_{"rpc-admin"};
};

}  // namespace

Result<std::unique_ptr<RpcAdmin>> RpcAdmin::start(const cluster::Config& config, AdminOf node) {
  auto socket = UnixSocket::listen(cluster::admin_socket_path(config));
  if (!socket) return socket.error();
  auto running = std::make_unique<Running>(std::move(*socket));
  running->begin(std::make_shared<AdminContext>(AdminContext{std::move(node), config.node, steady_now(), nullptr}));
  return std::unique_ptr<RpcAdmin>(std::move(running));
}

}  // namespace cairn::actors
