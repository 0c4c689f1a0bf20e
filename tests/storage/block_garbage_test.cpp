// Sweeping and compaction: what is garbage and when, what is spared, and that the room comes back.
#include <gtest/gtest.h>

#include <set>

#include "tests/storage/block_rig.hpp"

namespace cairn::storage {
namespace {

constexpr std::int64_t day = 24 * hour_millis;

TEST(BlockSweep, SparesWhateverAReceiptCouldStillName) {
  BlockRig rig;
  const auto put_at = rig.now;
  rig.put_all(0, 1);
  rig.now += 100 * day;
  EXPECT_EQ(rig.sweep({}, put_at, 0).quarantined, 0u);
  EXPECT_EQ(rig.sweep({}, put_at + grace_millis, 0).quarantined, 0u) << "the last moment";
  const auto report = rig.sweep({}, put_at + grace_millis + 1, 0);
  EXPECT_EQ(report.quarantined, 1u);
  EXPECT_EQ(report.deleted, 0u) << "never in the sweep that found it";
  EXPECT_EQ(report.examined, 1u);
  EXPECT_EQ(rig.store->stats().quarantined_blocks, 1u);
  EXPECT_EQ(rig.store->stats().quarantined_bytes, 1'000u);
  EXPECT_TRUE(rig.has(0)) << "quarantined is still there";
  EXPECT_EQ(rig.got(0), Errc{});
}

TEST(BlockSweep, SparesWhatWasTouchedSince) {
  BlockRig rig;
  rig.put_all(0, 3);
  rig.now += 100 * day;
  ASSERT_TRUE(rig.store->touch(id_of(0), Timestamp{rig.now}).ok());
  rig.put(1);
  EXPECT_EQ(rig.sweep({}, rig.now, 0).quarantined, 1u);
  EXPECT_FALSE(rig.row(0).quarantined);
  EXPECT_FALSE(rig.row(1).quarantined);
  EXPECT_TRUE(rig.row(2).quarantined);
}

TEST(BlockSweep, DeletesAfterTheQuarantineAndNotAMomentBefore) {
  BlockRig rig;
  rig.put_all(0, 2);
  rig.now += 10 * day;
  EXPECT_EQ(rig.sweep({}, rig.now, 7 * day).quarantined, 2u);
  rig.now += 7 * day - 1;
  EXPECT_EQ(rig.sweep({}, rig.now, 7 * day).deleted, 0u);
  rig.restart();
  rig.now += 1;
  EXPECT_EQ(rig.sweep({1}, rig.now, 7 * day).deleted, 1u);
  EXPECT_FALSE(rig.has(0));
  EXPECT_EQ(rig.got(0), Errc::not_found);
  EXPECT_EQ(rig.got(1), Errc{});
  EXPECT_EQ(rig.store->stats().quarantined_blocks, 0u);
  EXPECT_EQ(rig.store->stats().blocks, 1u);
  rig.restart();
  EXPECT_FALSE(rig.has(0)) << "what a sweep did is durable";
  rig.put_all(0, 1);
  EXPECT_EQ(rig.got(0), Errc{});
}

TEST(BlockSweep, RestoresWhatIsReferencedOrPutOrTouched) {
  BlockRig rig;
  rig.put_all(0, 4);
  rig.now += 10 * day;
  EXPECT_EQ(rig.sweep({}, rig.now, day).quarantined, 4u);
  rig.put(1);
  ASSERT_TRUE(rig.store->touch(id_of(2), Timestamp{rig.now}).ok());
  EXPECT_EQ(rig.store->stats().quarantined_blocks, 2u);
  rig.sync();
  rig.restart();
  EXPECT_EQ(rig.store->stats().quarantined_blocks, 2u);
  rig.now += 2 * day;
  const auto report = rig.sweep({0}, rig.now - 26 * hour_millis, day);
  EXPECT_EQ(report.restored, 1u);
  EXPECT_EQ(report.referenced, 1u);
  EXPECT_EQ(report.deleted, 1u);
  EXPECT_TRUE(rig.has(0));
  EXPECT_TRUE(rig.has(1));
  EXPECT_TRUE(rig.has(2));
  EXPECT_FALSE(rig.has(3));
}

TEST(BlockSweep, APutThatHealsARottenBlockRestoresIt) {
  BlockRig rig;
  rig.put_all(0, 1);
  rig.rot(0);
  EXPECT_EQ(rig.got(0), Errc::corrupt);
  rig.now += 10 * day;
  EXPECT_EQ(rig.sweep({}, rig.now, day).quarantined, 1u);
  rig.put_all(0, 1);
  EXPECT_FALSE(rig.row(0).quarantined);
  rig.now += 2 * day - grace_millis;
  EXPECT_EQ(rig.sweep({}, rig.now, day).deleted, 0u);
}

TEST(BlockSweep, AQuarantineThatBeginsInTheFutureBeginsNow) {
  BlockRig rig;
  rig.put_all(0, 1);
  rig.now += 1'000 * day;
  rig.sweep({}, rig.now, day);
  rig.now -= 900 * day;
  EXPECT_EQ(rig.sweep({}, rig.now, day).deleted, 0u);
  rig.now += day;
  EXPECT_EQ(rig.sweep({}, rig.now, day).deleted, 1u);
}

TEST(BlockSweep, InStepsDoesWhatOneSweepDoes) {
  BlockRig rig;
  rig.put_all(0, 100, 50);
  rig.now += 10 * day;
  SweepReport report;
  const SweepMarks marks{[](const BlockId& id) { return id.bytes[0] % 2 == 0; }, Timestamp{rig.now}, day};
  std::optional<BlockId> after;
  int steps = 0;
  do {
    const auto next = rig.store->sweep_some(after, 7, marks, Timestamp{rig.now}, report);
    ASSERT_TRUE(next.ok());
    after = *next;
    rig.put(200 + static_cast<std::uint64_t>(steps));  // an upload in progress
    ++steps;
  } while (after);
  EXPECT_GE(steps, 15);
  EXPECT_GE(report.examined, 100u);
  rig.checkpoint();
  std::uint64_t quarantined = 0;
  for (const auto& [id, row] : rows_of(*rig.memory)) {
    EXPECT_EQ(row.quarantined.has_value(), row.touched.millis < rig.now && id.bytes[0] % 2 != 0);
    quarantined += row.quarantined.has_value();
  }
  EXPECT_EQ(report.quarantined, quarantined);
  EXPECT_GT(quarantined, 20u);
}

// ── Compaction ──

TEST(BlockCompaction, WinsTheRoomOfDeadBlocksBack) {
  BlockRig rig;
  rig.put_all(0, 300);
  const auto before = rig.store->stats();
  std::set<std::uint64_t> kept;
  for (std::uint64_t number = 0; number < 300; number += 10) kept.insert(number);
  rig.delete_all_but(kept);
  EXPECT_GT(rig.store->stats().dead_bytes, 270'000u);
  int segments = 0;
  while (*rig.store->compact(0.5)) ++segments;
  EXPECT_GE(segments, 8);
  const auto after = rig.store->stats();
  EXPECT_EQ(after.blocks, 30u);
  EXPECT_LT(after.segment_bytes, before.segment_bytes / 4);
  EXPECT_LT(after.dead_bytes, 64u << 10);
  for (const auto number : kept) EXPECT_EQ(rig.got(number), Errc{});
  rig.restart();
  EXPECT_FALSE(rig.store->stats().index_rebuilt);
  for (const auto number : kept) EXPECT_EQ(rig.got(number), Errc{});
  rig.lose_index();
  for (const auto number : kept) EXPECT_EQ(rig.got(number), Errc{});
}

TEST(BlockCompaction, GoesInStepsBesideWorkAndChoosesTheDeadest) {
  BlockRig rig;
  rig.put_all(0, 120);
  std::set<std::uint64_t> kept;
  for (std::uint64_t number = 0; number < 120; ++number)
    if (number < 40 || number % 3 != 0) kept.insert(number);
  rig.delete_all_but(kept);
  EXPECT_FALSE(*rig.store->compact(0.9)) << "none is that dead";
  const auto live_before = rig.row(100).location.segment;
  int steps = 0;
  std::uint64_t fresh = 1'000;
  while (*rig.store->compact(0.2, 5'000)) {
    ++steps;
    rig.put_all(fresh, fresh + 1);
    ++fresh;
    ASSERT_LT(steps, 100);
  }
  EXPECT_GE(steps, 10);
  EXPECT_EQ(rig.row(1).location.segment, 1u) << "a full segment stays";
  EXPECT_NE(rig.row(40).location.segment, live_before);
  for (const auto number : kept) EXPECT_EQ(rig.got(number), Errc{});
  for (std::uint64_t number = 1'000; number < fresh; ++number) EXPECT_EQ(rig.got(number), Errc{});
}

TEST(BlockCompaction, CopiesNoOlderRecordOfALiveBlock) {
  BlockRig rig;
  rig.put_all(0, 90);
  rig.delete_all_but({1});
  rig.put_all(5, 6);
  const auto before = rig.row(5);
  while (*rig.store->compact(0.3)) {
  }
  EXPECT_EQ(rig.row(5), before);
  EXPECT_EQ(rig.got(5), Errc{});
  EXPECT_EQ(rig.got(1), Errc{});
}

TEST(BlockCompaction, ANeverDeadStoreIsLeftAloneForEver) {
  BlockRig rig;
  rig.put_all(0, 100);
  EXPECT_FALSE(*rig.store->compact(0.0));
}

TEST(BlockCompaction, KeepsTouchTimes) {
  BlockRig rig;
  rig.put_all(0, 90);
  rig.delete_all_but({7, 50});
  rig.now += 1;
  rig.put_all(7, 8);
  const auto before = rig.row(7);
  rig.now += 1;
  while (*rig.store->compact(0.3)) {
  }
  EXPECT_NE(rig.row(7).location, before.location);
  EXPECT_EQ(rig.row(7).touched, before.touched);
  rig.restart();
  EXPECT_EQ(rig.row(7).touched, before.touched);
}

TEST(BlockCompaction, AQuarantineGoesOnAcrossAMoveAndACrash) {
  BlockRig rig;
  rig.put_all(0, 90);
  rig.now += 10 * day;
  const auto deleted = [](const BlockId& id) { return id.bytes[0] >= 64; };
  // Three quarters go at once; the rest goes to quarantine a day later.
  const auto not_deleted = [&](const BlockId& id) { return !deleted(id); };
  ASSERT_TRUE(rig.store->sweep(not_deleted, Timestamp{rig.now}, 0, Timestamp{rig.now}).ok());
  ASSERT_TRUE(rig.store->sweep(not_deleted, Timestamp{rig.now}, 0, Timestamp{rig.now}).ok());
  rig.now += day;
  const auto since = rig.now;
  rig.sweep({}, rig.now, 7 * day);
  const auto quarantined = rig.store->stats().quarantined_blocks;
  EXPECT_GT(quarantined, 5u);
  ASSERT_TRUE(*rig.store->compact(0.3, 20'000));  // a step: moved, not yet checkpointed
  rig.restart();
  EXPECT_EQ(rig.store->stats().quarantined_blocks, quarantined);
  while (*rig.store->compact(0.3)) {
  }
  EXPECT_EQ(rig.store->stats().quarantined_blocks, quarantined);
  rig.checkpoint();
  for (const auto& [id, row] : rows_of(*rig.memory)) EXPECT_EQ(row.quarantined, Timestamp{since});
}

TEST(BlockCompaction, LeavesASegmentWithARottenLiveBlockUntilItIsHealed) {
  BlockRig rig;
  rig.put_all(0, 90);
  const auto segment = rig.row(10).location.segment;
  rig.rot(10);
  rig.delete_all_but({10, 40, 70});
  int rounds = 0;
  while (*rig.store->compact(0.5)) ASSERT_LT(++rounds, 20);
  EXPECT_EQ(rig.row(10).location.segment, segment);
  EXPECT_EQ(rig.got(10), Errc::corrupt);
  EXPECT_EQ(rig.got(40), Errc{});
  rig.put_all(10, 11);
  EXPECT_EQ(rig.got(10), Errc{});
  EXPECT_TRUE(*rig.store->compact(0.5));
  EXPECT_FALSE(rig.disk->open(BlockRig::file_of({segment, 0}), false).ok());
  EXPECT_EQ(rig.got(10), Errc{});
}

TEST(BlockCompaction, PassesOverARottenDeadBlock) {
  BlockRig rig;
  rig.put_all(0, 90);
  rig.rot(11);
  rig.delete_all_but({10, 12, 40});
  int segments = 0;
  while (*rig.store->compact(0.5)) ++segments;
  EXPECT_GE(segments, 2);
  for (const std::uint64_t number : {10, 12, 40}) EXPECT_EQ(rig.got(number), Errc{});
}

TEST(BlockCompaction, WithoutRoomForTheIndexOrACopyIsTriedAgain) {
  BlockRig rig;
  rig.put_all(0, 90);
  rig.delete_all_but({10, 40, 70});
  rig.memory->fail_commits(Errc::disk_full);
  const auto full = rig.store->compact(0.5);
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code, Errc::disk_full);
  EXPECT_EQ(rig.got(10), Errc{});
  rig.memory->fail_commits({});
  while (*rig.store->compact(0.5)) {
  }
  EXPECT_LT(rig.store->stats().segment_bytes, 40'000u);
  for (const std::uint64_t number : {10, 40, 70}) EXPECT_EQ(rig.got(number), Errc{});
}

TEST(BlockCompaction, ThatRunsOutOfRoomHalfWayIsTriedAgain) {
  BlockRig rig;
  rig.put_all(0, 90);
  std::set<std::uint64_t> kept;
  for (std::uint64_t number = 0; number < 90; number += 2) kept.insert(number);
  rig.delete_all_but(kept);
  ASSERT_TRUE(*rig.store->compact(0.4, 1));
  rig.disk->set_capacity(1);  // somebody else took the rest
  int steps = 0;
  auto moved = rig.store->compact(0.4, 1);
  for (; moved.ok() && steps < 100; ++steps) moved = rig.store->compact(0.4, 1);
  ASSERT_LT(steps, 100);
  EXPECT_EQ(moved.error().code, Errc::disk_full);
  for (const auto number : kept) EXPECT_EQ(rig.got(number), Errc{});
  rig.disk->set_capacity(1u << 30);
  while (*rig.store->compact(0.4, 1)) {
  }
  EXPECT_LT(rig.store->stats().dead_bytes, 20'000u);
  for (const auto number : kept) EXPECT_EQ(rig.got(number), Errc{});
}

}  // namespace
}  // namespace cairn::storage
