// The binary form of the directory's values inside rows, commands, queries and answers. Like
// model_codec.hpp: put() writes, get() reads and fails the Reader on what can never be written. Pure
// functions, any thread.
#pragma once

#include "cluster/directory_types.hpp"
#include "cluster/model_codec.hpp"

namespace cairn::cluster::directory {

// Beside the overloads below, which would hide them.
using cluster::get;
using cluster::put;

void put(Writer& out, const NodeName& name);
/// Takes the empty name, too.
void get(Reader& in, NodeName& name);
void put(Writer& out, NodeState state);
void get(Reader& in, NodeState& state);
void put(Writer& out, const NodeIdentity& node);
void get(Reader& in, NodeIdentity& node);
void put(Writer& out, const Node& node);
void get(Reader& in, Node& node);
void put(Writer& out, const SlotRange& range);
void get(Reader& in, SlotRange& range);
void put(Writer& out, const Replica& replica);
void get(Reader& in, Replica& replica);
void put(Writer& out, const Shard& shard);
void get(Reader& in, Shard& shard);
/// In the order of their names.
void put(Writer& out, const std::map<std::string, std::string>& settings);
void get(Reader& in, std::map<std::string, std::string>& settings);
void put(Writer& out, const StateChanges& changes);
void get(Reader& in, StateChanges& changes);
void put(Writer& out, const Event& event);
void get(Reader& in, Event& event);
void put(Writer& out, const NodeAddress& address);
void get(Reader& in, NodeAddress& address);
void put(Writer& out, const SlotMap& map);
void get(Reader& in, SlotMap& map);

}  // namespace cairn::cluster::directory
