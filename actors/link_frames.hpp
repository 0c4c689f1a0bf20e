// What travels inside a link's TLS stream, as bytes. Pure, no sockets; one thread each object.
//
//   stream  = chunk*
//   chunk   = kind:u8 channel:u8 length:u32 payload        length <= link_chunk_bytes; big-endian
//   frame   = more* last                                   of one channel; a `more` has link_chunk_bytes exactly
//   hello   = magic:u32 version:u16 cluster:bytes node:bytes incarnation:u64 clock:u64
//   refuse  = code:u16 sentence:bytes
//
// The side that dialled says hello; the other answers with its own hello or refuses; the first then accepts or
// refuses. Frames follow. Chunks of a bulk frame may stand between those of another; within one priority frames
// keep their order. A hello of any version begins with magic and version.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "protocol/bytes.hpp"
#include "protocol/error.hpp"

namespace cairn::actors {

inline constexpr std::uint16_t link_version = 2;
/// Channels from this one on are bulk: they wait for all others.
inline constexpr std::uint8_t first_bulk_channel = 0x80;

constexpr bool is_bulk(std::uint8_t channel) { return channel >= first_bulk_channel; }

enum class ChunkKind : std::uint8_t { hello = 1, accept = 2, refuse = 3, heartbeat = 4, more = 5, last = 6 };

inline constexpr std::size_t chunk_header_bytes = 6;

struct LinkHello {
  std::uint16_t version = link_version;
  std::string cluster_id;
  std::string node;
  std::uint64_t incarnation = 0;
  std::uint64_t clock_millis = 0;  ///< since 1970, at the sender
};

/// Appends one chunk to `out`.
void append_chunk(Bytes& out, ChunkKind kind, std::uint8_t channel, BytesView payload);

Bytes encode(const LinkHello& hello);
/// A hello of another version has only `version` set. Errors: protocol.
Result<LinkHello> decode_hello(BytesView payload);

Bytes encode_refusal(const Error& why);
/// What a refusal says; a protocol error if it is none.
Error decode_refusal(BytesView payload);

/// Cuts the stream into what it carries.
class FrameReader {
 public:
  /// Is told what came, in order; false ends the reading (nothing more is told).
  class Sink {
   public:
    virtual bool control(ChunkKind kind, BytesView payload) = 0;  ///< all but `more` and `last`
    virtual bool frame(std::uint8_t channel, Bytes frame) = 0;

   protected:
    ~Sink() = default;
  };

  /// Takes the next bytes of the stream. Holds at most one unfinished frame of each priority, and never
  /// reserves what has not come. Errors: protocol (unknown kind, wrong length), too_large; then the stream is lost.
  Result<void> read(BytesView bytes, Sink& sink);

 private:
  struct Part {
    Bytes bytes;
    std::uint8_t channel = 0;
    bool begun = false;
  };

  Result<void> begin_chunk();
  bool end_chunk(Sink& sink);

  std::array<char, chunk_header_bytes> header_{};
  std::size_t header_bytes_ = 0;
  ChunkKind kind_ = ChunkKind::heartbeat;
  std::uint8_t channel_ = 0;
  std::size_t missing_ = 0;          ///< of the payload
  Bytes control_;
  std::array<Part, 2> parts_;        ///< of small and of bulk channels
};

}  // namespace cairn::actors
