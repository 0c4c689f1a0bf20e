// A replica's snapshots, both ways: its rows as a stream for others, and others' rows into its folder. Each view
// of the rows is read part by part and closed when nobody reads it for a while.
#include <caf/typed_event_based_actor.hpp>

#include <map>

#include "actors/clock.hpp"
#include "actors/errors.hpp"
#include "actors/log.hpp"
#include "actors/replica.hpp"
#include "storage/lmdb.hpp"
#include "storage/row_stream.hpp"

namespace cairn::actors {
namespace {

struct Source {
  storage::RowStreamReader rows;
  cluster::Position position;
  std::chrono::milliseconds used_at;
};

// A snapshot that is being received.
struct Incoming {
  std::uint64_t transfer;
  std::unique_ptr<storage::Table> table;
  storage::RowStreamWriter stream;
  storage::WriteBatch batch;
  std::size_t batch_bytes = 0;
};

class Snapshots {
 public:
  Snapshots(SnapshotActor::pointer self, ReplicaActor replica, storage::ReplicaFolder folder,
            std::shared_ptr<storage::Disk> disk, std::uint64_t reserve_bytes, std::shared_ptr<const void> held)
      : self_(self),
        replica_(std::move(replica)),
        folder_(std::move(folder)),
        disk_(std::move(disk)),
        reserve_bytes_(reserve_bytes),
        held_(std::move(held)) {}

  void read(ReadSnapshot& message) {
    const auto& read = message.read;
    auto part = next_part(read, std::move(message.rows));
    if (part) return self_->send(replica_, std::move(*part));
    sources_.erase(read.transfer);
    if (part.error().code == Errc::corrupt) return self_->send(replica_, RotFound{part.error().message});
    log_warning("snapshot for replica {}: {}", read.peer.value, part.error().message);
    self_->delayed_send(replica_, limits::snapshot_retry_wait, SnapshotFailed{read.peer, read.transfer});
  }

  void close(const CloseSnapshot& message) { sources_.erase(message.transfer); }

  void close_idle() {
    timer_set_ = false;
    std::erase_if(sources_, [now = steady_now()](const auto& item) {
      return now - item.second.used_at > limits::snapshot_idle_timeout;
    });
    set_timer();
  }

  void keep(KeepSnapshot& message) {
    auto& part = message.part;
    if (part.offset != 0 && (!incoming_ || incoming_->transfer != part.transfer)) return;  // refused before
    const auto kept = keep_part(part);
    if (!kept && kept.error().code == Errc::io) end_process("replica snapshot", kept.error());
    if (!kept) return refuse(part.transfer, kept.error());
    if (!part.last) self_->send(replica_, SnapshotKept{part.transfer, part.offset + part.bytes.size()});
  }

 private:
  Result<SnapshotPart> next_part(const cluster::SnapshotRead& read, std::shared_ptr<storage::StoreSnapshot> rows) {
    if (read.offset == 0) CAIRN_TRY(open_source(read, std::move(rows)));
    const auto found = sources_.find(read.transfer);
    if (found == sources_.end() || found->second.rows.offset() != read.offset)
      return Error{Errc::not_found, "its source is closed"};
    auto& source = found->second;
    source.used_at = steady_now();
    auto part = source.rows.next(read.max_bytes);
    if (!part) return part.error();
    return SnapshotPart{read.peer, read.transfer, source.position, read.offset, std::move(part->bytes), part->last};
  }

  Result<void> open_source(const cluster::SnapshotRead& read, std::shared_ptr<storage::StoreSnapshot> rows) {
    if (!rows) return Error{Errc::internal, "it has no source"};
    Source source{storage::RowStreamReader(std::move(rows)), {}, steady_now()};
    const auto row = source.rows.row(cluster::position_key);
    if (!row) return row.error();
    auto position = cluster::decode_position(*row);
    if (!position) return position.error();
    source.position = std::move(*position);
    sources_.insert_or_assign(read.transfer, std::move(source));
    set_timer();
    return {};
  }

  void set_timer() {
    if (sources_.empty() || std::exchange(timer_set_, true)) return;
    self_->delayed_send(SnapshotActor{self_}, limits::snapshot_idle_timeout, TimerFired{});
  }

