// What one replica of a shard keeps on disk: its log (term, vote, configuration, entries) and nothing
// else; its rows are a Table beside it. Synchronous; owned by one disk thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "storage/segment_log.hpp"
#include "storage/shared_bytes.hpp"

namespace cairn::storage {

/// One entry of a shard's log.
struct LogEntry {
  std::uint64_t index = 0;          ///< dense from 1
  std::uint64_t term = 0;
  std::uint8_t kind = 0;            ///< the cluster's own tag (command, configuration, no-op)
  SharedBytes body;
  friend bool operator==(const LogEntry&, const LogEntry&) = default;
};

/// What must survive a restart beside the entries.
struct HardState {
  std::uint64_t term = 0;
  std::uint64_t vote = 0;           ///< node voted for in `term`, 0 for none
  friend bool operator==(const HardState&, const HardState&) = default;
};

class ShardStore {
 public:
  /// What was found at open.
  struct Recovered {
    HardState hard_state;
    std::uint64_t first_index = 1;      ///< of the first kept entry (last + 1 if none is kept)
    std::uint64_t last_index = 0;
    std::uint64_t compacted_term = 0;   ///< term of the entry before first_index, 0 at the start
  };

  /// Opens or creates the log in `disk`. Entries are not kept in memory, only their locations.
  static Result<std::unique_ptr<ShardStore>> open(std::shared_ptr<Disk> disk, const SegmentLogOptions& options,
                                                  Recovered& found);
  virtual ~ShardStore() = default;

  /// Appends without syncing. An index at or before the last one first removes that one and all after
  /// it (a follower's conflict). A gap is invalid_argument.
  virtual Result<void> append(const std::vector<LogEntry>& entries) = 0;
  virtual Result<void> set_hard_state(const HardState& state) = 0;
  /// All of the above is durable when this returns. An error is final.
  virtual Result<void> sync() = 0;
  /// Entries [from, from + max_count) as far as they exist, cut after `max_bytes` but at least one.
  virtual Result<std::vector<LogEntry>> read(std::uint64_t from, std::size_t max_count,
                                             std::size_t max_bytes) const = 0;
  /// Forgets entries up to and including `index`, whose rows are in a checkpoint. Space returns by whole
  /// segments.
  virtual Result<void> compact(std::uint64_t index) = 0;
  /// Forgets the whole log; the next entry is `index` + 1 after one of `term` (a snapshot was installed).
  virtual Result<void> reset(std::uint64_t index, std::uint64_t term) = 0;
  virtual std::uint64_t first_index() const = 0;
  virtual std::uint64_t last_index() const = 0;
  virtual std::uint64_t used_bytes() const = 0;
};

}  // namespace cairn::storage
