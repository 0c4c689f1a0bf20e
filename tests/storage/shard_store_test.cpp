// A shard's log: entries, conflicts, term and vote, compaction and reset, beside a model, with
// crashes at every moment.
#include <gtest/gtest.h>

#include "storage/shard_store.hpp"
#include "tests/support/sim_disk.hpp"

namespace cairn::storage {
namespace {

using test::Random;
using test::SimDisk;

SegmentLogOptions small_segments() {
  SegmentLogOptions options;
  options.segment_bytes = 8 << 10;
  options.preallocation_step_bytes = 2 << 10;
  return options;
}

/// All that a shard's log says.
struct Model {
  HardState hard_state;
  std::uint64_t compacted_index = 0;
  std::uint64_t compacted_term = 0;
  std::vector<LogEntry> entries;
  friend bool operator==(const Model&, const Model&) = default;

  std::uint64_t last() const { return compacted_index + entries.size(); }
  void append(const LogEntry& entry) {
    entries.resize(entry.index - compacted_index - 1);
    entries.push_back(entry);
  }
  void compact(std::uint64_t index) {
    compacted_term = entries[index - compacted_index - 1].term;
    entries.erase(entries.begin(),
                  entries.begin() + static_cast<std::ptrdiff_t>(index - compacted_index));
    compacted_index = index;
  }
};

struct Opened {
  std::unique_ptr<ShardStore> store;
  Model model;
};

Opened open_store(const std::shared_ptr<Disk>& disk) {
  Opened out;
  ShardStore::Recovered found;
  auto store = ShardStore::open(disk, small_segments(), found);
  EXPECT_TRUE(store.ok()) << store.error().message;
  if (!store.ok()) return out;
  out.store = std::move(store).value();
  EXPECT_EQ(out.store->first_index(), found.first_index);
  EXPECT_EQ(out.store->last_index(), found.last_index);
  out.model.hard_state = found.hard_state;
  out.model.compacted_index = found.first_index - 1;
  out.model.compacted_term = found.compacted_term;
  auto entries = out.store->read(found.first_index, SIZE_MAX, SIZE_MAX);
  EXPECT_TRUE(entries.ok()) << entries.error().message;
  if (entries.ok()) out.model.entries = std::move(entries).value();
  EXPECT_EQ(out.model.last(), found.last_index);
  return out;
}

LogEntry entry(std::uint64_t index, std::uint64_t term, Bytes body = "body") {
  return {index, term, 1, std::move(body)};
}

TEST(ShardStore, IsEmptyAtFirst) {
  const auto opened = open_store(std::make_shared<SimDisk>());
  EXPECT_EQ(opened.model, Model());
  EXPECT_EQ(opened.store->first_index(), 1u);
  EXPECT_EQ(opened.store->last_index(), 0u);
}

TEST(ShardStore, RefusesAGapAndWhatIsCompacted) {
  const auto opened = open_store(std::make_shared<SimDisk>());
  auto& store = *opened.store;
  EXPECT_EQ(store.append({entry(2, 1)}).error().code, Errc::invalid_argument);
  EXPECT_EQ(store.append({entry(1, 1), entry(3, 1)}).error().code, Errc::invalid_argument);
  EXPECT_EQ(store.append({entry(0, 1)}).error().code, Errc::invalid_argument);
  EXPECT_EQ(store.last_index(), 0u);
  ASSERT_TRUE(store.append({entry(1, 1), entry(2, 1), entry(3, 1)}).ok());
  EXPECT_EQ(store.compact(4).error().code, Errc::invalid_argument);
  ASSERT_TRUE(store.compact(2).ok());
  EXPECT_EQ(store.append({entry(2, 2)}).error().code, Errc::invalid_argument);
  EXPECT_EQ(store.read(2, 1, 1).error().code, Errc::not_found);
  EXPECT_EQ(store.read(3, 9, 999).value().size(), 1u);
  EXPECT_TRUE(store.read(4, 9, 999).value().empty());
  ASSERT_TRUE(store.compact(1).ok());
  EXPECT_EQ(store.first_index(), 3u);
}

TEST(ShardStore, ReadStopsAtItsBoundsButGivesOne) {
  const auto opened = open_store(std::make_shared<SimDisk>());
  auto& store = *opened.store;
  for (std::uint64_t i = 1; i <= 10; ++i)
    ASSERT_TRUE(store.append({entry(i, 1, Bytes(100, 'x'))}).ok());
  EXPECT_EQ(store.read(1, 100, 0).value().size(), 1u);
  EXPECT_EQ(store.read(1, 100, 250).value().size(), 2u);
  EXPECT_EQ(store.read(1, 3, 10000).value().size(), 3u);
  EXPECT_EQ(store.read(8, 100, 10000).value().size(), 3u);
}

TEST(ShardStore, AConflictReplacesTheEnd) {
  const auto disk = std::make_shared<SimDisk>();
  auto store = open_store(disk).store;
  ASSERT_TRUE(store->append({entry(1, 1), entry(2, 1), entry(3, 1), entry(4, 1)}).ok());
  ASSERT_TRUE(store->set_hard_state({5, 2}).ok());
  ASSERT_TRUE(store->append({entry(2, 2, "new")}).ok());
  EXPECT_EQ(store->last_index(), 2u);
  ASSERT_TRUE(store->sync().ok());
  const auto again = open_store(disk->image_of_first(0));
  EXPECT_EQ(again.model.hard_state, (HardState{5, 2}));
  EXPECT_EQ(again.model.entries, (std::vector<LogEntry>{entry(1, 1), entry(2, 2, "new")}));
}

TEST(ShardStore, CompactionReturnsSpaceAndKeepsTermAndVote) {
  const auto disk = std::make_shared<SimDisk>();
  auto store = open_store(disk).store;
  ASSERT_TRUE(store->set_hard_state({7, 3}).ok());
  for (std::uint64_t i = 1; i <= 500; ++i)
    ASSERT_TRUE(store->append({entry(i, 7, Bytes(200, 'x'))}).ok());
  ASSERT_TRUE(store->sync().ok());
  const auto before = store->used_bytes();
  ASSERT_TRUE(store->compact(495).ok());
  EXPECT_LT(store->used_bytes(), before / 5);
  const auto again = open_store(disk->image_of_first(0));
  EXPECT_EQ(again.model.hard_state, (HardState{7, 3}));
  EXPECT_EQ(again.model.compacted_index, 495u);
  EXPECT_EQ(again.model.compacted_term, 7u);
  EXPECT_EQ(again.model.entries.size(), 5u);
}

TEST(ShardStore, ResetForgetsEverythingButTermAndVote) {
  const auto disk = std::make_shared<SimDisk>();
  auto store = open_store(disk).store;
  ASSERT_TRUE(store->set_hard_state({7, 3}).ok());
  for (std::uint64_t i = 1; i <= 300; ++i)
    ASSERT_TRUE(store->append({entry(i, 7, Bytes(200, 'x'))}).ok());
  ASSERT_TRUE(store->reset(1000, 9).ok());
  EXPECT_EQ(store->first_index(), 1001u);
  EXPECT_EQ(store->last_index(), 1000u);
  EXPECT_EQ(store->append({entry(1000, 9)}).error().code, Errc::invalid_argument);
  ASSERT_TRUE(store->append({entry(1001, 9)}).ok());
  ASSERT_TRUE(store->sync().ok());
  const auto again = open_store(disk->image_of_first(0));
  EXPECT_EQ(again.model, (Model{{7, 3}, 1000, 9, {entry(1001, 9)}}));
}

TEST(ShardStore, NoRoomLeavesTheLogAsItWas) {
  const auto disk = std::make_shared<SimDisk>(40 << 10);
  auto opened = open_store(disk);
  auto& store = *opened.store;
  std::vector<LogEntry> batch;
  const auto next_batch = [&] {
    batch.clear();
    for (std::uint64_t i = 1; i <= 10; ++i)
      batch.push_back(entry(store.last_index() + i, 1, Bytes(300, 'x')));
  };
  Result<void> result;
  for (next_batch(); result.ok(); next_batch()) {
    result = store.append(batch);
    ASSERT_LT(store.last_index(), 1000u);
  }
  EXPECT_EQ(result.error().code, Errc::disk_full);
  const auto last = store.last_index();
  EXPECT_GT(last, 0u);
  EXPECT_EQ(last % 10, 0u);
  ASSERT_TRUE(store.sync().ok());
  EXPECT_EQ(open_store(disk->image_of_first(0)).model.last(), last);
  disk->set_capacity(1 << 20);
  next_batch();
  ASSERT_TRUE(store.append(batch).ok());
  ASSERT_TRUE(store.sync().ok());
  EXPECT_EQ(open_store(disk->image_of_first(0)).model.last(), last + 10);
}

TEST(ShardStore, RotInAnEntryIsReported) {
  const auto disk = std::make_shared<SimDisk>();
  auto store = open_store(disk).store;
  for (std::uint64_t i = 1; i <= 5; ++i)
    ASSERT_TRUE(store->append({entry(i, 1, Bytes(100, 'x'))}).ok());
  ASSERT_TRUE(store->sync().ok());
  disk->rot("00000001.seg", 4096 + 300, 1);
  EXPECT_EQ(store->read(1, 5, 10000).error().code, Errc::corrupt);
  ShardStore::Recovered found;
  EXPECT_EQ(ShardStore::open(disk, small_segments(), found).error().code, Errc::corrupt);
}

/// A random workload; after every step of the disk, images that a crash could leave are opened.
/// Each must be one of the states that the log went through since the last one known durable.
class CrashRun {
 public:
  CrashRun(std::uint64_t seed, std::size_t& images)
      : random_(seed), images_(images), disk_(std::make_shared<SimDisk>()) {}

