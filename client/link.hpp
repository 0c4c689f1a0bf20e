// The loop's side of a Connection: one line to the server at a time, made when it is needed, made again
// when it breaks, and the calls that wait for it. call(), wait(), post() and close() are for other
// threads; everything else, and every callback, runs on the loop's thread.
#pragma once

#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>
#include <kj/compat/tls.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>

#include "client/connection.hpp"
#include "client/counting_stream.hpp"
#include "protocol/files.capnp.h"
#include "protocol/kj_loop.hpp"

namespace cairn::client {

/// One connection to the server with what was reached through it. Dead after kill(): its capabilities
/// are gone, and calls on it have failed.
struct Line {
  kj::Own<CountingStream> stream;
  kj::Own<capnp::TwoPartyVatNetwork> network;
  kj::Maybe<capnp::RpcSystem<capnp::rpc::twoparty::VatId>> system;
  kj::Maybe<rpc::Cairn::Client> cairn;
  kj::Maybe<rpc::Session::Client> session;
  kj::Maybe<rpc::Drive::Client> drive;
  std::optional<Error> session_error;   ///< why the token opened no session
  std::size_t waiting = 0;              ///< calls that have no answer yet
  std::uint64_t seen_moved = 0;
  kj::TimePoint moved_at = kj::origin<kj::TimePoint>();
  bool broken = false;

  Line(kj::Own<CountingStream> taken, kj::TimePoint now);
  void open_session(rpc::Session::Client opened);
  /// Not from within one of its own events.
  void kill();
  /// Resolves when the line is dropped.
  kj::Promise<void> when_dropped() { return dropped_.addBranch(); }
  /// Told once by the Link.
  void set_dropped();

 private:
  kj::Own<kj::PromiseFulfiller<void>> tell_dropped_;
  kj::ForkedPromise<void> dropped_;
};
using LinePtr = std::shared_ptr<Line>;

/// What a call needs of a line before it can be sent.
enum class Need { connection, session };
/// When a call may be sent again after an answer was lost.
enum class Resend { always, until_sent };

template <class T>
using Attempt = std::function<kj::Promise<Result<T>>(Line&)>;

class Link : public kj::TaskSet::ErrorHandler {
 public:
  explicit Link(ConnectionOptions options);
  ~Link();

  /// Makes attempts until one is answered for good or the deadline passes, then calls `done`.
  template <class T>
  void call(Need need, Resend resend, Attempt<T> attempt, Callback<T> done);
  /// call(), and waits for its outcome.
  template <class T>
  Result<T> wait(Need need, Resend resend, Attempt<T> attempt);

  /// Runs `work` on the loop's thread, or not at all after close().
  void post(std::function<void()> work);
  /// Ends every call with cancelled and lets go of everything on the loop. May be called twice.
  void close();
  ConnectionStats stats() const;

  // On the loop's thread.

  /// The line, connected first if need be; retryable errors are those of one try to connect.
  kj::Promise<Result<LinePtr>> line(Need need);
  /// Keeps `task` running until it is done or the link is closed.
  void keep(kj::Promise<void> task);
  /// Gives up a line: what waits for it fails with unavailable.
  void drop(const LinePtr& line);
  /// The Error for what an attempt on `line` threw; notes when that means that the line is broken.
  Error classify(const LinePtr& line, const kj::Exception& exception);
  kj::Promise<void> pause(unsigned failures);
  void set_token(std::string token) { token_ = std::move(token); }
  bool closed() const { return closed_; }

 private:
  /// A call until it is finished, whatever its type.
  struct OpenCall {
    Need need;
    Resend resend;
    std::function<kj::Promise<std::optional<Error>>(Line&)> attempt;
    std::function<void(std::optional<Error>)> finish;
    kj::TimePoint started = kj::origin<kj::TimePoint>();
    unsigned failures = 0;
    bool sent = false;
  };
  using CallPtr = std::shared_ptr<OpenCall>;

  void begin(CallPtr call);
  kj::Promise<void> work(CallPtr call);
  kj::Promise<void> settle(const CallPtr& call, const LinePtr& line, std::optional<Error> error);
  bool may_try_again(const OpenCall& call, const Error& error) const;
  void finish(const CallPtr& call, std::optional<Error> error);

  Result<LinePtr> usable(Need need) const;
  kj::Promise<void> connect();
  kj::Promise<kj::Own<kj::AsyncIoStream>> dial();
  kj::Promise<void> greet(LinePtr line);
  void connect_failed(Error error);
  kj::Promise<void> watch_for_stalls();
  kj::Timer& timer() const { return io_->provider->getTimer(); }
  void taskFailed(kj::Exception&& exception) override;

  const ConnectionOptions options_;
  std::string host_;
  std::uint16_t port_ = 0;

  // The loop's own.
  kj::AsyncIoContext* io_ = nullptr;
  kj::Own<kj::TlsContext> tls_;
  kj::Own<kj::TaskSet> tasks_;
  LinePtr line_;
  kj::Maybe<kj::ForkedPromise<void>> connecting_;
  std::uint64_t connect_attempts_ = 0;
  std::optional<Error> connect_error_;
  std::optional<Error> refused_;        ///< the greeting showed that the server is of no use
  unsigned connect_failures_ = 0;       ///< since a call was last answered
  kj::TimePoint last_progress_ = kj::origin<kj::TimePoint>();
  std::string token_;
  std::set<CallPtr> open_calls_;
  std::mt19937_64 jitter_{std::random_device{}()};
  bool closed_ = false;

  std::atomic<std::uint64_t> connects_{0};
  std::atomic<std::uint64_t> retries_{0};
  std::atomic<bool> connected_{false};
  std::unique_ptr<KjLoop> loop_;        ///< last: its thread uses all of the above
};

template <class T>
void Link::call(Need need, Resend resend, Attempt<T> attempt, Callback<T> done) {
  auto answer = std::make_shared<std::optional<Result<T>>>();
  auto open = std::make_shared<OpenCall>();
  open->need = need;
  open->resend = resend;
  open->attempt = [answer, attempt = std::move(attempt)](Line& line) {
    return attempt(line).then([answer](Result<T>&& result) -> std::optional<Error> {
      if (!result.ok()) return result.error();
      *answer = std::move(result);
      return std::nullopt;
    });
  };
  open->finish = [answer, done = std::move(done)](std::optional<Error> error) {
    done(error ? Result<T>(std::move(*error)) : std::move(**answer));
  };
  begin(std::move(open));
}

template <class T>
Result<T> Link::wait(Need need, Resend resend, Attempt<T> attempt) {
  if (loop_->on_loop_thread()) std::terminate();  // it would wait for itself
  std::promise<Result<T>> outcome;
  auto future = outcome.get_future();
  call<T>(need, resend, std::move(attempt),
          [&outcome](Result<T> result) { outcome.set_value(std::move(result)); });
  return future.get();
}

}  // namespace cairn::client
