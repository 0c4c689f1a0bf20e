// Runs actors on a thread that is not one of CAF's workers: who has a message for an actor that waits for one runs the
// actor, too, instead of waking a worker for it, which takes longer than most handlers do. Only for actors that never
// block. One thread.
#pragma once

#include <caf/actor_cast.hpp>
#include <caf/actor_control_block.hpp>
#include <caf/actor_system.hpp>
#include <caf/execution_unit.hpp>
#include <caf/message.hpp>
#include <caf/resumable.hpp>
#include <caf/scheduler/abstract_coordinator.hpp>

#include <cstddef>
#include <utility>

namespace cairn::actors {

class InlineRunner final : public caf::execution_unit {
 public:
  InlineRunner() = default;
  InlineRunner(const InlineRunner&) = delete;
  InlineRunner& operator=(const InlineRunner&) = delete;
  ~InlineRunner() override { leave(); }

  /// The receiver runs at the next run() or leave(), one of which must follow.
  template <class Actor, class Message>
  void send(const Actor& to, Message message) {
    const auto receiver = caf::actor_cast<caf::strong_actor_ptr>(to);
    system_ = receiver->home_system;
    receiver->enqueue(nullptr, caf::make_message_id(), caf::make_message(std::move(message)), this);
  }

  /// Runs the first actor that was woken, and after it the first that it wakes itself; the workers have the others. The
  /// thread has other things to do, so that what is not done after a few turns is the workers', too.
  void run() {
    for (unsigned turn = 0; next_ && turn < max_turns; ++turn) {
      auto* actor = std::exchange(next_, nullptr);
      if (actor->resume(this, messages_in_a_turn) == caf::resumable::resume_later)
        system_->scheduler().enqueue(actor);
      else
        caf::intrusive_ptr_release(actor);
    }
    leave();
  }

  /// Leaves all of it to the workers.
  void leave() {
    if (next_) system_->scheduler().enqueue(std::exchange(next_, nullptr));
  }

  /// CAF calls it for an actor that waits no more.
  void exec_later(caf::resumable* actor) override {
    if (next_) return system_->scheduler().enqueue(actor);
    next_ = actor;
  }

 private:
  static constexpr unsigned max_turns = 4;
  static constexpr std::size_t messages_in_a_turn = 16;

  caf::resumable* next_ = nullptr;
};

}  // namespace cairn::actors
