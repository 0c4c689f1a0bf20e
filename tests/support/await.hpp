// What tests and benchmarks wait with for what other processes do, of which nothing tells them. Any thread.
#pragma once

#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>

namespace cairn::test {

/// Asks `holds` again and again, a few milliseconds apart; false if it never did within `bound`.
template <class Holds>
bool comes_true(std::chrono::milliseconds bound, const Holds& holds) {
  const auto until = std::chrono::steady_clock::now() + bound;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
  }
  return true;
}

/// As above; throws with `what` instead of false.
template <class Holds>
void await(const std::string& what, std::chrono::milliseconds bound, const Holds& holds) {
  if (!comes_true(bound, holds)) throw std::runtime_error("waited in vain for " + what);
}

}  // namespace cairn::test
