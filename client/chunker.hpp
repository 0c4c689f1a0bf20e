// FastCDC with normalised chunking (Xia et al., USENIX ATC 2016, level 2): cuts content where the
// content says so, so that an insertion moves one or two cuts and no more. Deterministic: the same
// bytes and bounds give the same cuts on every machine and in every release. A Chunker belongs to one
// thread; the free functions may be called by any.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "protocol/bytes.hpp"
#include "protocol/error.hpp"
#include "protocol/model.hpp"

namespace cairn::client {

/// Bounds of a block in bytes: 64 <= min < average < max <= limits::max_block_bytes, and `average` is a
/// power of two.
struct ChunkBounds {
  std::size_t min = 256u << 10;
  std::size_t average = 1u << 20;
  std::size_t max = 4u << 20;
};

/// The length of the first block of `bytes`: all of it if that is at most `min`; at most `max`. Right
/// only if `bytes` is the rest of the content or at least `max` long.
std::size_t cut_point(BytesView bytes, const ChunkBounds& bounds = {});

/// Fills `buffer` with up to `count` bytes and answers how many; 0 at the end.
using ReadBytes = std::function<Result<std::size_t>(char* buffer, std::size_t count)>;

/// Cuts what `read` gives, holding at most 2 * bounds.max bytes.
class Chunker {
 public:
  explicit Chunker(ReadBytes read, ChunkBounds bounds = {});

  /// The next block; empty at the end. Valid until the next call. After an error it answers that error.
  Result<BytesView> next();

 private:
  Result<void> fill();

  ReadBytes read_;
  ChunkBounds bounds_;
  std::unique_ptr<char[]> buffer_;    ///< 2 * bounds_.max bytes; [begin_, end_) are still to be cut
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool at_end_ = false;
  std::optional<Error> error_;
};

/// The content of `bytes` as a file of a drive: inline up to limits::max_inline_bytes, blocks above.
Content content_of(BytesView bytes, const ChunkBounds& bounds = {});

}  // namespace cairn::client
