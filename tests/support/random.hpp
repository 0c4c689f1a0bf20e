// Seeded random numbers that are the same on every machine (SplitMix64). Plain value.
#pragma once

#include <cstdint>

#include "protocol/bytes.hpp"

namespace cairn::test {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    auto x = state_ += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
  }
  /// 0 to `bound` - 1; `bound` is not 0.
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  /// `low` to `high`, both included.
  std::uint64_t between(std::uint64_t low, std::uint64_t high) {
    return low + below(high - low + 1);
  }
  bool one_in(std::uint64_t n) { return below(n) == 0; }
  bool percent(std::uint64_t chance) { return below(100) < chance; }
  Bytes bytes(std::size_t count) {
    Bytes out(count, '\0');
    for (auto& c : out) c = static_cast<char>(next());
    return out;
  }

 private:
  std::uint64_t state_;
};

}  // namespace cairn::test
