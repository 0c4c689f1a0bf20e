#include "cluster/directory_codec.hpp"

namespace cairn::cluster::directory {
namespace {

template <class Enum>
void get_enum(Reader& in, Enum& value, Enum last) {
  const auto number = in.u8();
  if (number > static_cast<std::uint8_t>(last)) return in.fail();
  value = static_cast<Enum>(number);
}

}  // namespace

void put(Writer& out, const NodeName& name) { out.bytes(name.text()); }
void get(Reader& in, NodeName& name) {
  const auto text = in.bytes();
  name = {};
  if (text.empty()) return;
  const auto parsed = NodeName::parse(text);
  if (!parsed.ok()) return in.fail();
  name = *parsed;
}

void put(Writer& out, NodeState state) { out.u8(static_cast<std::uint8_t>(state)); }
void get(Reader& in, NodeState& state) { get_enum(in, state, NodeState::removed); }

void put(Writer& out, const NodeIdentity& node) {
  put(out, node.name);
  out.varint(node.incarnation).bytes(node.link_address).bytes(node.rpc_address).bytes(node.zone);
  out.u8(node.roles.bits);
  put(out, node.data);
}
void get(Reader& in, NodeIdentity& node) {
  get(in, node.name);
  node.incarnation = in.varint();
  node.link_address = in.bytes();
  node.rpc_address = in.bytes();
  node.zone = in.bytes();
  node.roles.bits = in.u8();
  get(in, node.data);
}

void put(Writer& out, const Node& node) {
  put(out, static_cast<const NodeIdentity&>(node));
  put(out, node.state);
  put(out, node.changed);
}
void get(Reader& in, Node& node) {
  get(in, static_cast<NodeIdentity&>(node));
  get(in, node.state);
  get(in, node.changed);
}

void put(Writer& out, const SlotRange& range) { out.varint(range.first).varint(range.last); }
void get(Reader& in, SlotRange& range) {
  range.first = get_number<std::uint16_t>(in);
  range.last = get_number<std::uint16_t>(in);
}

void put(Writer& out, const Replica& replica) {
  put(out, replica.id);
  put(out, replica.node);
  out.u8(static_cast<std::uint8_t>(replica.kind));
}
void get(Reader& in, Replica& replica) {
  get(in, replica.id);
  get(in, replica.node);
  get_enum(in, replica.kind, ReplicaKind::leaving);
}

void put(Writer& out, const Shard& shard) {
  put(out, shard.id);
  put(out, shard.slots);
  put(out, shard.replicas);
  put(out, shard.leader);
  out.varint(shard.leader_term).varint(shard.wanted);
  put(out, shard.changed);
}
void get(Reader& in, Shard& shard) {
  get(in, shard.id);
  get(in, shard.slots);
  get(in, shard.replicas);
  get(in, shard.leader);
  shard.leader_term = in.varint();
  get(in, shard.wanted);
  get(in, shard.changed);
}

void put(Writer& out, const std::map<std::string, std::string>& settings) {
  out.varint(settings.size());
  for (const auto& [name, value] : settings) out.bytes(name).bytes(value);
}
void get(Reader& in, std::map<std::string, std::string>& settings) {
  settings.clear();
  const auto count = in.varint();
  for (std::uint64_t i = 0; i < count && !in.failed(); ++i) {
    const std::string name(in.bytes());
    if (!settings.empty() && name <= settings.rbegin()->first) return in.fail();
    settings[name] = in.bytes();
  }
}

void put(Writer& out, const StateChanges& changes) {
  put(out, changes.cluster);
  put(out, changes.epoch);
  put(out, changes.nodes);
  put(out, changes.shards);
  put(out, changes.settings);
}
void get(Reader& in, StateChanges& changes) {
  get(in, changes.cluster);
  get(in, changes.epoch);
  get(in, changes.nodes);
  get(in, changes.shards);
  get(in, changes.settings);
}

void put(Writer& out, const Event& event) {
  out.varint(event.number);
  put(out, event.time);
  out.bytes(event.what).bytes(event.why);
}
void get(Reader& in, Event& event) {
  event.number = in.varint();
  get(in, event.time);
  event.what = in.bytes();
  event.why = in.bytes();
}

void put(Writer& out, const NodeAddress& address) {
  put(out, address.name);
  out.varint(address.incarnation).bytes(address.link_address).bytes(address.rpc_address);
}
void get(Reader& in, NodeAddress& address) {
  get(in, address.name);
  address.incarnation = in.varint();
  address.link_address = in.bytes();
  address.rpc_address = in.bytes();
}

void put(Writer& out, const SlotMap& map) {
  put(out, map.epoch);
  put(out, map.shards);
  put(out, map.nodes);
}
void get(Reader& in, SlotMap& map) {
  get(in, map.epoch);
  get(in, map.shards);
  get(in, map.nodes);
}

}  // namespace cairn::cluster::directory
