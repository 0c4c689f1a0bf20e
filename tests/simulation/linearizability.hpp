// Decides whether a history of one register is linearizable: the search of Wing and Gong with Lowe's
// memory of states already tried. Pure; any thread.
#pragma once

#include <cstdint>
#include <vector>

namespace cairn::simulation {

/// One operation on one register that starts at 0: a write answers what it replaced, a read what it saw.
struct Operation {
  std::uint64_t invoked = 0;
  std::uint64_t answered = ~0ull;   ///< ~0: never; then it may have taken effect at any time, or not
  bool write = false;
  std::uint64_t value = 0;          ///< written
  std::uint64_t seen = 0;           ///< answered
};

bool linearizable(const std::vector<Operation>& history);

}  // namespace cairn::simulation
