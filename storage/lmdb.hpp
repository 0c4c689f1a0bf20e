// LMDB as an OrderedStore: durable flags only (no NOSYNC, no WRITEMAP, no MAPASYNC). The only user of LMDB.
#pragma once

#include <memory>
#include <string>

#include "storage/ordered_store.hpp"

namespace cairn::storage {

// ThreadSanitizer leaves a program little address space.
#ifdef __SANITIZE_THREAD__
inline constexpr std::uint64_t default_map_bytes = std::uint64_t{1} << 34;
#else
inline constexpr std::uint64_t default_map_bytes = std::uint64_t{1} << 40;
#endif

struct LmdbOptions {
  std::uint64_t map_bytes = default_map_bytes;  ///< address space, not disk; far above the data
  unsigned max_readers = 256;
};

/// The environment in directory `path`, made if absent. A second process that opens it is refused (io).
Result<std::unique_ptr<OrderedStore>> open_lmdb(const std::string& path, const LmdbOptions& options = {});

}  // namespace cairn::storage
