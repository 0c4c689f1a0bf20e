#include "actors/rpc_server.hpp"

#include <capnp/rpc-twoparty.h>
#include <kj/compat/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <fstream>
#include <sstream>
#include <unordered_map>
#include <unordered_set>

#include "actors/clock.hpp"
#include "actors/log.hpp"
#include "actors/rpc_listen.hpp"
#include "actors/rpc_services.hpp"
#include "protocol/rpc_errors.hpp"
#include "protocol/version.hpp"

namespace cairn::actors {
namespace {

using VatId = capnp::rpc::twoparty::VatId;
using Side = capnp::rpc::twoparty::Side;

// How exactly timeouts are kept.
constexpr int checks_per_timeout = 10;
// After a failed accept (no file descriptor left): others must close theirs first.
constexpr auto accept_retry = 100 * kj::MILLISECONDS;

struct Certificate {
  std::string chain;
  std::string key;
};

// One served connection. The order of members is the reverse of the order in which they may go.
struct Served {
  Served(kj::Own<kj::AsyncIoStream> io, std::shared_ptr<BlockBytes> bytes, StreamTimes times,
         std::shared_ptr<Connection> about)
      : connection(std::move(about)) {
    connection->stream = std::make_shared<GuardedStream>(kj::mv(io), std::move(bytes), times);
    network = kj::heap<capnp::TwoPartyVatNetwork>(*connection->stream, Side::SERVER);
    connection->stream->set_output(network);
    system = kj::heap<capnp::RpcSystem<VatId>>(capnp::makeRpcServer(*network, make_cairn(connection)));
    system->setFlowLimit(limits::connection_flow_limit_bytes / sizeof(capnp::word));
  }
  // Calls that are still at work hold the connection, but not what it wrote to.
  ~Served() noexcept { connection->stream->set_output(nullptr); }
  std::shared_ptr<Connection> connection;
  kj::Own<capnp::TwoPartyVatNetwork> network;
  kj::Own<capnp::RpcSystem<VatId>> system;
};

// The connections of one loop; made, used and dropped on its thread.
class Acceptor final : private kj::TaskSet::ErrorHandler {
 public:
  Acceptor(kj::AsyncIoContext& io, kj::AutoCloseFd socket, RpcContext context, const cluster::Config::Rpc& config,
           const Certificate& certificate)
      : timer_(io.provider->getTimer()),
        context_(std::move(context)),
        times_{config.sign_in_timeout, config.message_timeout},
        check_interval_(std::min(times_.sign_in, times_.message).count() / checks_per_timeout * kj::MILLISECONDS),
        max_connections_(config.max_connections / config.threads + 1),
        max_per_address_(config.max_connections_per_address),
        bytes_(std::make_shared<BlockBytes>(limits::max_block_bytes_in_flight / config.threads)),
        listener_(io.lowLevelProvider->wrapListenSocketFd(kj::mv(socket))),
        tasks_(*this) {
    context_.timer = &timer_;
    if (!certificate.chain.empty()) use_tls(certificate);
    tasks_.add(accept());
    tasks_.add(check());
  }

 private:
  void use_tls(const Certificate& certificate) {
    kj::TlsContext::Options options;
    options.minVersion = kj::TlsVersion::TLS_1_2;
    kj::TlsKeypair keypair{kj::TlsPrivateKey(certificate.key.c_str()), kj::TlsCertificate(certificate.chain.c_str())};
    options.defaultKeypair = keypair;
    tls_ = kj::heap<kj::TlsContext>(kj::mv(options));
  }

  kj::Promise<void> accept() {
    return listener_->acceptAuthenticated()
        .then(
            [this](kj::AuthenticatedStream accepted) -> kj::Promise<void> {
              // A peer that has gone already makes system calls fail, which is no reason to stop accepting.
              tasks_.add(kj::evalNow([&] { return take(kj::mv(accepted.stream)); }));
              return kj::READY_NOW;
            },
            [this](kj::Exception&&) -> kj::Promise<void> {
              log_warning("rpc: cannot accept a connection; out of file descriptors?");
              return timer_.afterDelay(accept_retry);
            })
        .then([this] { return accept(); });
  }

  // Ready when the connection is closed.
  kj::Promise<void> take(kj::Own<kj::AsyncIoStream> stream) {
    sockaddr_storage address{};
    kj::uint length = sizeof address;
    stream->getpeername(reinterpret_cast<sockaddr*>(&address), &length);
    auto peer = peer_of(&address, length);
    const auto of_address = per_address_.find(peer.address);
    if (open_ >= max_connections_ || (of_address != per_address_.end() && of_address->second >= max_per_address_)) {
      log_debug("rpc: a connection from {} is over the limit and was closed", peer.address);
      return kj::READY_NOW;
    }
    set_options(*stream);
    ++open_;
    ++per_address_[peer.address];
    auto leave = kj::defer([this, key = peer.address] {
      --open_;
      if (--per_address_[key] == 0) per_address_.erase(key);
    });
    if (!tls_) return serve(kj::mv(stream), std::move(peer)).attach(kj::mv(leave));
    return timer_.timeoutAfter(times_.sign_in.count() * kj::MILLISECONDS, tls_->wrapServer(kj::mv(stream)))
        .then([this, peer](kj::Own<kj::AsyncIoStream> secure) { return serve(kj::mv(secure), peer); })
        .attach(kj::mv(leave));
  }

