// What travels in the frames of a link, by channel. Bodies are in their own encoded forms (cluster/). Pure, any
// thread.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "actors/messages.hpp"
#include "protocol/codec.hpp"
#include "protocol/limits.hpp"

namespace cairn::actors {

/// Numbers are part of the protocol between nodes: append only. From first_bulk_channel on they wait for all
/// others: whatever is large, so that it does not delay a heartbeat.
enum class Channel : std::uint8_t {
  raft = 1,     ///< RaftFrame
  call = 2,     ///< Calls
  answer = 3,   ///< Answers to calls
  control = 4,  ///< cluster/control.hpp
  watch = 5,    ///< watch_frames.hpp
  raft_bulk = 0x81,
  call_bulk = 0x82,
  answer_bulk = 0x83,
};

/// Bodies larger than this take the bulk channel.
inline constexpr std::size_t bulk_bytes = 64u << 10;

constexpr Channel channel_for(Channel small, Channel bulk, std::size_t bytes) {
  return bytes > bulk_bytes ? bulk : small;
}

/// From replica to replica.
struct RaftFrame {
  cluster::directory::ShardId shard;
  cluster::Message message;
};

/// More than fit into a frame of those that share it.
inline constexpr std::size_t max_calls_in_frame = limits::call_frame_bytes / 4;

/// A request to a replica of Target::shard; or with `relay` to the router, which asks the shard's leader. `number` is
/// the sender's own, which comes back with the answer.
struct Call {
  std::uint64_t number = 0;
  ShardRequest request;
  bool relay = false;
};

Bytes encode(cluster::directory::ShardId shard, const cluster::Message& message);

/// A frame of calls, or of answers, is some of them one after the other: those that are on their way to the same node
/// at the same time share it, since a frame costs more than what most of them hold. Appends one; `shard` takes the
/// place of the one in the request's target.
void append_call(Writer& frame, std::uint64_t number, const ShardRequest& request, cluster::directory::ShardId shard,
                 bool relay);
void append_answer(Writer& frame, std::uint64_t number, const Answer& answer);
/// About as many bytes as it takes there.
std::size_t size_in_frame(const ShardRequest& request);
std::size_t size_in_frame(const Answer& answer);

/// All: protocol if the bytes are not a whole frame, or one of over max_calls_in_frame. Calls and answers are in the
/// order in which they were appended.
Result<RaftFrame> decode_raft_frame(BytesView bytes);
Result<std::vector<Call>> decode_calls(BytesView bytes);
Result<std::vector<AnswersReceived::One>> decode_answers(BytesView bytes);

}  // namespace cairn::actors
