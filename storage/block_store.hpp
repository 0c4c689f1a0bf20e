// What a block node keeps: sealed blocks in a segment log, and an index (a table) that says where each is
// and when it was last touched. The index is checkpointed lazily and rebuilt from the segments if lost.
// A block that is put again is stored once: its touch time moves on, durably, so that garbage collection
// spares it. Synchronous; one writer thread owns it; read() may be called from any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "protocol/ids.hpp"
#include "storage/segment_log.hpp"
#include "storage/table.hpp"

namespace cairn::storage {

struct BlockStoreOptions {
  std::uint64_t segment_bytes = 1u << 30;
  std::uint64_t index_overlay_bytes = 32u << 20;   ///< checkpoint the index at this size
  std::uint64_t index_log_bytes = 1u << 30;        ///< or when a start would have to re-read this much
  std::uint64_t reserve_bytes = 256u << 20;        ///< writes are refused (disk_full) below this much free room
};

struct BlockStoreStats {
  std::uint64_t blocks = 0;
  std::uint64_t stored_bytes = 0;        ///< sealed bytes of live blocks
  std::uint64_t quarantined_blocks = 0;
  std::uint64_t quarantined_bytes = 0;
  std::uint64_t damaged_blocks = 0;      ///< found rotten and not stored anew since
  std::uint64_t dead_bytes = 0;          ///< in segments, to be reclaimed by compact()
  std::uint64_t segment_bytes = 0;
  bool read_only = false;                ///< out of room
  bool index_rebuilt = false;            ///< open() found the index lost, damaged or not of these segments
};

/// What one sweep found and did.
struct SweepReport {
  std::uint64_t examined = 0;
  std::uint64_t referenced = 0;
  std::uint64_t quarantined = 0;         ///< newly
  std::uint64_t restored = 0;            ///< referenced although quarantined
  std::uint64_t deleted = 0;             ///< quarantined long enough
};

/// What a sweep goes by.
struct SweepMarks {
  std::function<bool(const BlockId&)> referenced;  ///< whether any shard names the block, as of marked_at
  Timestamp marked_at;                             ///< before which the marks were begun
  std::int64_t quarantine_millis = 0;
};

/// Unless said otherwise an error other than disk_full is final: the store refuses all that follows.
class BlockStore {
 public:
  /// Opens or creates the store: segments in `segments`, index in `index`. Brings the index up to the
  /// segments; rebuilds it if it is empty, damaged or not of these segments. A block of a rebuilt index
  /// counts as touched at `now` and not quarantined; some that were deleted may be back, for the next
  /// sweep to find.
  static Result<std::unique_ptr<BlockStore>> open(std::shared_ptr<Disk> segments, std::unique_ptr<OrderedStore> index,
                                                  const BlockStoreOptions& options, Timestamp now);
  virtual ~BlockStore() = default;

  /// Stores `sealed` under `id`, or touches it if it is there. Durable after sync(). disk_full changes
  /// nothing; it is answered until there is clearly more room than the reserve.
  virtual Result<void> put(const BlockId& id, BytesView sealed, Timestamp now) = 0;
  /// True if the block is there, quarantined or not; touch it with touch(). A block that was found
  /// damaged is not there: it should be put again.
  virtual Result<bool> contains(const BlockId& id) = 0;
  /// As put for a block that is there (its bytes are not needed); not_found if it is not. Durable
  /// after sync().
  virtual Result<void> touch(const BlockId& id, Timestamp now) = 0;
  /// Everything put or touched is durable when this returns.
  virtual Result<void> sync() = 0;
  /// The sealed bytes; not_found, or corrupt. Neither is final.
  virtual Result<Bytes> get(const BlockId& id) = 0;
  /// Where the block is, for read(). Not_found is not final.
  virtual Result<RecordLocation> find(const BlockId& id) = 0;
  /// Any thread: the sealed bytes at a location that find() told; not_found if the block has moved
  /// since, so that find() must be asked again, or corrupt. Neither is final.
  virtual Result<Bytes> read(const BlockId& id, RecordLocation location) const = 0;

  /// Mark and sweep over all blocks. `referenced` tells whether any shard names the block, as of
  /// `marked_at`, before which the marks were begun. A block that is not referenced and was last touched
  /// before marked_at − limits::receipt_lifetime − limits::receipt_margin goes to quarantine; one
  /// quarantined for `quarantine_millis` and still not referenced is deleted. Durable when it returns,
  /// if there is room.
  Result<SweepReport> sweep(const std::function<bool(const BlockId&)>& referenced, Timestamp marked_at,
                            std::int64_t quarantine_millis, Timestamp now);
  /// The same for at most `max_blocks` blocks behind `after`, in id order, adding to `report`. Returns
  /// where to go on; nothing at the end.
  virtual Result<std::optional<BlockId>> sweep_some(const std::optional<BlockId>& after, std::size_t max_blocks,
                                                    const SweepMarks& marks, Timestamp now, SweepReport& report) = 0;
  /// Moves live blocks out of the segment with the largest dead share, if that is at least
  /// `dead_share` (0 to 1), and removes it; not the segment that is written to. Re-reads at most about
  /// `max_bytes` of it, and goes on with it at the next call. False if there was nothing to do.
  virtual Result<bool> compact(double dead_share, std::uint64_t max_bytes = UINT64_MAX) = 0;
  /// Re-reads stored blocks from `after` on, at most `max_bytes` but at least one, and calls `bad` for
  /// those that fail their checksum. Returns where to go on; nothing at the end.
  virtual Result<std::optional<BlockId>> scrub(const std::optional<BlockId>& after, std::uint64_t max_bytes,
                                               const std::function<void(const BlockId&)>& bad) = 0;
  /// Checkpoints the index if it is due, or always if `force`. disk_full changes nothing.
  virtual Result<void> checkpoint(bool force) = 0;
  virtual BlockStoreStats stats() const = 0;
};

}  // namespace cairn::storage
