// A shard's replica made of a function: what it answers to queries and commands is the test's affair.
#pragma once

#include <caf/typed_event_based_actor.hpp>

#include <functional>

#include "actors/interfaces.hpp"
#include "actors/routes.hpp"
#include "tests/actors/actor_fixture.hpp"

namespace cairn::actors::test {

struct FakeShard {
  std::function<cluster::QueryResult(const cluster::Query&)> query = [](const auto&) {
    return cluster::QueryResult(Error{Errc::internal, "not expected"});
  };
  std::function<cluster::CommandResult(const cluster::Command&)> command = [](const auto&) {
    return cluster::CommandResult(Error{Errc::internal, "not expected"});
  };
};

inline ShardActor::behavior_type fake_replica(ShardActor::pointer, std::shared_ptr<FakeShard> shard) {
  return {
      [shard](const Propose& message) {
        return Answer{cluster::encode(shard->command(cluster::decode_command(message.command).value())), Served::done,
                      0, 0};
      },
      [shard](const Ask& message) {
        return Answer{cluster::encode(shard->query(cluster::decode_query(message.query).value())), Served::done, 0, 0};
      },
  };
}

}  // namespace cairn::actors::test
