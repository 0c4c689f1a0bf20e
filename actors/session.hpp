// One signed-in device: the only way from a connection to an account's drive.
#pragma once

#include <memory>
#include <string>

#include "actors/interfaces.hpp"
#include "actors/routes.hpp"
#include "cluster/floor.hpp"
#include "storage/seal.hpp"

namespace cairn::actors {

struct SessionIdentity {
  AccountId account;
  std::string login;
  ClientId client;
  std::string device;
  caf::actor_addr door;       ///< the sign-in actor that will tell of revocations; the session ends with it
  cluster::Floor floor = {};  ///< what opening it has seen of the account's shard
};

SessionActor::behavior_type session(SessionActor::pointer self, SessionIdentity identity,
                                    std::shared_ptr<const storage::KeyRing> keys, std::shared_ptr<Routes> routes);

}  // namespace cairn::actors
