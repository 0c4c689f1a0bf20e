// What watch hubs of different nodes tell each other (Channel::watch). Pure, any thread.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "actors/messages.hpp"

namespace cairn::actors {

/// This node wants to know, for `lease` from now, who leads shards on yours; `growth`: and what their journals
/// gain. `fresh`: it may have missed something, so say at once who leads.
struct Interest {
  std::chrono::milliseconds lease{0};
  bool growth = false;
  bool fresh = false;
};
/// My replica leads the shard and has applied its log up to `index`.
struct Leads {
  cluster::directory::ShardId shard;
  cluster::ReplicaId replica;
  std::uint64_t term = 0;
  std::uint64_t index = 0;
};
/// Journals of shards that my replicas lead have new ends. In frames `leads` is always so.
struct Growths {
  std::vector<JournalGrew> growths;
};

using WatchFrame = std::variant<Interest, Leads, Growths>;

Bytes encode(const WatchFrame& frame);
/// protocol if the bytes are not a whole frame, or hold more than limits::max_growths_per_frame.
Result<WatchFrame> decode_watch_frame(BytesView bytes);

}  // namespace cairn::actors
