// The two actors that do wait for the disk: the log's and the checkpoints'.
#include <caf/typed_event_based_actor.hpp>

#include "actors/clock.hpp"
#include "actors/errors.hpp"
#include "actors/log.hpp"
#include "actors/inline_runner.hpp"
#include "actors/replica.hpp"
#include "storage/lmdb.hpp"

namespace cairn::actors {
namespace {

constexpr std::chrono::milliseconds room_check_interval{200};
constexpr std::size_t small_step = 2;  // entries

// The log's place on disk with the room that is left there.
struct Store {
  ShardStoreActor::pointer self;
  ReplicaActor replica;
  std::shared_ptr<storage::ShardStore> store;
  std::shared_ptr<storage::Disk> disk;
  storage::ReplicaFolder folder;
  std::uint64_t reserve_bytes;
  std::chrono::milliseconds checked_at{-1'000'000};
  bool full = false;
  InlineRunner runner{};

  // True when entries may be written. Read-only starts below the reserve and ends a quarter above it, so
  // that a disk at the brink does not flap.
  bool has_room(std::chrono::milliseconds now) {
    if (now - checked_at < room_check_interval) return !full;
    checked_at = now;
    const auto free = disk->free_bytes();
    if (!free) end_process("replica log", free.error());
    const bool was_full = full;
    full = *free < (full ? reserve_bytes + reserve_bytes / 4 : reserve_bytes);
    if (full != was_full)
      full ? log_error("replica: {} bytes of disk left, under the reserve of {}: read-only", *free, reserve_bytes)
           : log_info("replica: {} bytes of disk left: writable again", *free);
    return !full;
  }

  // After a small step nothing else may be on its way here, and the replica runs at once; else it gets the disk's next
  // step ready meanwhile.
  void store_step(const cluster::StoreStep& step) {
    auto stored = write(step);
    if (step.entries.size() > small_step) return self->send(replica, std::move(stored));
    runner.send(replica, std::move(stored));
    runner.run();
  }

  Stored write(const cluster::StoreStep& step) {
    if (!has_room(steady_now())) return refused(step);
    // The hard state first: a term that is stored although its step is refused does no harm.
    auto written = step.hard_state ? store->set_hard_state(*step.hard_state) : Result<void>();
    if (written) written = store->append(step.entries);
    if (!written) {
      if (written.error().code != Errc::disk_full) end_process("replica log", written.error());
      full = true;
      return refused(step);
    }
    if (const auto synced = store->sync(); !synced) end_process("replica log", synced.error());
    return Stored{step.number, nullptr, store->used_bytes()};
  }

  Stored refused(const cluster::StoreStep& step) const {
    return Stored{
        step.number,
        std::make_shared<const Error>(Error{Errc::disk_full, "the server is out of disk space; reading goes on"}),
        store->used_bytes()};
  }

  // What cannot be done for want of room is left for later; rot is the replica's to judge.
  bool done(const Result<void>& outcome) const {
    if (outcome) return true;
    if (outcome.error().code == Errc::corrupt)
      self->send(replica, RotFound{outcome.error().message});
    else if (outcome.error().code != Errc::disk_full)
      end_process("replica log", outcome.error());
    return false;
  }

  void fetch(const cluster::EntryFetch& fetch) {
    auto entries = store->read(fetch.from, fetch.max_entries, fetch.max_bytes);
    if (!entries && entries.error().code != Errc::not_found) return (void)done(entries.error());
    self->send(replica, EntriesFetched{fetch.peer, entries ? std::move(*entries) : std::vector<storage::LogEntry>{}});
  }

  void reset(const ResetLog& message) {
    if (done(store->reset(message.index, message.term))) return self->send(replica, LogReset{message.transfer});
    self->delayed_send(ShardStoreActor{self}, room_check_interval, message);
  }

  // Without room for the mark the rot is found again at the next start.
  void mark(const MarkWithdrawn& message) {
    const auto marked = folder.mark_withdrawn(message.why);
    if (!marked && marked.error().code != Errc::disk_full) end_process("replica", marked.error());
    self->send(replica, WithdrawalMarked{});
  }
};

}  // namespace

ShardStoreActor::behavior_type shard_store(ShardStoreActor::pointer self, ReplicaActor replica,
                                           std::shared_ptr<storage::ShardStore> store,
                                           std::shared_ptr<storage::Disk> disk, storage::ReplicaFolder folder,
                                           std::uint64_t reserve_bytes) {
  auto state =
      std::make_shared<Store>(self, replica, std::move(store), std::move(disk), std::move(folder), reserve_bytes);
  return {
      [state](const StoreEntries& message) { state->store_step(message.step); },
      [self, state, replica](const CompactLog& message) {
        if (state->done(state->store->compact(message.index))) self->send(replica, LogCompacted{message.index});
      },
      [state](const FetchEntries& message) { state->fetch(message.fetch); },
      [state](const ResetLog& message) { state->reset(message); },
      [state](const MarkWithdrawn& message) { state->mark(message); },
  };
}

CheckpointerActor::behavior_type checkpointer(CheckpointerActor::pointer self, ReplicaActor replica) {
  return {
      [self, replica](WriteCheckpoint& message) {
        const auto written = message.checkpoint->write();
        if (!written && written.error().code == Errc::corrupt)
          return self->send(replica, RotFound{written.error().message});
        if (!written && written.error().code != Errc::disk_full) end_process("replica checkpoint", written.error());
        self->send(replica, CheckpointWritten{written ? nullptr : std::make_shared<const Error>(written.error()),
                                              message.index, std::move(message.checkpoint)});
      },
      [](FreeCheckpoint& message) { message.checkpoint.reset(); },
  };
}

}  // namespace cairn::actors
