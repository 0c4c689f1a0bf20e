#include "actors/peer_frames.hpp"

#include "protocol/codec.hpp"

namespace cairn::actors {
namespace {

enum class CallKind : std::uint8_t { propose = 1, ask = 2 };

void put(Writer& out, const Target& target) { out.varint(target.shard).u16(target.slot); }

Target read_target(Reader& in) {
  Target target;
  const auto shard = in.varint();
  if (shard > std::numeric_limits<std::uint32_t>::max()) in.fail();
  target.shard = static_cast<std::uint32_t>(shard);
  target.slot = in.u16();
  return target;
}

Error not_whole(const char* what) { return {Errc::protocol, std::string("not a whole ") + what + " frame"}; }

}  // namespace

Bytes encode(cluster::directory::ShardId shard, const cluster::Message& message) {
  Writer out;
  out.varint(shard.value).raw(cluster::encode(message));
  return out.take();
}

Result<RaftFrame> decode_raft_frame(BytesView bytes) {
  Reader in(bytes);
  const auto shard = in.varint();
  if (in.failed() || shard > std::numeric_limits<std::uint32_t>::max()) return not_whole("raft");
  auto message = cluster::decode_message(in.rest());
  if (!message) return message.error();
  return RaftFrame{cluster::directory::ShardId{static_cast<std::uint32_t>(shard)}, std::move(*message)};
}

Bytes encode(const CallFrame& frame) {
  Writer out;
  out.varint(frame.request);
  if (const auto* propose = std::get_if<Propose>(&frame.call)) {
    put(out.u8(static_cast<std::uint8_t>(CallKind::propose)), propose->target);
    out.raw(propose->command);
  } else {
    const auto& ask = std::get<Ask>(frame.call);
    put(out.u8(static_cast<std::uint8_t>(CallKind::ask)), ask.target);
    out.u8(ask.linearizable).varint(ask.floor).raw(ask.query);
  }
  return out.take();
}

Result<CallFrame> decode_call_frame(BytesView bytes) {
  Reader in(bytes);
  CallFrame frame;
  frame.request = in.varint();
  const auto kind = in.u8();
  const auto target = read_target(in);
  if (kind == static_cast<std::uint8_t>(CallKind::propose)) {
    frame.call = Propose{target, Bytes(in.rest())};
  } else if (kind == static_cast<std::uint8_t>(CallKind::ask)) {
    Ask ask;
    ask.target = target;
    const auto linearizable = in.u8();
    if (linearizable > 1) in.fail();
    ask.linearizable = linearizable == 1;
    ask.floor = in.varint();
    ask.query = Bytes(in.rest());
    frame.call = std::move(ask);
  } else {
    in.fail();
  }
  if (!in.finished()) return not_whole("call");
  return frame;
}

Bytes encode(const AnswerFrame& frame) {
  Writer out;
  out.varint(frame.request).u8(static_cast<std::uint8_t>(frame.answer.served));
  out.varint(frame.answer.index).varint(frame.answer.leader).raw(frame.answer.result);
  return out.take();
}

Result<AnswerFrame> decode_answer_frame(BytesView bytes) {
  Reader in(bytes);
  AnswerFrame frame;
  frame.request = in.varint();
  const auto served = in.u8();
  if (served > static_cast<std::uint8_t>(Served::unknown)) in.fail();
  frame.answer.served = static_cast<Served>(served);
  frame.answer.index = in.varint();
  frame.answer.leader = in.varint();
  frame.answer.result = Bytes(in.rest());
  if (!in.finished()) return not_whole("answer");
  return frame;
}

}  // namespace cairn::actors
