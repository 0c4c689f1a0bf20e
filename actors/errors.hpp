// Errors of CAF as Cairn's, and the end of the process for what must not be survived. Any thread.
#pragma once

#include <caf/error.hpp>

#include <string_view>

#include "protocol/error.hpp"

namespace cairn::actors {

/// timed_out for a request's timeout, unavailable for a receiver that is down, internal otherwise.
Error from_caf(const caf::error& error);

/// Logs and ends the process at once, without flushing anything to disk: after a failed write or sync
/// nothing that is in memory may be trusted to be on it.
[[noreturn]] void end_process(std::string_view where, const Error& error);

}  // namespace cairn::actors
