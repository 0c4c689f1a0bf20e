#include "protocol/admin_capnp.hpp"

namespace cairn {
namespace {

using Rpc = rpc::AdminStatus;
using Value = AdminStatus;

std::string text_of(capnp::Text::Reader in) { return std::string(in.begin(), in.size()); }
capnp::Text::Reader to_text(const std::string& text) { return {text.c_str(), text.size()}; }

std::vector<std::string> texts_of(capnp::List<capnp::Text>::Reader in) {
  std::vector<std::string> out;
  for (const auto text : in) out.push_back(text_of(text));
  return out;
}

void put_texts(const std::vector<std::string>& values, capnp::List<capnp::Text>::Builder out) {
  for (std::size_t i = 0; i < values.size(); ++i) out.set(i, to_text(values[i]));
}

// The overloads that put_all() and take_all() choose from.
void put(const Value::Actor& value, Rpc::Actor::Builder out);
void take(Rpc::Actor::Reader in, Value::Actor& out);
void put(const Value::Link& value, Rpc::Link::Builder out);
void take(Rpc::Link::Reader in, Value::Link& out);
void put(const Value::Lag& value, Rpc::Lag::Builder out);
void take(Rpc::Lag::Reader in, Value::Lag& out);
void put(const Value::Replica& value, Rpc::Replica::Builder out);
void take(Rpc::Replica::Reader in, Value::Replica& out);
void put(const Value::Member& value, Rpc::Member::Builder out);
void take(Rpc::Member::Reader in, Value::Member& out);
void put(const Value::SlotRange& value, Rpc::SlotRange::Builder out);
void take(Rpc::SlotRange::Reader in, Value::SlotRange& out);
void put(const Value::Placed& value, Rpc::Placed::Builder out);
void take(Rpc::Placed::Reader in, Value::Placed& out);
void put(const Value::Shard& value, Rpc::Shard::Builder out);
void take(Rpc::Shard::Reader in, Value::Shard& out);
void put(const Value::Setting& value, Rpc::Setting::Builder out);
void take(Rpc::Setting::Reader in, Value::Setting& out);
void put(const Value::Event& value, Rpc::Event::Builder out);
void take(Rpc::Event::Reader in, Value::Event& out);

/// Each value into its place of the list, by put().
template <class Values, class Builder>
void put_all(const Values& values, Builder out) {
  for (std::size_t i = 0; i < values.size(); ++i) put(values[i], out[i]);
}

/// Each of the list, by take().
template <class Part, class Reader>
std::vector<Part> take_all(Reader in) {
  std::vector<Part> out;
  for (const auto part : in) {
    out.emplace_back();
    take(part, out.back());
  }
  return out;
}

void put(const Value::Node& value, Rpc::Node::Builder out) {
  out.setName(to_text(value.name));
  out.setVersion(to_text(value.version));
  out.setIncarnation(value.incarnation);
  out.setUptimeMillis(value.uptime_millis);
  out.setZone(to_text(value.zone));
  put_texts(value.roles, out.initRoles(value.roles.size()));
  out.setRpcAddress(to_text(value.rpc_address));
  out.setLinkAddress(to_text(value.link_address));
  out.setRegistered(value.registered);
  out.setMapEpoch(value.map_epoch);
}
void take(Rpc::Node::Reader in, Value::Node& out) {
  out = {text_of(in.getName()), text_of(in.getVersion()), in.getIncarnation(),         in.getUptimeMillis(),
         text_of(in.getZone()), texts_of(in.getRoles()),  text_of(in.getRpcAddress()), text_of(in.getLinkAddress()),
         in.getRegistered(),    in.getMapEpoch()};
}

void put(const Value::Actor& value, Rpc::Actor::Builder out) {
  out.setName(to_text(value.name));
  out.setRunning(value.running);
  out.setRestarts(value.restarts);
  out.setLastCrash(to_text(value.last_crash));
}
void take(Rpc::Actor::Reader in, Value::Actor& out) {
  out = {text_of(in.getName()), in.getRunning(), in.getRestarts(), text_of(in.getLastCrash())};
}

void put(const Value::Link& value, Rpc::Link::Builder out) {
  out.setPeer(to_text(value.peer));
  out.setAddress(to_text(value.address));
  out.setState(to_text(value.state));
  out.setDials(value.dials);
  out.setIncarnation(value.incarnation);
  out.setClockSkewMillis(value.clock_skew_millis);
  out.setTimesUp(value.times_up);
  out.setBufferedBytes(value.buffered_bytes);
  out.setBytesSent(value.bytes_sent);
  out.setBytesReceived(value.bytes_received);
  out.setLastError(to_text(value.last_error));
}
void take(Rpc::Link::Reader in, Value::Link& out) {
  out = {text_of(in.getPeer()), text_of(in.getAddress()), text_of(in.getState()),    in.getDials(),
         in.getIncarnation(),   in.getClockSkewMillis(),  in.getTimesUp(),           in.getBufferedBytes(),
         in.getBytesSent(),     in.getBytesReceived(),    text_of(in.getLastError())};
}

void put(const Value::Lag& value, Rpc::Lag::Builder out) {
  out.setReplica(value.replica);
  out.setEntries(value.entries);
}
void take(Rpc::Lag::Reader in, Value::Lag& out) { out = {in.getReplica(), in.getEntries()}; }

void put(const Value::Replica& value, Rpc::Replica::Builder out) {
  out.setShard(value.shard);
  out.setId(value.id);
  out.setRole(to_text(value.role));
  out.setTerm(value.term);
  out.setLeader(value.leader);
  out.setApplied(value.applied);
  out.setCommitted(value.committed);
  out.setLastIndex(value.last_index);
  out.setCheckpointed(value.checkpointed);
  out.setLogBytes(value.log_bytes);
  out.setWithdrawn(value.withdrawn);
  out.setSettled(value.settled);
  put_all(value.lag, out.initLag(value.lag.size()));
  out.setWithdrawnWhy(to_text(value.withdrawn_why));
}
void take(Rpc::Replica::Reader in, Value::Replica& out) {
  out = {in.getShard(),
         in.getId(),
         text_of(in.getRole()),
         in.getTerm(),
         in.getLeader(),
         in.getApplied(),
         in.getCommitted(),
         in.getLastIndex(),
         in.getCheckpointed(),
         in.getLogBytes(),
         in.getWithdrawn(),
         in.getSettled(),
         take_all<Value::Lag>(in.getLag()),
         text_of(in.getWithdrawnWhy())};
}

void put(const Value::Member& value, Rpc::Member::Builder out) {
  out.setName(to_text(value.name));
  out.setState(to_text(value.state));
  out.setZone(to_text(value.zone));
  put_texts(value.roles, out.initRoles(value.roles.size()));
  out.setLinkAddress(to_text(value.link_address));
  out.setRpcAddress(to_text(value.rpc_address));
  out.setIncarnation(value.incarnation);
}
void take(Rpc::Member::Reader in, Value::Member& out) {
  out = {text_of(in.getName()),        text_of(in.getState()),      text_of(in.getZone()), texts_of(in.getRoles()),
         text_of(in.getLinkAddress()), text_of(in.getRpcAddress()), in.getIncarnation()};
}

void put(const Value::SlotRange& value, Rpc::SlotRange::Builder out) {
  out.setFirst(value.first);
  out.setLast(value.last);
}
void take(Rpc::SlotRange::Reader in, Value::SlotRange& out) { out = {in.getFirst(), in.getLast()}; }

void put(const Value::Placed& value, Rpc::Placed::Builder out) {
  out.setReplica(value.replica);
  out.setNode(to_text(value.node));
  out.setKind(to_text(value.kind));
}
void take(Rpc::Placed::Reader in, Value::Placed& out) {
  out = {in.getReplica(), text_of(in.getNode()), text_of(in.getKind())};
}

void put(const Value::Shard& value, Rpc::Shard::Builder out) {
  out.setId(value.id);
  put_all(value.slots, out.initSlots(value.slots.size()));
  put_all(value.placed, out.initPlaced(value.placed.size()));
  out.setLeader(value.leader);
  out.setLeaderTerm(value.leader_term);
  out.setWanted(value.wanted);
}
void take(Rpc::Shard::Reader in, Value::Shard& out) {
  out = {in.getId(),
         take_all<Value::SlotRange>(in.getSlots()),
         take_all<Value::Placed>(in.getPlaced()),
         in.getLeader(),
         in.getLeaderTerm(),
         in.getWanted()};
}

void put(const Value::Setting& value, Rpc::Setting::Builder out) {
  out.setName(to_text(value.name));
  out.setValue(to_text(value.value));
}
void take(Rpc::Setting::Reader in, Value::Setting& out) { out = {text_of(in.getName()), text_of(in.getValue())}; }

void put(const Value::Event& value, Rpc::Event::Builder out) {
  out.setNumber(value.number);
  out.setTimeMillis(value.time_millis);
  out.setWhat(to_text(value.what));
  out.setWhy(to_text(value.why));
}
void take(Rpc::Event::Reader in, Value::Event& out) {
  out = {in.getNumber(), in.getTimeMillis(), text_of(in.getWhat()), text_of(in.getWhy())};
}

void put(const Value::Directory& value, Rpc::Directory::Builder out) {
  out.setEpoch(value.epoch);
  put_all(value.nodes, out.initNodes(value.nodes.size()));
  put_all(value.shards, out.initShards(value.shards.size()));
  put_all(value.settings, out.initSettings(value.settings.size()));
  put_all(value.events, out.initEvents(value.events.size()));
}
void take(Rpc::Directory::Reader in, Value::Directory& out) {
  out = {in.getEpoch(), take_all<Value::Member>(in.getNodes()), take_all<Value::Shard>(in.getShards()),
         take_all<Value::Setting>(in.getSettings()), take_all<Value::Event>(in.getEvents())};
}

}  // namespace

void to_capnp(const AdminStatus& value, rpc::AdminStatus::Builder out) {
  put(value.node, out.initNode());
  put_all(value.actors, out.initActors(value.actors.size()));
  put_all(value.links, out.initLinks(value.links.size()));
  put_all(value.replicas, out.initReplicas(value.replicas.size()));
  put(value.directory, out.initDirectory());
  put_texts(value.missing, out.initMissing(value.missing.size()));
}

AdminStatus from_capnp(rpc::AdminStatus::Reader in) {
  AdminStatus out;
  take(in.getNode(), out.node);
  out.actors = take_all<Value::Actor>(in.getActors());
  out.links = take_all<Value::Link>(in.getLinks());
  out.replicas = take_all<Value::Replica>(in.getReplicas());
  take(in.getDirectory(), out.directory);
  out.missing = texts_of(in.getMissing());
  return out;
}

}  // namespace cairn