  // Small messages go at once, and a peer that vanished without a word is noticed within two minutes.
  static void set_options(kj::AsyncIoStream& stream) {
    const auto set = [&](int level, int option, int value) { stream.setsockopt(level, option, &value, sizeof value); };
    set(IPPROTO_TCP, TCP_NODELAY, 1);
    set(SOL_SOCKET, SO_KEEPALIVE, 1);
    set(IPPROTO_TCP, TCP_KEEPIDLE, 60);
    set(IPPROTO_TCP, TCP_KEEPINTVL, 15);
    set(IPPROTO_TCP, TCP_KEEPCNT, 4);
  }

  kj::Promise<void> serve(kj::Own<kj::AsyncIoStream> stream, Peer peer) {
    auto connection = std::make_shared<Connection>();
    connection->context = context_;
    connection->address = peer.address;
    connection->loopback = peer.loopback;
    auto served = kj::heap<Served>(kj::mv(stream), bytes_, times_, connection);
    connections_.insert(served.get());
    auto gone = served->network->onDisconnect();
    return gone.attach(kj::defer([this, key = served.get()] { connections_.erase(key); }), kj::mv(served));
  }

  kj::Promise<void> check() {
    return timer_.afterDelay(check_interval_).then([this] {
      const auto now = steady_now();
      for (const auto* served : connections_) served->connection->stream->check_time(now);
      return check();
    });
  }

  // What a peer did wrong ends its connection and is its own affair; the text may be the peer's.
  void taskFailed(kj::Exception&& exception) override {
    clamp_type(exception);
    log_debug("rpc: a connection ended: {}", from_exception(exception).message);
  }

  kj::Timer& timer_;
  RpcContext context_;
  StreamTimes times_;
  kj::Duration check_interval_;
  std::size_t max_connections_;
  std::uint64_t max_per_address_;
  std::shared_ptr<BlockBytes> bytes_;
  kj::Own<kj::ConnectionReceiver> listener_;
  kj::Own<kj::TlsContext> tls_;
  std::unordered_set<Served*> connections_;
  std::size_t open_ = 0;                      // those in a TLS handshake too
  std::unordered_map<std::string, std::uint64_t> per_address_;
  kj::TaskSet tasks_;
};

class Server final : public RpcServer {
 public:
  ~Server() override { stop(); }

  Result<void> begin(const cluster::Config& config, std::shared_ptr<Routes> routes) {
    Certificate certificate;
    if (!config.rpc.tls_certificate.empty()) {
      CAIRN_TRY(read_file("rpc.tls_certificate", config.rpc.tls_certificate, certificate.chain));
      CAIRN_TRY(read_file("rpc.tls_key", config.rpc.tls_key, certificate.key));
    }
    auto listening = listen_on(config.rpc.listen, config.rpc.threads);
    if (!listening) return listening.error();
    if (!listening->loopback && certificate.chain.empty() && !config.rpc.insecure)
      return Error{Errc::bad_config, "rpc.listen: " + listening->address +
                                         " is not loopback: set rpc.tls_certificate and rpc.tls_key, or rpc.insecure"};
    address_ = listening->address;
    acceptors_.resize(config.rpc.threads);
    for (std::size_t i = 0; i < config.rpc.threads; ++i) {
      loops_.push_back(std::make_unique<KjLoop>(("rpc-" + std::to_string(i)).c_str()));
      const RpcContext context{routes,
                               loops_[i].get(),
                               nullptr,
                               config.rpc.callback_timeout,
                               "cairn " + std::string(version),
                               config.accounts.sign_up};
      try {
        loops_[i]->run([&](kj::AsyncIoContext& io) -> kj::Promise<void> {
          acceptors_[i] =
              kj::heap<Acceptor>(io, kj::mv(listening->sockets[i]), context, config.rpc, certificate);
          return kj::READY_NOW;
        });
      } catch (const kj::Exception&) {
        return Error{Errc::bad_config, "rpc.tls_certificate: the certificate and key cannot be used together"};
      }
    }
    return {};
  }

  void stop() override {
    for (std::size_t i = 0; i < loops_.size(); ++i)
      loops_[i]->run([this, i](kj::AsyncIoContext&) -> kj::Promise<void> {
        acceptors_[i] = nullptr;
        return kj::READY_NOW;
      });
  }

  const std::string& address() const override { return address_; }

 private:
  static Result<void> read_file(const char* key, const std::string& path, std::string& into) {
    const std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    if (!file) return Error{Errc::bad_config, std::string(key) + ": cannot read " + path};
    into = text.str();
    return {};
  }

  std::string address_;
  std::vector<std::unique_ptr<KjLoop>> loops_;
  std::vector<kj::Own<Acceptor>> acceptors_;
};

}  // namespace

Result<std::unique_ptr<RpcServer>> RpcServer::start(const cluster::Config& config, std::shared_ptr<Routes> routes) {
  auto server = std::make_unique<Server>();
  CAIRN_TRY(server->begin(config, std::move(routes)));
  return std::unique_ptr<RpcServer>(std::move(server));
}

}  // namespace cairn::actors
