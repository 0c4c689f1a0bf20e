// Opens a replica's disk and replays its log into its table. Blocks; before the replica's actor starts.
#include "actors/clock.hpp"
#include "actors/log.hpp"
#include "actors/shard.hpp"
#include "cluster/metadata_machine.hpp"
#include "cluster/replica_log.hpp"
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

Result<void> replay(const cluster::Config::Metadata& config, storage::ShardStore& store, storage::Table& table) {
  if (store.first_index() > table.checkpointed() + 1 && store.last_index() > table.checkpointed())
    return Error{Errc::corrupt, "the log starts at entry " + std::to_string(store.first_index()) +
                                    " but the rows end at " + std::to_string(table.checkpointed())};
  if (store.last_index() < table.checkpointed())
    return Error{Errc::corrupt, "the rows reflect entry " + std::to_string(table.checkpointed()) +
                                    " but the log ends at " + std::to_string(store.last_index())};
  cluster::MetadataMachine machine(table);
  while (table.applied() < store.last_index()) {
    auto entries = store.read(table.applied() + 1, limits::max_batch_entries, limits::max_batch_bytes);
    if (!entries) return entries.error();
    storage::WriteBatch batch;
    for (const auto& entry : *entries) {
      if (entry.kind != static_cast<std::uint8_t>(cluster::EntryKindInLog::command)) continue;
      const auto command = cluster::decode_command(entry.body);
      if (!command) return named("log entry " + std::to_string(entry.index), command.error());
      const auto applied = machine.apply(*command, batch);
      if (!applied) return named("log entry " + std::to_string(entry.index), applied.error());
    }
    table.apply(std::move(batch), entries->back().index);
    if (table.overlay_bytes() > config.checkpoint_overlay_bytes) CAIRN_TRY(checkpoint_now(table));
  }
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
  if (const auto replayed = replay(config, *shard.store, *shard.table); !replayed)
    return named(directory, replayed.error());
  shard.table->release_snapshot();

  // Each start is a term of its own, so that entries tell which start wrote them.
  shard.term = found.hard_state.term + 1;
  const auto termed = shard.store->set_hard_state({shard.term, 0});
  // A full disk must not keep the node from serving reads: the old term is used again then.
  if (!termed && termed.error().code != Errc::disk_full) return named(directory + "/log", termed.error());
  if (const auto synced = shard.store->sync(); !synced) return named(directory + "/log", synced.error());
  log_info("shard opened: {} log entries replayed after {}, in {} ms", shard.table->applied() - first, first,
           (steady_now() - started).count());
  return shard;
}

}  // namespace cairn::actors
