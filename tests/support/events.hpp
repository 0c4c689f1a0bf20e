// What tests wait with: things that happen on other threads, and a bound. Any thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

namespace cairn::test {

/// How long a test waits for what must happen.
inline constexpr std::chrono::seconds patience{20};

/// Things that happened, in order, from any thread.
template <class Event>
class Events {
 public:
  void add(Event event) {
    const std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
    changed_.notify_all();
  }
  /// Waits until the events satisfy `wanted`.
  bool wait(const std::function<bool(const std::vector<Event>&)>& wanted) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, patience, [&] { return wanted(events_); });
  }
  bool wait_count(std::size_t count) {
    return wait([&](const auto& events) { return events.size() >= count; });
  }
  std::vector<Event> all() const {
    const std::lock_guard lock(mutex_);
    return events_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Event> events_;
};

}  // namespace cairn::test
