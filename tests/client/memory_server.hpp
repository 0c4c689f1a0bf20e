// A Cap'n Proto server over MemoryDrive that can be told to lose connections and to misbehave, for tests
// of the client. What it stores survives stop() and start(), as a real server's data does.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "client/connection.hpp"
#include "client/drive.hpp"
#include "protocol/kj_loop.hpp"
#include "tests/client/memory_drive.hpp"

namespace cairn::client {

/// What to do with one call, by the name of its method.
enum class Fate {
  answer,
  lose_request,     ///< drop the connection before the call takes effect
  lose_answer,      ///< let it take effect, then drop the connection
  busy,             ///< answer Errc::busy
  hostile,          ///< answer an exception whose type does not exist
  hang,             ///< never answer
};

class MemoryServer {
 public:
  MemoryServer();
  ~MemoryServer();

  MemoryDrive drive;
  /// Asked on the server's thread for each call; set before start().
  std::function<Fate(const std::string& method)> fate = [](const std::string&) { return Fate::answer; };
  std::atomic<std::uint64_t> calls{0};
  std::atomic<std::uint64_t> sign_ins{0};
  std::atomic<std::uint64_t> watches{0};    ///< open now
  std::atomic<bool> revoked{false};         ///< tokens are answered revoked_token

  /// Listens on the port of address(), a free one the first time.
  void start();
  /// Drops every connection and listens no more.
  void stop();
  /// "127.0.0.1:port".
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  /// Sends what is new to every watcher.
  void tell_watchers();
  /// Stops and starts it whenever so many calls have come, until `running` is false and another comes.
  void restart_every(std::uint64_t calls_between, const std::atomic<bool>& running);
  /// Drops every connection but goes on.
  void drop_connections();

  /// Options that fail fast enough for a test.
  ConnectionOptions options() const;

  struct Loop;

 private:
  std::unique_ptr<Loop> state_;
  std::uint16_t port_ = 0;
  std::unique_ptr<KjLoop> loop_;
};

/// A connection that is signed in, and its drive.
struct SignedIn {
  std::unique_ptr<Connection> connection;
  std::unique_ptr<Drive> drive;
  std::string token;
};
SignedIn sign_in(const MemoryServer& server);
SignedIn sign_in(ConnectionOptions options);

}  // namespace cairn::client
