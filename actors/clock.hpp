// The clocks of a node: what the pure code gets as arguments is read here. Any thread.
#pragma once

#include <chrono>

#include "protocol/ids.hpp"

namespace cairn::actors {

/// Wall time.
inline Timestamp now() {
  return Timestamp{std::chrono::duration_cast<std::chrono::milliseconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count()};
}

/// A clock that never goes back, since some start.
inline std::chrono::milliseconds steady_now() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now().time_since_epoch());
}

/// The same clock, finer.
inline std::chrono::microseconds steady_micros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace cairn::actors
