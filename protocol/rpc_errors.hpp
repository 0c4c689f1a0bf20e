// Errors across RPC: an Error becomes a KJ exception and back. A peer chooses the exception's type
// number freely, and KJ 0.9 reads outside a table when it prints one that it does not know, so every
// exception that came from a peer goes through here before anything else touches it.
#pragma once

#include <kj/exception.h>

#include "protocol/error.hpp"

namespace cairn {

/// "code: message", cut to limits::max_error_message_bytes; type OVERLOADED for busy, DISCONNECTED
/// for unavailable, FAILED otherwise.
kj::Exception to_exception(const Error& error);

/// The Error that `exception` stands for. What no Cairn peer wrote becomes unavailable (the
/// connection is gone), timed_out never, protocol otherwise; the text is made printable and cut.
Error from_exception(const kj::Exception& exception);

/// Gives `exception` a type that exists. The first thing done to what a callback threw.
void clamp_type(kj::Exception& exception);

}  // namespace cairn
