// The server side of files.capnp: each method turns its parameters into one message to the session actor
// and the answer into its results. On the KJ loop's thread.
#pragma once

#include <memory>
#include <string>

#include "actors/interfaces.hpp"
#include "actors/routes.hpp"
#include "actors/rpc_stream.hpp"
#include "cluster/config.hpp"
#include "protocol/files.capnp.h"
#include "protocol/kj_loop.hpp"

namespace cairn::actors {

/// What the services of all connections of one loop share.
struct RpcContext {
  std::shared_ptr<Routes> routes;
  KjLoop* loop = nullptr;                     ///< outlives the actors
  kj::Timer* timer = nullptr;                 ///< of the loop
  std::chrono::milliseconds callback_timeout{};
  std::string server;                         ///< name and version, for hello
  cluster::SignUp sign_up = cluster::SignUp::off;
};

/// One connection, as its services see it.
struct Connection {
  RpcContext context;
  std::shared_ptr<GuardedStream> stream;      ///< a call may go on after its connection has gone
  std::string address;                        ///< the peer's, without port
  bool loopback = false;
  std::size_t sessions = 0;                   ///< opened and not dropped yet
};

/// A session that was opened over a connection. It ends when the last capability that needs it has been
/// dropped: the Session itself, its Drive, or a Watch.
struct HeldSession {
  HeldSession(std::shared_ptr<Connection> connection, SignedIn opened);
  HeldSession(const HeldSession&) = delete;
  HeldSession& operator=(const HeldSession&) = delete;
  ~HeldSession();

  std::shared_ptr<Connection> connection;
  SignedIn opened;
};

/// The capability that a new connection starts with.
rpc::Cairn::Client make_cairn(std::shared_ptr<Connection> connection);

/// A session's drive. (rpc_drive.cpp)
rpc::Drive::Client make_drive(std::shared_ptr<HeldSession> session);

}  // namespace cairn::actors
