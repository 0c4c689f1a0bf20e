#include "cluster/directory_commands.hpp"

#include "cluster/directory_codec.hpp"

namespace cairn::cluster::directory {

static void put(Writer& out, std::uint64_t n) { out.varint(n); }
static void get(Reader& in, std::uint64_t& n) { n = in.varint(); }

// The fields of a form, in its order.
template <class... Field>
static void put_all(Writer& out, const Field&... fields) {
  (put(out, fields), ...);
}
template <class... Field>
static void get_all(Reader& in, Field&... fields) {
  (get(in, fields), ...);
}

static void put(Writer& out, const Bootstrap& value) { put_all(out, value.cluster, value.founders); }
static void get(Reader& in, Bootstrap& value) { get_all(in, value.cluster, value.founders); }
static void put(Writer& out, const RegisterNode& value) { put_all(out, value.node); }
static void get(Reader& in, RegisterNode& value) { get_all(in, value.node); }
static void put(Writer& out, const SetNodeState& value) {
  put_all(out, value.node, value.state, value.expected, value.why);
}
static void get(Reader& in, SetNodeState& value) { get_all(in, value.node, value.state, value.expected, value.why); }
static void put(Writer& out, const MakeShard& value) {
  put_all(out, value.slots, value.nodes, value.wanted, value.why);
}
static void get(Reader& in, MakeShard& value) { get_all(in, value.slots, value.nodes, value.wanted, value.why); }
static void put(Writer& out, const AssignSlots& value) {
  put_all(out, value.from, value.to, value.slots, value.expected_from, value.expected_to, value.why);
}
static void get(Reader& in, AssignSlots& value) {
  get_all(in, value.from, value.to, value.slots, value.expected_from, value.expected_to, value.why);
}
static void put(Writer& out, const SetWanted& value) {
  put_all(out, value.shard, value.wanted, value.expected, value.why);
}
static void get(Reader& in, SetWanted& value) { get_all(in, value.shard, value.wanted, value.expected, value.why); }
static void put(Writer& out, const AddReplica& value) {
  put_all(out, value.shard, value.node, value.expected, value.why);
}
static void get(Reader& in, AddReplica& value) { get_all(in, value.shard, value.node, value.expected, value.why); }
static void put(Writer& out, const PromoteReplica& value) {
  put_all(out, value.shard, value.replica, value.expected, value.why);
}
static void get(Reader& in, PromoteReplica& value) {
  get_all(in, value.shard, value.replica, value.expected, value.why);
}
static void put(Writer& out, const RemoveReplica& value) {
  put_all(out, value.shard, value.replica, value.expected, value.why);
}
static void get(Reader& in, RemoveReplica& value) {
  get_all(in, value.shard, value.replica, value.expected, value.why);
}
static void put(Writer& out, const ForgetReplica& value) {
  put_all(out, value.shard, value.replica, value.expected, value.why);
}
static void get(Reader& in, ForgetReplica& value) {
  get_all(in, value.shard, value.replica, value.expected, value.why);
}
static void put(Writer& out, const LeaderChanged& value) { put_all(out, value.shard, value.replica, value.term); }
static void get(Reader& in, LeaderChanged& value) { get_all(in, value.shard, value.replica, value.term); }
static void put(Writer& out, const SetSetting& value) { put_all(out, value.name, value.value, value.why); }
static void get(Reader& in, SetSetting& value) { get_all(in, value.name, value.value, value.why); }
static void put(Writer& out, const RecordEvent& value) { put_all(out, value.what, value.why); }
static void get(Reader& in, RecordEvent& value) { get_all(in, value.what, value.why); }
static void put(Writer& out, const Command& value) { put_all(out, value.now, value.body); }
static void get(Reader& in, Command& value) { get_all(in, value.now, value.body); }
static void put(Writer& out, const Done& value) { put_all(out, value.epoch); }
static void get(Reader& in, Done& value) { get_all(in, value.epoch); }
static void put(Writer& out, const ShardMade& value) { put_all(out, value.epoch, value.shard, value.replicas); }
static void get(Reader& in, ShardMade& value) { get_all(in, value.epoch, value.shard, value.replicas); }
static void put(Writer& out, const ReplicaAdded& value) { put_all(out, value.epoch, value.replica); }
static void get(Reader& in, ReplicaAdded& value) { get_all(in, value.epoch, value.replica); }
static void put(Writer& out, const GetMap& value) { put_all(out, value.since); }
static void get(Reader& in, GetMap& value) { get_all(in, value.since); }
static void put(Writer& out, const GetNodes& value) { put_all(out, value.after, value.limit); }
static void get(Reader& in, GetNodes& value) { get_all(in, value.after, value.limit); }
static void put(Writer& out, const GetNode& value) { put_all(out, value.node); }
static void get(Reader& in, GetNode& value) { get_all(in, value.node); }
static void put(Writer& out, const GetShard& value) { put_all(out, value.shard); }
static void get(Reader& in, GetShard& value) { get_all(in, value.shard); }
static void put(Writer& out, const GetEvents& value) { put_all(out, value.before, value.limit); }
static void get(Reader& in, GetEvents& value) { get_all(in, value.before, value.limit); }
static void put(Writer&, const GetSettings&) {}
static void get(Reader&, GetSettings&) {}
static void put(Writer& out, const GetState& value) { put_all(out, value.since); }
static void get(Reader& in, GetState& value) { get_all(in, value.since); }
static void put(Writer& out, const Nodes& value) { put_all(out, value.nodes, value.more); }
static void get(Reader& in, Nodes& value) { get_all(in, value.nodes, value.more); }
static void put(Writer& out, const ShardFound& value) { put_all(out, value.epoch, value.shard); }
static void get(Reader& in, ShardFound& value) { get_all(in, value.epoch, value.shard); }
static void put(Writer& out, const Events& value) { put_all(out, value.events, value.more); }
static void get(Reader& in, Events& value) { get_all(in, value.events, value.more); }
static void put(Writer& out, const Setting& value) { put_all(out, value.name, value.value); }
static void get(Reader& in, Setting& value) { get_all(in, value.name, value.value); }
static void put(Writer& out, const SettingsFound& value) { put_all(out, value.epoch, value.settings); }
static void get(Reader& in, SettingsFound& value) { get_all(in, value.epoch, value.settings); }

Bytes encode(const Command& value) { return put_whole(value); }
Result<Command> decode_command(BytesView bytes) { return get_whole<Command>(bytes, "directory command"); }
Bytes encode(const CommandResult& value) { return put_whole(value); }
Result<CommandResult> decode_command_result(BytesView bytes) {
  return get_whole<CommandResult>(bytes, "directory command result");
}
Bytes encode(const Query& value) { return put_whole(value); }
Result<Query> decode_query(BytesView bytes) { return get_whole<Query>(bytes, "directory query"); }
Bytes encode(const QueryResult& value) { return put_whole(value); }
Result<QueryResult> decode_query_result(BytesView bytes) {
  return get_whole<QueryResult>(bytes, "directory query result");
}

}  // namespace cairn::cluster::directory
