// How a node's actors share its worker threads: CAF's work sharing, with fewer wake-ups. Of the actors that a running
// one has work for, the first follows it on the same worker, since waking another costs more than most messages do;
// the others go to the queue that all workers share. CAF's coordinator calls it by any thread.
#pragma once

#include <caf/policy/unprofiled.hpp>
#include <caf/resumable.hpp>
#include <caf/scheduler/coordinator.hpp>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <utility>

namespace cairn::actors {

/// Messages of one actor in a row; then its worker turns to those that wait, and to what follows it.
inline constexpr std::size_t messages_in_a_row = 128;

class PromptSharing : public caf::policy::unprofiled {
 public:
  struct coordinator_data {
    explicit coordinator_data(caf::scheduler::abstract_coordinator*) {}
    std::mutex mutex;
    std::condition_variable work;
    std::deque<caf::resumable*> queue;
    std::size_t idle = 0;  // workers that wait
    std::atomic<std::uint64_t> turns{0};
  };
  struct worker_data {
    explicit worker_data(caf::scheduler::abstract_coordinator*) {}
    caf::resumable* next = nullptr;
    unsigned followed = 0;  // in a row
  };

  template <class Coordinator>
  void central_enqueue(Coordinator* self, caf::resumable* job) {
    auto& shared = d(self);
    bool wake = false;
    {
      const std::lock_guard lock(shared.mutex);
      shared.queue.push_back(job);
      wake = shared.idle > 0;
    }
    // A worker that woke inside the lock would wait for it at once.
    if (wake) shared.work.notify_one();
  }
  template <class Worker>
  void external_enqueue(Worker* self, caf::resumable* job) {
    central_enqueue(self->parent(), job);
  }
  template <class Worker>
  void internal_enqueue(Worker* self, caf::resumable* job) {
    auto& own = d(self);
    if (own.next) return central_enqueue(self->parent(), job);
    own.next = job;
  }
  template <class Worker>
  void resume_job_later(Worker* self, caf::resumable* job) {
    central_enqueue(self->parent(), job);
  }

  template <class Worker>
  caf::resumable* dequeue(Worker* self) {
    auto& own = d(self);
    // Two that speak with each other must not keep the others waiting.
    if (own.next && own.followed < max_followed) {
      ++own.followed;
      return std::exchange(own.next, nullptr);
    }
    own.followed = 0;
    auto& shared = d(self->parent());
    std::unique_lock lock(shared.mutex);
    if (own.next) shared.queue.push_back(std::exchange(own.next, nullptr));
    while (shared.queue.empty()) {
      ++shared.idle;
      shared.work.wait(lock);
      --shared.idle;
    }
    auto* job = shared.queue.front();
    shared.queue.pop_front();
    return job;
  }

  template <class Worker>
  void before_resume(Worker* self, caf::resumable*) {
    order(self);
  }
  template <class Worker>
  void after_resume(Worker* self, caf::resumable*) {
    order(self);
  }
  template <class Worker>
  void before_shutdown(Worker* self) {
    if (auto* job = std::exchange(d(self).next, nullptr)) central_enqueue(self->parent(), job);
  }
  template <class Worker, class Function>
  void foreach_resumable(Worker*, Function) {}
  template <class Coordinator, class Function>
  void foreach_central_resumable(Coordinator* self, Function function) {
    auto& shared = d(self);
    const std::lock_guard lock(shared.mutex);
    for (auto* job : std::exchange(shared.queue, {})) function(job);
  }

 private:
  static constexpr unsigned max_followed = 16;

  // An actor's mailbox orders what two workers do with it one after the other. This says it again to tools that do not
  // see into CAF.
  template <class Worker>
  void order(Worker* self) {
    d(self->parent()).turns.fetch_add(1, std::memory_order_acq_rel);
  }
};

using Scheduler = caf::scheduler::coordinator<PromptSharing>;

}  // namespace cairn::actors
