// A random workload on the block store beside a model, with restarts, lost indexes, and crashes at every
// moment that a crash can tell apart: nothing that was synced is lost, no wrong byte is returned, and no
// touch that was synced is forgotten.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/storage/block_rig.hpp"

namespace cairn::storage {
namespace {

using test::Random;
using test::SimDisk;

constexpr std::uint64_t numbers = 48;

/// What must be so after a crash.
struct Promise {
  bool there = false;         ///< synced and not deleted since
  std::int64_t touched = 0;   ///< at least
};

struct Tally {
  std::size_t images = 0;
  std::size_t lost_something = 0;  ///< images without a block that had been put but not synced
  std::size_t resurrected = 0;     ///< images with a block that had been deleted
};

class CrashRun {
 public:
  CrashRun(std::uint64_t seed, std::size_t steps, std::size_t images_per_moment, Tally& tally)
      : random_(seed), steps_(steps), images_per_moment_(images_per_moment), tally_(tally), rig_(shape()) {}

  void run() {
    rig_.disk->observe([this] { crash_now(); });
    for (std::size_t step = 0; step < steps_ && !testing::Test::HasFailure(); ++step) {
      rig_.now += static_cast<std::int64_t>(random_.below(4)) * hour_millis;
      switch (random_.below(20)) {
        case 0: case 1: case 2: case 3: sync(); break;
        case 4: case 5: touch(); break;
        case 6: sweep(); break;
        case 7: case 8: case 9: compact(); break;
        case 10: case 11: checkpoint(random_.one_in(3)); break;
        case 12: restart(); break;
        case 13: read_some(); break;
        default: put(); break;
      }
    }
    check(*rig_.store, *rig_.memory, model_, "at the end");
  }

 private:
  BlockStoreOptions shape() {
    auto options = BlockRig::small_options();
    options.segment_bytes = 16u << 10;
    options.index_overlay_bytes = random_.one_in(2) ? 2'000 : 1u << 20;
    options.index_log_bytes = random_.one_in(2) ? 10'000 : 1u << 30;
    largest_ = random_.one_in(3) ? 400 : 6'000;
    return options_ = options;
  }
  std::size_t size_of(std::uint64_t number) const { return Random(number * 31 + 7).below(largest_); }

