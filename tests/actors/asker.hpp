// Another node that asks, as replicas and routers see it.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "actors/messages.hpp"
#include "tests/support/events.hpp"

namespace cairn::actors::test {

/// What another node was answered, in the groups in which that came. Any thread.
class TestAsker final : public AnswerSink, public std::enable_shared_from_this<TestAsker> {
 public:
  using Group = std::map<std::uint64_t, Answer>;  // by the requests' numbers
  ::cairn::test::Events<Group> groups;

  void put(std::uint64_t number, Answer answer) override {
    const std::lock_guard lock(mutex_);
    EXPECT_TRUE(open_.emplace(number, std::move(answer)).second) << "request " << number << " is answered twice";
  }
  void flush() override {
    const std::lock_guard lock(mutex_);
    if (!open_.empty()) groups.add(std::exchange(open_, {}));
  }

  /// A frame of requests, numbered from 1.
  RemoteRequests asks(std::vector<ShardRequest> requests) {
    auto all = std::make_shared<std::vector<RemoteRequest>>();
    for (auto& request : requests)
      all->push_back({std::move(request), RemoteAsker(shared_from_this(), all->size() + 1)});
    return {std::move(all)};
  }

  /// Waits for so many; the test fails if they do not come.
  Group answers(std::size_t count) {
    Group out;
    EXPECT_TRUE(groups.wait([&](const auto& came) {
      out.clear();
      for (const auto& group : came) out.insert(group.begin(), group.end());
      return out.size() >= count;
    }));
    return out;
  }

 private:
  std::mutex mutex_;
  Group open_;
};

}  // namespace cairn::actors::test
