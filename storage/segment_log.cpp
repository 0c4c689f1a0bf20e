#include "storage/segment_log.hpp"

#include <algorithm>
#include <cstdlib>
#include <mutex>

#include "protocol/codec.hpp"
#include "protocol/digest.hpp"
#include "storage/segment_files.hpp"
#include "storage/segment_format.hpp"

namespace cairn::storage {
namespace {

using namespace segment_format;

constexpr std::size_t max_buffered_bytes = 1u << 20;
// From here on a body is written from where it lies instead of being copied into the buffer.
constexpr std::size_t direct_body_bytes = 64u << 10;
constexpr std::size_t zero_write_bytes = 1u << 20;
constexpr std::size_t first_read_bytes = 4096;

class FileSegmentLog : public SegmentLog {
 public:
  FileSegmentLog(std::shared_ptr<Disk> disk, const SegmentLogOptions& options)
      : files_(std::move(disk), options), options_(options) {
    if (options.segment_bytes < 2 * header_page_bytes || options.segment_bytes > UINT32_MAX) std::abort();
  }

  Result<void> recover(const std::function<Result<void>(const Record&)>& visit) {
    auto segments = files_.open_all();
    if (!segments.ok()) return segments.error();
    segments_ = std::move(segments).value();
    if (segments_.empty()) return create_first();
    for (std::size_t i = 0; i + 1 < segments_.size(); ++i) CAIRN_TRY(recover_sealed(*segments_[i], visit));
    return recover_last(*segments_.back(), visit);
  }

  Result<RecordLocation> append(std::uint8_t kind, const std::vector<BytesView>& parts) override {
    CAIRN_TRY(check_alive());
    std::uint64_t length = 0;
    for (const auto part : parts) length += part.size();
    if (!fits(header_page_bytes, length))
      return Error{Errc::too_large, "a record of " + std::to_string(length) + " bytes does not fit a segment"};
    if (!fits(tail_, length)) CAIRN_TRY(roll());
    const auto at = tail_;
    const auto end = static_cast<std::uint32_t>(at + record_header_bytes + length);
    CAIRN_TRY(make_room(end));

    RecordHeader header;
    header.kind = kind;
    header.length = static_cast<std::uint32_t>(length);
    header.watermark = synced_;
    for (const auto part : parts) header.body_checksum = crc32c(part, header.body_checksum);
    CAIRN_TRY(add(at, encode_record_header(active().identity, at, header), parts, end));
    return RecordLocation{active().number(), at};
  }

  Result<void> sync() override {
    CAIRN_TRY(check_alive());
    if (synced_ == tail_) return {};
    if (auto flushed = flush({}); !flushed.ok()) return die(flushed.error());
    if (auto synced = active().file->sync(); !synced.ok()) return die(synced.error());
    {
      const std::lock_guard lock(mutex_);
      synced_ = tail_;
    }
    return write_end_mark();
  }

  Result<Record> read(RecordLocation location) const override {
    auto found = find(location, 0, first_read_bytes);
    if (!found.ok()) return found.error();
    const auto header = decode_record_header(found->segment->identity, location.offset, found->bytes);
    if (!header || header->type != RecordType::record)
      return gone_or(*found,
                     segment_damage(location.segment, location.offset, "the record's header fails its checksum"));
    Record record{location, header->kind, {}};
    if (found->bytes.size() >= record_header_bytes + std::size_t{header->length}) {
      record.body = found->bytes.substr(record_header_bytes, header->length);
    } else {
      auto body = find(location, record_header_bytes, header->length);
      if (!body.ok()) return body.error();
      record.body = std::move(body->bytes);
    }
    if (record.body.size() != header->length || crc32c(record.body) != header->body_checksum)
      return gone_or(*found, segment_damage(location.segment, location.offset, "the record's body fails its checksum"));
    return record;
  }

  Result<Bytes> read_part(RecordLocation location, std::uint64_t offset, std::size_t count) const override {
    auto found = find(location, record_header_bytes + offset, count);
    if (!found.ok()) return found.error();
    if (!is_kept(*found->segment)) return gone(location);
    return std::move(found->bytes);
  }

