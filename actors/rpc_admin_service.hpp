// The server side of admin.capnp: each method asks the node's parts, side by side and with a bound, and puts
// their answers together. On the KJ loop's thread.
#pragma once

#include <kj/timer.h>

#include <chrono>
#include <memory>

#include "actors/rpc_admin.hpp"
#include "protocol/admin.capnp.h"

namespace cairn::actors {

/// What all connections share.
struct AdminContext {
  AdminOf of;
  cluster::Config::Node node;
  std::chrono::milliseconds started{};  ///< by steady_now()
  kj::Timer* timer = nullptr;           ///< of the loop
};

rpc::Admin::Client make_admin(std::shared_ptr<AdminContext> context);

}  // namespace cairn::actors
