#include "actors/peer_frames.hpp"

#include <limits>

namespace cairn::actors {
namespace {

enum class CallKind : std::uint8_t { propose = 1, ask = 2, relay_proposal = 3, relay_question = 4 };

/// What a call or an answer has beside its body, about.
constexpr std::size_t head_bytes = 32;

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
  auto frame = Writer().varint(shard.value).take();
  frame.append(cluster::encode(message));
  return frame;
}

Result<RaftFrame> decode_raft_frame(BytesView bytes) {
  Reader in(bytes);
  const auto shard = in.varint();
  if (in.failed() || shard > std::numeric_limits<std::uint32_t>::max()) return not_whole("raft");
  auto message = cluster::decode_message(in.rest());
  if (!message) return message.error();
  return RaftFrame{cluster::directory::ShardId{static_cast<std::uint32_t>(shard)}, std::move(*message)};
}

void append_call(Writer& frame, std::uint64_t number, const ShardRequest& request, cluster::directory::ShardId shard,
                 bool relay) {
  const auto head = [&](CallKind kind, Target target) {
    target.shard = shard.value;
    put(frame.varint(number).u8(static_cast<std::uint8_t>(kind)), target);
  };
  if (const auto* propose = std::get_if<Propose>(&request)) {
    head(relay ? CallKind::relay_proposal : CallKind::propose, propose->target);
    frame.bytes(propose->command);
  } else {
    const auto& ask = std::get<Ask>(request);
    head(relay ? CallKind::relay_question : CallKind::ask, ask.target);
    frame.u8(ask.linearizable).varint(ask.floor).bytes(ask.query);
  }
}

void append_answer(Writer& frame, std::uint64_t number, const Answer& answer) {
  frame.varint(number).u8(static_cast<std::uint8_t>(answer.served)).varint(answer.index).varint(answer.leader);
  frame.bytes(answer.result);
}

std::size_t size_in_frame(const ShardRequest& request) {
  const auto* propose = std::get_if<Propose>(&request);
  return head_bytes + (propose ? propose->command.size() : std::get<Ask>(request).query.size());
}

std::size_t size_in_frame(const Answer& answer) { return head_bytes + answer.result.size(); }

Result<std::vector<Call>> decode_calls(BytesView bytes) {
  Reader in(bytes);
  std::vector<Call> calls;
  while (in.remaining() > 0) {
    if (calls.size() >= max_calls_in_frame) return not_whole("call");
    auto& call = calls.emplace_back();
    call.number = in.varint();
    const auto kind = static_cast<CallKind>(in.u8());
    const auto target = read_target(in);
    call.relay = kind == CallKind::relay_proposal || kind == CallKind::relay_question;
    if (kind == CallKind::propose || kind == CallKind::relay_proposal) {
      call.request = Propose{target, Bytes(in.bytes())};
    } else if (kind == CallKind::ask || kind == CallKind::relay_question) {
      const auto linearizable = in.u8();
      if (linearizable > 1) in.fail();
      const auto floor = in.varint();
      call.request = Ask{target, Bytes(in.bytes()), linearizable == 1, floor};
    } else {
      in.fail();
    }
  }
  if (!in.finished() || calls.empty()) return not_whole("call");
  return calls;
}

Result<std::vector<AnswersReceived::One>> decode_answers(BytesView bytes) {
  Reader in(bytes);
  std::vector<AnswersReceived::One> answers;
  while (in.remaining() > 0) {
    if (answers.size() >= max_calls_in_frame) return not_whole("answer");
    auto& [number, answer] = answers.emplace_back();
    number = in.varint();
    const auto served = in.u8();
    if (served > static_cast<std::uint8_t>(Served::busy)) in.fail();
    answer.served = static_cast<Served>(served);
    answer.index = in.varint();
    answer.leader = in.varint();
    answer.result = Bytes(in.bytes());
  }
  if (!in.finished() || answers.empty()) return not_whole("answer");
  return answers;
}

}  // namespace cairn::actors
