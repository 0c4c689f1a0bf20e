// What the disk itself gives a plain program: the measure beside which durable writes are held. Blocks.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "protocol/bytes.hpp"

namespace cairn::bench {

/// Seconds to write `objects` of `object_bytes` each, taken in turn from `source`, one after the other
/// into a new file with one fdatasync after each `objects_per_sync` and at the end. The file is removed.
double write_plainly(const std::string& folder, BytesView source, std::size_t object_bytes, std::size_t objects,
                     std::size_t objects_per_sync);

/// Microseconds of each of `count` fdatasync calls, each after one write of `bytes` further on in a file
/// that was written before (with the write).
std::vector<double> sync_micros(const std::string& folder, std::size_t bytes, std::size_t count);

/// `bytes` that do not compress.
Bytes noise(std::size_t bytes, std::uint64_t seed);

}  // namespace cairn::bench
