// What travels in the frames of a link, by channel. Bodies are in their own encoded forms (cluster/). Pure, any
// thread.
#pragma once

#include <cstdint>

#include "actors/messages.hpp"

namespace cairn::actors {

/// Numbers are part of the protocol between nodes: append only. From first_bulk_channel on they wait for all
/// others: whatever is large, so that it does not delay a heartbeat.
enum class Channel : std::uint8_t {
  raft = 1,     ///< RaftFrame
  call = 2,     ///< CallFrame
  answer = 3,   ///< AnswerFrame
  control = 4,  ///< cluster/control.hpp
  watch = 5,    ///< watch_frames.hpp
  raft_bulk = 0x81,
  call_bulk = 0x82,
  answer_bulk = 0x83,
};

/// Bodies larger than this take the bulk channel.
inline constexpr std::size_t bulk_bytes = 64u << 10;

/// From replica to replica.
struct RaftFrame {
  cluster::directory::ShardId shard;
  cluster::Message message;
};

/// A request to a replica of Target::shard. `request` is the sender's number, which comes back in the answer.
struct CallFrame {
  std::uint64_t request = 0;
  std::variant<Propose, Ask> call;
};

struct AnswerFrame {
  std::uint64_t request = 0;
  Answer answer;
};

Bytes encode(cluster::directory::ShardId shard, const cluster::Message& message);
Bytes encode(const CallFrame& frame);
Bytes encode(const AnswerFrame& frame);

/// All: protocol if the bytes are not a whole frame.
Result<RaftFrame> decode_raft_frame(BytesView bytes);
Result<CallFrame> decode_call_frame(BytesView bytes);
Result<AnswerFrame> decode_answer_frame(BytesView bytes);

}  // namespace cairn::actors
