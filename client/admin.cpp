#include "client/admin.hpp"

#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>
#include <kj/io.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "protocol/admin_capnp.hpp"
#include "protocol/kj_loop.hpp"
#include "protocol/limits.hpp"
#include "protocol/names.hpp"
#include "protocol/rpc_errors.hpp"

namespace cairn::client {
namespace {

capnp::Text::Reader to_text(const std::string& value) { return {value.c_str(), value.size()}; }

Errc code_of(int number) {
  switch (number) {
    case ENOENT:
    case ENOTDIR:
      return Errc::not_found;
    case EACCES:
    case EPERM:
      return Errc::permission_denied;
    default:
      return Errc::unavailable;
  }
}

/// On a Unix-domain socket connecting takes no time, but when the listener's queue is full.
Result<kj::AutoCloseFd> connect_to(const std::string& path) {
  if (path.empty() || path.size() > limits::max_socket_path_bytes)
    return Error{Errc::invalid_argument, "a socket's path has 1 to " + std::to_string(limits::max_socket_path_bytes) +
                                             " bytes, not " + std::to_string(path.size()) + ": " +
                                             printable(path, 200)};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  kj::AutoCloseFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd.get() < 0) return Error{Errc::io, std::string("cannot make a socket: ") + std::strerror(errno)};
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  const int number = errno;
  return Error{code_of(number), "no node answers on " + printable(path, 200) + ": " + std::strerror(number)};
}

/// A connection with what was reached through it; on the loop's thread.
struct AdminLine {
  explicit AdminLine(kj::Own<kj::AsyncIoStream> taken)
      : stream(kj::mv(taken)), network(*stream, capnp::rpc::twoparty::Side::CLIENT, reading()) {
    auto& made = system.emplace(capnp::makeRpcClient(network));
    capnp::MallocMessageBuilder message(8);
    auto server = message.initRoot<capnp::rpc::twoparty::VatId>();
    server.setSide(capnp::rpc::twoparty::Side::SERVER);
    admin = made.bootstrap(server).castAs<rpc::Admin>();
  }
  static capnp::ReaderOptions reading() {
    capnp::ReaderOptions options;
    options.traversalLimitInWords = limits::max_message_bytes / sizeof(capnp::word);
    return options;
  }
  kj::Own<kj::AsyncIoStream> stream;
  capnp::TwoPartyVatNetwork network;
  kj::Maybe<capnp::RpcSystem<capnp::rpc::twoparty::VatId>> system;
  kj::Maybe<rpc::Admin::Client> admin;
};

struct Nothing {};

class Connected final : public Admin {
 public:
  Connected(kj::AutoCloseFd fd, std::chrono::milliseconds bound) : bound_(bound) {
    loop_.run([&](kj::AsyncIoContext& io) -> kj::Promise<void> {
      timer_ = &io.provider->getTimer();
      line_ = kj::heap<AdminLine>(io.lowLevelProvider->wrapSocketFd(kj::mv(fd)));
      return kj::READY_NOW;
    });
  }
  ~Connected() noexcept override {
    loop_.run([this](kj::AsyncIoContext&) -> kj::Promise<void> {
      line_ = nullptr;
      return kj::READY_NOW;
    });
  }

  Result<AdminStatus> status() override {
    return call<AdminStatus>([](rpc::Admin::Client& admin) {
      return admin.statusRequest().send().then([](auto&& answer) { return from_capnp(answer.getStatus()); });
    });
  }
  Result<void> set_setting(const std::string& name, const std::string& value) override {
    return tell([&](rpc::Admin::Client& admin) {
      auto request = admin.setSettingRequest();
      request.setName(to_text(name));
      request.setValue(to_text(value));
      return request.send().ignoreResult();
    });
  }
  Result<void> drain(const std::string& node) override {
    return tell([&](rpc::Admin::Client& admin) {
      auto request = admin.drainRequest();
      request.setNode(to_text(node));
      return request.send().ignoreResult();
    });
  }
  Result<void> undrain(const std::string& node) override {
    return tell([&](rpc::Admin::Client& admin) {
      auto request = admin.undrainRequest();
      request.setNode(to_text(node));
      return request.send().ignoreResult();
    });
  }
  Result<void> transfer_leadership(std::uint32_t shard, const std::string& node) override {
    return tell([&](rpc::Admin::Client& admin) {
      auto request = admin.transferLeadershipRequest();
      request.setShard(shard);
      request.setNode(to_text(node));
      return request.send().ignoreResult();
    });
  }
  Result<void> restart_actor(const std::string& name) override {
    return tell([&](rpc::Admin::Client& admin) {
      auto request = admin.restartActorRequest();
      request.setName(to_text(name));
      return request.send().ignoreResult();
    });
  }

 private:
  /// `send` is called on the loop's thread and promises a T.
  template <class T, class Send>
  Result<T> call(Send send) {
    std::optional<Result<T>> answer;
    loop_.run([&](kj::AsyncIoContext&) -> kj::Promise<void> {
      auto late = timer_->afterDelay(bound_.count() * kj::MILLISECONDS).then([this]() -> T {
        kj::throwFatalException(
            to_exception({Errc::timed_out, "no answer within " + std::to_string(bound_.count()) + " ms"}));
      });
      return kj::evalNow([&] { return send(KJ_ASSERT_NONNULL(line_->admin)); })
          .exclusiveJoin(kj::mv(late))
          .then([&](T&& value) { answer.emplace(std::move(value)); },
                [&](kj::Exception&& thrown) { answer.emplace(from_exception(thrown)); });
    });
    return std::move(*answer);
  }

  template <class Send>
  Result<void> tell(Send send) {
    const auto done =
        call<Nothing>([&](rpc::Admin::Client& admin) { return send(admin).then([] { return Nothing{}; }); });
    if (!done) return done.error();
    return {};
  }

  std::chrono::milliseconds bound_;
  kj::Timer* timer_ = nullptr;
  kj::Own<AdminLine> line_;
  KjLoop loop_{"cairn-admin"};
};

}  // namespace

Result<std::unique_ptr<Admin>> Admin::connect(const std::string& path, std::chrono::milliseconds bound) {
  auto fd = connect_to(path);
  if (!fd) return fd.error();
  return std::unique_ptr<Admin>(std::make_unique<Connected>(kj::mv(*fd), bound));
}

}  // namespace cairn::client
