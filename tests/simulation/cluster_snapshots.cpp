// Snapshots of a simulated replica, both ways, as actors/replica_snapshots.cpp.
#include "tests/simulation/cluster_replica.hpp"
#include "tests/simulation/cluster_world.hpp"

namespace cairn::simulation {

/// Parts come one after the other, beside the log's disk.
void ShardReplica::on_snapshots(std::function<void()> task) {
  const auto now = node_.world().now();
  snapshots_free_ = std::max(snapshots_free_, now) + store_time();
  after(snapshots_free_ - now, std::move(task));
}

void ShardReplica::serve_snapshots(cluster::Ready& ready) {
  for (const auto& read : ready.snapshot_reads) read_snapshot(read);
  for (const auto transfer : ready.snapshots_closed) sources_.erase(transfer);
  if (!ready.snapshot_keep) return;
  held_part_ = std::move(ready.snapshot_keep);
  keep_held_part();
}

Result<void> ShardReplica::open_source(const cluster::SnapshotRead& read) {
  auto rows = table_->stored_rows();
  if (!rows) return rows.error();
  Source source{storage::RowStreamReader(std::shared_ptr<storage::StoreSnapshot>(std::move(*rows))), {}};
  const auto row = source.rows.row(cluster::position_key);
  if (!row) return row.error();
  auto position = cluster::decode_position(*row);
  if (!position) return position.error();
  source.position = std::move(*position);
  sources_.insert_or_assign(read.transfer, std::move(source));
  return {};
}

void ShardReplica::read_snapshot(const cluster::SnapshotRead& read) {
  // The source is that of the moment at which consensus asks for it.
  const auto opened = read.offset == 0 ? open_source(read) : Result<void>();
  on_snapshots([this, read, opened] {
    if (withdrawing_) return;
    const auto found = sources_.find(read.transfer);
    auto part = Result<storage::RowStreamReader::Part>(Error{Errc::not_found, "its source is closed"});
    if (!opened)
      part = opened.error();
    else if (found != sources_.end() && found->second.rows.offset() == read.offset)
      part = found->second.rows.next(read.max_bytes);
    if (part) {
      raft_->snapshot_read(read.peer, read.transfer, found->second.position, read.offset, std::move(part->bytes),
                           part->last, node_.steady());
      return pump();
    }
    if (part.error().code == Errc::corrupt) return withdraw(part.error().message);
    sources_.erase(read.transfer);
    after(Duration(limits::snapshot_retry_wait), [this, read] {
      if (withdrawing_) return;
      raft_->snapshot_failed(read.peer, read.transfer, node_.steady());
      pump();
    });
  });
}

void ShardReplica::keep_held_part() {
  if (!held_part_) return;
  if (held_part_->last) {
    if (checkpoint_) return;
    installing_ = true;
  }
  on_snapshots([this, part = std::move(*held_part_)] { keep_part(part); });
  held_part_.reset();
}

void ShardReplica::keep_part(const cluster::SnapshotKeep& part) {
  if (withdrawing_ || (part.offset != 0 && (!incoming_ || incoming_->transfer != part.transfer))) return;
  if (const auto taken = take_part(part); !taken) {
    trace("refuses a snapshot: " + taken.error().message);
    incoming_.reset();
    return after(Duration(limits::snapshot_refusal_wait), [this, transfer = part.transfer] {
      if (withdrawing_) return;
      installing_ = false;
      raft_->snapshot_refused(transfer, node_.steady());
      pump();
    });
  }
  if (part.last) return install(part);
  raft_->snapshot_kept(part.transfer, part.offset + part.bytes.size(), node_.steady());
  pump();
}

Result<void> ShardReplica::take_part(const cluster::SnapshotKeep& part) {
  if (part.offset == 0) {
    if (node_.full()) return Error{Errc::disk_full, "there is no room for it"};
    Incoming incoming;
    incoming.transfer = part.transfer;
    incoming.store = storage::make_memory_store();
    incoming.table = storage::Table::open(incoming.store->reopen()).value();
    incoming_ = std::move(incoming);
  }
  CAIRN_TRY(incoming_->stream.take(part.bytes, incoming_->batch));
  if (!part.last) return {};
  if (!incoming_->stream.finished()) return Error{Errc::protocol, "it ends in the middle of a row"};
  incoming_->table->apply(std::exchange(incoming_->batch, {}), part.position.index);
  const auto row = incoming_->table->get(cluster::position_key);
  if (!row) return row.error();
  if (!*row || **row != cluster::encode(part.position))
    return Error{Errc::protocol, "its rows are of another position"};
  CAIRN_TRY(incoming_->table->begin_checkpoint()->write());
  return incoming_->table->finish_checkpoint();
}

/// A crash may come between the rows and the log.
void ShardReplica::install(const cluster::SnapshotKeep& part) {
  disk_->rows = incoming_->store;
  incoming_.reset();
  machine_.reset();
  table_ = storage::Table::open(disk_->rows->reopen()).value();
  machine_ = cluster::make_state_machine(options_.shard, *table_, node_.world().settings().tick);
  rows_since_ = 0;
  trace("put the rows of a snapshot of entry " + std::to_string(part.position.index) + " in place");
  node_.world().count_snapshot();
  on_disk([this, part] {
    if (withdrawing_) return;
    shown_->write(SimLogDisk::Reset{part.position.index, part.position.term});
    if (const auto reset = log_->reset(part.position.index, part.position.term); !reset)
      violated(reset.error().message);
    shown_->sync();
    installing_ = false;
    raft_->snapshot_installed(part.transfer, node_.steady());
    while (!proposals_.empty() && proposals_.front().index <= table_->applied()) {
      proposals_.front().answer({Served::unknown, {}, 0, {}});
      proposals_.pop_front();
    }
    told_.reset();
    answer_reads({});
    pump();
  });
}

}  // namespace cairn::simulation
