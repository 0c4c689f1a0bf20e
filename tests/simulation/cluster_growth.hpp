// An account's journal has a new end: what a replica tells its hub, and hubs tell each other. Plain value.
#pragma once

#include "cluster/directory_types.hpp"
#include "protocol/ids.hpp"

namespace cairn::simulation {

struct Growth {
  AccountId account;
  Cursor cursor;
  cluster::directory::ShardId shard;
  std::uint64_t index = 0;
  bool leads = false;
};

}  // namespace cairn::simulation
