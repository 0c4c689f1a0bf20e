// Runs an actor on a thread that is not one of CAF's workers: who has a message for an actor that waits for one runs
// the actor, too, instead of waking a worker for it, which takes longer than most handlers do. Only for actors that
// never block. One thread.
#pragma once

#include <caf/actor_cast.hpp>
#include <caf/actor_control_block.hpp>
#include <caf/actor_system.hpp>
#include <caf/execution_unit.hpp>
#include <caf/message.hpp>
#include <caf/resumable.hpp>
#include <caf/scheduler/abstract_coordinator.hpp>

#include <chrono>
#include <cstddef>
#include <utility>

#include "actors/clock.hpp"

namespace cairn::actors {

class InlineRunner final : public caf::execution_unit {
 public:
  using Clock = std::chrono::microseconds (*)();  ///< monotonic

  explicit InlineRunner(Clock clock = steady_micros) : clock_(clock) {}
  InlineRunner(const InlineRunner&) = delete;
  InlineRunner& operator=(const InlineRunner&) = delete;
  ~InlineRunner() override { leave(); }

  /// The receiver, if it waited, runs after the next run() or leave(), one of which must follow.
  template <class Actor, class Message>
  void send(const Actor& to, Message message) {
    const auto receiver = caf::actor_cast<caf::strong_actor_ptr>(to);
    system_ = receiver->home_system;
    receiver->enqueue(nullptr, caf::make_message_id(), caf::make_message(std::move(message)), this);
  }

  /// Runs the first receiver that was woken. The workers have the others, those that it wakes itself, and it, if it has
  /// more to do than a few messages. They have all of it while actors would take more than half of this thread's time.
  void run() {
    if (!first_) return;
    const auto begun = clock_();
    if (begun < again_) return leave();
    auto* actor = std::exchange(first_, nullptr);
    running_ = true;
    const auto result = actor->resume(this, messages_in_a_turn);
    running_ = false;
    const auto ended = clock_();
    again_ = ended + (ended - begun);
    if (result == caf::resumable::resume_later)
      system_->scheduler().enqueue(actor);
    else
      caf::intrusive_ptr_release(actor);
  }

  /// Leaves it to the workers.
  void leave() {
    if (first_) system_->scheduler().enqueue(std::exchange(first_, nullptr));
  }

  /// CAF calls it for an actor that waits no more.
  void exec_later(caf::resumable* actor) override {
    if (running_ || first_) return system_->scheduler().enqueue(actor);
    first_ = actor;
  }

 private:
  static constexpr std::size_t messages_in_a_turn = 16;

  Clock clock_;
  std::chrono::microseconds again_{0};
  caf::resumable* first_ = nullptr;
  bool running_ = false;
};

}  // namespace cairn::actors
