// An append-only log in segment files of checksummed, self-describing records (disk_format.md, "Segment
// log"). Appends are durable after sync(), which costs one fdatasync in preallocated space however many
// records it covers. At open, a torn tail (records that were never synced) is cut and zeroed; damage to
// a record that was once synced is told apart from it and reported as Errc::corrupt.
// One writer thread; read() may be called from any thread for records that were synced.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "storage/disk.hpp"

namespace cairn::storage {

/// Where a record is. Ordered as the records were appended.
struct RecordLocation {
  std::uint32_t segment = 0;
  std::uint32_t offset = 0;   ///< of the record's header in the segment file
  friend auto operator<=>(const RecordLocation&, const RecordLocation&) = default;
};

struct Record {
  RecordLocation location;
  std::uint8_t kind = 0;      ///< the user's own tag
  Bytes body;
};

/// How room is made ahead of the records in a new segment.
enum class Preallocation : std::uint8_t {
  written_zeros,  ///< small syncs are fastest; every byte is written twice until spares are reused
  reserved,       ///< for records so large that a sync's extra work does not show
};

struct SegmentLogOptions {
  std::uint64_t segment_bytes = 64u << 20;  ///< under 4 GiB
  Preallocation preallocation = Preallocation::written_zeros;
  std::uint64_t preallocation_step_bytes = 4u << 20;  ///< at a time; bounds the pause
  /// Segments that truncate_front gave back and that are kept for reuse instead of removed, since a
  /// file that was written before syncs faster than a new one.
  std::size_t spare_segments = 2;
  /// Records before this one are not visited at open, and whole segments before it not read.
  RecordLocation visit_from;
  /// Open in spite of damage to records that were durable; they are passed over. For an owner that can
  /// do without any one record.
  bool pass_over_damage = false;
};

struct SegmentInfo {
  std::uint32_t segment = 0;
  std::uint64_t used_bytes = 0;
};

class SegmentLog {
 public:
  /// Opens or creates the log in `disk`, which it owns alone (file names "NNNNNNNN.seg"). Calls
  /// `visit` for every intact record in order, then is ready to append. Errc::corrupt names the
  /// segment and offset of damage that is not a torn tail.
  static Result<std::unique_ptr<SegmentLog>> open(std::shared_ptr<Disk> disk, const SegmentLogOptions& options,
                                                  const std::function<Result<void>(const Record&)>& visit);
  virtual ~SegmentLog() = default;

  /// Adds a record whose body is `parts` in order (at most segment_bytes less the headers, otherwise
  /// too_large). It may start a new segment. disk_full changes nothing.
  virtual Result<RecordLocation> append(std::uint8_t kind, const std::vector<BytesView>& parts) = 0;
  /// Everything appended so far is durable when this returns. An error is final for this object.
  virtual Result<void> sync() = 0;
  /// The record at `location`, checked; corrupt if its checksum fails, not_found if none starts there.
  virtual Result<Record> read(RecordLocation location) const = 0;
  /// `count` bytes of the record's body from `offset`, unchecked: for callers with a checksum or seal
  /// of their own inside.
  virtual Result<Bytes> read_part(RecordLocation location, std::uint64_t offset, std::size_t count) const = 0;

  /// Removes the record at `location` and all after it; durable when it returns.
  virtual Result<void> truncate_back(RecordLocation location) = 0;
  /// Removes whole segments before the one that holds `location`.
  virtual Result<void> truncate_front(RecordLocation location) = 0;
  /// Removes one whole segment, which is not the last.
  virtual Result<void> remove_segment(std::uint32_t segment) = 0;
  /// Calls `visit` for every record of one segment, in order.
  virtual Result<void> scan(std::uint32_t segment, const std::function<Result<void>(const Record&)>& visit) const = 0;

  /// The same from the record at `from` on (offset 0: the first), as far as was synced, passing over
  /// damage, until `max_bytes` or more were walked. Answers where to go on; nothing at the segment's end.
  virtual Result<std::optional<RecordLocation>> walk(RecordLocation from, std::uint64_t max_bytes,
                                                     const std::function<Result<void>(const Record&)>& visit) const = 0;

  /// In order; the last is the one that is written to.
  virtual std::vector<SegmentInfo> segments() const = 0;
  /// Bytes of all segments that are in use.
  virtual std::uint64_t used_bytes() const = 0;
};

}  // namespace cairn::storage