  void run() {
    store_ = open_store(disk_).store;
    states_.push_back({});
    disk_->observe([this] { crash_now(); });
    for (int step = 0; step < 400 && !testing::Test::HasFailure(); ++step) {
      switch (random_.below(20)) {
        case 0:
        case 1:
        case 2:
        case 3:
        case 4:
          sync();
          break;
        case 5:
        case 6:
          set_hard_state();
          break;
        case 7:
        case 8:
          compact();
          break;
        case 9:
          if (random_.one_in(5)) reset();
          break;
        default:
          append();
          break;
      }
    }
  }

 private:
  Model& now() { return states_.back(); }

  void append() {
    auto first = now().last() + 1;
    if (random_.one_in(4) && !now().entries.empty())
      first -= random_.between(1, std::min<std::uint64_t>(now().entries.size(), 5));
    if (random_.one_in(3)) ++term_;
    std::vector<LogEntry> entries;
    const auto count = random_.between(1, 5);
    for (std::uint64_t i = 0; i < count; ++i) {
      entries.push_back({first + i, term_, static_cast<std::uint8_t>(random_.below(3)),
                         random_.bytes(random_.between(0, 300))});
      states_.push_back(now());
      now().append(entries.back());
    }
    ASSERT_TRUE(store_->append(entries).ok());
    EXPECT_EQ(store_->last_index(), now().last());
    const auto read = store_->read(first, count, SIZE_MAX);
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(*read, entries);
  }

