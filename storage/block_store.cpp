#include "storage/block_store.hpp"

#include <algorithm>
#include <map>

#include "protocol/limits.hpp"
#include "storage/block_format.hpp"
#include "storage/block_index.hpp"
#include "storage/block_sweep.hpp"
#include "storage/seal.hpp"
#include "storage/segment_format.hpp"

namespace cairn::storage {
namespace {

using namespace block_format;
using Row = BlockIndex::Row;

constexpr std::size_t rows_per_page = 1'024;
constexpr std::uint64_t most_preallocated_bytes = 64u << 20;
constexpr std::int64_t room_check_millis = 1'000;
/// Room that comes back must exceed the reserve by one part in 8, or the store would flicker.
constexpr std::uint64_t resume_share = 8;
/// With no room for checkpoints the overlay may grow to this multiple of its bound; then puts stop.
constexpr std::uint64_t overlay_overdue = 4;
constexpr RecordLocation after_all_records{UINT32_MAX, UINT32_MAX};

SegmentLogOptions log_options(const BlockStoreOptions& options) {
  SegmentLogOptions log;
  log.segment_bytes = options.segment_bytes;
  log.preallocation = Preallocation::reserved;
  log.preallocation_step_bytes = std::min(most_preallocated_bytes, options.segment_bytes / 4);
  log.spare_segments = 0;  // room that compaction wins is room
  log.visit_from = after_all_records;
  log.pass_over_damage = true;
  return log;
}

std::string name_of(const BlockId& id) { return "block " + id.hex(); }
Error absent(const BlockId& id) { return {Errc::not_found, name_of(id) + " is not stored here"}; }
Error full() { return {Errc::disk_full, "there is too little room for more blocks"}; }

class LogBlockStore final : public BlockStore {
 public:
  LogBlockStore(std::shared_ptr<Disk> disk, const BlockStoreOptions& options)
      : disk_(std::move(disk)), options_(options) {}

  Result<void> recover(std::unique_ptr<OrderedStore> store, Timestamp now) {
    auto log = SegmentLog::open(disk_, log_options(options_), {});
    if (!log) return log.error();
    log_ = std::move(*log);
    const std::shared_ptr<OrderedStore> shared = std::move(store);
    auto index = BlockIndex::open(shared);
    if (!index && index.error().code != Errc::corrupt) return index.error();
    if (index) index_ = std::move(*index);
    if (!index_ || !index_matches_segments()) {
      index_.reset();
      CAIRN_TRY(BlockIndex::clear(*shared));
      index = BlockIndex::open(shared);
      if (!index) return index.error();
      index_ = std::move(*index);
      rebuilt_ = true;
    }
    return replay(now);
  }

  Result<void> put(const BlockId& id, BytesView sealed, Timestamp now) override {
    CAIRN_TRY(alive());
    if (sealed.size() > limits::max_block_bytes + sealed_overhead_bytes)
      return Error{Errc::too_large, name_of(id) + " is over the limit"};
    const auto row = find_row(id);
    if (!row) return row.error();
    CAIRN_TRY(check_room(now));
    if (*row && !(*row)->damaged) return append_touch(id, **row, now);
    const auto trailer = encode_trailer(id, now);
    const auto at = append(RecordKind::put, {sealed, trailer});
    if (!at) return refuse_if_full(at.error(), now);
    note({RecordKind::put, id, now, sealed}, *at, *row);
    return {};
  }

  Result<bool> contains(const BlockId& id) override {
    CAIRN_TRY(alive());
    const auto row = find_row(id);
    if (!row) return row.error();
    return *row && !(*row)->damaged;
  }

  Result<void> touch(const BlockId& id, Timestamp now) override {
    CAIRN_TRY(alive());
    const auto row = find_row(id);
    if (!row) return row.error();
    if (!*row || (*row)->damaged) return absent(id);
    CAIRN_TRY(check_room(now));
    return append_touch(id, **row, now);
  }

  Result<void> sync() override {
    CAIRN_TRY(alive());
    index_->release();
    return checked(log_->sync());
  }

  Result<Bytes> get(const BlockId& id) override {
    CAIRN_TRY(alive());
    const auto row = find_row(id);
    if (!row) return row.error();
    if (!*row) return absent(id);
    auto sealed = read_noting_damage(id, **row);
    index_->release();
    return sealed;
  }

  Result<RecordLocation> find(const BlockId& id) override {
    CAIRN_TRY(alive());
    const auto row = find_row(id);
    if (!row) return row.error();
    if (!*row) return absent(id);
    return (*row)->location;
  }

