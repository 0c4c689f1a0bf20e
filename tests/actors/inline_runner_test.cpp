// Which thread runs an actor that a thread without workers of its own has a message for.
#include "actors/inline_runner.hpp"

#include <gtest/gtest.h>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "actors/scheduler.hpp"
#include "tests/support/events.hpp"

namespace cairn::actors {
namespace {

using Threads = cairn::test::Events<std::thread::id>;

struct Workers : caf::actor_system_config {
  Workers() {
    set("scheduler.max-threads", 2);
    module_factories.push_back(
        [](caf::actor_system& system) -> caf::actor_system::module* { return Scheduler::make(system, {}); });
  }
};

class InlineRunnerTest : public testing::Test {
 protected:
  ~InlineRunnerTest() override {
    system_.await_all_actors_done();
  }

  /// Says where it ran, passes the number on to `next` and ends. It waits for its first message unborn, so that whoever
  /// has that one wakes it.
  caf::actor once(std::vector<caf::actor> next = {}) {
    return system_.spawn<caf::lazy_init>(
        [this](caf::event_based_actor* self, const std::vector<caf::actor>& others) -> caf::behavior {
          return {[this, others, self](int number) {
            ran_.add(std::this_thread::get_id());
            for (const auto& one : others) self->send(one, number);
            self->quit();
          }};
        },
        std::move(next));
  }
  std::size_t ran_here() const {
    const auto all = ran_.all();
    return static_cast<std::size_t>(std::count(all.begin(), all.end(), std::this_thread::get_id()));
  }

  Workers config_;
  caf::actor_system system_{config_};
  Threads ran_;
  std::atomic<std::uint64_t> counted_ = 0;  // here, since actors go on until all is over
};

TEST_F(InlineRunnerTest, WhoWaitedRunsHereAtOnce) {
  InlineRunner runner;
  runner.send(once(), 1);
  EXPECT_TRUE(ran_.all().empty());
  runner.run();
  EXPECT_EQ(ran_here(), 1u);
  runner.run();
  EXPECT_EQ(ran_.all().size(), 1u);
}

TEST_F(InlineRunnerTest, WhoIsWokenByItRunsElsewhere) {
  InlineRunner runner;
  runner.send(once({once(), once()}), 1);
  runner.run();
  ASSERT_TRUE(ran_.wait_count(3));
  EXPECT_EQ(ran_here(), 1u);
}

TEST_F(InlineRunnerTest, OfTwoThatAreToldOneRunsHere) {
  InlineRunner runner;
  runner.send(once(), 1);
  runner.send(once(), 1);
  runner.run();
  ASSERT_TRUE(ran_.wait_count(2));
  EXPECT_EQ(ran_here(), 1u);
}

TEST_F(InlineRunnerTest, ActorsTakeHalfOfTheTimeAtMost) {
  static std::atomic<int> now = 0;  // us
  now = 100;
  InlineRunner runner([] { return std::chrono::microseconds(now); });
  const auto work = [&](int duration) {
    const auto takes = system_.spawn<caf::lazy_init>(
        [this](caf::event_based_actor* self, int micros) -> caf::behavior {
          return {[this, micros, self](int) {
            now += micros;
            ran_.add(std::this_thread::get_id());
            self->quit();
          }};
        },
        duration);
    runner.send(takes, 1);
    runner.run();
  };
  work(50);  // to 150
  EXPECT_EQ(ran_here(), 1u);
  now = 199;
  work(0);
  ASSERT_TRUE(ran_.wait_count(2));
  EXPECT_EQ(ran_here(), 1u);
  now = 200;
  work(10);  // to 210
  EXPECT_EQ(ran_here(), 2u);
  now = 220;
  work(0);
  EXPECT_EQ(ran_here(), 3u);
}

TEST_F(InlineRunnerTest, WhatIsLeftIsTheWorkers) {
  std::optional<InlineRunner> runner(std::in_place);
  runner->send(once(), 1);
  runner->leave();
  ASSERT_TRUE(ran_.wait_count(1));
  runner->send(once(), 1);
  runner.reset();
  ASSERT_TRUE(ran_.wait_count(2));
  EXPECT_EQ(ran_here(), 0u);
}

TEST_F(InlineRunnerTest, WhoAlwaysHasMoreToDoGoesOnElsewhere) {
  const auto busy = system_.spawn<caf::lazy_init>(
      [this](caf::event_based_actor* self, std::uint64_t most) -> caf::behavior {
        return {[this, self, most](int number) {
          if (++counted_ == most) ran_.add(std::this_thread::get_id());
          self->send(self, number);
        }};
      },
      std::uint64_t{10'000});
  InlineRunner runner;
  runner.send(busy, 1);
  runner.run();
  EXPECT_TRUE(ran_.wait_count(1));
  EXPECT_EQ(ran_here(), 0u);
  caf::anon_send_exit(busy, caf::exit_reason::kill);
  runner.send(busy, 1);
  runner.run();
}

}  // namespace
}  // namespace cairn::actors
