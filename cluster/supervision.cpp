#include "cluster/supervision.hpp"

#include <algorithm>

namespace cairn::cluster {

std::optional<std::chrono::milliseconds> RestartPolicy::failed(std::chrono::milliseconds now, double jitter) {
  while (!failures_.empty() && failures_.front() + limits_.window <= now) failures_.pop_front();
  if (failures_.size() >= limits_.max_restarts) return std::nullopt;
  auto wait = limits_.backoff_first;
  for (std::size_t i = 0; i < failures_.size() && wait < limits_.backoff_most; ++i) wait *= 2;
  wait = std::min(wait, limits_.backoff_most);
  failures_.push_back(now);
  const auto half = wait / 2;
  return half + std::chrono::milliseconds(static_cast<std::int64_t>(static_cast<double>((wait - half).count()) *
                                                                    std::clamp(jitter, 0.0, 1.0)));
}

}  // namespace cairn::cluster
