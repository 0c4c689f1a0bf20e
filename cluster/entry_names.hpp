// Names that the shard gives by itself: to the copy that a conflict keeps beside the other, and to
// what is restored where its name is taken. Deterministic; within the rules of protocol/names.hpp
// for a valid name. Pure functions, any thread.
#pragma once

#include <string>

#include "protocol/bytes.hpp"
#include "protocol/ids.hpp"

namespace cairn::cluster {

/// " (conflict, DEVICE, YYYY-MM-DD)" with the UTC date; what no name may hold in a device is
/// replaced.
std::string conflict_suffix(BytesView device, Timestamp now);

/// `name` with `suffix` before its extension, the stem cut at a character so that the whole stays
/// within max_name_bytes. `suffix` is at most 160 bytes.
std::string with_suffix(BytesView name, BytesView suffix);

}  // namespace cairn::cluster