  Result<void> truncate_back(RecordLocation location) override {
    CAIRN_TRY(check_alive());
    const auto target = by_number(location.segment);
    if (!target || location.offset < header_page_bytes) return gone(location);
    const bool in_active = target == segments_.back();
    const auto old_end = in_active ? tail_ : target->end;
    if (location.offset >= old_end) return {};
    const auto durable = in_active ? std::min(synced_, location.offset) : location.offset;
    if (in_active && location.offset >= buffer_at_) {
      const std::lock_guard lock(mutex_);
      buffer_.resize(location.offset - buffer_at_);
      tail_ = location.offset;
      return {};
    }
    {
      const std::lock_guard lock(mutex_);
      buffer_.clear();
      tail_ = buffer_at_;
    }
    // From the last one on, each durably, so that what is left after a crash is always a log's
    // front.
    while (segments_.back() != target) CAIRN_TRY(drop(segments_.size() - 1));
    return cut(*target, location.offset, durable, old_end);
  }

  Result<void> truncate_front(RecordLocation location) override {
    CAIRN_TRY(check_alive());
    while (segments_.size() > 1 && segments_.front()->number() < location.segment) CAIRN_TRY(drop(0));
    return {};
  }

  Result<void> remove_segment(std::uint32_t segment) override {
    CAIRN_TRY(check_alive());
    for (std::size_t i = 0; i + 1 < segments_.size(); ++i)
      if (segments_[i]->number() == segment) return drop(i);
    if (active().number() == segment) return Error{Errc::invalid_argument, "the last segment cannot be removed"};
    return gone({segment, 0});
  }

  Result<void> scan(std::uint32_t segment, const std::function<Result<void>(const Record&)>& visit) const override {
    if (is_last(segment)) return scan_last(segment, visit);
    auto found = find({segment, header_page_bytes}, 0, 0);
    if (!found.ok()) return found.error();
    Window window(*found->segment->file, found->segment->end);
    const auto walk = walk_records(window, found->segment->identity, visit);
    if (!walk.ok()) return walk.error();
    if (walk->stopped_at != found->segment->end)
      return gone_or(*found, segment_damage(segment, walk->stopped_at, "a record fails its checksum"));
    return {};
  }

  Result<std::optional<RecordLocation>> walk(RecordLocation from, std::uint64_t max_bytes,
                                             const std::function<Result<void>(const Record&)>& visit) const override {
    from.offset = std::max(from.offset, header_page_bytes);
    std::shared_ptr<Segment> segment;
    std::uint32_t end = 0;
    {
      const std::lock_guard lock(mutex_);
      if (death_) return *death_;
      segment = by_number(from.segment);
      if (!segment) return gone(from);
      end = segment == segments_.back() ? synced_ : segment->end;
    }
    Window window(*segment->file, end);
    const auto at = walk_past_damage(window, segment->identity, from.offset, end, max_bytes, visit);
    if (!at.ok()) return at.error();
    if (*at >= end) return std::optional<RecordLocation>();
    return std::optional(RecordLocation{from.segment, *at});
  }

  std::vector<SegmentInfo> segments() const override {
    const std::lock_guard lock(mutex_);
    std::vector<SegmentInfo> out;
    for (const auto& segment : segments_) out.push_back({segment->number(), segment->end});
    out.back().used_bytes = tail_;
    return out;
  }

  std::uint64_t used_bytes() const override {
    std::uint64_t bytes = 0;
    for (const auto& info : segments()) bytes += info.used_bytes;
    return bytes;
  }

 private:
  /// A place that was looked up.
  struct Found {
    std::shared_ptr<Segment> segment;
    Bytes bytes;
  };

  // ── Opening ──

  Result<void> create_first() {
    const auto random = random_bytes(8);
    const auto prepared = files_.prepare(Reader(random).u64(), 1);
    if (!prepared.ok()) return prepared.error();
    CAIRN_TRY(start(*prepared));
    return write_end_mark();
  }

