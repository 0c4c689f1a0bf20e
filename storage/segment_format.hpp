// The bytes of a segment file (disk_format.md, "Segment log"): encoding, checking, and walking the
// records of one segment. Knows nothing of logs. Pure but for the File that it reads; any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "storage/segment_log.hpp"

namespace cairn::storage::segment_format {

inline constexpr std::uint32_t header_page_bytes = 4096;  ///< before the first record
inline constexpr std::uint32_t seal_offset = 512;         ///< of the seal in the header page
inline constexpr std::uint32_t record_header_bytes = 20;
inline constexpr std::uint32_t sector_bytes = 512;  ///< what a disk writes as a whole

/// Which segment this is. Part of every checksum in it, so that a record that lies elsewhere, or
/// that an earlier use of the same file left behind, is never taken for one of this segment.
struct Identity {
  std::uint64_t log = 0;          ///< random, the same in all segments of a log
  std::uint64_t incarnation = 0;  ///< another one each time that a file becomes a segment
  std::uint32_t segment = 0;
  friend bool operator==(const Identity&, const Identity&) = default;
};

enum class RecordType : std::uint8_t {
  record = 1,
  end_mark =
      2,  ///< written after each sync where the next record will be: all before it is durable
  cut_mark = 3,  ///< the log was truncated here: what follows in this segment is void
};

struct RecordHeader {
  RecordType type = RecordType::record;
  std::uint8_t kind = 0;
  std::uint32_t length = 0;  ///< of the body
  std::uint32_t body_checksum = 0;
  std::uint32_t watermark = 0;  ///< what lies before this offset was durable when this was written
};

Bytes encode_header_page(const Identity& identity);
std::optional<Identity> decode_header_page(BytesView page);

/// The seal says that the segment's records are durable, and where a next one would be.
Bytes encode_seal(const Identity& identity, std::uint32_t end);
std::optional<std::uint32_t> decode_seal(const Identity& identity, BytesView page);

Bytes encode_record_header(const Identity& identity, std::uint32_t offset,
                           const RecordHeader& header);
/// Nothing unless an intact header written for this very place begins `bytes`.
std::optional<RecordHeader> decode_record_header(const Identity& identity, std::uint32_t offset,
                                                 BytesView bytes);

/// Where a record goes that follows one that ends at `end`: aligned to 4 bytes, its header within
/// one sector, so that a header is written as a whole or not at all.
std::uint32_t next_position(std::uint32_t end);

/// Reads a file by its offsets through one large buffer.
class Window {
 public:
  Window(File& file, std::uint64_t limit) : file_(file), limit_(limit) {}
  /// Up to `count` bytes at `offset`, fewer only at the limit or end of the file; valid until the
  /// next call.
  Result<BytesView> view(std::uint64_t offset, std::size_t count);

 private:
  File& file_;
  std::uint64_t limit_;
  std::uint64_t start_ = 0;
  Bytes buffer_;
};

enum class Stop : std::uint8_t { damage, end_mark, cut_mark };

/// Where the intact records end, and on what.
struct Walk {
  std::uint32_t stopped_at = header_page_bytes;  ///< where a next record would be
  Stop stop = Stop::damage;
};

/// Calls `visit` for each intact record from the one at `from` on, until one is not.
Result<Walk> walk_records(Window& window, const Identity& identity,
                          const std::function<Result<void>(const Record&)>& visit,
                          std::uint32_t from = header_page_bytes);

/// Calls `visit` for each intact record from `from` to `end`, passing over what is damaged, until
/// `max_bytes` or more were walked. Answers where that was: `end` or more if all is done.
Result<std::uint32_t> walk_past_damage(Window& window, const Identity& identity, std::uint32_t from,
                                       std::uint32_t end, std::uint64_t max_bytes,
                                       const std::function<Result<void>(const Record&)>& visit);

/// Intact headers at or after a position where the records ended.
struct Remains {
  std::uint32_t end = 0;            ///< of the last such header, 0 if there is none
  std::uint32_t max_watermark = 0;  ///< of them all
};

Result<Remains> find_remains(Window& window, const Identity& identity, std::uint32_t from);

}  // namespace cairn::storage::segment_format
