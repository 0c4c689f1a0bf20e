// Opens a replica's disk and, where that is known to be committed, replays its log into its table. Blocks; before
// the replica's actor starts.
#include "actors/clock.hpp"
#include "actors/log.hpp"
#include "actors/replica.hpp"
#include "cluster/state_machine.hpp"
#include "protocol/limits.hpp"
#include "storage/lmdb.hpp"

namespace cairn::actors {
namespace {

using cluster::EntryKindInLog;

Error named(const std::string& what, const Error& error) { return {error.code, what + ": " + error.message}; }

// A table that was replayed past its bound goes to disk at once, so that memory stays bounded.
Result<void> checkpoint_now(storage::Table& table) {
  const auto checkpoint = table.begin_checkpoint();
  if (!checkpoint) return {};
  CAIRN_TRY(checkpoint->write());
  return table.finish_checkpoint();
}

// The group that a replica begins with is kept before it takes part: when it starts again, the map's voters may be
// others, of which its log does not know yet.
Result<void> keep_founders(storage::Table& table, const cluster::Configuration& founders) {
  storage::WriteBatch batch;
  batch.put(cluster::position_key, cluster::encode(cluster::Position{0, 0, founders}));
  table.apply(std::move(batch), 0);
  return checkpoint_now(table);
}

Result<cluster::Position> stored_position(storage::Table& table) {
  const auto row = table.get(cluster::position_key);
  if (!row) return row.error();
  if (!*row) return Error{Errc::corrupt, "the rows do not say what they reflect"};
  auto position = cluster::decode_position(**row);
  if (position && position->index != table.applied())
    return Error{Errc::corrupt, "the rows reflect entry " + std::to_string(table.applied()) + " but say that it is " +
                                    std::to_string(position->index)};
  return position;
}

// The log, in memory as consensus wants it.
Result<cluster::RaftLog> read_log(storage::ShardStore& store, const storage::ShardStore::Recovered& found,
                                  const cluster::Position& position) {
  cluster::RaftLog log(store.first_index() - 1, found.compacted_term);
  for (auto index = store.first_index(); index <= store.last_index();) {
    auto entries = store.read(index, limits::max_batch_entries, limits::max_batch_bytes);
    if (!entries) return entries.error();
    index = entries->back().index + 1;
    for (auto& entry : *entries) log.restore(std::move(entry), position.index);
  }
  return log;
}

class Replay {
 public:
  Replay(const ReplicaOptions& options, OpenedReplica& replica, cluster::Position& position)
      : options_(options),
        store_(*replica.store),
        table_(*replica.table),
        position_(position),
        machine_(cluster::make_state_machine(options.shard, table_, {})) {}

  // Applies the entries that are known to be committed, since nobody else votes.
  Result<void> run() {
    while (position_.index < store_.last_index()) {
      auto entries = store_.read(position_.index + 1, limits::max_batch_entries, limits::max_batch_bytes);
      if (!entries) return entries.error();
      storage::WriteBatch batch;
      for (const auto& entry : *entries) {
        const auto own = apply(entry, batch);
        if (!own) return named("log entry " + std::to_string(entry.index), own.error());
        if (!*own) return finish(std::move(batch));
      }
      CAIRN_TRY(finish(std::move(batch)));
    }
    return {};
  }

 private:
  // False for an entry that others must have, too.
  Result<bool> apply(const storage::LogEntry& entry, storage::WriteBatch& batch) {
    if (entry.kind == static_cast<std::uint8_t>(EntryKindInLog::configuration)) {
      auto configuration = cluster::decode_configuration(entry.body);
      if (!configuration) return configuration.error();
      if (configuration->voters != std::vector{options_.self}) return false;
      position_.configuration = std::move(*configuration);
    } else if (entry.kind == static_cast<std::uint8_t>(EntryKindInLog::command)) {
      const auto command = machine_->decode(entry.body);
      if (!command) return command.error();
      const auto applied = machine_->apply(**command, batch);
      if (!applied) return applied.error();
    }
    position_.index = entry.index;
    position_.term = entry.term;
    return true;
  }

