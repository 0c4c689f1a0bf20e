// What a replica knows of its log without its disk: the terms of all kept entries, the newest entries
// themselves, and how far they are durable. The entries that are not durable yet are given out in
// batches, one at a time. No clock, no disk. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "cluster/raft_faults.hpp"
#include "storage/shard_store.hpp"

namespace cairn::cluster {

class RaftLog {
 public:
  /// An empty log after `index`, whose entry was of `term` (both 0 at the start).
  explicit RaftLog(std::uint64_t index = 0, std::uint64_t term = 0, Faults faults = {});

  /// At start: the next entry that the store holds. Entries up to `applied` need no body in memory.
  void restore(storage::LogEntry entry, std::uint64_t applied);

  std::uint64_t first_index() const { return compacted_index_ + 1; }
  std::uint64_t last_index() const { return last_index_; }
  std::uint64_t last_term() const { return *term_at(last_index_); }
  /// Nothing before what was compacted (whose own term is known) and after the end.
  std::optional<std::uint64_t> term_at(std::uint64_t index) const;
  /// The first kept index of the term that `index` has.
  std::uint64_t first_of_term(std::uint64_t index) const;
  bool matches(std::uint64_t index, std::uint64_t term) const { return term_at(index) == term; }

  /// Puts an entry at the end: its index is last_index() + 1.
  void append(storage::LogEntry entry);
  /// Removes `from` and all after it, for entries of another leader.
  void truncate(std::uint64_t from);

  /// The first entries that are neither durable nor given out; empty while a batch is out.
  std::vector<storage::LogEntry> next_batch(std::size_t max_count, std::size_t max_bytes);
  /// The batch is durable.
  void batch_stored();
  /// The batch was not written and nothing of it is durable: it will be given out again.
  void batch_refused();
  bool batch_out() const { return batch_out_; }
  /// Durable up to here, as the log is now.
  std::uint64_t stored() const { return stored_; }

  /// Entries from `from` on while they are in memory; at least one unless `from` is over the end.
  /// Nothing if `from` is no longer in memory.
  std::optional<std::vector<storage::LogEntry>> slice(std::uint64_t from, std::uint64_t to, std::size_t max_count,
                                                      std::size_t max_bytes) const;
  const storage::LogEntry* find(std::uint64_t index) const;
  /// Bytes of the bodies kept in memory.
  std::size_t cache_bytes() const { return cache_bytes_; }

  /// Lets go of the oldest entries in memory up to `index` until `keep_bytes` are left.
  void trim(std::uint64_t index, std::size_t keep_bytes);
  /// The store forgot entries up to and including `index`.
  void compact(std::uint64_t index);
  /// A snapshot of `index` and `term` took the place of the whole log.
  void reset(std::uint64_t index, std::uint64_t term);

 private:
  Faults faults_;
  std::uint64_t compacted_index_;
  std::uint64_t compacted_term_;
  std::uint64_t last_index_;
  std::map<std::uint64_t, std::uint64_t> runs_;   // first kept index of a run of entries → their term
  std::deque<storage::LogEntry> cache_;           // the entries up to last_index_, contiguous
  std::size_t cache_bytes_ = 0;
  std::uint64_t stored_;
  bool batch_out_ = false;
  std::uint64_t batch_last_ = 0;
};

}  // namespace cairn::cluster
