// The moments at which things were acknowledged, and the pauses between them around a fault. Acks: any thread; the
// functions are pure.
#pragma once

#include <mutex>
#include <vector>

namespace cairn::test {

/// Seconds on the clock that never goes back (CLOCK_MONOTONIC).
double seconds_now();

class Acks {
 public:
  /// Something was acknowledged now.
  void add();
  std::size_t count() const;
  /// Those so far, ascending, in seconds of seconds_now().
  std::vector<double> sorted() const;
  /// Whether anything was acknowledged after `moment`.
  bool any_since(double moment) const;

 private:
  mutable std::mutex mutex_;
  std::vector<double> at_;
  double last_ = 0;
};

/// The longest pause of which a part lies between `from` and `to`, in seconds. `acks` is ascending; without one before
/// `from` and one at or after `to` the pause has no end: infinity.
double longest_pause(const std::vector<double>& acks, double from, double to);

}  // namespace cairn::test
