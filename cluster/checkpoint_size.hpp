// How many changed rows a replica gathers in memory before it checkpoints them.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cluster/raft_types.hpp"

namespace cairn::cluster {

/// In bytes of memory, for a table that stores `stored_bytes`; at most `most`. A checkpoint writes whole pages. In a
/// small table many rows share each, so few rows at a time cost little more, and they take less of the memory and of
/// the processor's cache. In a large one nearly each row has a page of its own unless many are written at a time.
constexpr std::uint64_t checkpoint_size(std::uint64_t stored_bytes, std::uint64_t most) {
  constexpr std::uint64_t least = 16u << 20;
  constexpr std::uint64_t stored_to_changed = 16;
  return std::min(most, std::max(least, stored_bytes / stored_to_changed));
}

/// Of the first checkpoint of a table that was opened or put in place: a part of `size`. All replicas of a shard gather
/// the same rows at the same rate and are slower while they checkpoint, so each begins at another point, and most of
/// them are at full speed.
constexpr std::uint64_t first_checkpoint_size(std::uint64_t size, ReplicaId replica) {
  // Multiples of the golden ratio, of which neighbours are far apart.
  constexpr std::uint64_t parts = 1u << 16;
  constexpr std::uint64_t ratio = 40'503;
  return size / parts * (replica.value * ratio % parts);
}

}  // namespace cairn::cluster
