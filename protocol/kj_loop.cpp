#include "protocol/kj_loop.hpp"

#include <pthread.h>

#include <exception>
#include <future>
#include <mutex>
#include <string>
#include <vector>

namespace cairn {

struct KjLoop::State {
  using Work = kj::Function<void(kj::AsyncIoContext&)>;

  std::mutex mutex;
  std::vector<Work> posted;
  bool ending = false;
  /// Set while the loop waits for work; whoever brings some takes it and wakes the loop.
  kj::Own<kj::CrossThreadPromiseFulfiller<void>> waker;

  void serve() {
    auto io = kj::setupAsyncIo();
    for (;;) {
      std::vector<Work> batch;
      kj::Maybe<kj::Promise<void>> woken;
      {
        const std::lock_guard lock(mutex);
        if (posted.empty() && ending) return;
        batch.swap(posted);
        if (batch.empty()) {
          auto pair = kj::newPromiseAndCrossThreadFulfiller<void>();
          waker = kj::mv(pair.fulfiller);
          woken = kj::mv(pair.promise);
        }
      }
      for (auto& work : batch) work(io);
      KJ_IF_MAYBE (promise, woken) promise->wait(io.waitScope);
    }
  }

  template <class Change>
  void change_and_wake(Change&& change) {
    kj::Own<kj::CrossThreadPromiseFulfiller<void>> taken;
    {
      const std::lock_guard lock(mutex);
      change();
      taken = kj::mv(waker);
    }
    if (taken.get() != nullptr) taken->fulfill();
  }
};

KjLoop::KjLoop(const char* name) : state_(std::make_unique<State>()) {
  thread_ = std::thread([state = state_.get(), name = std::string(name).substr(0, 15)] {
    pthread_setname_np(pthread_self(), name.c_str());
    state->serve();
  });
}

KjLoop::~KjLoop() {
  state_->change_and_wake([&] { state_->ending = true; });
  thread_.join();
}

void KjLoop::post(kj::Function<void(kj::AsyncIoContext&)> work) {
  state_->change_and_wake([&] { state_->posted.push_back(kj::mv(work)); });
}

void KjLoop::run(kj::Function<kj::Promise<void>(kj::AsyncIoContext&)> work) {
  if (on_loop_thread()) std::terminate();  // it would wait for itself
  std::promise<kj::Maybe<kj::Exception>> done;
  auto outcome = done.get_future();
  post([&done, &work](kj::AsyncIoContext& io) {
    kj::evalNow([&] { return work(io); })
        .then([&done] { done.set_value(nullptr); },
              [&done](kj::Exception&& exception) { done.set_value(kj::mv(exception)); })
        .detach([](kj::Exception&&) { std::terminate(); });
  });
  auto failure = outcome.get();
  KJ_IF_MAYBE (exception, failure) kj::throwFatalException(kj::mv(*exception));
}

bool KjLoop::on_loop_thread() const { return std::this_thread::get_id() == thread_.get_id(); }

}  // namespace cairn
