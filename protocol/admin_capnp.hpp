// An AdminStatus to and from its Cap'n Proto form. Pure functions, any thread.
#pragma once

#include "protocol/admin.capnp.h"
#include "protocol/admin_status.hpp"

namespace cairn {

void to_capnp(const AdminStatus& value, rpc::AdminStatus::Builder out);
/// Takes whatever the peer says, within its message's own bounds: the words are for people.
AdminStatus from_capnp(rpc::AdminStatus::Reader in);

}  // namespace cairn
