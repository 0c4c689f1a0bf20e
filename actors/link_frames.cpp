#include "actors/link_frames.hpp"

#include <algorithm>
#include <utility>

#include "protocol/codec.hpp"
#include "protocol/limits.hpp"
#include "protocol/names.hpp"

namespace cairn::actors {
namespace {

constexpr std::uint32_t magic = 0x4341'4c4b;  // "CALK"

bool is_frame(ChunkKind kind) { return kind == ChunkKind::more || kind == ChunkKind::last; }

}  // namespace

void append_chunk(Bytes& out, ChunkKind kind, std::uint8_t channel, BytesView payload) {
  const auto length = static_cast<std::uint32_t>(payload.size());
  const char header[chunk_header_bytes] = {static_cast<char>(kind),         static_cast<char>(channel),
                                           static_cast<char>(length >> 24), static_cast<char>(length >> 16),
                                           static_cast<char>(length >> 8),  static_cast<char>(length)};
  out.append(header, sizeof header);
  out.append(payload);
}

Bytes encode(const LinkHello& hello) {
  Writer out;
  out.u32(magic).u16(hello.version).bytes(hello.cluster_id).bytes(hello.node);
  out.u64(hello.incarnation).u64(hello.clock_millis);
  return out.take();
}

Result<LinkHello> decode_hello(BytesView payload) {
  Reader in(payload);
  LinkHello hello;
  if (in.u32() != magic) return Error{Errc::protocol, "the peer does not speak as a link"};
  hello.version = in.u16();
  if (in.failed()) return Error{Errc::protocol, "the peer's hello is cut short"};
  if (hello.version != link_version) return hello;
  hello.cluster_id = in.bytes();
  hello.node = in.bytes();
  hello.incarnation = in.u64();
  hello.clock_millis = in.u64();
  if (!in.finished()) return Error{Errc::protocol, "the peer's hello is malformed"};
  return hello;
}

Bytes encode_refusal(const Error& why) {
  constexpr std::size_t most = limits::max_link_control_bytes / 2;
  Writer out;
  out.u16(static_cast<std::uint16_t>(why.code)).bytes(BytesView(why.message).substr(0, most));
  return out.take();
}

Error decode_refusal(BytesView payload) {
  Reader in(payload);
  const auto code = errc_from_number(in.u16());
  const auto sentence = in.bytes();
  if (!in.finished()) return {Errc::protocol, "the peer refused without a reason"};
  return {code, "refused by the peer: " + printable(sentence)};
}

Result<void> FrameReader::read(BytesView bytes, Sink& sink) {
  while (!bytes.empty() || (header_bytes_ == chunk_header_bytes && missing_ == 0)) {
    if (header_bytes_ < chunk_header_bytes) {
      const auto count = std::min(bytes.size(), chunk_header_bytes - header_bytes_);
      bytes.copy(header_.data() + header_bytes_, count);
      bytes.remove_prefix(count);
      header_bytes_ += count;
      if (header_bytes_ < chunk_header_bytes) return {};
      CAIRN_TRY(begin_chunk());
    }
    const auto count = std::min(bytes.size(), missing_);
    (is_frame(kind_) ? parts_[is_bulk(channel_)].bytes : control_).append(bytes.substr(0, count));
    bytes.remove_prefix(count);
    missing_ -= count;
    if (missing_ == 0) {
      header_bytes_ = 0;
      if (!end_chunk(sink)) return {};
    }
  }
  return {};
}

Result<void> FrameReader::begin_chunk() {
  Reader header({header_.data(), header_.size()});
  const auto kind = header.u8();
  channel_ = header.u8();
  missing_ = header.u32();
  if (kind < static_cast<std::uint8_t>(ChunkKind::hello) || kind > static_cast<std::uint8_t>(ChunkKind::last))
    return Error{Errc::protocol, "the peer sent a chunk of unknown kind " + std::to_string(kind)};
  kind_ = static_cast<ChunkKind>(kind);
  if (!is_frame(kind_)) {
    if (missing_ > limits::max_link_control_bytes)
      return Error{Errc::protocol, "the peer sent a control chunk of " + std::to_string(missing_) + " bytes"};
    control_.clear();
    return {};
  }
  if (missing_ > limits::link_chunk_bytes || (kind_ == ChunkKind::more && missing_ != limits::link_chunk_bytes))
    return Error{Errc::protocol, "the peer sent a chunk of " + std::to_string(missing_) + " bytes"};
  auto& part = parts_[is_bulk(channel_)];
  if (part.begun && part.channel != channel_)
    return Error{Errc::protocol, "the peer left a frame of channel " + std::to_string(part.channel) + " unfinished"};
  if (part.bytes.size() + missing_ > limits::max_link_frame_bytes)
    return Error{Errc::too_large, "the peer sent a frame over " + std::to_string(limits::max_link_frame_bytes) +
                                      " bytes"};
  part.channel = channel_;
  part.begun = true;
  return {};
}

bool FrameReader::end_chunk(Sink& sink) {
  if (kind_ == ChunkKind::more) return true;
  if (kind_ != ChunkKind::last) return sink.control(kind_, control_);
  auto& part = parts_[is_bulk(channel_)];
  part.begun = false;
  return sink.frame(channel_, std::exchange(part.bytes, {}));
}

}  // namespace cairn::actors
