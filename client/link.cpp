#include "client/link.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <vector>

#include "protocol/limits.hpp"
#include "protocol/names.hpp"
#include "protocol/rpc_errors.hpp"

namespace cairn::client {
namespace {

constexpr std::uint32_t protocol_version = 1;

kj::Duration to_kj(std::chrono::milliseconds duration) { return duration.count() * kj::MILLISECONDS; }

/// Lets the kernel find out that the server's machine is gone, also while nothing is being sent.
void keep_alive(kj::AsyncIoStream& stream) {
  const auto set = [&](int level, int option, int value) {
    stream.setsockopt(level, option, &value, sizeof value);
  };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 30);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
}

/// Splits "host:port" or "[v6]:port".
Result<std::pair<std::string, std::uint16_t>> split_address(const std::string& address) {
  const auto bad = [&](const char* what) {
    return Error{Errc::invalid_argument, "address \"" + printable(address) + "\" " + what};
  };
  const auto colon = address.rfind(':');
  if (colon == std::string::npos) return bad("has no port: host:port is expected");
  auto host = address.substr(0, colon);
  const auto port = address.substr(colon + 1);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (host.empty()) return bad("has no host");
  if (!bracketed && host.find(':') != std::string::npos) return bad("needs [ and ] around the host");
  const bool digits = !port.empty() && port.size() <= 5 &&
                      std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
  const int number = digits ? std::stoi(port) : 0;
  if (number < 1 || number > 65'535) return bad("has a port that is not from 1 to 65535");
  return std::pair(host, static_cast<std::uint16_t>(number));
}

}  // namespace

Result<void> check_address(const std::string& address) {
  if (const auto split = split_address(address); !split.ok()) return split.error();
  return {};
}

Line::Line(kj::Own<CountingStream> taken, kj::TimePoint now)
    : stream(kj::mv(taken)), moved_at(now), dropped_(nullptr) {
  capnp::ReaderOptions reading;
  reading.traversalLimitInWords = limits::max_message_bytes / sizeof(capnp::word);
  network = kj::heap<capnp::TwoPartyVatNetwork>(*stream, capnp::rpc::twoparty::Side::CLIENT, reading);
  auto& made = system.emplace(capnp::makeRpcClient(*network));
  made.setFlowLimit(limits::connection_flow_limit_bytes / sizeof(capnp::word));
  capnp::MallocMessageBuilder message(8);
  auto server = message.initRoot<capnp::rpc::twoparty::VatId>();
  server.setSide(capnp::rpc::twoparty::Side::SERVER);
  cairn = made.bootstrap(server).castAs<rpc::Cairn>();
  auto pair = kj::newPromiseAndFulfiller<void>();
  tell_dropped_ = kj::mv(pair.fulfiller);
  dropped_ = pair.promise.fork();
}

void Line::open_session(rpc::Session::Client opened) {
  drive = opened.driveRequest().send().getDrive();
  session = kj::mv(opened);
  session_error.reset();
}

void Line::kill() {
  broken = true;
  drive = nullptr;
  session = nullptr;
  cairn = nullptr;
  system = nullptr;
  network = nullptr;
  stream = nullptr;
}

void Line::set_dropped() {
  broken = true;
  tell_dropped_->fulfill();
}

Link::Link(ConnectionOptions options) : options_(std::move(options)) {
  if (const auto split = split_address(options_.address); split.ok())
    std::tie(host_, port_) = *split;
  loop_ = std::make_unique<KjLoop>("cairn-client");
  loop_->run([this](kj::AsyncIoContext& io) -> kj::Promise<void> {
    io_ = &io;
    tasks_ = kj::heap<kj::TaskSet>(*this);
    if (options_.tls) {
      kj::TlsContext::Options tls;
      kj::Maybe<kj::TlsCertificate> trusted;
      if (!options_.tls->trusted_certificates.empty()) {
        auto& certificate = trusted.emplace(kj::StringPtr(options_.tls->trusted_certificates.c_str()));
        tls.trustedCertificates = kj::arrayPtr(&certificate, 1);
        tls.useSystemTrustStore = false;
      }
      tls_ = kj::heap<kj::TlsContext>(tls);
    }
    tasks_->add(watch_for_stalls());
    return kj::READY_NOW;
  });
}

Link::~Link() { close(); }

void Link::post(std::function<void()> work) {
  loop_->post([this, work = std::move(work)](kj::AsyncIoContext&) {
    if (!closed_) work();
  });
}

void Link::close() {
  loop_->run([this](kj::AsyncIoContext&) -> kj::Promise<void> {
    if (closed_) return kj::READY_NOW;
    closed_ = true;
    connected_ = false;
    tasks_ = nullptr;
    connecting_ = nullptr;
    if (line_) line_->kill();
    line_ = nullptr;
    tls_ = nullptr;
    const auto open = std::exchange(open_calls_, {});
    for (const auto& call : open) call->finish(Error{Errc::cancelled, "the connection was closed"});
    return kj::READY_NOW;
  });
}

ConnectionStats Link::stats() const { return {connects_, retries_, connected_}; }

void Link::begin(CallPtr call) {
  loop_->post([this, call = std::move(call)](kj::AsyncIoContext&) {
    if (closed_) {
      call->finish(Error{Errc::cancelled, "the connection was closed"});
      return;
    }
    call->started = timer().now();
    open_calls_.insert(call);
    tasks_->add(work(call));
  });
}

kj::Promise<void> Link::work(CallPtr call) {
  return line(call->need).then([this, call](Result<LinePtr>&& found) -> kj::Promise<void> {
    if (!found.ok()) return settle(call, nullptr, found.error());
    auto line = *found;
    call->sent = true;
    ++line->waiting;
    return kj::evalNow([&] { return call->attempt(*line); })
        .then([](std::optional<Error>&& error) { return kj::mv(error); },
              [this, line](kj::Exception&& exception) -> std::optional<Error> {
                return classify(line, exception);
              })
        .then([this, call, line](std::optional<Error>&& error) {
          --line->waiting;
          return settle(call, line, kj::mv(error));
        });
  });
}

Error Link::classify(const LinePtr& line, const kj::Exception& exception) {
  auto error = from_exception(exception);
  const std::string_view text(exception.getDescription().begin(), exception.getDescription().size());
  const bool server_said = text.find("unavailable: ") != std::string_view::npos;
  if (error.code == Errc::protocol && line->broken)
    return Error{Errc::unavailable, "the connection to " + options_.address + " was lost"};
  if (error.code == Errc::unavailable && !server_said) {
    drop(line);
    error.message = "the connection to " + options_.address + " was lost";
  }
  return error;
}

kj::Promise<void> Link::settle(const CallPtr& call, const LinePtr& line, std::optional<Error> error) {
  if (error && may_try_again(*call, *error)) {
    ++retries_;
    // After a failed try to connect, line() itself waits; so does a broken line.
    const bool wait_here = line && !line->broken;
    auto wait = wait_here ? pause(call->failures++) : kj::Promise<void>(kj::READY_NOW);
    return wait.then([this, call] { return work(call); });
  }
  if (line && !line->broken) {
    last_progress_ = timer().now();
    connect_failures_ = 0;
  }
  finish(call, kj::mv(error));
  return kj::READY_NOW;
}

bool Link::may_try_again(const OpenCall& call, const Error& error) const {
  const bool lost = error.code == Errc::unavailable || error.code == Errc::timed_out;
  if (!lost && error.code != Errc::busy) return false;
  if (lost && call.sent && call.resend == Resend::until_sent) return false;
  return timer().now() - std::max(call.started, last_progress_) < to_kj(options_.no_progress_deadline);
}

void Link::finish(const CallPtr& call, std::optional<Error> error) {
  open_calls_.erase(call);
  call->finish(kj::mv(error));
}

kj::Promise<void> Link::pause(unsigned failures) {
  const auto full = std::min<std::int64_t>(options_.max_backoff.count(),
                                           options_.first_backoff.count() << std::min(failures, 20u));
  std::uniform_int_distribution<std::int64_t> between(full / 2, full);
  return timer().afterDelay(between(jitter_) * kj::MILLISECONDS);
}

void Link::keep(kj::Promise<void> task) {
  if (!closed_) tasks_->add(kj::mv(task));
}

void Link::drop(const LinePtr& line) {
  if (line->broken) return;
  line->set_dropped();
  if (line_ == line) {
    line_ = nullptr;
    connected_ = false;
  }
  // Later, since this may run within an event of the line's own.
  keep(kj::evalLater([line] { line->kill(); }));
}

Result<LinePtr> Link::usable(Need need) const {
  if (need == Need::session && line_->session == nullptr)
    return line_->session_error ? *line_->session_error
                                : Error{Errc::permission_denied, "this connection is not signed in"};
  return line_;
}

kj::Promise<Result<LinePtr>> Link::line(Need need) {
  if (line_) return usable(need);
  if (connecting_ == nullptr) connecting_ = connect().fork();
  auto& connecting = KJ_ASSERT_NONNULL(connecting_);
  return connecting.addBranch().then([this, need, attempt = connect_attempts_]() -> Result<LinePtr> {
    if (attempt == connect_attempts_) {
      connecting_ = nullptr;
      ++connect_attempts_;
    }
    if (line_) return usable(need);
    return connect_error_ ? *connect_error_ : Error{Errc::unavailable, "the connection was lost"};
  });
}

kj::Promise<void> Link::connect() {
  auto wait = connect_failures_ == 0 ? kj::Promise<void>(kj::READY_NOW) : pause(connect_failures_ - 1);
  ++connect_failures_;
  return wait
      .then([this] {
        return timer().timeoutAfter(to_kj(options_.connect_timeout), dial().then([this](auto&& stream) {
          return greet(std::make_shared<Line>(kj::heap<CountingStream>(kj::mv(stream)), timer().now()));
        }));
      })
      .catch_([this](kj::Exception&& exception) { connect_failed(from_exception(exception)); });
}

kj::Promise<kj::Own<kj::AsyncIoStream>> Link::dial() {
  return io_->provider->getNetwork()
      .parseAddress(kj::StringPtr(host_.c_str()), port_)
      .then([](kj::Own<kj::NetworkAddress>&& address) {
        auto connected = address->connect();
        return connected.attach(kj::mv(address));
      })
      .then([this](kj::Own<kj::AsyncIoStream>&& stream) -> kj::Promise<kj::Own<kj::AsyncIoStream>> {
        keep_alive(*stream);
        if (tls_.get() == nullptr) return kj::mv(stream);
        const auto& name = options_.tls->server_name.empty() ? host_ : options_.tls->server_name;
        return tls_->wrapClient(kj::mv(stream), kj::StringPtr(name.c_str()));
      });
}

kj::Promise<void> Link::greet(LinePtr line) {
  auto& cairn = KJ_ASSERT_NONNULL(line->cairn);
  auto hello = cairn.helloRequest();
  hello.setClient(kj::StringPtr(options_.client_name.c_str(), options_.client_name.size()));
  auto greeted = hello.send().then([this](auto&& answer) {
    if (answer.getProtocol() == protocol_version) return;
    refused_ = Error{Errc::protocol, options_.address + " speaks protocol version " +
                                         std::to_string(answer.getProtocol()) + ", this client " +
                                         std::to_string(protocol_version)};
    kj::throwFatalException(to_exception(*refused_));
  });
  kj::Promise<void> resumed = kj::READY_NOW;
  if (!token_.empty()) {
    auto resume = cairn.resumeRequest();
    resume.setToken(kj::StringPtr(token_.c_str(), token_.size()));
    resumed = resume.send().then(
        [line](auto&& answer) { line->open_session(answer.getSession()); },
        [line](kj::Exception&& exception) {
          auto error = from_exception(exception);
          if (is_retryable(error.code) || error.code == Errc::protocol)
            kj::throwFatalException(to_exception(error));
          line->session_error = kj::mv(error);
        });
  }
  return greeted.then([resumed = kj::mv(resumed)]() mutable { return kj::mv(resumed); })
      .then([this, line] {
        line_ = line;
        ++connects_;
        connected_ = true;
        connect_error_.reset();
        keep(line->network->onDisconnect().then([this, line] { drop(line); }));
      });
}

void Link::connect_failed(Error error) {
  // A peer that speaks another protocol does not get better by waiting.
  if (refused_) error = *std::exchange(refused_, std::nullopt);
  else error = {Errc::unavailable, "cannot reach " + options_.address + ": " + error.message};
  if (options_.trouble) options_.trouble(error);
  connect_error_ = kj::mv(error);
}

kj::Promise<void> Link::watch_for_stalls() {
  return timer().afterDelay(to_kj(options_.stall_timeout) / 4).then([this] {
    if (line_) {
      const auto moved = line_->stream->moved();
      if (moved != line_->seen_moved || line_->waiting == 0) {
        line_->seen_moved = moved;
        line_->moved_at = timer().now();
      } else if (timer().now() - line_->moved_at >= to_kj(options_.stall_timeout)) {
        drop(LinePtr(line_));
      }
    }
    return watch_for_stalls();
  });
}

void Link::taskFailed(kj::Exception&&) {
  // Every call has its own error path; what remains are promises of a line that was killed.
}

}  // namespace cairn::client