  void set_hard_state() {
    states_.push_back(now());
    now().hard_state = {++term_, random_.below(4)};
    ASSERT_TRUE(store_->set_hard_state(now().hard_state).ok());
  }

  void compact() {
    if (now().entries.empty()) return;
    const auto index = now().compacted_index + random_.between(1, now().entries.size());
    states_.push_back(now());
    now().compact(index);
    ASSERT_TRUE(store_->compact(index).ok());
    EXPECT_EQ(store_->first_index(), index + 1);
  }

  void reset() {
    states_.push_back(now());
    now().compacted_index = random_.between(1, now().last() + 50);
    now().compacted_term = ++term_;
    now().entries.clear();
    ASSERT_TRUE(store_->reset(now().compacted_index, term_).ok());
    durable();
  }

  void sync() {
    ASSERT_TRUE(store_->sync().ok());
    durable();
  }

  void durable() { states_.erase(states_.begin(), states_.end() - 1); }

  void crash_now() {
    for (int i = 0; i < 2 && !testing::Test::HasFailure(); ++i) check(disk_->image(random_));
    if (!random_.one_in(50)) return;
    for (std::size_t i = 0; i <= disk_->unsynced_pieces(); ++i) check(disk_->image_of_first(i));
  }

  void check(const std::shared_ptr<SimDisk>& image) {
    ++images_;
    auto opened = open_store(image);
    if (!opened.store) return;
    ASSERT_NE(std::find(states_.begin(), states_.end(), opened.model), states_.end())
        << "term " << opened.model.hard_state.term << " entries " << opened.store->first_index()
        << " to " << opened.store->last_index() << " are no state since the last sync";
    if (!random_.one_in(4)) return;
    // It goes on, and crashes again.
    const LogEntry more{opened.model.last() + 1, 1'000'000, 2, "after the crash"};
    opened.model.append(more);
    opened.model.hard_state = {1'000'000, 1};
    ASSERT_TRUE(opened.store->append({more}).ok());
    ASSERT_TRUE(opened.store->set_hard_state(opened.model.hard_state).ok());
    ASSERT_TRUE(opened.store->sync().ok());
    ASSERT_EQ(open_store(image->image(random_)).model, opened.model);
  }

  Random random_;
  std::size_t& images_;
  std::shared_ptr<SimDisk> disk_;
  std::unique_ptr<ShardStore> store_;
  std::vector<Model> states_;  // from the last durable one to the newest
  std::uint64_t term_ = 1;
};

TEST(ShardStore, EveryCrashLeavesAStateSinceTheLastSync) {
  std::size_t images = 0;
  for (std::uint64_t seed = 1; seed <= 20 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    CrashRun(seed, images).run();
  }
  EXPECT_GT(images, 4000u);
  RecordProperty("images", static_cast<int>(images));
}

}  // namespace
}  // namespace cairn::storage
