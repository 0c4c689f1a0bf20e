// A limit on how often something may be tried, for each of many keys: token buckets in a table of
// bounded size. Pure: time is an argument. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <unordered_map>

namespace cairn::cluster {

class RateLimit {
 public:
  /// Each key may be tried `burst` times at once and then once every `interval`; at most `max_keys` are
  /// remembered, those that are full again being forgotten first.
  RateLimit(std::uint32_t burst, std::chrono::milliseconds interval, std::size_t max_keys);

  /// Takes one try of `key` at `now` (any steady clock); false if there is none left.
  bool take(const std::string& key, std::chrono::milliseconds now);
  /// Gives the last try back: it turned out well and should not count.
  void give_back(const std::string& key);

 private:
  struct Bucket {
    double tries;
    std::chrono::milliseconds at;
  };
  void refill(Bucket& bucket, std::chrono::milliseconds now) const;

  double burst_;
  std::chrono::milliseconds interval_;
  std::size_t max_keys_;
  std::unordered_map<std::string, Bucket> buckets_;
};

}  // namespace cairn::cluster
