// How one actor asks a shard's replica: encoding, the bound on waiting, and every failure as an Error.
// Called on the asking actor's thread; the continuations run there too.
#pragma once

#include <utility>

#include "actors/errors.hpp"
#include "actors/interfaces.hpp"
#include "actors/routes.hpp"
#include "protocol/limits.hpp"

namespace cairn::actors {

inline const Error no_replica{Errc::unavailable, "the shard is starting"};

/// Asks the replica of `slot`; `then` gets the QueryResult, which may be an Error.
template <class Self, class Then>
void ask_shard(Self* self, const Routes& routes, Slot slot, const cluster::Query& query, Then then) {
  const auto replica = routes.shard();
  if (!replica) return then(cluster::QueryResult(no_replica));
  self->request(replica, limits::shard_answer_timeout, Ask{{0, slot.value}, cluster::encode(query)})
      .then(
          [then](const Answer& answer) mutable {
            auto result = cluster::decode_query_result(answer.result);
            then(result ? std::move(*result) : cluster::QueryResult(result.error()));
          },
          [then](const caf::error& error) mutable { then(cluster::QueryResult(from_caf(error))); });
}

/// Proposes to the replica of `slot`; `then` gets the CommandResult, which may be an Error.
template <class Self, class Then>
void propose_to_shard(Self* self, const Routes& routes, Slot slot, const cluster::Command& command, Then then) {
  const auto replica = routes.shard();
  if (!replica) return then(cluster::CommandResult(no_replica));
  self->request(replica, limits::shard_answer_timeout, Propose{{0, slot.value}, cluster::encode(command)})
      .then(
          [then](const Answer& answer) mutable {
            auto result = cluster::decode_command_result(answer.result);
            then(result ? std::move(*result) : cluster::CommandResult(result.error()));
          },
          [then](const caf::error& error) mutable { then(cluster::CommandResult(from_caf(error))); });
}

/// The `Wanted` in a result, or its Error, or internal if it holds something else.
template <class Wanted, class Variant>
Result<Wanted> expect(Variant result) {
  if (auto* wanted = std::get_if<Wanted>(&result)) return std::move(*wanted);
  if (auto* error = std::get_if<Error>(&result)) return std::move(*error);
  return Error{Errc::internal, "a shard answered something else than was asked"};
}

}  // namespace cairn::actors
