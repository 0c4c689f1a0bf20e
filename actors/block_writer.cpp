// The one actor that writes blocks, and what it does between uploads: upkeep, sweeping, compaction.
#include <caf/typed_event_based_actor.hpp>

#include <algorithm>
#include <optional>
#include <vector>

#include "actors/blocks.hpp"
#include "actors/clock.hpp"
#include "actors/errors.hpp"
#include "actors/log.hpp"
#include "protocol/digest.hpp"
#include "storage/lmdb.hpp"

namespace cairn::actors {
namespace {

constexpr std::chrono::milliseconds upkeep_interval{1'000};
// A sweep and its compaction go in steps of this size, between which uploads and reads have their turn.
constexpr std::size_t blocks_per_step = 10'000;
constexpr std::uint64_t compacted_bytes_per_step = 32u << 20;

const Error full{Errc::disk_full, "the server is out of disk space; reading goes on"};

class Writer {
 public:
  Writer(BlockWriterActor::pointer self, std::shared_ptr<storage::BlockStore> store, cluster::Config::Blocks config)
      : self_(self), store_(std::move(store)), config_(std::move(config)) {
    set_timer();
  }

  // What is put while the mailbox holds more goes into one sync: the flush message lies behind them all.
  void put(PutSealed& message) {
    const auto put = store_->put(message.id, message.sealed, now());
    if (!put) {
      if (put.error().code != Errc::disk_full) end_process("block store", put.error());
      return message.reply(full);
    }
    unsynced_.push_back(std::move(message.reply));
    if (unsynced_.size() == 1) self_->send(BlockWriterActor{self_}, FlushBlocks{});
  }

  void flush() {
    const auto synced = store_->sync();
    if (!synced && synced.error().code != Errc::disk_full) end_process("block store", synced.error());
    for (const auto& reply : unsynced_) synced ? reply(true) : reply(full);
    unsynced_.clear();
    checkpoint(false);
  }

  void get(const GetSealed& message) {
    auto sealed = store_->get(message.id);
    if (!sealed && sealed.error().code == Errc::corrupt)
      log_error("block {} is damaged on disk: {}", message.id.hex(), sealed.error().message);
    message.reply(std::move(sealed));
  }

  void find(const FindSealed& message) {
    const auto location = store_->find(message.id);
    location ? message.reply(FoundSealed{store_, *location}) : message.reply(location.error());
  }

  void sweep(const SweepBlocks& message) {
    if (sweep_) return message.reply(Error{Errc::busy, "a sweep is under way"});
    const auto referenced = [marks = message.marks](const BlockId& id) {
      return std::binary_search(marks->begin(), marks->end(), mark_of(id));
    };
    sweep_ = Sweep{{referenced, message.marked_at, config_.quarantine.count()}, {}, {}, message.reply};
    sweep_step();
  }

  void sweep_step() {
    if (!sweep_) return;
    if (!sweep_->swept) {
      auto next = store_->sweep_some(sweep_->after, blocks_per_step, sweep_->marks, now(), sweep_->report);
      if (!next) return failed("sweep", next.error());
      sweep_->after = *next;
      sweep_->swept = !*next;
    } else {
      const auto moved = store_->compact(config_.compact_dead_share, compacted_bytes_per_step);
      if (!moved) return failed("compaction", moved.error());
      if (!*moved) {
        sweep_->reply(sweep_->report);
        return sweep_.reset();
      }
    }
    self_->send(BlockWriterActor{self_}, SweepStep{});
  }

  void stats(const GetBlockStats& message) { message.reply(store_->stats()); }

  // Checkpoints the index and reads on where the last scrub stopped, at the configured rate.
  void upkeep() {
    set_timer();
    checkpoint(false);
    if (config_.scrub_bytes_per_second == 0) return;
    const auto bytes = config_.scrub_bytes_per_second * upkeep_interval.count() / 1'000;
    auto next = store_->scrub(scrubbed_, bytes, [](const BlockId& id) {
      log_error("scrub: block {} is damaged on disk", id.hex());
    });
    if (!next) return log_error("scrub: {}", next.error().message);
    scrubbed_ = *next;
  }

 private:
  struct Sweep {
    storage::SweepMarks marks;
    std::optional<BlockId> after;
    storage::SweepReport report;
    Reply<storage::SweepReport> reply;
    bool swept = false;                  // what is left is compaction
  };

  void failed(const char* what, const Error& error) {
    if (error.code != Errc::disk_full) end_process(what, error);
    log_warning("{}: {}; it will be tried again", what, error.message);
    sweep_->reply(error);
    sweep_.reset();
  }

  void checkpoint(bool force) {
    const auto done = store_->checkpoint(force);
    if (!done && done.error().code != Errc::disk_full) end_process("block index", done.error());
  }

  void set_timer() { self_->delayed_send(BlockWriterActor{self_}, upkeep_interval, TimerFired{0}); }

  BlockWriterActor::pointer self_;
  std::shared_ptr<storage::BlockStore> store_;
  cluster::Config::Blocks config_;
  std::vector<Reply<bool>> unsynced_;
  std::optional<BlockId> scrubbed_;
  std::optional<Sweep> sweep_;
};

}  // namespace

std::uint64_t mark_of(const BlockId& id) {
  std::uint64_t mark = 0;
  for (std::size_t i = 0; i < 8; ++i) mark = mark << 8 | id.bytes[i];
  return mark;
}

Result<std::shared_ptr<storage::BlockStore>> open_blocks(const cluster::Config::Blocks& config,
                                                         const std::string& directory, Lease* lease) {
  const auto held = lease ? lease->take() : std::shared_ptr<const void>();
  if (!held) return held.error();
  if (auto root = storage::open_directory(directory); !root) return root.error();
  auto segments = storage::open_directory(directory + "/segments");
  if (!segments) return segments.error();
  auto index = storage::open_lmdb(directory + "/index");
  if (!index) return index.error();
  storage::BlockStoreOptions options;
  options.segment_bytes = config.segment_bytes;
  options.index_overlay_bytes = config.index_overlay_bytes;
  options.reserve_bytes = config.reserve_bytes;
  auto store = storage::BlockStore::open(std::move(*segments), std::move(*index), options, now());
  if (!store) return store.error();
  if ((*store)->stats().index_rebuilt) log_warning("the block index was lost or damaged and has been rebuilt");
  return leased(std::shared_ptr<storage::BlockStore>(std::move(*store)), *held);
}

BlockWriterActor::behavior_type block_writer(BlockWriterActor::pointer self,
                                             std::shared_ptr<storage::BlockStore> store,
                                             cluster::Config::Blocks config) {
  auto state = std::make_shared<Writer>(self, std::move(store), std::move(config));
  return {
      [state](PutSealed& message) { state->put(message); },
      [state](const GetSealed& message) { state->get(message); },
      [state](const FindSealed& message) { state->find(message); },
      [state](const FlushBlocks&) { state->flush(); },
      [state](const SweepBlocks& message) { state->sweep(message); },
      [state](const SweepStep&) { state->sweep_step(); },
      [state](const GetBlockStats& message) { state->stats(message); },
      [state](const TimerFired&) { state->upkeep(); },
  };
}

}  // namespace cairn::actors
