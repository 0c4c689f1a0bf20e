// A small file that is replaced as a whole, with a checksum in front (disk_format.md, "Small files"). Any thread,
// one writer for a path.
#pragma once

#include <string>

#include "protocol/bytes.hpp"
#include "protocol/error.hpp"

namespace cairn::storage {

/// The content of `path`. Errors: not_found, corrupt, io.
Result<Bytes> read_small_file(const std::string& path);
/// Replaces `path`, durably when it returns. Errors: disk_full and io; then what was there before is still there.
Result<void> write_small_file(const std::string& path, BytesView content);

}  // namespace cairn::storage
