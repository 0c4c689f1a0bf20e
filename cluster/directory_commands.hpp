// What the directory group's log says, what can be asked of the directory, and the answers. What the log
// must not decide (time, reasons) is put in by the proposer. Encoded forms are part of the log and travel
// between nodes: append only (disk_format.md, "Directory"). Plain values, any thread.
//
// `expected` is the epoch at which the proposer saw the node or shard change last; if it has changed since,
// the command is refused as conflict. 0 is "whatever it is now". `why` is one sentence for the event.
// What has no effect (a state that is so already) is Done with the epoch as it was, and no event.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "cluster/directory_types.hpp"

namespace cairn::cluster::directory {

/// The first command: names the cluster, and nodes that are joining at once; others register. already_exists after
/// that.
struct Bootstrap {
  ClusterId cluster;
  std::vector<NodeIdentity> founders;   ///< at most limits::max_founders, of different names
};

/// A node starts. One of a new name, or of a removed one, is joining. One that is known by its data id keeps
/// its replicas; if it was dead it is joining. Under the name of a dead node with other data it is joining
/// and the replicas that the name held are leaving: their data is gone. conflict: an older incarnation, or
/// other data under the name of a node that is not dead; too_large: max_nodes.
struct RegisterNode {
  NodeIdentity node;
};

/// Any state but joining, of a node that is not removed. conflict: removed while it holds replicas.
struct SetNodeState {
  NodeName node;
  NodeState state = NodeState::alive;
  Epoch expected;
  std::string why;
};

/// Makes a shard of slots that no shard owns, with a voter on each of `nodes`. The first one is the directory's
/// own, which owns no slots; every other owns some. already_exists: a slot is owned; too_large: max_shards.
struct MakeShard {
  std::vector<SlotRange> slots;         ///< empty for the directory's shard, and only for it
  std::vector<NodeName> nodes;          ///< registered metadata nodes, at least one
  std::uint32_t wanted = 3;
  std::string why;
};

/// Moves slots from one shard to another, which is not the directory's. conflict: `from` does not own them all.
struct AssignSlots {
  ShardId from;
  ShardId to;
  std::vector<SlotRange> slots;
  Epoch expected_from;
  Epoch expected_to;
  std::string why;
};

struct SetWanted {
  ShardId shard;
  std::uint32_t wanted = 3;
  Epoch expected;
  std::string why;
};

/// Puts a learner with a new id on a metadata node that is joining or alive. already_exists: the node holds
/// a replica of the shard.
struct AddReplica {
  ShardId shard;
  NodeName node;
  Epoch expected;
  std::string why;
};

/// A learner is a voter. conflict: it is leaving.
struct PromoteReplica {
  ShardId shard;
  ReplicaId replica;
  Epoch expected;
  std::string why;
};

/// A replica is leaving. conflict: it is the only one that stays.
struct RemoveReplica {
  ShardId shard;
  ReplicaId replica;
  Epoch expected;
  std::string why;
};

/// A leaving replica is out of its group: nothing speaks of it any more. conflict: it is not leaving.
struct ForgetReplica {
  ShardId shard;
  ReplicaId replica;
  Epoch expected;
  std::string why;
};

/// A replica leads in `term`. conflict: another is known to lead in that term or a later one.
struct LeaderChanged {
  ShardId shard;
  ReplicaId replica;
  std::uint64_t term = 0;
};

/// Sets one of known_settings() to a number in its range; an empty value brings back the default.
struct SetSetting {
  std::string name;
  std::string value;
  std::string why;
};

/// Only an event: something that an operator should find in the list.
struct RecordEvent {
  std::string what;
  std::string why;
};

/// The order is part of the log: append only.
using CommandBody = std::variant<Bootstrap, RegisterNode, SetNodeState, MakeShard, AssignSlots, SetWanted, AddReplica,
                                 PromoteReplica, RemoveReplica, ForgetReplica, LeaderChanged, SetSetting, RecordEvent>;

struct Command {
  Timestamp now;                        ///< the proposer's clock; the machine never lets time go back
  CommandBody body;
};

/// Took effect, or had none; the directory's epoch after it.
struct Done { Epoch epoch; };
struct ShardMade { Epoch epoch; ShardId shard; std::vector<ReplicaId> replicas; };   ///< in the order of the nodes
struct ReplicaAdded { Epoch epoch; ReplicaId replica; };
using CommandResult = std::variant<Error, Done, ShardMade, ReplicaAdded>;

/// Everything that changed after `since`; 0 is the whole map.
struct GetMap { Epoch since; };                                            ///< -> SlotMap
struct GetNodes { NodeName after; std::uint32_t limit = 0; };              ///< -> Nodes, by name
struct GetNode { NodeName node; };                                         ///< -> Nodes of one
struct GetShard { ShardId shard; };                                        ///< -> ShardFound
struct GetEvents { std::uint64_t before = 0; std::uint32_t limit = 0; };   ///< -> Events, newest first; 0: the last
struct GetSettings {};                                                     ///< -> SettingsFound
/// What changed after `since`; 0 is all.
struct GetState { Epoch since; };                                          ///< -> StateChanges

/// The order is part of the form between nodes: append only.
using Query = std::variant<GetMap, GetNodes, GetNode, GetShard, GetEvents, GetSettings, GetState>;

struct Nodes { std::vector<Node> nodes; bool more = false; };
struct ShardFound { Epoch epoch; Shard shard; };
struct Events { std::vector<Event> events; bool more = false; };
struct Setting { std::string name; std::string value; };
struct SettingsFound { Epoch epoch; std::vector<Setting> settings; };       ///< all of them, with defaults
using QueryResult = std::variant<Error, SlotMap, Nodes, ShardFound, Events, SettingsFound, StateChanges>;

Bytes encode(const Command& command);
/// protocol if the bytes are not a whole command.
Result<Command> decode_command(BytesView bytes);
Bytes encode(const CommandResult& result);
Result<CommandResult> decode_command_result(BytesView bytes);
Bytes encode(const Query& query);
Result<Query> decode_query(BytesView bytes);
Bytes encode(const QueryResult& result);
Result<QueryResult> decode_query_result(BytesView bytes);

}  // namespace cairn::cluster::directory
