#include "tests/bench/support/gaps.hpp"

#include <algorithm>

#include "tests/bench/support/measure.hpp"

namespace cairn::bench {

std::vector<double> Acks::sorted() const {
  std::unique_lock lock(mutex_);
  auto all = at_;
  lock.unlock();
  std::ranges::sort(all);
  return all;
}

double Acks::last() const {
  const std::lock_guard lock(mutex_);
  return at_.empty() ? 0 : *std::ranges::max_element(at_);
}

double longest_pause(const std::vector<double>& acks, double from, double to, const std::string& what) {
  auto next = std::ranges::lower_bound(acks, from);
  if (next == acks.begin()) give_up(what + ": nothing was acknowledged before");
  double longest = 0;
  for (auto before = next - 1;; before = next++) {
    if (next == acks.end()) give_up(what + ": nothing was acknowledged after it");
    longest = std::max(longest, *next - *before);
    if (*next >= to) return longest;
  }
}

}  // namespace cairn::bench
