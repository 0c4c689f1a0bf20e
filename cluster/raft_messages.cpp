#include "cluster/raft_messages.hpp"

#include "protocol/codec.hpp"

namespace cairn::cluster {
namespace {

bool get_bool(Reader& in) {
  const auto byte = in.u8();
  if (byte > 1) in.fail();
  return byte == 1;
}

// Its body follows.
void put_head(Writer& out, const storage::LogEntry& entry) {
  out.varint(entry.index).varint(entry.term).u8(entry.kind).varint(entry.body.size());
}
void get(Reader& in, storage::LogEntry& entry) {
  entry.index = in.varint();
  entry.term = in.varint();
  entry.kind = in.u8();
  entry.body = Bytes(in.bytes());
}

void put(Writer& out, const VoteRequest& m) {
  out.u8(m.pre).u8(m.transfer).varint(m.last_index).varint(m.last_term);
}
void get(Reader& in, VoteRequest& m) {
  m.pre = get_bool(in);
  m.transfer = get_bool(in);
  m.last_index = in.varint();
  m.last_term = in.varint();
}

void put(Writer& out, const VoteAnswer& m) { out.u8(m.pre).u8(m.granted); }
void get(Reader& in, VoteAnswer& m) {
  m.pre = get_bool(in);
  m.granted = get_bool(in);
}

// What precedes the entries, which encode() adds.
void put(Writer& out, const Append& m) {
  out.varint(m.prev_index).varint(m.prev_term).varint(m.commit).varint(m.round).varint(m.entries.size());
}
void get(Reader& in, Append& m) {
  m.prev_index = in.varint();
  m.prev_term = in.varint();
  m.commit = in.varint();
  m.round = in.varint();
  const auto count = in.varint();
  if (count > in.remaining()) return in.fail();
  auto expected = m.prev_index;
  auto term = m.prev_term;
  for (std::uint64_t i = 0; i < count && !in.failed(); ++i) {
    auto& entry = m.entries.emplace_back();
    get(in, entry);
    if (entry.index != ++expected || entry.term < term) in.fail();
    term = entry.term;
  }
}

void put(Writer& out, const AppendAnswer& m) {
  out.u8(m.accepted).varint(m.index).varint(m.hint).varint(m.round);
}
void get(Reader& in, AppendAnswer& m) {
  m.accepted = get_bool(in);
  m.index = in.varint();
  m.hint = in.varint();
  m.round = in.varint();
}

void put(Writer& out, const Heartbeat& m) { out.varint(m.commit).varint(m.round).u8(m.quiesce); }
void get(Reader& in, Heartbeat& m) {
  m.commit = in.varint();
  m.round = in.varint();
  m.quiesce = get_bool(in);
}

void put(Writer& out, const HeartbeatAnswer& m) { out.varint(m.round); }
void get(Reader& in, HeartbeatAnswer& m) { m.round = in.varint(); }

void put(Writer& out, const SnapshotChunk& m) {
  out.varint(m.transfer).varint(m.position.index).varint(m.position.term).bytes(encode(m.position.configuration));
  out.varint(m.offset).u8(m.last).u32(m.crc).varint(m.round).bytes(m.bytes);
}
void get(Reader& in, SnapshotChunk& m) {
  m.transfer = in.varint();
  m.position.index = in.varint();
  m.position.term = in.varint();
  auto configuration = decode_configuration(in.bytes());
  if (!configuration) return in.fail();
  m.position.configuration = std::move(*configuration);
  m.offset = in.varint();
  m.last = get_bool(in);
  m.crc = in.u32();
  m.round = in.varint();
  m.bytes = in.bytes();
}

void put(Writer& out, const SnapshotAnswer& m) {
  out.varint(m.transfer).varint(m.next_offset).u8(m.refused).varint(m.round);
}
void get(Reader& in, SnapshotAnswer& m) {
  m.transfer = in.varint();
  m.next_offset = in.varint();
  m.refused = get_bool(in);
  m.round = in.varint();
}

void put(Writer&, const TransferNow&) {}
void get(Reader&, TransferNow&) {}

template <std::size_t I = 0>
void get_body(Reader& in, std::size_t tag, MessageBody& body) {
  if constexpr (I < std::variant_size_v<MessageBody>) {
    if (tag == I + 1) return get(in, body.emplace<I>());
    get_body<I + 1>(in, tag, body);
  } else {
    in.fail();
  }
}

std::string number(std::uint64_t n) { return std::to_string(n); }

struct Describe {
  std::string operator()(const VoteRequest& m) const {
    return std::string(m.pre ? "pre-vote?" : "vote?") + (m.transfer ? " transfer" : "") + " last " +
           number(m.last_index) + "/" + number(m.last_term);
  }
  std::string operator()(const VoteAnswer& m) const {
    return std::string(m.pre ? "pre-vote " : "vote ") + (m.granted ? "granted" : "denied");
  }
  std::string operator()(const Append& m) const {
    std::string out = "append after " + number(m.prev_index) + "/" + number(m.prev_term) + " commit " +
                      number(m.commit) + " round " + number(m.round);
    if (!m.entries.empty())
      out += " entries .." + number(m.entries.back().index) + "/" + number(m.entries.back().term);
    return out;
  }
  std::string operator()(const AppendAnswer& m) const {
    return m.accepted ? "appended .." + number(m.index) + " round " + number(m.round)
                      : "no match at " + number(m.index) + " hint " + number(m.hint);
  }
  std::string operator()(const Heartbeat& m) const {
    return "heartbeat commit " + number(m.commit) + " round " + number(m.round) + (m.quiesce ? " quiesce" : "");
  }
  std::string operator()(const HeartbeatAnswer& m) const { return "heard round " + number(m.round); }
  std::string operator()(const SnapshotChunk& m) const {
    return "snapshot " + number(m.transfer) + " of " + number(m.position.index) + "/" + number(m.position.term) +
           " from " + number(m.offset) + " +" + number(m.bytes.size()) + (m.last ? " last" : "");
  }
  std::string operator()(const SnapshotAnswer& m) const {
    return "snapshot " + number(m.transfer) + (m.refused ? " refused" : " kept ..") + number(m.next_offset);
  }
  std::string operator()(const TransferNow&) const { return "lead now"; }
};

// Most bytes that go from replica to replica are entries: they are copied once.
Bytes with_entries(BytesView head, const std::vector<storage::LogEntry>& entries) {
  constexpr std::size_t most_of_a_head = 32;
  auto size = head.size();
  for (const auto& entry : entries) size += most_of_a_head + entry.body.size();
  Bytes out;
  out.reserve(size);
  out.append(head);
  for (const auto& entry : entries) {
    Writer its_head;
    put_head(its_head, entry);
    out.append(its_head.view()).append(BytesView(entry.body));
  }
  return out;
}

}  // namespace

Bytes encode(const Message& message) {
  Writer out;
  out.varint(message.from.value).varint(message.to.value).varint(message.term);
  out.u8(static_cast<std::uint8_t>(message.body.index() + 1));
  std::visit([&](const auto& body) { put(out, body); }, message.body);
  const auto* append = std::get_if<Append>(&message.body);
  return append && !append->entries.empty() ? with_entries(out.view(), append->entries) : out.take();
}

Result<Message> decode_message(BytesView bytes) {
  Reader in(bytes);
  Message message;
  message.from.value = in.varint();
  message.to.value = in.varint();
  message.term = in.varint();
  get_body(in, in.u8(), message.body);
  if (!in.finished()) return Error{Errc::protocol, "bytes are not a whole message of a replica"};
  return message;
}

std::string describe(const Message& message) {
  return number(message.from.value) + ">" + number(message.to.value) + " t" + number(message.term) + " " +
         std::visit(Describe{}, message.body);
}

}  // namespace cairn::cluster