  Result<Bytes> read(const BlockId& id, RecordLocation location) const override {
    auto record = log_->read(location);
    if (!record) return Error{record.error().code, name_of(id) + ": " + record.error().message};
    const auto block = decode_record(*record);
    if (!block || block->id != id || block->kind == RecordKind::touch)
      return Error{Errc::corrupt, name_of(id) + ": another record is where it should be"};
    auto sealed = std::move(record->body);
    sealed.resize(sealed.size() - trailer_bytes);
    return sealed;
  }

  Result<std::optional<BlockId>> sweep_some(const std::optional<BlockId>& after, std::size_t max_blocks,
                                            const SweepMarks& marks, Timestamp now,
                                            SweepReport& report) override {
    CAIRN_TRY(alive());
    const auto rows = page(after, std::min(max_blocks, rows_per_page));
    if (!rows) return rows.error();
    for (const auto& [id, row] : *rows) {
      const auto after_sweep = sweep_row(id, row, marks, now, report);
      if (after_sweep != row) index_->set(id, row, after_sweep, index_->applied());
    }
    const bool at_end = rows->empty();
    // For want of room the changes wait in the overlay; after a crash another sweep makes them again.
    if (auto done = checkpoint(at_end); !done && done.error().code != Errc::disk_full)
      return done.error();
    if (at_end) return std::optional<BlockId>();
    return std::optional(rows->back().first);
  }

  Result<bool> compact(double dead_share, std::uint64_t max_bytes) override {
    CAIRN_TRY(alive());
    if (!compacting_) {
      const auto segment = choose_segment(dead_share);
      if (!segment) return segment.error();
      if (!*segment) return false;
      compacting_ = Compaction{**segment, RecordLocation{**segment, 0}};
    }
    if (compacting_->next) {
      const auto next = log_->walk(*compacting_->next, std::max<std::uint64_t>(max_bytes, 1),
                                   [this](const Record& record) { return move_if_live(record); });
      CAIRN_TRY(alive());
      if (!next && next.error().code == Errc::disk_full) return next.error();
      if (!next) {
        leave_segment();  // it cannot be read to its end
        return true;
      }
      compacting_->next = *next;
      CAIRN_TRY(sync());
      if (compacting_->next) return true;
    }
    return finish_compaction();
  }

  Result<std::optional<BlockId>> scrub(const std::optional<BlockId>& after, std::uint64_t max_bytes,
                                       const std::function<void(const BlockId&)>& bad) override {
    CAIRN_TRY(alive());
    std::optional<BlockId> last = after;
    for (std::uint64_t bytes = 0;;) {
      const auto rows = page(last, rows_per_page);
      if (!rows) return rows.error();
      if (rows->empty()) return std::optional<BlockId>();
      for (const auto& [id, row] : *rows) {
        if (!read_noting_damage(id, row)) bad(id);
        last = id;
        bytes += row.sealed_bytes + trailer_bytes;
        if (bytes >= max_bytes) return last;
      }
    }
  }

  Result<void> checkpoint(bool force) override {
    CAIRN_TRY(alive());
    // The first comes soon, since until then the index cannot be told from a lost one.
    const bool due = index_->overlay_bytes() >= options_.index_overlay_bytes ||
                     log_bytes_ >= options_.index_log_bytes || index_->never_checkpointed();
    if (!due && !force) return {};
    // The index must never know of records that a crash could take away.
    CAIRN_TRY(sync());
    CAIRN_TRY(checked(index_->checkpoint()));
    index_->release();
    log_bytes_ = 0;
    return {};
  }

  BlockStoreStats stats() const override {
    const auto& totals = index_->totals();
    BlockStoreStats stats;
    stats.blocks = totals.blocks;
    stats.stored_bytes = totals.sealed_bytes;
    stats.quarantined_blocks = totals.quarantined_blocks;
    stats.quarantined_bytes = totals.quarantined_bytes;
    stats.damaged_blocks = totals.damaged_blocks;
    for (const auto& info : log_->segments()) {
      stats.segment_bytes += info.used_bytes;
      stats.dead_bytes += dead_bytes(info);
    }
    stats.read_only = read_only_;
    stats.index_rebuilt = rebuilt_;
    return stats;
  }

 private:
  struct Compaction {
    std::uint32_t segment = 0;
    std::optional<RecordLocation> next;  ///< nothing: all that could be moved is moved
  };

  // ── Opening ──

