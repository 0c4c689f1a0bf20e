// How a simulated replica opens its disk, as actors/replica_open.cpp; and how its disk rots.
#include "tests/simulation/cluster_replica.hpp"
#include "tests/simulation/cluster_world.hpp"

namespace cairn::simulation {

using cluster::EntryKindInLog;

namespace {

storage::SegmentLogOptions log_options() {
  storage::SegmentLogOptions options;
  options.segment_bytes = 24u << 10;
  options.preallocation_step_bytes = 8u << 10;
  options.spare_segments = 1;
  return options;
}

}  // namespace

Result<cluster::Position> ShardReplica::stored_position() {
  const auto begun = table_->get(cluster::position_key);
  if (!begun) return begun.error();
  if (!*begun && table_->applied() == 0) {
    storage::WriteBatch batch;
    batch.put(cluster::position_key, cluster::encode(cluster::Position{0, 0, options_.founders}));
    table_->apply(std::move(batch), 0);
    if (!faulty(ClusterFault::founders_not_kept)) {
      CAIRN_TRY(table_->begin_checkpoint()->write());
      CAIRN_TRY(table_->finish_checkpoint());
    }
  }
  const auto row = table_->get(cluster::position_key);
  if (!row) return row.error();
  if (!*row) return Error{Errc::corrupt, "the rows do not say what they reflect"};
  auto position = cluster::decode_position(**row);
  if (position && position->index != table_->applied()) return Error{Errc::corrupt, "the rows are of another position"};
  return position;
}

/// What was synced is there again.
void ShardReplica::check_found(const storage::ShardStore::Recovered& found, const cluster::RaftLog& log) const {
  const auto& synced = shown_->durable();
  const auto last = synced.last_index();
  if (found.hard_state.term < synced.hard_state.term)
    violated("replica " + std::to_string(options_.self.value) + " opens in term " +
             std::to_string(found.hard_state.term) + " after it was in " + std::to_string(synced.hard_state.term));
  const bool all_synced =
      shown_->current().last_index() == last && shown_->current().term_at(last) == synced.term_at(last);
  if (all_synced && last > 0 && log.term_at(last) != synced.term_at(last))
    violated("replica " + std::to_string(options_.self.value) + " opens without its entry " + std::to_string(last));
}

void ShardReplica::show_log(const storage::ShardStore::Recovered& found,
                            const std::vector<storage::LogEntry>& entries) {
  shown_->write(SimLogDisk::Reset{found.first_index - 1, found.compacted_term});
  shown_->write(SimLogDisk::Entries{entries});
  shown_->write(found.hard_state);
  shown_->sync();
}

Result<cluster::RaftLog> ShardReplica::read_log(const storage::ShardStore::Recovered& found,
                                                const cluster::Position& position) {
  cluster::RaftLog log(found.first_index - 1, found.compacted_term);
  std::vector<storage::LogEntry> all;
  for (auto index = found.first_index; index <= found.last_index; ++index) {
    auto entry = log_->read(index, 1, ~std::size_t{0});
    if (!entry) return entry.error();
    all.push_back(entry->front());
    log.restore(std::move(entry->front()), position.index);
  }
  check_found(found, log);
  show_log(found, all);
  return log;
}

Result<void> ShardReplica::replay(cluster::Position& position) {
  storage::WriteBatch batch;
  for (auto index = position.index + 1; index <= log_->last_index(); ++index) {
    const auto entries = log_->read(index, 1, ~std::size_t{0});
    if (!entries) return entries.error();
    const auto& entry = entries->front();
    std::optional<cluster::Effect> effect;
    if (entry.kind == static_cast<std::uint8_t>(EntryKindInLog::configuration)) {
      auto configuration = cluster::decode_configuration(entry.body);
      if (!configuration) return configuration.error();
      if (configuration->voters != std::vector{options_.self}) break;
      position.configuration = std::move(*configuration);
    } else if (entry.kind == static_cast<std::uint8_t>(EntryKindInLog::command)) {
      const auto command = machine_->decode(entry.body);
      if (!command) return command.error();
      auto applied = machine_->apply(**command, batch);
      if (!applied) return applied.error();
      effect = std::move(*applied);
    }
    node_.world().checks().applied(options_.shard, options_.self, entry, effect ? &*effect : nullptr);
    position.index = entry.index;
    position.term = entry.term;
  }
  batch.put(cluster::position_key, cluster::encode(position));
  table_->apply(std::move(batch), position.index);
  return {};
}

Result<void> ShardReplica::open_log(storage::ShardStore::Recovered& found) {
  auto log = storage::ShardStore::open(disk_->log, log_options(), found);
  if (!log && faulty(ClusterFault::withdrawn_restarts_empty)) {
    disk_->log = std::make_shared<test::SimDisk>();
    disk_->rows = storage::make_memory_store();
    log = storage::ShardStore::open(disk_->log, log_options(), found);
  }
  if (!log) return log.error();
  log_ = std::move(*log);
  return {};
}

Result<void> ShardReplica::open() {
  if (disk_->withdrawn) return Error{Errc::corrupt, "it has withdrawn: " + *disk_->withdrawn};
  storage::ShardStore::Recovered found;
  CAIRN_TRY(open_log(found));
  table_ = storage::Table::open(disk_->rows->reopen()).value();
  machine_ = cluster::make_state_machine(options_.shard, *table_, node_.world().settings().tick);
  auto position = stored_position();
  if (!position) return position.error();
  const bool only_voter = position->configuration.voters == std::vector{options_.self};
  if (only_voter && found.last_index < position->index) return Error{Errc::corrupt, "the log ends before the rows"};
  if (found.first_index > position->index + 1) return Error{Errc::corrupt, "the log starts after the rows"};
  if (only_voter) CAIRN_TRY(replay(*position));
  auto log = read_log(found, *position);
  if (!log) return log.error();
  if (must_reset_log(*log, *position)) {
    if (only_voter) return Error{Errc::corrupt, "the log is not the one that the rows reflect"};
    CAIRN_TRY(log_->reset(position->index, position->term));
    *log = cluster::RaftLog(position->index, position->term);
    show_log({found.hard_state, position->index + 1, position->index, position->term}, {});
  }
  trace("opens: term " + std::to_string(found.hard_state.term) + " rows " + std::to_string(position->index) + " log " +
        std::to_string(log->first_index()) + ".." + std::to_string(log->last_index()));
  raft_ =
      std::make_unique<cluster::Raft>(options_.self, node_.world().settings().raft,
                                      cluster::RaftRecovered{found.hard_state, std::move(*position), std::move(*log)},
                                      node_.steady(), node_.world().random().next());
  after(Duration(1'000'000), [this] { housekeep(); });
  raft_->tick(node_.steady());
  pump();
  return {};
}

bool ShardReplica::rot_log() {
  auto& random = node_.world().random();
  const auto names = disk_->log->list().value();
  std::vector<std::string> segments;
  for (const auto& name : names)
    if (name.ends_with(".seg")) segments.push_back(name);
  if (segments.empty()) return false;
  const auto& name = segments[random.below(segments.size())];
  const auto content = disk_->log->content(name);
  // Not in the last records: a torn tail is no damage. A log has a random part, so that its bytes must decide nothing.
  constexpr std::size_t head = 4'096;
  constexpr std::size_t step = 512;
  const auto end = content.find_last_not_of('\0') / step * step;
  if (end == std::string::npos / step * step || end < head + 2 * step) return false;
  return disk_->log->rot(name, head + random.below(end - step - head), static_cast<unsigned>(random.below(8)));
}

bool ShardReplica::rot_row() {
  std::vector<Bytes> keys;
  const auto view = disk_->rows->snapshot().value();
  const auto scanned = view->scan("\x01", {}, [&](BytesView key, BytesView value) {
    if (!value.empty()) keys.emplace_back(key);
    return true;
  });
  if (!scanned || keys.empty()) return false;
  return disk_->rows->rot(keys[node_.world().random().below(keys.size())]);
}

}  // namespace cairn::simulation
