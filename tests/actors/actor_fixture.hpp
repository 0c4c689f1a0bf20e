// What tests of actors share: an actor system, waiting for replies and events with a bound, and fakes.
#pragma once

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "actors/messages.hpp"
#include "actors/reply.hpp"
#include "tests/support/events.hpp"

namespace cairn::actors::test {

using namespace std::chrono_literals;

using cairn::test::Events;
using cairn::test::patience;

struct TestSystemConfig : caf::actor_system_config {
  TestSystemConfig() {
    set("scheduler.policy", caf::atom("sharing"));
    set("scheduler.max-threads", 2);
  }
};

class ActorTest : public ::testing::Test {
 protected:
  TestSystemConfig config_;
  caf::actor_system system_{config_};
};

/// A Reply and the answer that it got.
template <class T>
class Answered {
 public:
  Reply<T> reply() {
    return Reply<T>([state = state_](Result<T> answer) { state->set_value(std::move(answer)); });
  }
  /// Waits; timed_out if nothing came.
  Result<T> get() {
    if (future_.wait_for(patience) != std::future_status::ready)
      return Error{Errc::timed_out, "no answer in the test's time"};
    return future_.get();
  }
  bool ready() const { return future_.wait_for(0s) == std::future_status::ready; }

 private:
  std::shared_ptr<std::promise<Result<T>>> state_ = std::make_shared<std::promise<Result<T>>>();
  std::future<Result<T>> future_ = state_->get_future();
};

}  // namespace cairn::actors::test
