// The way to a server: connects, keeps the signed-in session through lost connections by its token, and
// sends again what is safe to send again, so that a server that is restarted, or not yet started, is a
// delay and not an error. All public functions may be called from any thread, many at a time; they
// block their caller. One thread of its own runs the Cap'n Proto event loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "client/request_ids.hpp"
#include "protocol/error.hpp"
#include "protocol/model.hpp"

namespace cairn::client {

using namespace std::chrono_literals;

/// Called once with the outcome, on the connection's own thread or within the call: it must not block,
/// nor call a blocking function of this library.
template <class T>
using Callback = std::function<void(Result<T>)>;

/// How TLS is done where the server speaks it.
struct TlsOptions {
  std::string trusted_certificates;   ///< PEM; empty: those of the system
  std::string server_name;            ///< expected in the certificate; empty: the host of the address
};

struct ConnectionOptions {
  std::string address = "127.0.0.1:7420";   ///< "host:port" or "[v6]:port"
  std::optional<TlsOptions> tls;            ///< plain TCP without
  std::string client_name = "cairn";        ///< told in hello
  std::chrono::milliseconds no_progress_deadline = 120s;  ///< a call fails after this long in which no
                                                          ///< call at all was answered
  std::chrono::milliseconds stall_timeout = 45s;          ///< a connection on which calls wait and no
                                                          ///< byte moves for this long is dropped
  std::chrono::milliseconds connect_timeout = 10s;
  std::chrono::milliseconds first_backoff = 20ms;         ///< doubled after each failure, with jitter,
  std::chrono::milliseconds max_backoff = 2s;             ///< up to this
  /// Each failed try to connect, on the connection's own thread: it must not block.
  std::function<void(const Error&)> trouble;
};

/// invalid_argument if `address` is not "host:port" with a port from 1 to 65535.
Result<void> check_address(const std::string& address);

struct ServerInfo {
  std::uint32_t protocol = 0;
  std::string server;
  bool sign_up = false;     ///< the server lets this peer make accounts
};

struct AccountInfo {
  std::string login;
  AccountId id;
};

class Drive;
class Link;

/// What connection-wide counters say, for progress displays and tests.
struct ConnectionStats {
  std::uint64_t connects = 0;        ///< connections made so far
  std::uint64_t retries = 0;         ///< calls sent again
  bool connected = false;
};

class Connection {
 public:
  /// Connects when the first call needs it. Fails with invalid_argument or io (certificates).
  static Result<std::unique_ptr<Connection>> open(ConnectionOptions options);
  /// Calls that are still unanswered get Errc::cancelled.
  ~Connection();

  Result<ServerInfo> hello();

  /// Not sent again once the server may have it: unavailable then means that it may have taken effect.
  Result<void> sign_up(const std::string& login, const std::string& password);
  /// Signs in as `device` and makes that the session of this connection. The token's text resumes it.
  Result<std::string> sign_in(const std::string& login, const std::string& password,
                              const std::string& device, ClientId client);
  /// Makes the session of `token` that of this connection: unknown_token or revoked_token if it is not
  /// good (any more).
  Result<void> resume(const std::string& token);

  // Of the session; permission_denied without one.

  Result<AccountInfo> account();
  Result<std::vector<Device>> devices();
  /// ClientId{0} is this session's own.
  Result<void> revoke(ClientId client);
  /// Not sent again once the server may have it, as sign_up.
  Result<void> set_password(const std::string& old_password, const std::string& new_password);

  /// The drive of the session, whose commits are numbered by `ids`, which are those of the client id
  /// that signed in. After the connection is gone its calls answer cancelled.
  std::unique_ptr<Drive> drive(std::unique_ptr<RequestIds> ids);

  ConnectionStats stats() const;

 private:
  explicit Connection(std::shared_ptr<Link> link);

  std::shared_ptr<Link> link_;
};

}  // namespace cairn::client