  /// Whether every row points into a segment that is there and the log reaches as far as the index.
  bool index_matches_segments() const {
    const auto segments = log_->segments();
    const auto end_of = [&](std::uint32_t number) -> std::uint64_t {
      const auto found = std::lower_bound(
          segments.begin(), segments.end(), number,
          [](const SegmentInfo& info, std::uint32_t n) { return info.segment < n; });
      return found == segments.end() || found->segment != number ? 0 : found->used_bytes;
    };
    for (const auto& [segment, use] : index_->uses())
      if (use.end > end_of(segment)) return false;
    const auto applied = location_of(index_->applied());
    const auto& last = segments.back();
    return applied < RecordLocation{last.segment, static_cast<std::uint32_t>(last.used_bytes)};
  }

  /// Applies the records that the index does not know yet, or all if it is new.
  Result<void> replay(Timestamp now) {
    const auto applied = index_->applied();
    const bool all = applied == 0;
    const auto visit = [&](const Record& record) -> Result<void> {
      if (position_of(record.location) <= applied) return {};
      if (all) rebuilt_ = true;
      auto block = decode_record(record);
      if (!block)
        return Error{Errc::corrupt, "segment " + std::to_string(record.location.segment) +
                                        " holds a record of an unknown form"};
      if (all) block->touched = now;
      const auto row = find_row(block->id);
      if (!row) return row.error();
      note(*block, record.location, *row);
      log_bytes_ += record.body.size();
      const auto done = checkpoint(false);
      return done || done.error().code == Errc::disk_full ? Result<void>() : done;
    };
    const auto from = location_of(applied);
    for (const auto& info : log_->segments()) {
      if (info.segment < from.segment) continue;
      const auto start = info.segment == from.segment ? from : RecordLocation{info.segment, 0};
      if (const auto walked = log_->walk(start, UINT64_MAX, visit); !walked) return walked.error();
    }
    return {};
  }

  // ── Records and rows ──

  /// Brings the index to what the record `block` at `at` says; `old` is the block's row so far.
  void note(const BlockRecord& block, RecordLocation at, const std::optional<Row>& old) {
    if (block.kind == RecordKind::touch && !old) return;  // deleted since
    Row row = old.value_or(Row{});
    if (block.kind != RecordKind::touch) {
      row.location = at;
      row.sealed_bytes = static_cast<std::uint32_t>(block.sealed.size());
      row.damaged = false;
    }
    if (block.kind != RecordKind::moved) row.quarantined.reset();
    row.touched = old ? std::max(old->touched, block.touched) : block.touched;
    index_->set(block.id, old, row, position_of(at));
  }

  Result<RecordLocation> append(RecordKind kind, const std::vector<BytesView>& parts) {
    auto at = log_->append(static_cast<std::uint8_t>(kind), parts);
    if (!at) return at.error().code == Errc::too_large ? at.error() : failed(at.error());
    for (const auto part : parts) log_bytes_ += part.size();
    for (const auto part : parts) unchecked_bytes_ += part.size();
    return at;
  }

  Result<void> append_touch(const BlockId& id, const Row& row, Timestamp now) {
    const auto trailer = encode_trailer(id, now);
    const auto at = append(RecordKind::touch, {trailer});
    if (!at) return refuse_if_full(at.error(), now);
    note({RecordKind::touch, id, now, {}}, *at, row);
    return {};
  }

  Result<std::optional<Row>> find_row(const BlockId& id) {
    auto row = index_->find(id);
    if (!row) return failed(row.error());
    return row;
  }

  Result<std::vector<std::pair<BlockId, Row>>> page(const std::optional<BlockId>& after,
                                                    std::size_t count) {
    auto rows = index_->page(after, std::max<std::size_t>(count, 1));
    if (!rows) return failed(rows.error());
    index_->release();
    return rows;
  }

  /// Not being able to read a block is no reason to stop: it is noted, and the next put heals it.
  Result<Bytes> read_noting_damage(const BlockId& id, const Row& row) {
    auto sealed = read(id, row.location);
    const bool damaged = !sealed;
    if (damaged != row.damaged) {
      auto changed = row;
      changed.damaged = damaged;
      index_->set(id, row, changed, index_->applied());
    }
    if (damaged) return Error{Errc::corrupt, sealed.error().message};
    return sealed;
  }

  // ── Garbage ──

  std::uint64_t dead_bytes(const SegmentInfo& info) const {
    const auto kept = segment_format::header_page_bytes + index_->use(info.segment).live_bytes;
    return info.used_bytes - std::min<std::uint64_t>(info.used_bytes, kept);
  }

