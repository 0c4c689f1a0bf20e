// A one-shot answer to somebody outside the actors (the RPC bridge, a test). Copies share one answer; if
// the last copy goes without an answer, because an actor died or dropped the message, the answer is
// Errc::unavailable, so that nobody waits for ever. Any thread; the callback runs on the thread that
// answers.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <utility>

#include "protocol/error.hpp"

namespace cairn::actors {

template <class T>
class Reply {
 public:
  Reply() = default;
  explicit Reply(std::function<void(Result<T>)> deliver) : state_(std::make_shared<State>(std::move(deliver))) {}

  /// The first call counts, later ones are ignored.
  void operator()(Result<T> answer) const {
    if (state_) state_->answer(std::move(answer));
  }

 private:
  struct State {
    explicit State(std::function<void(Result<T>)> f) : deliver(std::move(f)) {}
    ~State() { answer(Error{Errc::unavailable, "the part of the node that had this request has stopped"}); }
    void answer(Result<T> result) {
      if (!answered.exchange(true)) deliver(std::move(result));
    }
    std::function<void(Result<T>)> deliver;
    std::atomic<bool> answered = false;
  };
  std::shared_ptr<State> state_;
};

}  // namespace cairn::actors