  Result<void> recover_sealed(Segment& segment, const std::function<Result<void>(const Record&)>& visit) {
    if (segment.end < header_page_bytes) {
      if (!options_.pass_over_damage)
        return segment_damage(segment.number(), seal_offset, "the segment's seal fails its checksum");
      segment.end = static_cast<std::uint32_t>(std::min<std::uint64_t>(segment.room, UINT32_MAX));
    }
    if (segment.number() < options_.visit_from.segment) return {};
    Window window(*segment.file, segment.end);
    if (options_.pass_over_damage) {
      const auto walked =
          walk_past_damage(window, segment.identity, header_page_bytes, segment.end, UINT64_MAX, from_wanted(visit));
      return walked.ok() ? Result<void>() : walked.error();
    }
    const auto walk = walk_records(window, segment.identity, from_wanted(visit));
    if (!walk.ok()) return walk.error();
    if (walk->stopped_at != segment.end)
      return segment_damage(segment.number(), walk->stopped_at, "a record that was durable is damaged");
    return {};
  }

  /// Where what follows the intact records begins.
  static std::uint32_t rest_after(const Walk& walk) {
    return walk.stop == Stop::cut_mark ? walk.stopped_at + record_header_bytes : walk.stopped_at;
  }

  Result<void> recover_last(Segment& segment, const std::function<Result<void>(const Record&)>& visit) {
    Window window(*segment.file, segment.room);
    auto walk = walk_records(window, segment.identity, from_wanted(visit));
    if (!walk.ok()) return walk.error();
    auto remains = find_remains(window, segment.identity, rest_after(*walk));
    if (!remains.ok()) return remains.error();
    if (walk->stop != Stop::cut_mark && remains->max_watermark > walk->stopped_at) {
      if (!options_.pass_over_damage)
        return segment_damage(segment.number(), walk->stopped_at, "a record that was durable is damaged");
      // All before the highest watermark was durable once: the log goes on from there.
      const auto on = next_position(remains->max_watermark);
      const auto walked =
          walk_past_damage(window, segment.identity, walk->stopped_at, on, UINT64_MAX, from_wanted(visit));
      if (!walked.ok()) return walked.error();
      walk = walk_records(window, segment.identity, from_wanted(visit), on);
      if (!walk.ok()) return walk.error();
      remains = find_remains(window, segment.identity, rest_after(*walk));
      if (!remains.ok()) return remains.error();
    }
    const bool was_cut = walk->stop == Stop::cut_mark;
    // What lies behind the end was never durable, or was cut off: it must not come back when new
    // records grow up to it.
    CAIRN_TRY(write_zeros(segment, rest_after(*walk), remains->end));
    CAIRN_TRY(segment.file->sync());
    tail_ = synced_ = buffer_at_ = walk->stopped_at;
    return was_cut ? Result<void>() : write_end_mark();
  }

  std::function<Result<void>(const Record&)> from_wanted(
      const std::function<Result<void>(const Record&)>& visit) const {
    return [this, &visit](const Record& record) -> Result<void> {
      if (!visit || record.location < options_.visit_from) return {};
      return visit(record);
    };
  }

  // ── Writing ──

  Segment& active() const { return *segments_.back(); }

  /// Room for a record that begins at `at` and for the end mark behind it.
  bool fits(std::uint64_t at, std::uint64_t length) const {
    const auto end = at + record_header_bytes + length;
    return end <= UINT32_MAX - sector_bytes && end_mark_end(end) <= options_.segment_bytes;
  }
  static std::uint64_t end_mark_end(std::uint64_t end) {
    return std::uint64_t{next_position(static_cast<std::uint32_t>(end))} + record_header_bytes;
  }

  Result<void> make_room(std::uint32_t end) {
    auto made = files_.extend(active(), end_mark_end(end));
    return made.ok() || made.error().code == Errc::disk_full ? made : die(made.error());
  }

  /// Adds a record from `at` to `end` to the buffer, and writes it if it is large.
  Result<void> add(std::uint32_t at, const Bytes& header, const std::vector<BytesView>& parts, std::uint32_t end) {
    const auto before = buffer_.size();
    const bool direct = end - at >= direct_body_bytes;
    {
      const std::lock_guard lock(mutex_);
      buffer_.resize(at - buffer_at_);
      buffer_ += header;
      if (!direct)
        for (const auto part : parts) buffer_ += part;
    }
    Result<void> written;
    if (direct)
      written = flush(parts);
    else if (buffer_.size() >= max_buffered_bytes)
      written = flush({});
    if (!written.ok() && written.error().code != Errc::disk_full) return die(written.error());
    const std::lock_guard lock(mutex_);
    if (written.ok())
      tail_ = next_position(end);
    else
      buffer_.resize(before);
    return written;
  }

