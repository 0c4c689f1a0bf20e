#include "cluster/control.hpp"

#include <cstdlib>

#include "cluster/directory_codec.hpp"
#include "protocol/limits.hpp"

namespace cairn::cluster::directory {
namespace {

// Beside the overloads below, which would hide them.
using directory::get;
using directory::put;

/// A list of at most `most` items, which is refused before they are read.
template <class T, class GetItem>
void get_list(Reader& in, std::vector<T>& list, std::size_t most, GetItem get_item) {
  const auto count = in.varint();
  // Every item takes at least a byte.
  if (count > most || count > in.remaining()) return in.fail();
  list.clear();
  for (std::uint64_t i = 0; i < count && !in.failed(); ++i) get_item(in, list.emplace_back());
}

template <class T>
void get_list(Reader& in, std::vector<T>& list, std::size_t most) {
  get_list(in, list, most, [](Reader& from, T& item) { get(from, item); });
}

void get_text(Reader& in, std::string& text, std::size_t most) {
  text = in.bytes();
  if (text.size() > most) in.fail();
}

/// Replicas of one group in their one order.
void get_replicas(Reader& in, std::vector<ReplicaId>& ids) {
  get_list(in, ids, limits::max_replicas_per_shard);
  for (std::size_t i = 0; i < ids.size(); ++i)
    if (ids[i] <= (i == 0 ? no_replica : ids[i - 1])) return in.fail();
}

/// As get(Shard), but no longer than a shard can be.
void get_shard(Reader& in, Shard& shard) {
  get(in, shard.id);
  get_list(in, shard.slots, slot_count);
  get_list(in, shard.replicas, limits::max_replicas_per_shard);
  get(in, shard.leader);
  shard.leader_term = in.varint();
  get(in, shard.wanted);
  get(in, shard.changed);
  const auto normal = normalize_slots(shard.slots);
  if (!normal.ok() || *normal != shard.slots) in.fail();
}

void get_address(Reader& in, NodeAddress& address) {
  get(in, address.name);
  address.incarnation = in.varint();
  get_text(in, address.link_address, limits::max_address_bytes);
  get_text(in, address.rpc_address, limits::max_address_bytes);
}

/// The items are in the order of `key`, none twice: merging and looking up rely on it.
template <class T, class Key>
void check_order(Reader& in, const std::vector<T>& list, Key T::*key) {
  for (std::size_t i = 1; i < list.size(); ++i)
    if (!(list[i - 1].*key < list[i].*key)) return in.fail();
}

void put(Writer& out, const ReplicaReport& report) {
  put(out, report.shard);
  put(out, report.replica);
  put(out, report.epoch);
  out.u8(static_cast<std::uint8_t>(report.role)).varint(report.term);
  put(out, report.withdrawn);
  if (report.role != Role::leader) return;
  put(out, report.settled);
  put(out, report.configuration.voters);
  put(out, report.configuration.learners);
  out.varint(report.lag.size());
  for (const auto& [replica, entries] : report.lag) {
    put(out, replica);
    out.varint(entries);
  }
}

void get_lag(Reader& in, std::map<ReplicaId, std::uint64_t>& lag) {
  const auto count = in.varint();
  if (count > limits::max_replicas_per_shard) return in.fail();
  auto last = no_replica;
  for (std::uint64_t i = 0; i < count && !in.failed(); ++i) {
    ReplicaId replica;
    get(in, replica);
    if (replica <= last) return in.fail();
    lag[replica] = in.varint();
    last = replica;
  }
}

void get(Reader& in, ReplicaReport& report) {
  get(in, report.shard);
  get(in, report.replica);
  get(in, report.epoch);
  const auto role = in.u8();
  if (role > static_cast<std::uint8_t>(Role::leader)) return in.fail();
  report.role = static_cast<Role>(role);
  report.term = in.varint();
  get(in, report.withdrawn);
  if (report.role != Role::leader) return;
  get(in, report.settled);
  get_replicas(in, report.configuration.voters);
  get_replicas(in, report.configuration.learners);
  for (const auto id : report.configuration.learners)
    if (report.configuration.has_voter(id)) return in.fail();
  get_lag(in, report.lag);
}

void put(Writer& out, const MapRequest& frame) { put(out, frame.since); }
void get(Reader& in, MapRequest& frame) { get(in, frame.since); }
void put(Writer& out, const MapAnswer& frame) {
  put(out, frame.map);
  out.varint(frame.founders.size());
  for (const auto& founder : frame.founders) put(out, founder);
}
void get(Reader& in, MapAnswer& frame) {
  get(in, frame.map.epoch);
  get_list(in, frame.map.shards, limits::max_shards, get_shard);
  get_list(in, frame.map.nodes, limits::max_nodes, get_address);
  check_order(in, frame.map.shards, &Shard::id);
  check_order(in, frame.map.nodes, &NodeAddress::name);
  get_list(in, frame.founders, limits::max_founders);
}
void put(Writer& out, const Report& frame) {
  put(out, frame.report.node);
  out.varint(frame.report.replicas.size());
  for (const auto& replica : frame.report.replicas) put(out, replica);
}
void get(Reader& in, Report& frame) {
  get(in, frame.report.node);
  if (frame.report.node.empty()) in.fail();
  get_list(in, frame.report.replicas, limits::max_shards, [](Reader& from, ReplicaReport& one) { get(from, one); });
}
void put(Writer& out, const ReportAnswer& frame) {
  put(out, frame.leads);
  put(out, frame.leader);
  put(out, frame.epoch);
}
void get(Reader& in, ReportAnswer& frame) {
  get(in, frame.leads);
  get(in, frame.leader);
  get(in, frame.epoch);
}
void put(Writer& out, const Order& frame) {
  put(out, frame.shard);
  out.u8(static_cast<std::uint8_t>(frame.change));
  put(out, frame.replica);
}
void get(Reader& in, Order& frame) {
  get(in, frame.shard);
  const auto change = in.u8();
  if (change < static_cast<std::uint8_t>(GroupChange::take_in) ||
      change > static_cast<std::uint8_t>(GroupChange::transfer))
    return in.fail();
  frame.change = static_cast<GroupChange>(change);
  get(in, frame.replica);
}
void put(Writer& out, const Note& frame) { out.varint(frame.number).bytes(frame.what).bytes(frame.why); }
void get(Reader& in, Note& frame) {
  frame.number = in.varint();
  get_text(in, frame.what, limits::max_event_text_bytes);
  get_text(in, frame.why, limits::max_event_text_bytes);
}

void put(Writer& out, const NoteAnswer& frame) { out.varint(frame.number); }
void get(Reader& in, NoteAnswer& frame) { frame.number = in.varint(); }

template <std::size_t I = 0>
void get_frame(Reader& in, std::size_t index, ControlFrame& frame) {
  if constexpr (I < std::variant_size_v<ControlFrame>) {
    if (index == I) return get(in, frame.emplace<I>());
    get_frame<I + 1>(in, index, frame);
  } else {
    in.fail();
  }
}

}  // namespace

std::string_view to_string(GroupChange change) {
  switch (change) {
    case GroupChange::take_in:
      return "take in";
    case GroupChange::promote:
      return "promote";
    case GroupChange::remove:
      return "remove";
    case GroupChange::transfer:
      return "transfer leadership to";
  }
  std::abort();
}

Bytes encode(const ControlFrame& frame) {
  Writer out;
  out.u8(static_cast<std::uint8_t>(frame.index() + 1));
  std::visit([&](const auto& one) { put(out, one); }, frame);
  return out.take();
}

Result<ControlFrame> decode_control_frame(BytesView bytes) {
  if (bytes.size() > limits::max_control_frame_bytes)
    return Error{Errc::protocol, "a control frame has " + std::to_string(bytes.size()) + " bytes, which is too many"};
  Reader in(bytes);
  ControlFrame frame;
  const auto kind = in.u8();
  if (kind == 0)
    in.fail();
  else
    get_frame(in, kind - 1u, frame);
  if (!in.finished()) return Error{Errc::protocol, "bytes are not a whole control frame"};
  return frame;
}

SlotMap map_since(const SlotMap& map, Epoch since) {
  SlotMap out;
  out.epoch = map.epoch;
  if (since >= map.epoch) return out;
  for (const auto& shard : map.shards)
    if (shard.changed > since) out.shards.push_back(shard);
  // When an address changed is not known here.
  out.nodes = map.nodes;
  return out;
}

}  // namespace cairn::cluster::directory
