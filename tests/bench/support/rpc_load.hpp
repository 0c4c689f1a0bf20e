// Clients through the RPC port: connections of the client library, each a signed-in session, that keep a
// number of calls in flight. Main thread; blocks until the load has ended.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/drive.hpp"
#include "tests/bench/support/measure.hpp"
#include "tests/support/random.hpp"

namespace cairn::bench {

/// Who resumes a session: a token and the client id that it was issued to.
struct RpcDevice {
  std::string token;
  ClientId client;
};

struct RpcSession {
  unsigned number = 0;
  std::unique_ptr<client::Connection> connection;
  std::unique_ptr<client::Drive> drive;
  test::Random random{0};           ///< for the calls of this session, which are made one after the other
};

/// To be called once when the call was answered; an Error ends the benchmark.
using RpcDone = std::function<void(std::optional<Error>)>;
/// Sends one call.
using RpcCall = std::function<void(RpcSession& session, const RpcDone& done)>;

/// Makes an account with a new device, signed in.
RpcSession sign_up(const std::string& address, ClientId client);

class RpcClients {
 public:
  RpcClients(const std::string& address, const std::vector<RpcDevice>& devices);
  explicit RpcClients(std::vector<RpcSession> sessions) : sessions_(std::move(sessions)) {}

  /// Keeps `in_flight` calls unanswered, spread over the sessions evenly (less than one each: over as many of them),
  /// for `seconds`.
  LoadResult run(unsigned in_flight, double seconds, const RpcCall& call);

 private:
  std::vector<RpcSession> sessions_;
};

/// The same over one session, until `calls` were made or `seconds` have passed.
LoadResult run_calls(RpcSession& session, unsigned in_flight, std::uint64_t calls, double seconds, const RpcCall& call);

}  // namespace cairn::bench
