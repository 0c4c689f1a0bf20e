// From RPC to actors and back: a promise of a KJ loop that an actor's Reply fulfils from its own thread.
#pragma once

#include <kj/async.h>

#include <memory>
#include <utility>

#include "actors/reply.hpp"
#include "protocol/rpc_errors.hpp"

namespace cairn::actors {

template <class T>
struct Bridge {
  Reply<T> reply;
  kj::Promise<T> promise;  ///< of the calling thread's loop; an Error becomes an exception
};

template <class T>
Bridge<T> make_bridge() {
  auto pair = kj::newPromiseAndCrossThreadFulfiller<T>();
  auto fulfiller = std::make_shared<kj::Own<kj::CrossThreadPromiseFulfiller<T>>>(kj::mv(pair.fulfiller));
  Reply<T> reply([fulfiller](Result<T> answer) {
    if (answer.ok())
      (*fulfiller)->fulfill(std::move(*answer));
    else
      (*fulfiller)->reject(to_exception(answer.error()));
  });
  return {std::move(reply), kj::mv(pair.promise)};
}

/// Throws the Error as the exception that a client understands.
[[noreturn]] inline void throw_error(const Error& error) { kj::throwFatalException(to_exception(error)); }

/// The value, or its Error thrown.
template <class T>
T value_or_throw(Result<T> result) {
  if (!result.ok()) throw_error(result.error());
  return std::move(*result);
}

}  // namespace cairn::actors
