#include "tests/support/acks.hpp"

#include <algorithm>
#include <chrono>
#include <limits>

namespace cairn::test {

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void Acks::add() {
  const std::lock_guard lock(mutex_);
  last_ = seconds_now();
  at_.push_back(last_);
}

std::size_t Acks::count() const {
  const std::lock_guard lock(mutex_);
  return at_.size();
}

std::vector<double> Acks::sorted() const {
  const std::lock_guard lock(mutex_);
  return at_;
}

bool Acks::any_since(double moment) const {
  const std::lock_guard lock(mutex_);
  return last_ > moment;
}

double longest_pause(const std::vector<double>& acks, double from, double to) {
  const auto first = std::ranges::lower_bound(acks, from);
  const auto end = std::ranges::lower_bound(acks, to);
  if (first == acks.begin() || end == acks.end()) return std::numeric_limits<double>::infinity();
  double longest = 0;
  for (auto at = first; at <= end; ++at) longest = std::max(longest, *at - *(at - 1));
  return longest;
}

}  // namespace cairn::test
