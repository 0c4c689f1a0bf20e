#include "cluster/rate_limit.hpp"

#include <algorithm>

namespace cairn::cluster {

RateLimit::RateLimit(std::uint32_t burst, std::chrono::milliseconds interval, std::size_t max_keys)
    : burst_(burst), interval_(interval), max_keys_(max_keys) {}

void RateLimit::refill(Bucket& bucket, std::chrono::milliseconds now) const {
  const auto gained = static_cast<double>((now - bucket.at).count()) / static_cast<double>(interval_.count());
  bucket.tries = std::min(burst_, bucket.tries + gained);
  bucket.at = now;
}

bool RateLimit::take(const std::string& key, std::chrono::milliseconds now) {
  auto found = buckets_.find(key);
  if (found == buckets_.end()) {
    if (buckets_.size() >= max_keys_)
      for (auto bucket = buckets_.begin(); bucket != buckets_.end();) {
        refill(bucket->second, now);
        bucket = bucket->second.tries >= burst_ ? buckets_.erase(bucket) : std::next(bucket);
      }
    // A full table of keys that are all under pressure: refusing newcomers is what keeps it bounded.
    if (buckets_.size() >= max_keys_) return false;
    found = buckets_.emplace(key, Bucket{burst_, now}).first;
  }
  refill(found->second, now);
  if (found->second.tries < 1) return false;
  found->second.tries -= 1;
  return true;
}

void RateLimit::give_back(const std::string& key) {
  const auto found = buckets_.find(key);
  if (found != buckets_.end()) found->second.tries = std::min(burst_, found->second.tries + 1);
}

}  // namespace cairn::cluster
