// When a failed actor is started again: at most so many restarts in a window, each after a longer wait;
// beyond that its supervisor gives up. Pure: time and randomness are arguments. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>

namespace cairn::cluster {

struct RestartLimits {
  std::uint32_t max_restarts = 5;                      ///< within the window
  std::chrono::milliseconds window{30'000};
  std::chrono::milliseconds backoff_first{50};         ///< doubled for each restart in the window
  std::chrono::milliseconds backoff_most{5'000};
};

class RestartPolicy {
 public:
  explicit RestartPolicy(RestartLimits limits) : limits_(limits) {}

  /// A child failed at `now` (any steady clock). How long to wait before starting it again: the backoff,
  /// between its half and its whole by `jitter` (0 to 1). Nothing: give up and escalate.
  std::optional<std::chrono::milliseconds> failed(std::chrono::milliseconds now, double jitter);

 private:
  RestartLimits limits_;
  std::deque<std::chrono::milliseconds> failures_;
};

}  // namespace cairn::cluster
