// Ctrl-C and SIGTERM, taken by a thread of their own: what is running is told to stop, or, if nothing asked
// to be told, the process ends at once with a word and code 130. A second signal always ends it. One
// object a process, made before any other thread.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>

namespace cairn::apps {

class Interrupts {
 public:
  Interrupts();
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  /// Turns true with the first signal that a Scope was told of.
  const std::atomic<bool>& seen() const { return seen_; }

  /// While it lives, a signal calls `stop` (on the signal thread; must not block) instead of ending the process.
  class Scope {
   public:
    Scope(Interrupts& interrupts, std::function<void()> stop);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Interrupts& interrupts_;
    std::function<void()> former_;
  };

  /// Called before the process ends at once: puts the terminal back.
  void set_last_act(std::function<void()> act);

 private:
  void run();

  std::atomic<bool> seen_ = false;
  std::mutex mutex_;
  std::function<void()> stop_;
  std::function<void()> last_act_;
  std::thread thread_;
};

}  // namespace cairn::apps
