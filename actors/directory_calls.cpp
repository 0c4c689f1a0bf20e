#include "actors/directory_calls.hpp"

#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>

#include "actors/clock.hpp"
#include "actors/errors.hpp"
#include "protocol/limits.hpp"

namespace cairn::actors {
namespace {

namespace directory = cluster::directory;

constexpr Target whole_directory{directory::directory_shard.value, whole_shard};

ShardActor way_to_directory(const Routes& routes) {
  if (const auto router = routes.router()) return ShardActor(router);
  return routes.shard();
}

Result<Bytes> outcome(const Answer& answer) {
  switch (answer.served) {
    case Served::done:
      return answer.result;
    case Served::not_leader:
    case Served::not_here:
    case Served::behind:
      return Error{Errc::unavailable, "no replica of the directory answers"};
    case Served::busy:
      return Error{Errc::busy, "this node has too many requests under way"};
    case Served::unknown:
      return Error{Errc::timed_out, "the directory's leader went; the request may have taken effect"};
  }
  return Error{Errc::protocol, "a replica answered what does not exist"};
}

/// Lives until the answer is there or the bound is over.
template <class Outcome, class Message>
void request_once(caf::event_based_actor* self, const ShardActor& to, std::chrono::milliseconds bound,
                  const Message& message, Result<Outcome> (*decode)(BytesView), const Reply<Outcome>& reply) {
  self->request(to, bound, message)
      .then(
          [=](const Answer& answer) {
            const auto bytes = outcome(answer);
            reply(bytes ? decode(*bytes) : Result<Outcome>(bytes.error()));
          },
          [=](const caf::error& error) { reply(from_caf(error)); });
}

}  // namespace

void ask_directory(caf::actor_system& system, const Routes& routes, const directory::Query& query,
                   std::chrono::milliseconds bound, Reply<directory::QueryResult> reply) {
  const auto to = way_to_directory(routes);
  if (!to) return reply(Error{Errc::unavailable, "the node is starting"});
  system.spawn(request_once<directory::QueryResult, Ask>, to, bound, Ask{whole_directory, directory::encode(query)},
               &directory::decode_query_result, std::move(reply));
}

void tell_directory(caf::actor_system& system, const Routes& routes, directory::CommandBody body,
                    Reply<directory::CommandResult> reply) {
  const auto to = way_to_directory(routes);
  if (!to) return reply(Error{Errc::unavailable, "the node is starting"});
  system.spawn(request_once<directory::CommandResult, Propose>, to,
               std::chrono::milliseconds(limits::shard_answer_timeout),
               Propose{whole_directory, directory::encode(directory::Command{now(), std::move(body)})},
               &directory::decode_command_result, std::move(reply));
}

}  // namespace cairn::actors
