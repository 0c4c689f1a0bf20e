#include "actors/watch_frames.hpp"

#include <limits>

#include "protocol/codec.hpp"
#include "protocol/limits.hpp"

namespace cairn::actors {
namespace {

// Numbers are part of the protocol between nodes: append only.
enum class Kind : std::uint8_t { interest = 1, leads = 2, growths = 3 };

bool flag(Reader& in) {
  const auto value = in.u8();
  if (value > 1) in.fail();
  return value == 1;
}

cluster::directory::ShardId shard_id(Reader& in) {
  const auto value = in.varint();
  if (value > std::numeric_limits<std::uint32_t>::max()) in.fail();
  return cluster::directory::ShardId{static_cast<std::uint32_t>(value)};
}

void put(Writer& out, const Interest& frame) {
  out.u8(static_cast<std::uint8_t>(Kind::interest));
  out.varint(static_cast<std::uint64_t>(frame.lease.count())).u8(frame.growth).u8(frame.fresh);
}

void put(Writer& out, const Leads& frame) {
  out.u8(static_cast<std::uint8_t>(Kind::leads));
  out.varint(frame.shard.value).varint(frame.replica.value).varint(frame.term).varint(frame.index);
}

void put(Writer& out, const Growths& frame) {
  out.u8(static_cast<std::uint8_t>(Kind::growths)).varint(frame.growths.size());
  for (const auto& growth : frame.growths)
    out.varint(growth.account).varint(growth.cursor).varint(growth.shard).varint(growth.index);
}

Interest interest(Reader& in) {
  Interest frame;
  const auto lease = in.varint();
  if (lease > std::numeric_limits<std::uint32_t>::max()) in.fail();
  frame.lease = std::chrono::milliseconds(lease);
  frame.growth = flag(in);
  frame.fresh = flag(in);
  return frame;
}

Leads leads(Reader& in) {
  Leads frame;
  frame.shard = shard_id(in);
  frame.replica.value = in.varint();
  frame.term = in.varint();
  frame.index = in.varint();
  return frame;
}

Growths growths(Reader& in) {
  Growths frame;
  const auto count = in.varint();
  if (count > limits::max_growths_per_frame) in.fail();
  for (std::uint64_t i = 0; i < count && !in.failed(); ++i) {
    auto& growth = frame.growths.emplace_back();
    growth.account = in.varint();
    growth.cursor = in.varint();
    growth.shard = shard_id(in).value;
    growth.index = in.varint();
    growth.leads = true;
  }
  return frame;
}

}  // namespace

Bytes encode(const WatchFrame& frame) {
  Writer out;
  std::visit([&](const auto& one) { put(out, one); }, frame);
  return out.take();
}

Result<WatchFrame> decode_watch_frame(BytesView bytes) {
  Reader in(bytes);
  WatchFrame frame;
  const auto kind = in.u8();
  if (kind == static_cast<std::uint8_t>(Kind::interest)) {
    frame = interest(in);
  } else if (kind == static_cast<std::uint8_t>(Kind::leads)) {
    frame = leads(in);
  } else if (kind == static_cast<std::uint8_t>(Kind::growths)) {
    frame = growths(in);
  } else {
    in.fail();
  }
  if (!in.finished()) return Error{Errc::protocol, "not a whole watch frame"};
  return frame;
}

}  // namespace cairn::actors
