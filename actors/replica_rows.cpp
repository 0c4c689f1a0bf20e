#include "actors/replica_rows.hpp"

#include <algorithm>

#include "actors/clock.hpp"
#include "actors/lease.hpp"
#include "cluster/checkpoint_size.hpp"

namespace cairn::actors {
namespace {

// Writes wait when so many times the checkpoint's own bound of rows is only in memory: the disk is behind.
constexpr std::uint64_t overlay_bounds_before_waiting = 4;

cluster::Tick tick_of(const cluster::Config::Metadata& config) {
  return {config.trash_retention.count(), config.version_retention.count()};
}

}  // namespace

ReplicaRows::ReplicaRows(cluster::directory::ShardId shard, cluster::ReplicaId self,
                         std::shared_ptr<storage::Table> table,
                         const cluster::Config::Metadata& config, std::uint64_t log_entries_kept)
    : shard_(shard),
      self_(self),
      config_(config),
      table_(std::move(table)),
      machine_(cluster::make_state_machine(shard, *table_, tick_of(config))),
      retention_(log_entries_kept, limits::max_log_bytes_kept),
      last_checkpoint_(steady_now()) {
  size_first_checkpoint();
}

// A store that cannot tell its size is taken for a small one.
void ReplicaRows::size_checkpoint() {
  const auto stored = table_->store_bytes();
  checkpoint_bytes_ = cluster::checkpoint_size(stored ? *stored : 0, config_.checkpoint_overlay_bytes);
}

void ReplicaRows::size_first_checkpoint() {
  size_checkpoint();
  checkpoint_bytes_ = cluster::first_checkpoint_size(checkpoint_bytes_, self_);
}

void ReplicaRows::apply(storage::WriteBatch batch, const cluster::Position& position, std::uint64_t log_bytes) {
  batch.put(cluster::position_key, cluster::encode(position));
  table_->apply(std::move(batch), position.index);
  retention_.count(position.index, log_bytes);
}

bool ReplicaRows::behind() const {
  return checkpointing_ && table_->overlay_bytes() > overlay_bounds_before_waiting * config_.checkpoint_overlay_bytes;
}

std::optional<WriteCheckpoint> ReplicaRows::checkpoint_if_due(std::uint64_t log_bytes) {
  if (checkpointing_) return std::nullopt;
  const bool large = table_->overlay_bytes() > checkpoint_bytes_ ||
                     log_bytes > log_bytes_at_checkpoint_ + config_.checkpoint_log_bytes;
  const bool old =
      table_->applied() > table_->checkpointed() && steady_now() - last_checkpoint_ > config_.checkpoint_interval;
  if (!large && !old) return std::nullopt;
  const auto index = table_->applied();
  auto checkpoint = table_->begin_checkpoint();
  if (!checkpoint) return std::nullopt;
  checkpointing_ = true;
  log_bytes_at_checkpoint_ = log_bytes;
  // It writes to what lies under the table, so it holds the table's lease too.
  return WriteCheckpoint{leased(std::move(checkpoint), table_), index};
}

Result<void> ReplicaRows::checkpoint_written(const Error* error) {
  checkpointing_ = false;
  last_checkpoint_ = steady_now();
  if (error) {
    table_->abandon_checkpoint();
    return {};
  }
  CAIRN_TRY(table_->finish_checkpoint());
  size_checkpoint();
  return {};
}

void ReplicaRows::replace(std::shared_ptr<storage::Table> table) {
  machine_.reset();
  table_ = std::move(table);
  machine_ = cluster::make_state_machine(shard_, *table_, tick_of(config_));
  last_checkpoint_ = steady_now();
  size_first_checkpoint();
}

Result<std::shared_ptr<storage::StoreSnapshot>> ReplicaRows::open_source(std::uint64_t transfer) {
  auto rows = table_->stored_rows();
  if (!rows) return rows.error();
  sources_[transfer] = table_->checkpointed();
  return leased(std::shared_ptr<storage::StoreSnapshot>(std::move(*rows)), table_);
}

std::uint64_t ReplicaRows::forget_to(std::uint64_t checkpointed, bool alone, std::uint64_t log_bytes) const {
  if (alone) return checkpointed;
  auto to = retention_.forget_to(checkpointed);
  if (log_bytes > limits::max_log_bytes_for_snapshots) return to;
  for (const auto& [transfer, index] : sources_) to = std::min(to, index);
  return to;
}

}  // namespace cairn::actors
