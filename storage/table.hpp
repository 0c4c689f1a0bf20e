// An ordered key-value table that is a log's checkpoint: an OrderedStore under an in-memory overlay of
// what was applied since. The table itself makes nothing durable before a checkpoint: its owner replays
// its log from applied() at start. Every value carries a CRC-32C over key and value; a row that fails it
// is Errc::corrupt and is never returned.
// Threads: all calls on the owner's thread, except Checkpoint::write(), which belongs on a disk thread
// and runs beside reads and new writes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "storage/ordered_store.hpp"
#include "storage/write_batch.hpp"

namespace cairn::storage {

/// Read access to rows: what the metadata machine sees. Returned bytes are owned.
class RowReader {
 public:
  virtual ~RowReader() = default;
  virtual Result<std::optional<Bytes>> get(BytesView key) = 0;
  /// Rows in [from, to) ("" is the end) in order until `visit` answers false. The views live during
  /// the visit only.
  virtual Result<void> scan(BytesView from, BytesView to, const std::function<bool(BytesView, BytesView)>& visit) = 0;
  /// The same from the last row before `to` backwards.
  virtual Result<void> scan_back(BytesView from, BytesView to,
                                 const std::function<bool(BytesView, BytesView)>& visit) = 0;
};

/// A frozen overlay on its way to disk. Who holds it last frees its rows, which takes a while: after
/// finish_checkpoint() let go of it on the disk thread.
class Checkpoint {
 public:
  virtual ~Checkpoint() = default;
  /// Writes the frozen rows in key order, with the log position that they reflect, in one durable
  /// transaction. Errors as StoreTransaction::commit.
  virtual Result<void> write() = 0;
};

class Table : public RowReader {
 public:
  /// Takes `store`; reads the position of its last checkpoint.
  static Result<std::unique_ptr<Table>> open(std::unique_ptr<OrderedStore> store);

  /// Takes effect at once in memory. `applied` is the log position (for a shard the entry's index) that
  /// the table reflects from now on; never smaller than before.
  virtual void apply(WriteBatch&& batch, std::uint64_t applied) = 0;
  /// The log position of the last apply().
  virtual std::uint64_t applied() const = 0;
  /// The log position of the last finished checkpoint: replay starts after it.
  virtual std::uint64_t checkpointed() const = 0;
  /// Memory in the overlay, for deciding when to checkpoint. Approximate.
  virtual std::uint64_t overlay_bytes() const = 0;

  /// Freezes the overlay. Call write() on the result elsewhere, then finish() or abandon() here; only
  /// one at a time. Nothing if there is nothing to write.
  virtual std::shared_ptr<Checkpoint> begin_checkpoint() = 0;
  /// The frozen rows are in the store now: drops them from memory.
  virtual Result<void> finish_checkpoint() = 0;
  /// The write failed: the frozen rows stay in memory and go with the next checkpoint.
  virtual void abandon_checkpoint() = 0;

  /// The rows of the last checkpoint as they are stored (open_row() checks one), the table's own among them.
  /// The view may be used on another thread, and outlives the table; it keeps old pages from being reclaimed.
  virtual Result<std::unique_ptr<StoreSnapshot>> stored_rows() = 0;

  /// Lets the store reclaim old pages: call before every wait.
  virtual void release_snapshot() = 0;
  /// Bytes the store uses on disk, without the overlay.
  virtual Result<std::uint64_t> store_bytes() = 0;
};

/// A row's stored form: value, then CRC-32C of key and value. For tests and snapshots.
Bytes seal_row(BytesView key, BytesView value);
Result<BytesView> open_row(BytesView key, BytesView stored);

}  // namespace cairn::storage
