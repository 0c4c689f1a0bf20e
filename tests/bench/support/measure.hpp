// What benchmarks count with: a clock, percentiles, medians, and an end for what went wrong. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "protocol/error.hpp"

namespace cairn::bench {

/// Seconds on a clock that never goes back.
double seconds_now();

/// The middle one; the lower of two middle ones. Not of nothing.
double median(std::vector<double> values);
/// The value below which a share `p` (0 to 1) of the values lies; 0 of nothing.
double percentile(std::vector<double> values, double p);

/// What a load of many requests came to.
struct LoadResult {
  std::uint64_t answered = 0;
  double seconds = 0;               ///< from the first message to the last answer
  std::vector<double> micros;       ///< of each answer

  double per_second() const { return static_cast<double>(answered) / seconds; }
};

/// Says why on standard error and ends the process: a benchmark has no use for half a figure.
[[noreturn]] void give_up(const std::string& why);

template <class T>
T need(Result<T> result, const char* what) {
  if (!result.ok()) give_up(std::string(what) + ": " + result.error().message);
  return std::move(*result);
}
inline void need(const Result<void>& result, const char* what) {
  if (!result.ok()) give_up(std::string(what) + ": " + result.error().message);
}

}  // namespace cairn::bench
