// Content as a stream of bytes: blocks are read ahead within a window and passed on in order. On the KJ
// loop's thread.
#pragma once

#include <kj/async.h>
#include <kj/function.h>

#include "actors/interfaces.hpp"

namespace cairn::actors {

/// Calls `sink` with the pieces of [offset, offset + count) of `content`, as far as that reaches, the next
/// when the promise of the one before is ready. Fails with what the session or the sink fails with.
kj::Promise<void> send_range(SessionActor session, Content content, std::uint64_t offset, std::uint64_t count,
                             kj::Function<kj::Promise<void>(BytesView)> sink);

}  // namespace cairn::actors