  void put() {
    const auto number = random_.below(numbers);
    const auto done = rig_.store->put(id_of(number), sealed_of(number, size_of(number)), Timestamp{rig_.now});
    ASSERT_TRUE(done.ok()) << done.error().message;
    model_[number].there = true;
    model_[number].touched = rig_.now;
  }
  void touch() {
    const auto number = random_.below(numbers);
    const auto done = rig_.store->touch(id_of(number), Timestamp{rig_.now});
    ASSERT_EQ(done.ok(), model_[number].there);
    if (done) model_[number].touched = rig_.now;
  }
  void sync() {
    const auto done = rig_.store->sync();
    ASSERT_TRUE(done.ok()) << done.error().message;
    promised_ = model_;
  }
  void checkpoint(bool force) {
    const auto done = rig_.store->checkpoint(force);
    ASSERT_TRUE(done.ok()) << done.error().message;
  }
  void compact() {
    const auto done = rig_.store->compact(0.3, random_.one_in(2) ? 3'000 : UINT64_MAX);
    ASSERT_TRUE(done.ok()) << done.error().message;
  }
  void sweep() {
    const auto marked_at = rig_.now - static_cast<std::int64_t>(random_.below(10)) * hour_millis;
    std::set<BlockId> referenced;
    for (std::uint64_t number = 0; number < numbers; ++number)
      if (random_.percent(30)) referenced.insert(id_of(number));
    // Deletion may begin at any time from here on.
    auto spared = model_;
    for (auto& [number, block] : spared) {
      const bool old = block.touched < marked_at - grace_millis;
      if (old && !referenced.contains(id_of(number))) promised_[number].there = false;
    }
    const auto report = rig_.store->sweep([&](const BlockId& id) { return referenced.contains(id); },
                                          Timestamp{marked_at}, 10 * hour_millis, Timestamp{rig_.now});
    ASSERT_TRUE(report.ok()) << report.error().message;
    std::uint64_t gone = 0;
    for (auto& [number, block] : model_) {
      if (!block.there) continue;
      const auto there = rig_.store->contains(id_of(number));
      ASSERT_TRUE(there.ok());
      if (*there) continue;
      ++gone;
      EXPECT_FALSE(referenced.contains(id_of(number)));
      EXPECT_LT(block.touched, marked_at - grace_millis);
      block.there = false;
    }
    EXPECT_EQ(gone, report->deleted);
    promised_ = model_;  // a sweep ends with a checkpoint
  }
  void read_some() {
    for (int i = 0; i < 5; ++i) {
      const auto number = random_.below(numbers);
      EXPECT_EQ(rig_.got(number, size_of(number)), model_[number].there ? Errc{} : Errc::not_found);
    }
  }

  /// Sometimes as a crash leaves it, or without its index.
  void restart() {
    rig_.disk->observe({});
    if (random_.one_in(2)) {
      sync();
    } else {
      rig_.disk = rig_.disk->image(random_);
      model_ = promised_;
    }
    if (random_.one_in(3))
      rig_.lose_index();
    else
      rig_.restart();
    ASSERT_FALSE(testing::Test::HasFatalFailure());
    adopt();
    rig_.disk->observe([this] { crash_now(); });
  }

  /// Takes for the model what the store has beyond what was promised.
  void adopt() {
    check(*rig_.store, *rig_.memory, promised_, "after a restart");
    const auto rows = rows_of(*rig_.memory);
    for (std::uint64_t number = 0; number < numbers; ++number) {
      const auto row = rows.find(id_of(number));
      model_[number].there = row != rows.end();
      model_[number].touched = row == rows.end() ? 0 : row->second.touched.millis;
    }
    promised_ = model_;
  }

  void crash_now() {
    for (std::size_t i = 0; i < images_per_moment_ && !testing::Test::HasFailure(); ++i) {
      const auto image = i == 0 ? rig_.disk->image_of_first(0) : rig_.disk->image(random_);
      ++tally_.images;
      std::unique_ptr<MemoryStore> index =
          random_.one_in(8) ? make_memory_store() : copy_of(*rig_.memory);
      const auto memory = index->reopen();
      auto store = BlockStore::open(image, std::move(index), options_, Timestamp{rig_.now});
      ASSERT_TRUE(store.ok()) << store.error().message;
      check(**store, *memory, promised_, "after a crash");
      for (std::uint64_t number = 0; number < numbers; ++number) {
        const bool there = *(*store)->contains(id_of(number));
        tally_.lost_something += model_[number].there && !there;
        tally_.resurrected += !model_[number].there && there;
      }
    }
  }

  void check(BlockStore& store, OrderedStore& index, const std::map<std::uint64_t, Promise>& promised,
             const char* when) {
    SCOPED_TRACE(when);
    std::uint64_t blocks = 0;
    for (std::uint64_t number = 0; number < numbers; ++number) {
      const auto sealed = store.get(id_of(number));
      if (!sealed) {
        EXPECT_EQ(sealed.error().code, Errc::not_found) << sealed.error().message;
        const auto found = promised.find(number);
        EXPECT_FALSE(found != promised.end() && found->second.there) << "block " << number << " is lost";
        continue;
      }
      ++blocks;
      EXPECT_EQ(*sealed == sealed_of(number, size_of(number)), true) << "block " << number;
    }
    const auto stats = store.stats();
    EXPECT_EQ(stats.blocks, blocks);
    EXPECT_EQ(stats.damaged_blocks, 0u);
    const auto written = store.checkpoint(true);
    ASSERT_TRUE(written.ok()) << written.error().message;
    std::uint64_t bytes = 0;
    std::uint64_t quarantined = 0;
    for (const auto& [id, row] : rows_of(index)) {
      bytes += row.sealed_bytes;
      quarantined += row.quarantined.has_value();
      for (const auto& [number, block] : promised) {
        if (!block.there || id_of(number) != id) continue;
        EXPECT_GE(row.touched.millis, block.touched) << "the touch of block " << number << " is lost";
      }
    }
    EXPECT_EQ(stats.stored_bytes, bytes);
    EXPECT_EQ(stats.quarantined_blocks, quarantined);
  }

  Random random_;
  std::size_t steps_;
  std::size_t images_per_moment_;
  Tally& tally_;
  BlockStoreOptions options_;
  std::size_t largest_ = 0;
  BlockRig rig_;
  std::map<std::uint64_t, Promise> model_;     // what the store shows
  std::map<std::uint64_t, Promise> promised_;  // what a crash must leave
};

TEST(BlockStoreCrash, LosesNothingThatWasSynced) {
  Tally tally;
  for (std::uint64_t seed = 1; seed <= 50 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    CrashRun(seed, 150, 3, tally).run();
  }
  RecordProperty("images", static_cast<int>(tally.images));
  EXPECT_GT(tally.images, 10'000u);
  EXPECT_GT(tally.lost_something, 100u) << "the crashes are too kind";
  EXPECT_GT(tally.resurrected, 10u);
}

TEST(BlockStoreCrash, AModelHoldsOverManySeedsWithRestarts) {
  Tally tally;
  for (std::uint64_t seed = 100; seed < 180 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    CrashRun(seed, 400, 0, tally).run();
  }
}

/// Every moment of one compaction, each with many images.
TEST(BlockStoreCrash, NoMomentOfACompactionLosesABlock) {
  std::size_t images = 0;
  for (std::uint64_t seed = 1; seed <= 4 && !HasFailure(); ++seed) {
    Random random(seed);
    BlockRig rig;
    rig.put_all(0, 100);
    std::set<std::uint64_t> kept;
    for (std::uint64_t number = 0; number < 100; ++number)
      if (random.percent(30)) kept.insert(number);
    rig.delete_all_but(kept);
    rig.disk->observe([&] {
      for (int i = 0; i < 12 && !HasFailure(); ++i) {
        const auto image = i == 0 ? rig.disk->image_of_first(0) : rig.disk->image(random);
        auto store = BlockStore::open(image, copy_of(*rig.memory), BlockRig::small_options(), Timestamp{rig.now});
        ASSERT_TRUE(store.ok()) << store.error().message;
        ++images;
        EXPECT_FALSE((*store)->stats().index_rebuilt) << "an index row points to nothing";
        for (const auto number : kept) {
          const auto sealed = (*store)->get(id_of(number));
          ASSERT_TRUE(sealed.ok()) << "block " << number << ": " << sealed.error().message;
          ASSERT_EQ(*sealed == sealed_of(number), true);
        }
      }
    });
    while (*rig.store->compact(0.2, 8'000)) {
    }
    rig.disk->observe({});
    for (const auto number : kept) EXPECT_EQ(rig.got(number), Errc{});
  }
  EXPECT_GT(images, 1'000u);
}

}  // namespace
}  // namespace cairn::storage