  /// Writes the buffer and then `more`.
  Result<void> flush(const std::vector<BytesView>& more) {
    std::vector<BytesView> parts{buffer_};
    parts.insert(parts.end(), more.begin(), more.end());
    CAIRN_TRY(active().file->write(buffer_at_, parts));
    const std::lock_guard lock(mutex_);
    for (const auto part : parts) buffer_at_ += static_cast<std::uint32_t>(part.size());
    buffer_.clear();
    return {};
  }

  /// Not synced itself. Lets the next open tell damage to what was durable from a torn tail.
  Result<void> write_end_mark() {
    if (tail_ + record_header_bytes > active().room) return {};
    RecordHeader header;
    header.type = RecordType::end_mark;
    header.watermark = tail_;
    const auto mark = encode_record_header(active().identity, tail_, header);
    const auto written = active().file->write(tail_, {mark});
    if (!written.ok() && written.error().code != Errc::disk_full) return die(written.error());
    return {};
  }

  /// Seals the active segment and starts the next. What can fail for want of room comes first.
  Result<void> roll() {
    const auto next = files_.prepare(active().identity.log, active().number() + 1);
    if (!next.ok()) return next.error().code == Errc::disk_full ? next.error() : die(next.error());
    if (auto flushed = flush({}); !flushed.ok())
      return flushed.error().code == Errc::disk_full ? flushed : die(flushed.error());
    auto& segment = active();
    auto sealed = segment.file->write(seal_offset, {encode_seal(segment.identity, tail_)});
    if (sealed.ok()) sealed = segment.file->sync();
    if (!sealed.ok()) return die(sealed.error());
    if (auto started = start(*next); !started.ok()) return die(started.error());
    return {};
  }

  Result<void> start(const SegmentFiles::Prepared& prepared) {
    CAIRN_TRY(files_.start(prepared));
    const std::lock_guard lock(mutex_);
    if (!segments_.empty()) segments_.back()->end = tail_;
    segments_.push_back(prepared.segment);
    tail_ = synced_ = buffer_at_ = header_page_bytes;
    return {};
  }

  // ── Removing ──

  /// Takes a segment out of the log; durable when it returns.
  Result<void> drop(std::size_t position) {
    std::shared_ptr<Segment> segment;
    {
      const std::lock_guard lock(mutex_);
      segment = segments_[position];
      segments_.erase(segments_.begin() + static_cast<std::ptrdiff_t>(position));
      if (position == segments_.size()) tail_ = synced_ = buffer_at_ = segments_.back()->end;
    }
    auto retired = files_.retire(*segment);
    return retired.ok() ? retired : die(retired.error());
  }

  /// Makes `offset` the end of the last segment. The mark, one sector, ends the log at once; the
  /// void records behind it must be gone before anything is written in its place.
  Result<void> cut(Segment& segment, std::uint32_t offset, std::uint32_t durable, std::uint32_t old_end) {
    const auto zeros_end = static_cast<std::uint32_t>(std::min(end_mark_end(old_end), segment.room));
    RecordHeader header;
    header.type = RecordType::cut_mark;
    header.watermark = durable;
    const auto mark = encode_record_header(segment.identity, offset, header);
    auto done = segment.file->write(offset, {mark});
    if (done.ok()) done = segment.file->sync();
    if (done.ok()) done = write_zeros(segment, offset + record_header_bytes, zeros_end);
    if (done.ok()) done = segment.file->sync();
    if (!done.ok()) return die(done.error());
    const std::lock_guard lock(mutex_);
    tail_ = synced_ = buffer_at_ = offset;
    return {};
  }

  static Result<void> write_zeros(Segment& segment, std::uint32_t from, std::uint32_t to) {
    if (from >= to) return {};
    const Bytes zeros(std::min<std::size_t>(zero_write_bytes, to - from), '\0');
    while (from < to) {
      const auto count = std::min<std::size_t>(zeros.size(), to - from);
      CAIRN_TRY(segment.file->write(from, {BytesView(zeros).substr(0, count)}));
      from += static_cast<std::uint32_t>(count);
    }
    return {};
  }

