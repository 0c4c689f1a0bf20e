// A thread with a KJ event loop, and the one way into it from others. Bounded: what is posted waits in
// a queue whose length the callers bound. post() and the destructor are for any other thread.
#pragma once

#include <kj/async-io.h>
#include <kj/function.h>

#include <functional>
#include <memory>
#include <thread>

namespace cairn {

class KjLoop {
 public:
  /// Starts the thread; `name` (up to 15 bytes) is shown by ps and top.
  explicit KjLoop(const char* name);
  /// Ends the loop after what was posted before has run, then joins. Everything made inside the loop
  /// must have been dropped by a posted function before.
  ~KjLoop();
  KjLoop(const KjLoop&) = delete;
  KjLoop& operator=(const KjLoop&) = delete;

  /// Runs `work` on the loop's thread, soon and in order of posting.
  void post(kj::Function<void(kj::AsyncIoContext&)> work);

  /// Runs `work` on the loop's thread and waits for the promise it returns; its exception is thrown
  /// here. Must not be called on the loop's own thread.
  void run(kj::Function<kj::Promise<void>(kj::AsyncIoContext&)> work);

  bool on_loop_thread() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
  std::thread thread_;
};

}  // namespace cairn
