// A replica's rows: its table, the state machine over it, when to checkpoint, and how much of the log must be
// kept. The replica's actor alone.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>

#include "actors/messages.hpp"
#include "cluster/config.hpp"
#include "cluster/log_retention.hpp"
#include "cluster/state_machine.hpp"

namespace cairn::actors {

class ReplicaRows {
 public:
  ReplicaRows(cluster::directory::ShardId shard, cluster::ReplicaId self, std::shared_ptr<storage::Table> table,
              const cluster::Config::Metadata& config, std::uint64_t log_entries_kept);

  const std::shared_ptr<storage::Table>& table() const { return table_; }
  cluster::StateMachine& machine() { return *machine_; }
  std::uint64_t applied() const { return table_->applied(); }

  /// What entries up to `index` changed, and empties it; apply() follows before anything else is done.
  void apply_part(storage::WriteBatch& batch, std::uint64_t index) { table_->apply(std::move(batch), index); }
  /// What `entries` changed, once all are applied, at `position`.
  void apply(storage::WriteBatch batch, const cluster::Position& position, std::uint64_t log_bytes);

  /// Writes should wait: too many rows are only in memory, since the disk is behind.
  bool behind() const;
  bool checkpointing() const { return checkpointing_; }
  /// The checkpoint to write now, if one is due.
  std::optional<WriteCheckpoint> checkpoint_if_due(std::uint64_t log_bytes);
  /// It was written, or with an `error` it was refused. Errors as Table::finish_checkpoint().
  Result<void> checkpoint_written(const Error* error);
  /// Other rows take their place; no checkpoint is on its way.
  void replace(std::shared_ptr<storage::Table> table);

  /// A view of the last checkpoint, for a snapshot: what follows it in the log is kept until source_closed().
  Result<std::shared_ptr<storage::StoreSnapshot>> open_source(std::uint64_t transfer);
  void source_closed(std::uint64_t transfer) { sources_.erase(transfer); }
  /// The index up to which the log may be forgotten when `checkpointed` is on disk. `alone`: nobody else reads it.
  std::uint64_t forget_to(std::uint64_t checkpointed, bool alone, std::uint64_t log_bytes) const;

 private:
  void size_checkpoint();
  void size_first_checkpoint();

  cluster::directory::ShardId shard_;
  cluster::ReplicaId self_;
  cluster::Config::Metadata config_;
  std::shared_ptr<storage::Table> table_;
  std::unique_ptr<cluster::StateMachine> machine_;
  cluster::LogRetention retention_;
  std::map<std::uint64_t, std::uint64_t> sources_;  // by transfer: the index of its rows
  bool checkpointing_ = false;
  std::uint64_t log_bytes_at_checkpoint_ = 0;
  std::uint64_t checkpoint_bytes_;  // of changed rows, at which the next checkpoint begins
  std::chrono::milliseconds last_checkpoint_;
};

}  // namespace cairn::actors
