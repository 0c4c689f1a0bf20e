// How one actor asks a shard: encoding, the bound on waiting, and every failure as an Error. Called on the asking
// actor's thread; the continuations run there too.
#pragma once

#include <utility>

#include "actors/errors.hpp"
#include "actors/interfaces.hpp"
#include "actors/routes.hpp"
#include "cluster/floor.hpp"
#include "protocol/limits.hpp"

namespace cairn::actors {

inline const Error no_replica{Errc::unavailable, "the shard is starting"};

/// What a shard's answer that is none means to who asked.
inline Error not_served(Served served) {
  switch (served) {
    case Served::done:
      break;
    case Served::not_leader:
    case Served::not_here:
    case Served::behind:
      return {Errc::unavailable, "the shard is starting, or moving; nothing was done"};
    case Served::unknown:
      return {Errc::unavailable, "no replica of the shard has answered; the request may have taken effect"};
    case Served::busy:
      return {Errc::busy, "too many requests to shards are waiting"};
  }
  return {Errc::internal, "an answer of a shard was misread"};
}

/// The slot and, if the map has it, its shard.
inline Target target_of(const Routes& routes, Slot slot) {
  const auto map = routes.map();
  const auto* shard = map->shard_of(slot);
  return {shard ? shard->id.value : 0, slot.value};
}

/// Sends either request; `then` gets the Outcome (a result whose form `decode` knows) and what was seen.
template <class Outcome, class Self, class Request, class Decode, class Then>
void call_shard(Self* self, const Routes& routes, Request request, Decode decode, Then then) {
  const auto shard = routes.shard();
  if (!shard) return then(Outcome(no_replica), cluster::Seen{});
  const cluster::directory::ShardId asked{request.target.shard};
  self->request(shard, limits::shard_answer_timeout, std::move(request))
      .then(
          [then, decode, asked](const Answer& answer) mutable {
            if (answer.served != Served::done) return then(Outcome(not_served(answer.served)), cluster::Seen{});
            auto result = decode(answer.result);
            then(result ? std::move(*result) : Outcome(result.error()), cluster::Seen{true, asked, answer.index});
          },
          [then](const caf::error& error) mutable { then(Outcome(from_caf(error)), cluster::Seen{}); });
}

/// Asks a shard; `then` gets the QueryResult, which may be an Error, and the Seen.
template <class Self, class Then>
void ask_shard(Self* self, const Routes& routes, Target target, cluster::ReadAt at, const cluster::Query& query,
               Then then) {
  call_shard<cluster::QueryResult>(self, routes, Ask{target, cluster::encode(query), at.linearizable, at.floor},
                                   cluster::decode_query_result, std::move(then));
}

/// Proposes to a shard; `then` gets the CommandResult, which may be an Error, and the Seen.
template <class Self, class Then>
void propose_to_shard(Self* self, const Routes& routes, Target target, const cluster::Command& command, Then then) {
  call_shard<cluster::CommandResult>(self, routes, Propose{target, cluster::encode(command)},
                                     cluster::decode_command_result, std::move(then));
}

/// The `Wanted` in a result, or its Error, or internal if it holds something else.
template <class Wanted, class Variant>
Result<Wanted> expect(Variant result) {
  if (auto* wanted = std::get_if<Wanted>(&result)) return std::move(*wanted);
  if (auto* error = std::get_if<Error>(&result)) return std::move(*error);
  return Error{Errc::internal, "a shard answered something else than was asked"};
}

}  // namespace cairn::actors