  // ── Looking up; any thread ──

  std::shared_ptr<Segment> by_number(std::uint32_t number) const {
    const auto found = std::lower_bound(segments_.begin(), segments_.end(), number,
                                        [](const auto& segment, std::uint32_t n) { return segment->number() < n; });
    if (found == segments_.end() || (*found)->number() != number) return nullptr;
    return *found;
  }

  /// The segment of `location` and up to `count` bytes from `skip` bytes behind it, which may still
  /// be in the buffer.
  Result<Found> find(RecordLocation location, std::uint64_t skip, std::size_t count) const {
    Found found;
    {
      const std::lock_guard lock(mutex_);
      if (death_) return *death_;
      found.segment = by_number(location.segment);
      if (!found.segment || location.offset < header_page_bytes || next_position(location.offset) != location.offset)
        return gone(location);
      const bool in_last = found.segment == segments_.back();
      if (location.offset >= (in_last ? tail_ : found.segment->end)) return gone(location);
      if (in_last && location.offset >= buffer_at_) {
        const auto from = location.offset - buffer_at_ + skip;
        if (from < buffer_.size()) found.bytes = buffer_.substr(from, count);
        return found;
      }
    }
    if (count == 0) return found;
    auto bytes = found.segment->file->read(location.offset + skip, count);
    if (!bytes.ok()) return bytes.error();
    found.bytes = std::move(bytes).value();
    return found;
  }

  bool is_last(std::uint32_t number) const {
    const std::lock_guard lock(mutex_);
    return segments_.back()->number() == number;
  }

  /// Record by record: some may still be in the buffer.
  Result<void> scan_last(std::uint32_t number, const std::function<Result<void>(const Record&)>& visit) const {
    RecordLocation at{number, header_page_bytes};
    while (find(at, 0, 0).ok()) {
      const auto record = read(at);
      if (!record.ok()) return record.error();
      CAIRN_TRY(visit(*record));
      const auto end = at.offset + record_header_bytes + record->body.size();
      at.offset = next_position(static_cast<std::uint32_t>(end));
    }
    return {};
  }

  bool is_kept(const Segment& segment) const {
    const std::lock_guard lock(mutex_);
    const auto now = by_number(segment.number());
    return now && now->identity == segment.identity;
  }

  /// What was read made no sense: because its file serves another segment by now, or for `error`.
  Error gone_or(const Found& found, Error error) const {
    return is_kept(*found.segment) ? error : gone({found.segment->number(), 0});
  }

  static Error gone(RecordLocation location) {
    return {Errc::not_found, "the log has no record in segment " + segment_name(location.segment) + " at offset " +
                                 std::to_string(location.offset)};
  }

  // ── Failing ──

  Result<void> check_alive() const {
    if (death_) return *death_;
    return {};
  }

  Error die(const Error& cause) {
    const std::lock_guard lock(mutex_);
    death_ = Error{Errc::io, "the log failed: " + cause.message};
    return *death_;
  }

  SegmentFiles files_;
  const SegmentLogOptions options_;

  // Changed by the writer under the mutex, which other threads take to look; the writer alone looks
  // without it.
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<Segment>> segments_;
  std::uint32_t tail_ = header_page_bytes;       // where the next record goes
  std::uint32_t synced_ = header_page_bytes;     // what is before it is durable
  std::uint32_t buffer_at_ = header_page_bytes;  // offset where buffer_ belongs
  Bytes buffer_;                                 // records that are not yet written
  std::optional<Error> death_;
};

}  // namespace

Result<std::unique_ptr<SegmentLog>> SegmentLog::open(std::shared_ptr<Disk> disk, const SegmentLogOptions& options,
                                                     const std::function<Result<void>(const Record&)>& visit) {
  auto log = std::make_unique<FileSegmentLog>(std::move(disk), options);
  CAIRN_TRY(log->recover(visit));
  return std::unique_ptr<SegmentLog>(std::move(log));
}

}  // namespace cairn::storage
