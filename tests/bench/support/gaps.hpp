// Pauses between what was acknowledged, around a fault. Acks: any thread; the functions are pure.
#pragma once

#include <mutex>
#include <string>
#include <vector>

namespace cairn::bench {

/// The moments at which something was acknowledged, in seconds of seconds_now().
class Acks {
 public:
  void add(double at) {
    const std::lock_guard lock(mutex_);
    at_.push_back(at);
  }
  std::size_t count() const {
    const std::lock_guard lock(mutex_);
    return at_.size();
  }
  /// Those so far, ascending.
  std::vector<double> sorted() const;
  /// The last one so far; 0 of none.
  double last() const;

 private:
  mutable std::mutex mutex_;
  std::vector<double> at_;
};

/// The longest pause of which a part lies between `from` and `to`, in seconds. `acks` is ascending and has one before
/// `from` and one after `to`: without either the benchmark is over, with what `what` says.
double longest_pause(const std::vector<double>& acks, double from, double to, const std::string& what);

}  // namespace cairn::bench
