#include "tests/bench/support/rpc_load.hpp"

#include <algorithm>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <span>

namespace cairn::bench {
namespace {

// One session's share of a load. Calls are made under its lock, so that what they share needs none.
class Share {
 public:
  Share(RpcSession& session, std::uint64_t calls, double deadline, const RpcCall& call)
      : session_(session), left_(calls), deadline_(deadline), call_(call) {}

  void begin(unsigned in_flight) {
    const std::lock_guard lock(mutex_);
    for (unsigned i = 0; i < in_flight; ++i) send();
  }

  void wait(std::vector<double>& micros) {
    std::unique_lock lock(mutex_);
    idle_.wait(lock, [this] { return unanswered_ == 0; });
    micros.insert(micros.end(), micros_.begin(), micros_.end());
  }

 private:
  void send() {
    if (left_ == 0 || seconds_now() > deadline_) return;
    --left_;
    ++unanswered_;
    const auto sent = seconds_now();
    call_(session_, [this, sent](const std::optional<Error>& error) {
      if (error) give_up("a call was refused: " + error->message);
      const std::lock_guard lock(mutex_);
      micros_.push_back((seconds_now() - sent) * 1e6);
      --unanswered_;
      send();
      if (unanswered_ == 0) idle_.notify_all();
    });
  }

  RpcSession& session_;
  std::uint64_t left_;
  double deadline_;
  const RpcCall& call_;
  std::mutex mutex_;
  std::condition_variable idle_;
  std::uint64_t unanswered_ = 0;
  std::vector<double> micros_;
};

}  // namespace

RpcSession sign_up(const std::string& address, ClientId client) {
  RpcSession session;
  client::ConnectionOptions options;
  options.address = address;
  session.connection = need(client::Connection::open(options), "connect");
  need(session.connection->sign_up("bench", "correct horse"), "sign up");
  need(session.connection->sign_in("bench", "correct horse", "bench", client), "sign in");
  session.drive = session.connection->drive(client::make_request_ids(client));
  return session;
}

RpcClients::RpcClients(const std::string& address, const std::vector<RpcDevice>& devices) {
  for (const auto& device : devices) {
    RpcSession session;
    session.number = static_cast<unsigned>(sessions_.size());
    session.random = test::Random(session.number);
    client::ConnectionOptions options;
    options.address = address;
    session.connection = need(client::Connection::open(options), "connect");
    need(session.connection->resume(device.token), "resume");
    session.drive = session.connection->drive(client::make_request_ids(device.client));
    sessions_.push_back(std::move(session));
  }
}

LoadResult RpcClients::run(unsigned in_flight, double seconds, const RpcCall& call) {
  const auto started = seconds_now();
  std::vector<std::unique_ptr<Share>> shares;
  const auto used = std::min<std::size_t>(in_flight, sessions_.size());
  for (auto& session : std::span(sessions_).first(used))
    shares.push_back(
        std::make_unique<Share>(session, std::numeric_limits<std::uint64_t>::max(), started + seconds, call));
  for (auto& share : shares) share->begin(in_flight / static_cast<unsigned>(shares.size()));
  LoadResult result;
  for (auto& share : shares) share->wait(result.micros);
  result.seconds = seconds_now() - started;
  result.answered = result.micros.size();
  return result;
}

LoadResult run_calls(RpcSession& session, unsigned in_flight, std::uint64_t calls, double seconds,
                     const RpcCall& call) {
  const auto started = seconds_now();
  Share share(session, calls, started + seconds, call);
  share.begin(in_flight);
  LoadResult result;
  share.wait(result.micros);
  result.seconds = seconds_now() - started;
  result.answered = result.micros.size();
  return result;
}

}  // namespace cairn::bench
