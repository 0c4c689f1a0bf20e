#include "storage/segment_files.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace cairn::storage {

using namespace segment_format;

namespace {

constexpr const char* new_segment_name = "new.tmp";

std::string spare_name(std::uint64_t incarnation) { return std::to_string(incarnation) + ".spare"; }

std::optional<std::uint32_t> segment_of_name(const std::string& name) {
  unsigned segment = 0;
  if (std::sscanf(name.c_str(), "%8x.seg", &segment) != 1) return std::nullopt;
  if (segment_name(segment) != name) return std::nullopt;
  return segment;
}

}  // namespace

std::string segment_name(std::uint32_t segment) {
  std::array<char, 16> name{};
  std::snprintf(name.data(), name.size(), "%08x.seg", segment);
  return name.data();
}

Error segment_damage(std::uint32_t segment, std::uint64_t offset, const std::string& what) {
  return {Errc::corrupt, "segment " + segment_name(segment) + " at offset " +
                             std::to_string(offset) + ": " + what};
}

SegmentFiles::SegmentFiles(std::shared_ptr<Disk> disk, const SegmentLogOptions& options)
    : disk_(std::move(disk)), options_(options) {}

Result<std::vector<std::shared_ptr<Segment>>> SegmentFiles::open_all() {
  const auto names = disk_->list();
  if (!names.ok()) return names.error();
  std::vector<std::shared_ptr<Segment>> segments;
  for (const auto& name : *names) {
    if (name == new_segment_name) {
      CAIRN_TRY(disk_->remove(name));
    } else if (name.ends_with(".spare")) {
      CAIRN_TRY(open_spare(name));
    } else if (const auto number = segment_of_name(name)) {
      auto segment = open_segment(name, *number);
      if (!segment.ok()) return segment.error();
      if (!segments.empty() && (*segment)->identity.log != segments.front()->identity.log)
        return segment_damage(*number, 0, "the segment belongs to another log");
      segments.push_back(std::move(segment).value());
    }
  }
  return segments;
}

Result<std::shared_ptr<Segment>> SegmentFiles::open_segment(const std::string& name,
                                                            std::uint32_t number) {
  auto file = disk_->open(name, false);
  if (!file.ok()) return file.error();
  const auto room = (*file)->size();
  if (!room.ok()) return room.error();
  const auto page = (*file)->read(0, header_page_bytes);
  if (!page.ok()) return page.error();
  const auto identity = decode_header_page(*page);
  if (!identity || identity->segment != number)
    return segment_damage(number, 0, "the segment's header fails its checksum");
  next_incarnation_ = std::max(next_incarnation_, identity->incarnation + 1);
  auto segment = std::make_shared<Segment>();
  segment->identity = *identity;
  segment->file = std::move(file).value();
  segment->room = *room;
  segment->end = decode_seal(*identity, *page).value_or(0);
  return segment;
}

Result<void> SegmentFiles::open_spare(const std::string& name) {
  auto file = disk_->open(name, false);
  if (!file.ok()) return file.error();
  const auto room = (*file)->size();
  if (!room.ok()) return room.error();
  const auto page = (*file)->read(0, header_page_bytes);
  if (!page.ok()) return page.error();
  const auto identity = decode_header_page(*page);
  // Without its incarnation its old records could be taken for new ones.
  if (!identity || spares_.size() >= options_.spare_segments || *room > options_.segment_bytes)
    return disk_->remove(name);
  next_incarnation_ = std::max(next_incarnation_, identity->incarnation + 1);
  spares_.push_back({name, std::move(file).value(), *room});
  return {};
}

Result<SegmentFiles::Prepared> SegmentFiles::prepare(std::uint64_t log, std::uint32_t number) {
  auto spare = spares_.empty() ? make_file() : Result<Spare>(spares_.back());
  if (!spare.ok()) return spare.error();
  auto segment = std::make_shared<Segment>();
  segment->identity = {log, next_incarnation_, number};
  segment->file = spare->file;
  segment->room = spare->room;
  CAIRN_TRY(segment->file->write(0, {encode_header_page(segment->identity)}));
  CAIRN_TRY(segment->file->sync());
  return Prepared{spare->name, std::move(segment)};
}

Result<SegmentFiles::Spare> SegmentFiles::make_file() {
  auto file = disk_->open(new_segment_name, true);
  if (!file.ok()) return file.error();
  const auto room = std::min<std::uint64_t>(header_page_bytes + options_.preallocation_step_bytes,
                                            options_.segment_bytes);
  if (auto made = preallocate(**file, room); !made.ok()) {
    if (made.error().code == Errc::disk_full) CAIRN_TRY(disk_->remove(new_segment_name));
    return made.error();
  }
  return Spare{new_segment_name, std::move(file).value(), room};
}

Result<void> SegmentFiles::start(const Prepared& prepared) {
  CAIRN_TRY(disk_->rename(prepared.name, segment_name(prepared.segment->number())));
  CAIRN_TRY(disk_->sync_names());
  if (!spares_.empty() && spares_.back().name == prepared.name) spares_.pop_back();
  next_incarnation_ = prepared.segment->identity.incarnation + 1;
  return {};
}

Result<void> SegmentFiles::extend(Segment& segment, std::uint64_t size) const {
  if (size <= segment.room) return {};
  const auto room = std::min<std::uint64_t>(
      std::max(size, segment.room + options_.preallocation_step_bytes), options_.segment_bytes);
  CAIRN_TRY(preallocate(*segment.file, room));
  segment.room = room;
  return {};
}

Result<void> SegmentFiles::preallocate(File& file, std::uint64_t room) const {
  return options_.preallocation == Preallocation::written_zeros ? file.fill(room)
                                                                : file.reserve(room);
}

Result<void> SegmentFiles::retire(const Segment& segment) {
  const auto name = segment_name(segment.number());
  if (spares_.size() < options_.spare_segments && segment.room <= options_.segment_bytes) {
    const auto spare = spare_name(segment.identity.incarnation);
    CAIRN_TRY(disk_->rename(name, spare));
    spares_.push_back({spare, segment.file, segment.room});
  } else {
    CAIRN_TRY(disk_->remove(name));
  }
  return disk_->sync_names();
}

}  // namespace cairn::storage
