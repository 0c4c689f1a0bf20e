// What nodes tell each other about the cluster itself, on the control channel of their links: maps of it, reports
// to the leader of its directory, and that leader's orders. A frame may be lost and may be sent again: who sends
// one asks until it sees what it wants. Encoded forms travel between nodes: append only (disk_format.md, "Control
// frames"). Plain values, any thread.
#pragma once

#include <string>
#include <variant>

#include "cluster/cluster_map.hpp"
#include "cluster/observed.hpp"

namespace cairn::cluster::directory {

/// Changes of a shard's group that its leader makes. Numbers are part of the form: append only.
enum class GroupChange : std::uint8_t { take_in = 1, promote = 2, remove = 3, transfer = 4 };
std::string_view to_string(GroupChange change);

/// To any node: what has changed since the epoch; 0 asks for all. Answered by MapAnswer.
struct MapRequest {
  Epoch since;
};
/// What the node knows, which may be older than what the asker knows: SlotMap::merge() then changes nothing.
struct MapAnswer {
  SlotMap map;
  std::vector<NodeName> founders;  ///< that its configuration names, in order
};
/// To the node where the directory's replica leads. Answered by ReportAnswer, by whatever node gets it.
struct Report {
  NodeReport report;
};
/// Whether the directory's leader is on this node; if not, `leader` is its replica as far as this node knows (0:
/// not at all). `epoch` is that of this node's map, so that the reporter learns that its own is old.
struct ReportAnswer {
  bool leads = false;
  ReplicaId leader;
  Epoch epoch;
};
/// From the directory's leader to the node where the shard's replica leads: change the group by `replica` (of a
/// transfer: the one that shall lead). Not answered: the next report says what came of it.
struct Order {
  ShardId shard;
  GroupChange change = GroupChange::take_in;
  ReplicaId replica;
};
/// To the node where the directory's replica leads: something that an operator should find in the list of events
/// (RecordEvent). Sent again until it is answered; of too many from one node some are dropped all the same
/// (limits::max_notes_at_once).
struct Note {
  std::uint64_t number = 0;         ///< of the node since its start
  std::string what;
  std::string why;
};
/// The event is written down, or dropped for good.
struct NoteAnswer {
  std::uint64_t number = 0;
};

/// The order is part of the form: append only.
using ControlFrame = std::variant<MapRequest, MapAnswer, Report, ReportAnswer, Order, Note, NoteAnswer>;

Bytes encode(const ControlFrame& frame);
/// protocol if the bytes are not a whole frame, or one that is larger than a cluster can be.
Result<ControlFrame> decode_control_frame(BytesView bytes);

/// What a node that has `map` answers to MapRequest: the shards that changed since, and where all nodes are.
SlotMap map_since(const SlotMap& map, Epoch since);

}  // namespace cairn::cluster::directory
