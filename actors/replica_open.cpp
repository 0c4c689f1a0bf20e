// Opens a replica's disk and replays its log into its table. Blocks; before the replica's actor starts.
#include "actors/clock.hpp"
#include "actors/log.hpp"
#include "actors/replica.hpp"
#include "cluster/metadata_machine.hpp"
#include "storage/lmdb.hpp"
#include "protocol/limits.hpp"

namespace cairn::actors {
namespace {

Error named(const std::string& what, const Error& error) { return {error.code, what + ": " + error.message}; }

// A table that was replayed past its bound goes to disk at once, so that memory stays bounded.
Result<void> checkpoint_now(storage::Table& table) {
  const auto checkpoint = table.begin_checkpoint();
  if (!checkpoint) return {};
  CAIRN_TRY(checkpoint->write());
  return table.finish_checkpoint();
}

Result<cluster::Position> stored_position(storage::Table& table) {
  const auto row = table.get(cluster::position_key);
  if (!row) return row.error();
  if (*row) return cluster::decode_position(**row);
  return cluster::Position{0, 0, {{only_replica}, {}}};
}

// The log after what the rows reflect, in memory as consensus wants it.
Result<cluster::RaftLog> read_log(storage::ShardStore& store, const storage::ShardStore::Recovered& found,
                                  const cluster::Position& position) {
  if (store.first_index() > position.index + 1 && store.last_index() > position.index)
    return Error{Errc::corrupt, "the log starts at entry " + std::to_string(store.first_index()) +
                                    " but the rows end at " + std::to_string(position.index)};
  cluster::RaftLog log(store.first_index() - 1, found.compacted_term);
  for (auto index = store.first_index(); index <= store.last_index();) {
    auto entries = store.read(index, limits::max_batch_entries, limits::max_batch_bytes);
    if (!entries) return entries.error();
    index = entries->back().index + 1;
    for (auto& entry : *entries) log.restore(std::move(entry), position.index);
  }
  return log;
}

// Applies entries that are known to be committed.
Result<void> replay(const cluster::Config::Metadata& config, storage::ShardStore& store, storage::Table& table,
                    cluster::Position& position) {
  cluster::MetadataMachine machine(table);
  while (position.index < store.last_index()) {
    auto entries = store.read(position.index + 1, limits::max_batch_entries, limits::max_batch_bytes);
    if (!entries) return entries.error();
    storage::WriteBatch batch;
    for (const auto& entry : *entries) {
      position.index = entry.index;
      position.term = entry.term;
      if (entry.kind == static_cast<std::uint8_t>(cluster::EntryKindInLog::configuration)) {
        auto configuration = cluster::decode_configuration(entry.body);
        if (!configuration) return named("log entry " + std::to_string(entry.index), configuration.error());
        position.configuration = std::move(*configuration);
      }
      if (entry.kind != static_cast<std::uint8_t>(cluster::EntryKindInLog::command)) continue;
      const auto command = cluster::decode_command(entry.body);
      if (!command) return named("log entry " + std::to_string(entry.index), command.error());
      const auto applied = machine.apply(*command, batch);
      if (!applied) return named("log entry " + std::to_string(entry.index), applied.error());
    }
    batch.put(cluster::position_key, cluster::encode(position));
    table.apply(std::move(batch), position.index);
    if (table.overlay_bytes() > config.checkpoint_overlay_bytes) CAIRN_TRY(checkpoint_now(table));
  }
  return {};
}

// What the shard's disk holds, made ready for consensus to go on from.
Result<void> recover(const cluster::Config::Metadata& config, const storage::ShardStore::Recovered& found,
                     OpenedShard& shard) {
  auto position = stored_position(*shard.table);
  if (!position) return position.error();
  if (position->index != shard.table->applied())
    return Error{Errc::corrupt, "the rows reflect entry " + std::to_string(shard.table->applied()) +
                                    " but say that it is " + std::to_string(position->index)};
  if (shard.store->last_index() < position->index) {
    if (position->configuration.voters.size() < 2)
      return Error{Errc::corrupt, "the rows reflect entry " + std::to_string(position->index) +
                                      " but the log ends at " + std::to_string(shard.store->last_index())};
    CAIRN_TRY(shard.store->reset(position->index, position->term));
  }
  if (position->configuration == cluster::Configuration{{only_replica}, {}})
    CAIRN_TRY(replay(config, *shard.store, *shard.table, *position));
  auto log = read_log(*shard.store, found, *position);
  if (!log) return log.error();
  shard.recovered = {found.hard_state, std::move(*position), std::move(*log)};
  return {};
}

}  // namespace

Result<OpenedShard> open_shard(const cluster::Config::Metadata& config, const std::string& directory, Lease* lease) {
  const auto started = steady_now();
  const auto held = lease ? lease->take() : std::shared_ptr<const void>();
  if (!held) return named(directory, held.error());
  OpenedShard shard;
  auto root = storage::open_directory(directory);
  if (!root) return named(directory, root.error());
  auto disk = storage::open_directory(directory + "/log");
  if (!disk) return named(directory + "/log", disk.error());
  shard.disk = std::move(*disk);
  auto rows = storage::open_lmdb(directory + "/rows");
  if (!rows) return named(directory + "/rows", rows.error());
  auto table = storage::Table::open(std::move(*rows));
  if (!table) return named(directory + "/rows", table.error());
  shard.table = leased(std::shared_ptr<storage::Table>(std::move(*table)), *held);

  storage::ShardStore::Recovered found;
  storage::SegmentLogOptions options;
  options.segment_bytes = config.log_segment_bytes;
  auto store = storage::ShardStore::open(shard.disk, options, found);
  if (!store) return named(directory + "/log", store.error());
  shard.store = leased(std::shared_ptr<storage::ShardStore>(std::move(*store)), *held);

  const auto first = shard.table->applied();
  if (const auto recovered = recover(config, found, shard); !recovered) return named(directory, recovered.error());
  shard.table->release_snapshot();
  log_info("shard opened: {} log entries replayed after {}, in {} ms", shard.table->applied() - first, first,
           (steady_now() - started).count());
  return shard;
}

}  // namespace cairn::actors