  Result<void> keep_part(const cluster::SnapshotKeep& part) {
    if (part.offset == 0) CAIRN_TRY(begin(part.transfer));
    auto& incoming = *incoming_;
    CAIRN_TRY(incoming.stream.take(part.bytes, incoming.batch));
    incoming.batch_bytes += incoming.stream.take_added();
    if (incoming.batch_bytes >= limits::snapshot_batch_bytes || part.last) CAIRN_TRY(write(0));
    if (!part.last) return {};
    if (!incoming.stream.finished()) return Error{Errc::protocol, "it ends in the middle of a row"};
    const auto row = incoming.table->get(cluster::position_key);
    if (!row) return row.error();
    if (!*row || **row != cluster::encode(part.position))
      return Error{Errc::protocol, "its rows are of another position"};
    CAIRN_TRY(write(part.position.index));
    install(part);
    return {};
  }

  Result<void> begin(std::uint64_t transfer) {
    incoming_.reset();
    if (const auto discarded = folder_.discard_incoming(); !discarded) end_process("replica", discarded.error());
    const auto free = disk_->free_bytes();
    if (!free) return free.error();
    if (*free < reserve_bytes_) return Error{Errc::disk_full, "there is no room for it"};
    auto store = storage::open_lmdb(folder_.incoming());
    if (!store) return store.error();
    auto table = storage::Table::open(std::move(*store));
    if (!table) return table.error();
    incoming_ = Incoming{transfer, std::move(*table), {}, {}, 0};
    return {};
  }

  // What was received goes to disk in transactions of bounded size; the log position that says that all is
  // there comes with the last.
  Result<void> write(std::uint64_t applied) {
    auto& incoming = *incoming_;
    incoming.table->apply(std::exchange(incoming.batch, {}), applied);
    incoming.batch_bytes = 0;
    if (const auto checkpoint = incoming.table->begin_checkpoint()) {
      const auto written = checkpoint->write();
      if (!written && written.error().code != Errc::disk_full) end_process("replica snapshot", written.error());
      CAIRN_TRY(written);
      CAIRN_TRY(incoming.table->finish_checkpoint());
    }
    incoming.table->release_snapshot();
    return {};
  }

  void install(const cluster::SnapshotKeep& part) {
    incoming_.reset();
    if (const auto exchanged = folder_.exchange_rows(); !exchanged) end_process("replica snapshot", exchanged.error());
    auto store = storage::open_lmdb(folder_.rows());
    if (!store) end_process("replica snapshot", store.error());
    auto table = storage::Table::open(std::move(*store));
    if (!table) end_process("replica snapshot", table.error());
    (*table)->release_snapshot();
    self_->send(replica_, SnapshotInPlace{part.transfer, part.position,
                                          leased(std::shared_ptr<storage::Table>(std::move(*table)), held_)});
  }

  void refuse(std::uint64_t transfer, const Error& why) {
    log_warning("a snapshot is refused: {}", why.message);
    incoming_.reset();
    if (const auto discarded = folder_.discard_incoming(); !discarded) end_process("replica", discarded.error());
    self_->delayed_send(replica_, limits::snapshot_refusal_wait, SnapshotRefused{transfer});
  }

  SnapshotActor::pointer self_;
  ReplicaActor replica_;
  storage::ReplicaFolder folder_;
  std::shared_ptr<storage::Disk> disk_;
  std::uint64_t reserve_bytes_;
  std::shared_ptr<const void> held_;
  std::map<std::uint64_t, Source> sources_;  // by transfer
  std::optional<Incoming> incoming_;
  bool timer_set_ = false;
};

}  // namespace

SnapshotActor::behavior_type replica_snapshots(SnapshotActor::pointer self, ReplicaActor replica,
                                               storage::ReplicaFolder folder, std::shared_ptr<storage::Disk> disk,
                                               std::uint64_t reserve_bytes, std::shared_ptr<const void> held) {
  auto state = std::make_shared<Snapshots>(self, std::move(replica), std::move(folder), std::move(disk), reserve_bytes,
                                           std::move(held));
  return {
      [state](ReadSnapshot& message) { state->read(message); },
      [state](const CloseSnapshot& message) { state->close(message); },
      [state](KeepSnapshot& message) { state->keep(message); },
      [state](const TimerFired&) { state->close_idle(); },
  };
}

}  // namespace cairn::actors
