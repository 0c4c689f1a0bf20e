// The block store's rules: blocks stored once, found again after a restart with or without the index,
// rot reported and healed, room run out of and won back.
#include "storage/block_store.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "storage/lmdb.hpp"
#include "tests/storage/block_rig.hpp"
#include "tests/support/temp_dir.hpp"

namespace cairn::storage {
namespace {

TEST(BlockStore, GivesBackWhatWasPutBeforeAndAfterASyncAndARestart) {
  BlockRig rig;
  for (const std::size_t size : {0, 1, 500, 4'096, 20'000}) {
    rig.put(size, size);
    EXPECT_EQ(rig.got(size, size), Errc{}) << size;
    ASSERT_TRUE(size != 1 || rig.store->checkpoint(false).ok());
  }
  rig.sync();
  rig.restart();
  for (const std::size_t size : {0, 1, 500, 4'096, 20'000}) {
    EXPECT_TRUE(rig.has(size));
    EXPECT_EQ(rig.got(size, size), Errc{}) << size;
  }
  EXPECT_FALSE(rig.has(7));
  EXPECT_EQ(rig.got(7), Errc::not_found);
  EXPECT_FALSE(rig.store->stats().index_rebuilt);
  EXPECT_EQ(rig.store->stats().blocks, 5u);
  EXPECT_EQ(rig.store->stats().stored_bytes, 24'597u);
}

TEST(BlockStore, StoresABlockOnceAndMovesItsTouchTimeOn) {
  BlockRig rig;
  rig.put_all(0, 3);
  const auto before = rig.store->stats();
  const auto first = rig.row(1);
  rig.now += 5'000;
  rig.put_all(0, 3);
  ASSERT_TRUE(rig.store->touch(id_of(1), Timestamp{rig.now + 1}).ok());
  rig.sync();
  auto row = rig.row(1);
  EXPECT_EQ(row.location, first.location);
  EXPECT_EQ(row.touched.millis, rig.now + 1);
  EXPECT_EQ(rig.store->stats().blocks, 3u);
  EXPECT_EQ(rig.store->stats().stored_bytes, before.stored_bytes);
  EXPECT_LT(rig.store->stats().segment_bytes, before.segment_bytes + 500);
  // A clock that went back does not take a touch back.
  ASSERT_TRUE(rig.store->touch(id_of(1), Timestamp{5}).ok());
  EXPECT_EQ(rig.row(1).touched.millis, rig.now + 1);
  const auto absent = rig.store->touch(id_of(9), Timestamp{rig.now});
  ASSERT_FALSE(absent.ok());
  EXPECT_EQ(absent.error().code, Errc::not_found);
  rig.restart();
  EXPECT_EQ(rig.row(1).touched.millis, rig.now + 1);
}

TEST(BlockStore, RefusesABlockOverTheLimitAndGoesOn) {
  BlockStoreOptions options;
  options.segment_bytes = 16u << 20;
  options.reserve_bytes = 0;
  BlockRig rig(options);
  const Bytes largest(limits::max_block_bytes + 38, 'x');
  EXPECT_TRUE(rig.store->put(id_of(1), largest, Timestamp{rig.now}).ok());
  const auto refused = rig.store->put(id_of(2), largest + 'x', Timestamp{rig.now});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::too_large);
  rig.put(3);
  EXPECT_FALSE(rig.has(2));
  EXPECT_EQ(rig.store->get(id_of(1)).value().size(), largest.size());
}

TEST(BlockStore, ReadsOnAnotherThreadByLocation) {
  BlockRig rig;
  rig.put_all(0, 40);
  const auto at = rig.store->find(id_of(5));
  ASSERT_TRUE(at.ok());
  EXPECT_EQ(rig.store->read(id_of(5), *at).value() == sealed_of(5), true);
  const auto wrong = rig.store->read(id_of(6), *at);
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().code, Errc::corrupt);
  rig.delete_all_but({5});
  while (*rig.store->compact(0.1)) {
  }
  const auto moved = rig.store->read(id_of(5), *at);
  ASSERT_FALSE(moved.ok());
  EXPECT_EQ(moved.error().code, Errc::not_found);
  EXPECT_EQ(rig.store->read(id_of(5), rig.store->find(id_of(5)).value()).value() == sealed_of(5), true);
  EXPECT_EQ(rig.store->find(id_of(6)).error().code, Errc::not_found);
}

TEST(BlockStore, ReadsOnAnotherThreadBesideWritesAndCompaction) {
  test::TempDir folder;
  auto options = BlockRig::small_options();
  auto store = *BlockStore::open(*open_directory(folder / "segments"), make_memory_store(), options, Timestamp{1});
  std::mutex mutex;
  std::map<std::uint64_t, RecordLocation> places;
  std::atomic<bool> done = false;
  std::size_t right = 0;
  std::size_t moved = 0;
  std::thread reader([&] {
    for (test::Random random(1); !done || right == 0;) {
      std::uint64_t number = 0;
      RecordLocation at;
      {
        const std::lock_guard lock(mutex);
        if (places.empty()) continue;
        const auto place = std::next(places.begin(), static_cast<std::ptrdiff_t>(random.below(places.size())));
        number = place->first;
        at = place->second;
      }
      const auto sealed = store->read(id_of(number), at);
      EXPECT_TRUE(sealed ? *sealed == sealed_of(number) : sealed.error().code == Errc::not_found) << number;
      ++(sealed ? right : moved);
    }
  });
  const auto garbage = [](const BlockId& id) { return id.bytes[0] < 64; };
  for (std::uint64_t number = 0; number < 600; ++number) {
    EXPECT_TRUE(store->put(id_of(number), sealed_of(number), Timestamp{1}).ok());
    if (number % 20 == 19) {
      EXPECT_TRUE(store->sync().ok());
      const Timestamp later{1'000'000'000'000};
      EXPECT_TRUE(store->sweep(garbage, later, 0, later).ok());
      EXPECT_TRUE(store->compact(0.3, 10'000).ok());
    }
    const std::lock_guard lock(mutex);
    if (const auto at = store->find(id_of(number))) places[number] = *at;
  }
  done = true;
  reader.join();
  EXPECT_GT(right, 0u);
}

// ── The index ──

TEST(BlockStore, ALostIndexIsRebuiltEqual) {
  BlockRig rig;
  rig.put_all(0, 200, 700);
  rig.now += 1'000;
  rig.put_all(0, 10, 700);
  rig.checkpoint();
  const auto before = rows_of(*rig.memory);
  const auto stats = rig.store->stats();
  rig.now += 1'000;
  rig.lose_index();
  EXPECT_TRUE(rig.store->stats().index_rebuilt);
  rig.checkpoint();
  auto after = rows_of(*rig.memory);
  ASSERT_EQ(after.size(), before.size());
  for (auto& [id, row] : after) {
    EXPECT_EQ(row.touched.millis, rig.now);
    row.touched = before.at(id).touched;
    EXPECT_EQ(row, before.at(id));
  }
  EXPECT_EQ(rig.store->stats().stored_bytes, stats.stored_bytes);
  EXPECT_EQ(rig.store->stats().dead_bytes, stats.dead_bytes);
  rig.restart();
  EXPECT_FALSE(rig.store->stats().index_rebuilt);
}

TEST(BlockStore, ADamagedIndexIsRebuilt) {
  BlockRig rig;
  rig.put_all(0, 50);
  rig.checkpoint();
  for (const auto& key : {block_format::index_key(id_of(20)), Bytes("\0applied", 8)}) {
    rig.keep_index();
    ASSERT_TRUE(rig.memory->rot(key));
    rig.open();
    EXPECT_TRUE(rig.store->stats().index_rebuilt);
    for (std::uint64_t number = 0; number < 50; ++number) EXPECT_EQ(rig.got(number), Errc{});
    rig.checkpoint();
  }
}

TEST(BlockStore, AnIndexThatRotsWhileOpenEndsTheStoreAndTheNextOneRebuildsIt) {
  BlockRig rig;
  rig.put_all(0, 50);
  rig.checkpoint();
  ASSERT_TRUE(rig.memory->rot(block_format::index_key(id_of(20))));
  EXPECT_EQ(rig.got(20), Errc::corrupt);
  EXPECT_EQ(rig.got(21), Errc::corrupt);
  EXPECT_FALSE(rig.store->put(id_of(60), "x", Timestamp{rig.now}).ok());
  rig.restart();
  EXPECT_EQ(rig.got(20), Errc{});
}

TEST(BlockStore, AnIndexOfOtherSegmentsIsRebuilt) {
  BlockRig rig;
  rig.put_all(0, 100);
  rig.checkpoint();
  {
    SCOPED_TRACE("the segments were lost");
    rig.keep_index();
    rig.disk = std::make_shared<test::SimDisk>();
    rig.open();
    EXPECT_TRUE(rig.store->stats().index_rebuilt);
    EXPECT_EQ(rig.store->stats().blocks, 0u);
    EXPECT_FALSE(rig.has(1));
  }
  rig.put_all(0, 100);
  rig.checkpoint();
  {
    SCOPED_TRACE("one segment was lost");
    const auto gone = rig.row(1).location;
    rig.keep_index();
    ASSERT_TRUE(rig.disk->remove(BlockRig::file_of(gone)).ok());
    rig.open();
    EXPECT_TRUE(rig.store->stats().index_rebuilt);
    EXPECT_FALSE(rig.has(1));
    EXPECT_EQ(rig.got(99), Errc{});
  }
}

TEST(BlockStore, CheckpointsBeforeAStartWouldReadTooMuch) {
  auto options = BlockRig::small_options();
  options.index_log_bytes = 10'000;
  BlockRig rig(options);
  rig.put(0);
  ASSERT_TRUE(rig.store->checkpoint(false).ok());
  EXPECT_EQ(rows_of(*rig.memory).size(), 1u) << "the first comes at once";
  rig.put_all(1, 10);
  ASSERT_TRUE(rig.store->checkpoint(false).ok());
  EXPECT_EQ(rows_of(*rig.memory).size(), 1u);
  rig.put_all(10, 13);
  ASSERT_TRUE(rig.store->checkpoint(false).ok());
  EXPECT_EQ(rows_of(*rig.memory).size(), 13u);
  options.index_log_bytes = UINT64_MAX;
  options.index_overlay_bytes = 3'000;
  BlockRig other(options);
  other.put(0);
  ASSERT_TRUE(other.store->checkpoint(false).ok());
  other.put_all(1, 6);
  ASSERT_TRUE(other.store->checkpoint(false).ok());
  EXPECT_EQ(rows_of(*other.memory).size(), 1u);
  other.put_all(6, 30);
  ASSERT_TRUE(other.store->checkpoint(false).ok());
  EXPECT_EQ(rows_of(*other.memory).size(), 30u);
}

TEST(BlockStore, IsRefusedToASecondOneOnTheSameIndex) {
  test::TempDir folder;
  auto index = open_lmdb(folder / "index");
  ASSERT_TRUE(index.ok()) << index.error().message;
  std::shared_ptr<Disk> disk = *open_directory(folder / "segments");
  auto store = BlockStore::open(disk, std::move(*index), BlockRig::small_options(), Timestamp{1});
  ASSERT_TRUE(store.ok()) << store.error().message;
  const auto second = open_lmdb(folder / "index");
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Errc::io);
}

TEST(BlockStore, WorksOnRealFilesAndLmdb) {
  test::TempDir folder;
  const auto open = [&](const std::string& index_name) {
    std::shared_ptr<Disk> disk = *open_directory(folder / "segments");
    auto options = BlockRig::small_options();
    options.segment_bytes = 1u << 20;
    auto store = BlockStore::open(disk, *open_lmdb(folder / index_name), options, Timestamp{1});
    EXPECT_TRUE(store.ok()) << store.error().message;
    return std::move(*store);
  };
  auto store = open("index");
  for (std::uint64_t number = 0; number < 50; ++number)
    ASSERT_TRUE(store->put(id_of(number), sealed_of(number, 100'000), Timestamp{5}).ok());
  ASSERT_TRUE(store->sync().ok());
  for (const auto* index_name : {"index", "index", "other-index"}) {
    store.reset();
    store = open(index_name);
    EXPECT_EQ(store->stats().blocks, 50u);
    for (std::uint64_t number = 0; number < 50; ++number)
      EXPECT_EQ(store->get(id_of(number)).value() == sealed_of(number, 100'000), true);
    ASSERT_TRUE(store->checkpoint(true).ok());
  }
}

// ── Rot ──

TEST(BlockStore, ReportsRotNeverReturnsItAndHealsByThePutThatFollows) {
  BlockRig rig;
  rig.put_all(0, 60);
  rig.rot(30);
  EXPECT_TRUE(rig.has(30)) << "nobody knows yet";
  EXPECT_EQ(rig.got(30), Errc::corrupt);
  EXPECT_FALSE(rig.has(30));
  EXPECT_EQ(rig.store->touch(id_of(30), Timestamp{rig.now}).error().code, Errc::not_found);
  EXPECT_EQ(rig.store->stats().damaged_blocks, 1u);
  EXPECT_EQ(rig.got(31), Errc{});
  rig.checkpoint();
  rig.restart();
  EXPECT_FALSE(rig.has(30)) << "it is remembered";
  EXPECT_EQ(rig.got(30), Errc::corrupt);
  rig.put_all(30, 31);
  EXPECT_EQ(rig.got(30), Errc{});
  EXPECT_EQ(rig.store->stats().damaged_blocks, 0u);
  rig.restart();
  EXPECT_EQ(rig.got(30), Errc{});
  rig.lose_index();
  for (std::uint64_t number = 0; number < 60; ++number) EXPECT_EQ(rig.got(number), Errc{}) << number;
}

TEST(BlockStore, OpensAndRebuildsInSpiteOfRotAnywhere) {
  test::Random random(7);
  for (int round = 0; round < 300; ++round) {
    BlockRig rig;
    rig.put_all(0, 50);
    if (round % 2) rig.checkpoint();
    rig.put_all(50, 70);
    const auto names = *rig.disk->list();
    const auto& name = names[random.below(names.size())];
    const auto size = rig.disk->content(name).size();
    // The page before the first record names the segment: without it nothing in it can be told.
    ASSERT_TRUE(rig.disk->rot(name, 512 + random.below(size - 512), static_cast<unsigned>(random.below(8))));
    if (round % 3 == 0)
      rig.lose_index();
    else
      rig.restart();
    ASSERT_FALSE(testing::Test::HasFailure()) << name;
    int lost = 0;
    for (std::uint64_t number = 0; number < 70; ++number) lost += rig.got(number) != Errc{};
    EXPECT_LE(lost, 1) << name;
    rig.put_all(0, 70);
    for (std::uint64_t number = 0; number < 70; ++number) EXPECT_EQ(rig.got(number), Errc{}) << name;
  }
}

TEST(BlockStore, ScrubFindsEveryRottenBlockInBoundedSteps) {
  BlockRig rig;
  rig.put_all(0, 100);
  std::set<BlockId> rotten;
  for (const std::uint64_t number : {0, 1, 50, 99}) {
    rig.rot(number);
    rotten.insert(id_of(number));
  }
  std::set<BlockId> found;
  std::optional<BlockId> after;
  int steps = 0;
  do {
    const auto next = rig.store->scrub(after, 10'000, [&](const BlockId& id) { found.insert(id); });
    ASSERT_TRUE(next.ok());
    ASSERT_TRUE(!*next || !after || *after < **next);
    after = *next;
    ++steps;
  } while (after);
  EXPECT_EQ(found, rotten);
  EXPECT_GE(steps, 10);
  EXPECT_LE(steps, 12);
  EXPECT_EQ(rig.store->stats().damaged_blocks, 4u);
  after = rig.store->scrub({}, 1, [](const BlockId&) {}).value();
  EXPECT_TRUE(after) << "one block at least";
}

TEST(BlockStore, ScrubForgivesABlockThatReadsAgain) {
  BlockRig rig;
  rig.put_all(0, 3);
  rig.rot(1);
  EXPECT_EQ(rig.got(1), Errc::corrupt);
  rig.rot(1);
  ASSERT_TRUE(rig.store->scrub({}, UINT64_MAX, [](const BlockId&) { ADD_FAILURE(); }).ok());
  EXPECT_TRUE(rig.has(1));
  EXPECT_EQ(rig.store->stats().damaged_blocks, 0u);
}

// ── Room and faults ──

TEST(BlockStore, RefusesWritesWithoutRoomReadsOnAndResumes) {
  auto options = BlockRig::small_options();
  options.reserve_bytes = 64u << 10;
  BlockRig rig(options);
  rig.disk->set_capacity(512u << 10);
  std::uint64_t stored = 0;
  Result<void> last;
  for (; stored < 1'000; ++stored) {
    last = rig.store->put(id_of(stored), sealed_of(stored), Timestamp{rig.now});
    if (!last) break;
  }
  ASSERT_FALSE(last.ok());
  EXPECT_EQ(last.error().code, Errc::disk_full);
  EXPECT_GE(stored, 350u);
  EXPECT_GE(*rig.disk->free_bytes(), 32u << 10) << "the reserve is kept, but for what one check allows";
  EXPECT_TRUE(rig.store->stats().read_only);
  rig.sync();
  EXPECT_EQ(rig.store->touch(id_of(1), Timestamp{rig.now}).error().code, Errc::disk_full);
  for (std::uint64_t number = 0; number < stored; ++number) EXPECT_EQ(rig.got(number), Errc{});
  EXPECT_EQ(rig.got(stored), Errc::not_found);
  rig.checkpoint();

  // A little more room than the reserve is not enough to resume, and room is not looked for every time.
  const auto used = (512u << 10) - *rig.disk->free_bytes();
  rig.disk->set_capacity(used + (66u << 10));
  rig.now += 60'000;
  EXPECT_FALSE(rig.store->put(id_of(stored), sealed_of(stored), Timestamp{rig.now}).ok());
  rig.disk->set_capacity(1u << 20);
  EXPECT_FALSE(rig.store->put(id_of(stored), sealed_of(stored), Timestamp{rig.now + 999}).ok());
  EXPECT_TRUE(rig.store->put(id_of(stored), sealed_of(stored), Timestamp{rig.now + 1'000}).ok());
  EXPECT_FALSE(rig.store->stats().read_only);
  rig.sync();
  rig.restart();
  for (std::uint64_t number = 0; number <= stored; ++number) EXPECT_EQ(rig.got(number), Errc{});
}

TEST(BlockStore, ADiskThatIsFullToTheLastByteHarmsNothing) {
  BlockRig rig;  // no reserve
  rig.disk->set_capacity(200'000);
  std::uint64_t stored = 0;
  while (stored < 1'000 && rig.store->put(id_of(stored), sealed_of(stored), Timestamp{rig.now}).ok()) ++stored;
  EXPECT_GT(stored, 100u);
  ASSERT_LT(stored, 1'000u);
  rig.sync();
  rig.restart();
  for (std::uint64_t number = 0; number < stored; ++number) EXPECT_EQ(rig.got(number), Errc{});
  rig.disk->set_capacity(400'000);
  rig.now += 1'000;
  rig.put_all(stored, stored + 50);
  for (std::uint64_t number = 0; number < stored + 50; ++number) EXPECT_EQ(rig.got(number), Errc{});
}

TEST(BlockStore, CompactsWithoutRoomForWrites) {
  auto options = BlockRig::small_options();
  options.reserve_bytes = 40u << 10;
  BlockRig rig(options);
  rig.disk->set_capacity(300'000);
  std::uint64_t stored = 0;
  while (rig.store->put(id_of(stored), sealed_of(stored), Timestamp{rig.now}).ok()) ++stored;
  rig.sync();
  std::set<std::uint64_t> kept;
  for (std::uint64_t number = 0; number < stored; number += 4) kept.insert(number);
  rig.delete_all_but(kept);
  EXPECT_FALSE(rig.store->put(id_of(stored), sealed_of(stored), Timestamp{rig.now}).ok());
  int segments = 0;
  while (*rig.store->compact(0.5)) ++segments;
  EXPECT_GE(segments, 5);
  rig.now += 1'000;
  EXPECT_TRUE(rig.store->put(id_of(stored), sealed_of(stored), Timestamp{rig.now}).ok());
  for (const auto number : kept) EXPECT_EQ(rig.got(number), Errc{});
}

TEST(BlockStore, AnIndexWithoutRoomHoldsPutsUpInTimeAndLosesNothing) {
  auto options = BlockRig::small_options();
  options.index_overlay_bytes = 5'000;
  BlockRig rig(options);
  rig.memory->fail_commits(Errc::disk_full);
  std::uint64_t stored = 0;
  while (stored < 1'000 && rig.store->put(id_of(stored), sealed_of(stored), Timestamp{rig.now}).ok()) {
    ++stored;
    const auto done = rig.store->checkpoint(false);
    EXPECT_TRUE(done.ok() || done.error().code == Errc::disk_full);
  }
  EXPECT_GT(stored, 50u);
  EXPECT_LT(stored, 200u);
  rig.sync();
  EXPECT_EQ(rig.got(0), Errc{});
  rig.memory->fail_commits({});
  rig.checkpoint();
  rig.put_all(stored, stored + 10);
  rig.restart();
  for (std::uint64_t number = 0; number < stored + 10; ++number) EXPECT_EQ(rig.got(number), Errc{});
}

TEST(BlockStore, AFailedWriteSyncOrCommitIsFinal) {
  for (int what = 0; what < 3; ++what) {
    BlockRig rig;
    rig.put_all(0, 10);
    if (what == 0) {
      rig.disk->fail_after(0, Errc::io);
      EXPECT_FALSE(rig.store->put(id_of(20), sealed_of(20, 4'000), Timestamp{rig.now}).ok() &&
                   rig.store->sync().ok());
    } else if (what == 1) {
      rig.put(20, 4'000);
      rig.disk->fail_after(1, Errc::io);
      EXPECT_FALSE(rig.store->sync().ok());
    } else {
      rig.memory->fail_commits(Errc::io);
      EXPECT_FALSE(rig.store->checkpoint(true).ok());
      rig.memory->fail_commits({});
    }
    EXPECT_FALSE(rig.store->put(id_of(30), "x", Timestamp{rig.now}).ok());
    EXPECT_FALSE(rig.store->sync().ok());
    EXPECT_FALSE(rig.store->contains(id_of(1)).ok());
    EXPECT_FALSE(rig.store->checkpoint(true).ok());
    EXPECT_FALSE(rig.store->compact(0.0).ok());
    rig.restart();
    for (std::uint64_t number = 0; number < 10; ++number) EXPECT_EQ(rig.got(number), Errc{});
  }
}

}  // namespace
}  // namespace cairn::storage
