// A watch's bridge: pages go from the session actor to the client's Watcher and its answers back.
#pragma once

#include <kj/async.h>

#include "actors/rpc_services.hpp"
#include "protocol/files.capnp.h"

namespace cairn::actors {

/// Starts a watch of the session's drive after `cursor`. Dropping the returned capability ends it. A
/// watcher that throws, or takes longer for a page than the context's callback_timeout, is dropped.
kj::Promise<rpc::Watch::Client> start_watch(std::shared_ptr<HeldSession> session, Cursor cursor,
                                            rpc::Watcher::Client watcher);

}  // namespace cairn::actors