  Result<void> finish(storage::WriteBatch batch) {
    batch.put(cluster::position_key, cluster::encode(position_));
    table_.apply(std::move(batch), position_.index);
    return table_.overlay_bytes() > options_.metadata.checkpoint_overlay_bytes ? checkpoint_now(table_)
                                                                               : Result<void>();
  }

  const ReplicaOptions& options_;
  storage::ShardStore& store_;
  storage::Table& table_;
  cluster::Position& position_;
  std::unique_ptr<cluster::StateMachine> machine_;
};

// What the replica's disk holds, made ready for consensus to go on from.
Result<void> recover(const ReplicaOptions& options, const storage::ShardStore::Recovered& found,
                     OpenedReplica& replica) {
  auto& store = *replica.store;
  const auto begun = replica.table->get(cluster::position_key);
  if (!begun) return begun.error();
  if (!*begun && replica.table->applied() == 0) CAIRN_TRY(keep_founders(*replica.table, options.founders));
  auto position = stored_position(*replica.table);
  if (!position) return position.error();
  const bool only_voter = position->configuration.voters == std::vector{options.self};
  if (only_voter && store.last_index() < position->index)
    return Error{Errc::corrupt, "the rows reflect entry " + std::to_string(position->index) + " but the log ends at " +
                                    std::to_string(store.last_index())};
  if (store.first_index() > position->index + 1)
    return Error{Errc::corrupt, "the log starts at entry " + std::to_string(store.first_index()) +
                                    " but the rows end at " + std::to_string(position->index)};
  if (only_voter) CAIRN_TRY(Replay(options, replica, *position).run());
  auto log = read_log(store, found, *position);
  if (!log) return log.error();
  if (must_reset_log(*log, *position)) {
    if (only_voter) return Error{Errc::corrupt, "the log is not the one that the rows reflect"};
    CAIRN_TRY(store.reset(position->index, position->term));
    *log = cluster::RaftLog(position->index, position->term);
  }
  replica.recovered = {found.hard_state, std::move(*position), std::move(*log)};
  return {};
}

}  // namespace

Result<OpenedReplica> open_replica(const ReplicaOptions& options, Lease* lease) {
  const auto started = steady_now();
  const auto& directory = options.directory;
  OpenedReplica replica;
  if (lease) {
    auto held = lease->take();
    if (!held) return named(directory, held.error());
    replica.held = std::move(*held);
  }
  const storage::ReplicaFolder folder(directory);
  if (const auto recovered = folder.recover(); !recovered) return named(directory, recovered.error());
  const auto withdrawn = folder.withdrawn();
  if (!withdrawn) return named(directory, withdrawn.error());
  if (*withdrawn) return Error{Errc::corrupt, directory + ": the replica has withdrawn: " + **withdrawn};
  auto disk = storage::open_directory(folder.log());
  if (!disk) return named(folder.log(), disk.error());
  replica.disk = std::move(*disk);
  auto rows = storage::open_lmdb(folder.rows());
  if (!rows) return named(folder.rows(), rows.error());
  auto table = storage::Table::open(std::move(*rows));
  if (!table) return named(folder.rows(), table.error());
  replica.table = leased(std::shared_ptr<storage::Table>(std::move(*table)), replica.held);

  storage::ShardStore::Recovered found;
  storage::SegmentLogOptions log_options;
  log_options.segment_bytes = options.metadata.log_segment_bytes;
  auto store = storage::ShardStore::open(replica.disk, log_options, found);
  if (!store) return named(folder.log(), store.error());
  replica.store = leased(std::shared_ptr<storage::ShardStore>(std::move(*store)), replica.held);

  const auto first = replica.table->applied();
  if (const auto recovered = recover(options, found, replica); !recovered) return named(directory, recovered.error());
  replica.table->release_snapshot();
  log_info("replica {} of shard {} opened: {} log entries replayed after {}, in {} ms", options.self.value,
           options.shard.value, replica.table->applied() - first, first, (steady_now() - started).count());
  return replica;
}

}  // namespace cairn::actors
