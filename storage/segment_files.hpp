// The files of a segment log: which there are, how one becomes a segment, and what becomes of it
// afterwards. Each change of names is durable when its call returns. The log's writer thread only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "storage/segment_format.hpp"
#include "storage/segment_log.hpp"

namespace cairn::storage {

/// An open segment.
struct Segment {
  segment_format::Identity identity;
  std::shared_ptr<File> file;
  std::uint64_t room = 0;  ///< size of the file
  std::uint32_t end = 0;   ///< where a next record would be, if it is sealed; 0 if not
  std::uint32_t number() const { return identity.segment; }
};

/// "NNNNNNNN.seg"
std::string segment_name(std::uint32_t segment);

/// The error for damage at a place of a segment.
Error segment_damage(std::uint32_t segment, std::uint64_t offset, const std::string& what);

class SegmentFiles {
 public:
  SegmentFiles(std::shared_ptr<Disk> disk, const SegmentLogOptions& options);

  /// Opens the segments that there are, ascending; corrupt if a header is damaged or of another
  /// log.
  Result<std::vector<std::shared_ptr<Segment>>> open_all();

  /// A segment in the making.
  struct Prepared {
    std::string name;
    std::shared_ptr<Segment> segment;
  };
  /// Makes a file ready to be segment `number` of `log`. disk_full changes nothing.
  Result<Prepared> prepare(std::uint64_t log, std::uint32_t number);
  /// Gives it its name.
  Result<void> start(const Prepared& prepared);

  /// Makes `segment` at least `size` bytes long, or more within bounds. disk_full changes nothing.
  Result<void> extend(Segment& segment, std::uint64_t size) const;
  /// Takes a segment's name away; its file is kept for reuse or removed.
  Result<void> retire(const Segment& segment);

 private:
  struct Spare {
    std::string name;
    std::shared_ptr<File> file;
    std::uint64_t room = 0;
  };

  Result<std::shared_ptr<Segment>> open_segment(const std::string& name, std::uint32_t number);
  Result<void> open_spare(const std::string& name);
  Result<Spare> make_file();
  Result<void> preallocate(File& file, std::uint64_t room) const;

  std::shared_ptr<Disk> disk_;
  SegmentLogOptions options_;
  std::uint64_t next_incarnation_ = 1;
  std::vector<Spare> spares_;
};

}  // namespace cairn::storage
