// The order of a shard's commands when the shard has one replica: the pure step that consensus will take
// over for more, with the same shape. propose() gives indexes, ready() the entries to store next, and
// stored() those that may be applied: only what is on stable storage counts. No clock, no disk. One
// thread.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "protocol/error.hpp"
#include "storage/shard_store.hpp"

namespace cairn::cluster {

/// Kinds of log entries; part of the log: append only.
enum class EntryKindInLog : std::uint8_t { no_op = 1, command = 2, configuration = 3 };

class ReplicaLog {
 public:
  /// Continues after what was recovered: entries up to `last_index` are stored, those up to `applied`
  /// are in the rows.
  ReplicaLog(std::uint64_t term, std::uint64_t last_index, std::uint64_t applied);

  /// Puts a command at the end. Its index, or busy if limits::max_proposals_in_flight or
  /// max_proposal_bytes_in_flight are reached.
  Result<std::uint64_t> propose(Bytes command);

  /// The next entries to append and sync as one batch (bounded by max_batch_entries and
  /// max_batch_bytes); empty while a batch is out or when there is nothing.
  std::vector<storage::LogEntry> ready();

  /// The batch that ready() gave is durable: its entries, to be applied in order.
  std::vector<storage::LogEntry> stored();

  /// The store refused the batch whole and durably nothing was written (disk_full): the batch's entries
  /// are dropped, and so is what was proposed since; returns their indexes, which will be used again.
  std::vector<std::uint64_t> refused();

  std::uint64_t last_index() const { return last_index_; }
  std::size_t in_flight() const { return waiting_.size() + out_.size(); }

 private:
  std::uint64_t term_;
  std::uint64_t last_index_;
  std::size_t bytes_in_flight_ = 0;
  std::deque<storage::LogEntry> waiting_;
  std::vector<storage::LogEntry> out_;
};

}  // namespace cairn::cluster
