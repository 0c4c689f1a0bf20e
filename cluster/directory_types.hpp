// The directory's values: the cluster's own small state, of which every node knows a copy as old as its
// epoch. Changed only by the commands of directory_commands.hpp. Plain values, any thread.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/raft_types.hpp"
#include "protocol/error.hpp"
#include "protocol/ids.hpp"

namespace cairn::cluster::directory {

/// The name of a node, as check_node_name() has it. Default-made it is empty: no node.
class NodeName {
 public:
  NodeName() = default;
  /// invalid_argument with the rule that is broken.
  static Result<NodeName> parse(std::string_view text);
  const std::string& text() const { return text_; }
  bool empty() const { return text_.empty(); }
  friend auto operator<=>(const NodeName&, const NodeName&) = default;

 private:
  explicit NodeName(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

/// The directory's version number: each change raises it by one. 0 is before the first.
using Epoch = StrongId<struct EpochTag, std::uint64_t>;
/// From 1, never reused.
using ShardId = StrongId<struct ShardTag, std::uint32_t>;
/// The shard of the directory's own rows: the first that is made, with no slots. As the first, its replicas get
/// the ids 1, 2, … in the order of its nodes. The cluster's founders rely on that: before there is any row they
/// start their replicas of it, the founder at place n by name under id n.
inline constexpr ShardId directory_shard{1};
/// A random number in a node's data folder: what lies there belongs to the node that registered it.
using DataId = StrongId<struct DataTag, std::uint64_t>;
using ClusterId = StrongId<struct ClusterTag, std::uint64_t>;

/// What a node does, as bits.
enum class NodeRole : std::uint8_t { gateway = 1, api = 2, block = 4, metadata = 8 };
struct Roles {
  std::uint8_t bits = 0;
  bool has(NodeRole role) const { return (bits & static_cast<std::uint8_t>(role)) != 0; }
  Roles with(NodeRole role) const { return {static_cast<std::uint8_t>(bits | static_cast<std::uint8_t>(role))}; }
  friend bool operator==(const Roles&, const Roles&) = default;
};
inline constexpr Roles all_roles{15};
/// In the order of their bits.
inline constexpr NodeRole every_role[] = {NodeRole::gateway, NodeRole::api, NodeRole::block, NodeRole::metadata};
std::string_view to_string(NodeRole role);
/// The word of each role.
std::vector<std::string> words_of(Roles roles);

/// Numbers are part of rows and commands: append only.
enum class NodeState : std::uint8_t {
  joining = 0,    ///< registered, not yet heard by the directory's leader
  alive = 1,
  dead = 2,       ///< not heard for dead_after
  draining = 3,   ///< to be emptied; whether it is heard is not said
  removed = 4,    ///< no member any more; its row is kept so that the name is known
};
std::string_view to_string(NodeState state);

/// What a node says of itself when it registers.
struct NodeIdentity {
  NodeName name;
  std::uint64_t incarnation = 0;    ///< larger at each start
  std::string link_address;         ///< host:port; empty if it has no links: a cluster of one node
  std::string rpc_address;          ///< host:port; empty if it serves no clients
  std::string zone;                 ///< what fails together
  Roles roles;
  DataId data;
  friend bool operator==(const NodeIdentity&, const NodeIdentity&) = default;
};

struct Node : NodeIdentity {
  NodeState state = NodeState::joining;
  Epoch changed;                    ///< the epoch of its last change
  friend bool operator==(const Node&, const Node&) = default;
};

/// Numbers are part of rows: append only.
enum class ReplicaKind : std::uint8_t {
  voter = 0,
  learner = 1,    ///< to be filled and made a voter
  leaving = 2,    ///< to be taken out of the group; it may still vote
};
std::string_view to_string(ReplicaKind kind);

struct Replica {
  ReplicaId id;                     ///< unique in the cluster, never reused
  NodeName node;
  ReplicaKind kind = ReplicaKind::voter;
  friend bool operator==(const Replica&, const Replica&) = default;
};

/// Slots `first` to `last`, both included.
struct SlotRange {
  std::uint16_t first = 0;
  std::uint16_t last = 0;
  friend auto operator<=>(const SlotRange&, const SlotRange&) = default;
};
inline constexpr SlotRange all_slots{0, slot_count - 1};

struct Shard {
  ShardId id;
  std::vector<SlotRange> slots;     ///< ascending, never touching
  std::vector<Replica> replicas;    ///< by id; no two on one node
  ReplicaId leader;                 ///< the last one heard of: a hint
  std::uint64_t leader_term = 0;
  std::uint32_t wanted = 3;         ///< replicas: odd, 1 to limits::max_wanted_replicas
  Epoch changed;                    ///< the epoch of its last change

  const Replica* find(ReplicaId id) const;
  const Replica* find_on(const NodeName& node) const;
  friend bool operator==(const Shard&, const Shard&) = default;
};

/// Something that was done, and why.
struct Event {
  std::uint64_t number = 0;         ///< dense from 1
  Timestamp time;
  std::string what;
  std::string why;
  friend bool operator==(const Event&, const Event&) = default;
};

/// All of the directory but its events.
struct DirectoryState {
  ClusterId cluster;                ///< 0 before Bootstrap
  Epoch epoch;
  std::map<NodeName, Node> nodes;
  std::map<ShardId, Shard> shards;
  std::map<std::string, std::string> settings;   ///< those that differ from their default
  friend bool operator==(const DirectoryState&, const DirectoryState&) = default;
};

/// All of the directory but its events, as far as it changed after an epoch; settings always whole.
struct StateChanges {
  ClusterId cluster;
  Epoch epoch;
  std::vector<Node> nodes;          ///< by name
  std::vector<Shard> shards;        ///< by id
  std::map<std::string, std::string> settings;
  friend bool operator==(const StateChanges&, const StateChanges&) = default;
};

/// Takes in the changes after `state.epoch`; those of an older epoch change nothing.
void merge(DirectoryState& state, StateChanges changes);

/// The addresses of a node, for who must reach it.
struct NodeAddress {
  NodeName name;
  std::uint64_t incarnation = 0;
  std::string link_address;
  std::string rpc_address;
  friend bool operator==(const NodeAddress&, const NodeAddress&) = default;
};

/// Where each slot is. As the answer to "since an epoch": the shards and nodes that changed after it.
struct SlotMap {
  Epoch epoch;
  std::vector<Shard> shards;        ///< by id
  std::vector<NodeAddress> nodes;   ///< by name: those that hold replicas
  friend bool operator==(const SlotMap&, const SlotMap&) = default;

  /// Takes in what is newer; an answer that is older changes nothing.
  void merge(const SlotMap& newer);
  /// The shard of each slot by its number; shard 0 where there is none.
  std::vector<ShardId> by_slot() const;
};

/// The ranges in their one form: ascending, none touching another. invalid_argument if one is reversed or
/// outside the slots, or two share a slot.
Result<std::vector<SlotRange>> normalize_slots(std::vector<SlotRange> ranges);
bool share_a_slot(const std::vector<SlotRange>& a, const std::vector<SlotRange>& b);
/// `a`, which holds all of `b`, without them; nothing if it does not hold them all. Both in normal form.
std::optional<std::vector<SlotRange>> without_slots(const std::vector<SlotRange>& a, const std::vector<SlotRange>& b);

}  // namespace cairn::cluster::directory