  Result<std::optional<std::uint32_t>> choose_segment(double dead_share) {
    const auto free = disk_->free_bytes();
    if (!free) return free.error();
    const auto growth = log_options(options_).preallocation_step_bytes;
    std::optional<std::uint32_t> best;
    double best_share = dead_share;
    auto segments = log_->segments();
    segments.pop_back();
    for (const auto& info : segments) {
      const auto live = index_->use(info.segment).live_bytes;
      const auto left = left_.find(info.segment);
      if (left != left_.end() && left->second == live) continue;
      const auto dead = dead_bytes(info);
      const auto share = static_cast<double>(dead) / static_cast<double>(info.used_bytes);
      if (dead == 0 || share < best_share || (live > 0 && live + growth > *free)) continue;
      best = info.segment;
      best_share = share;
    }
    return best;
  }

  Result<void> move_if_live(const Record& record) {
    const auto block = decode_record(record);
    if (!block || block->kind == RecordKind::touch) return {};
    const auto row = find_row(block->id);
    if (!row) return row.error();
    if (!*row || (*row)->location != record.location) return {};
    const auto trailer = encode_trailer(block->id, (*row)->touched);
    const auto at = append(RecordKind::moved, {block->sealed, trailer});
    if (!at) return at.error();
    note({RecordKind::moved, block->id, (*row)->touched, block->sealed}, *at, *row);
    return {};
  }

  Result<bool> finish_compaction() {
    const auto segment = compacting_->segment;
    if (index_->use(segment).live_bytes > 0) {
      leave_segment();  // what is still in it is damaged
      return true;
    }
    // No row on disk may point to the segment when it goes.
    CAIRN_TRY(checkpoint(true));
    CAIRN_TRY(checked(log_->remove_segment(segment)));
    left_.erase(segment);
    compacting_.reset();
    return true;
  }

  /// Stops compacting a segment that cannot be emptied, until fewer blocks are in it.
  void leave_segment() {
    left_[compacting_->segment] = index_->use(compacting_->segment).live_bytes;
    compacting_.reset();
  }

  // ── Room ──

  Result<void> check_room(Timestamp now) {
    const bool stale = now < room_checked_at_ ||
                       now.millis - room_checked_at_.millis >= room_check_millis ||
                       unchecked_bytes_ >= options_.reserve_bytes / resume_share;
    if (stale) {
      const auto free = disk_->free_bytes();
      if (!free) return failed(free.error());
      const auto needed = options_.reserve_bytes +
                          (read_only_ ? options_.reserve_bytes / resume_share : 0);
      read_only_ = *free < needed;
      room_checked_at_ = now;
      unchecked_bytes_ = 0;
    }
    if (read_only_ || index_->overlay_bytes() >= overlay_overdue * options_.index_overlay_bytes)
      return full();
    return {};
  }

  Error refuse_if_full(const Error& error, Timestamp now) {
    if (error.code == Errc::disk_full) {
      read_only_ = true;
      room_checked_at_ = now;
    }
    return error;
  }

  // ── Failing ──

  Result<void> alive() const {
    if (death_) return *death_;
    return {};
  }

  Error failed(const Error& error) {
    if (error.code != Errc::disk_full && !death_) death_ = error;
    return error;
  }

  Result<void> checked(Result<void> result) {
    if (!result) return failed(result.error());
    return result;
  }

  const std::shared_ptr<Disk> disk_;
  const BlockStoreOptions options_;
  std::unique_ptr<SegmentLog> log_;
  std::unique_ptr<BlockIndex> index_;
  bool rebuilt_ = false;
  std::uint64_t log_bytes_ = 0;        // appended or replayed since the last checkpoint
  bool read_only_ = false;
  Timestamp room_checked_at_{INT64_MAX};
  std::uint64_t unchecked_bytes_ = 0;  // appended since the room was checked
  std::optional<Compaction> compacting_;
  std::map<std::uint32_t, std::uint64_t> left_;  // segments that could not be emptied, and their live bytes
  std::optional<Error> death_;
};

}  // namespace

Result<std::unique_ptr<BlockStore>> BlockStore::open(std::shared_ptr<Disk> segments,
                                                     std::unique_ptr<OrderedStore> index,
                                                     const BlockStoreOptions& options, Timestamp now) {
  auto store = std::make_unique<LogBlockStore>(std::move(segments), options);
  CAIRN_TRY(store->recover(std::move(index), now));
  return std::unique_ptr<BlockStore>(std::move(store));
}

}  // namespace cairn::storage
