// How actors share the worker threads: nobody waits for ever behind those that always have something to do.
#include "actors/scheduler.hpp"

#include <gtest/gtest.h>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>

#include <atomic>
#include <chrono>
#include <future>
#include <vector>

namespace cairn::actors {
namespace {

using namespace std::chrono_literals;

struct Workers : caf::actor_system_config {
  explicit Workers(std::size_t workers) {
    set("scheduler.max-threads", workers);
    set("scheduler.max-throughput", messages_in_a_row);
    module_factories.push_back(
        [](caf::actor_system& system) -> caf::actor_system::module* { return Scheduler::make(system, {}); });
  }
};

// Says a number once it was told one.
caf::behavior listener(caf::event_based_actor*, std::promise<int>* heard) {
  return {[heard](int number) { heard->set_value(number); }};
}

// Sends each number that it gets back to whom it came from, for ever.
caf::behavior player(caf::event_based_actor* self, int) {
  return {[self](int number, const caf::actor& other) { self->send(other, number, caf::actor(self)); }};
}

TEST(Scheduler, TwoThatSpeakWithEachOtherKeepNobodyWaiting) {
  Workers config(1);
  caf::actor_system system(config);
  std::promise<int> heard;
  {
    const auto one = system.spawn(player, 0);
    const auto other = system.spawn(player, 0);
    caf::anon_send(one, 1, other);
    caf::anon_send(system.spawn(listener, &heard), 7);
    EXPECT_EQ(heard.get_future().wait_for(30s), std::future_status::ready);
    caf::anon_send_exit(one, caf::exit_reason::kill);
    caf::anon_send_exit(other, caf::exit_reason::kill);
  }
  system.await_all_actors_done();
}

TEST(Scheduler, WhoFollowsOneThatNeverEndsIsRun) {
  Workers config(2);
  caf::actor_system system(config);
  std::promise<int> heard;
  const auto told = system.spawn(listener, &heard);
  const auto busy = system.spawn(
      [](caf::event_based_actor* self, const caf::actor& to) -> caf::behavior {
        self->send(to, 7);
        self->send(self, 1);
        return {[self](int number) { self->send(self, number); }};
      },
      told);
  EXPECT_EQ(heard.get_future().wait_for(30s), std::future_status::ready);
  caf::anon_send_exit(busy, caf::exit_reason::kill);
  caf::anon_send_exit(told, caf::exit_reason::kill);
  system.await_all_actors_done();
}

TEST(Scheduler, NothingIsLostAmongManyWorkers) {
  constexpr int actors = 64, rounds = 2'000;
  Workers config(4);
  caf::actor_system system(config);
  std::promise<int> heard;
  const auto last = system.spawn(listener, &heard);
  std::atomic<int> left = actors;
  std::vector<caf::actor> ring;
  // Each passes a number on until it is 0; the last of the zeros is told.
  const auto passes_on = [&](caf::event_based_actor* self, int own) -> caf::behavior {
    return {[&, self, own](int number) {
      if (number > 0) return self->send(ring[static_cast<std::size_t>((own + number) % actors)], number - 1);
      if (--left == 0) self->send(last, 7);
    }};
  };
  for (int i = 0; i < actors; ++i) ring.push_back(system.spawn(passes_on, i));
  for (const auto& one : ring) caf::anon_send(one, rounds);
  EXPECT_EQ(heard.get_future().wait_for(60s), std::future_status::ready);
  for (const auto& one : ring) caf::anon_send_exit(one, caf::exit_reason::kill);
  caf::anon_send_exit(last, caf::exit_reason::kill);
  ring.clear();
  system.await_all_actors_done();
}

}  // namespace
}  // namespace cairn::actors
