// The door of a node: accounts, passwords, tokens, and the sessions that are opened for them.
#pragma once

#include <memory>

#include "actors/interfaces.hpp"
#include "actors/routes.hpp"
#include "cluster/config.hpp"
#include "storage/seal.hpp"

namespace cairn::actors {

SignInActor::behavior_type sign_in(SignInActor::pointer self, cluster::Config::Accounts config,
                                   std::shared_ptr<const storage::KeyRing> keys, std::shared_ptr<Routes> routes);

PasswordActor::behavior_type password(PasswordActor::pointer self, cluster::PasswordCost cost);

}  // namespace cairn::actors
