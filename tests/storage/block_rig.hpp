// What the block store's tests share: blocks by number, and a store on a simulated disk under a memory
// index, either of which can be crashed, lost or damaged.
#pragma once

#include <gtest/gtest.h>

#include <cstdio>

#include "protocol/digest.hpp"
#include "protocol/limits.hpp"
#include "storage/block_index.hpp"
#include "storage/block_store.hpp"
#include "storage/memory_store.hpp"
#include "tests/support/random.hpp"
#include "tests/support/sim_disk.hpp"

namespace cairn::storage {

inline constexpr std::int64_t hour_millis = 3'600'000;
/// A block that was not touched for longer than this before the marks began is garbage.
inline constexpr std::int64_t grace_millis =
    std::chrono::milliseconds(limits::receipt_lifetime + limits::receipt_margin).count();

inline BlockId id_of(std::uint64_t number) { return sha256("block " + std::to_string(number)); }

/// The one content of a block, so that it need not be remembered.
inline Bytes sealed_of(std::uint64_t number, std::size_t size = 1'000) {
  return test::Random(number + 1).bytes(size);
}

inline std::unique_ptr<MemoryStore> copy_of(OrderedStore& store) {
  auto copy = make_memory_store();
  auto transaction = *copy->begin();
  auto snapshot = *store.snapshot();
  EXPECT_TRUE(snapshot->refresh().ok());
  EXPECT_TRUE(snapshot->scan("", "", [&](BytesView key, BytesView value) {
    EXPECT_TRUE(transaction->put(key, value).ok());
    return true;
  }).ok());
  EXPECT_TRUE(transaction->commit().ok());
  return copy;
}

/// Every row of the index as `index` has it on record.
inline std::map<BlockId, BlockIndex::Row> rows_of(OrderedStore& index) {
  std::map<BlockId, BlockIndex::Row> rows;
  auto opened = BlockIndex::open(copy_of(index));
  EXPECT_TRUE(opened.ok()) << opened.error().message;
  if (!opened) return rows;
  auto page = (*opened)->page({}, SIZE_MAX);
  EXPECT_TRUE(page.ok());
  for (const auto& [id, row] : *page) rows.emplace(id, row);
  return rows;
}

class BlockRig {
 public:
  explicit BlockRig(BlockStoreOptions options = small_options()) : options_(options) { open(); }

  static BlockStoreOptions small_options() {
    BlockStoreOptions options;
    options.segment_bytes = 32u << 10;
    options.reserve_bytes = 0;
    return options;
  }

  void open() {
    auto index = memory ? memory->reopen() : make_memory_store();
    memory = index.get();
    auto opened = BlockStore::open(disk, std::move(index), options_, Timestamp{now});
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    store = std::move(*opened);
  }
  /// As after a clean stop, but for the index, which is as old as its last checkpoint.
  void restart() {
    keep_index();
    open();
  }
  void lose_index() {
    store.reset();
    kept_.reset();
    memory = nullptr;
    open();
  }
  /// Closes the store and leaves its index in `memory`.
  void keep_index() {
    auto kept = memory->reopen();
    memory = kept.get();
    store.reset();
    kept_ = std::move(kept);
  }

  void put(std::uint64_t number, std::size_t size = 1'000) {
    const auto done = store->put(id_of(number), sealed_of(number, size), Timestamp{now});
    ASSERT_TRUE(done.ok()) << done.error().message;
  }
  void put_all(std::uint64_t from, std::uint64_t to, std::size_t size = 1'000) {
    for (auto number = from; number < to; ++number) put(number, size);
    sync();
  }
  void sync() {
    const auto done = store->sync();
    ASSERT_TRUE(done.ok()) << done.error().message;
  }
  void checkpoint() {
    const auto done = store->checkpoint(true);
    ASSERT_TRUE(done.ok()) << done.error().message;
  }
  bool has(std::uint64_t number) {
    const auto there = store->contains(id_of(number));
    EXPECT_TRUE(there.ok());
    return there.ok() && *there;
  }
  /// Errc{} if the right bytes came.
  Errc got(std::uint64_t number, std::size_t size = 1'000) {
    const auto sealed = store->get(id_of(number));
    if (!sealed) return sealed.error().code;
    EXPECT_EQ(*sealed == sealed_of(number, size), true) << "wrong bytes of block " << number;
    return {};
  }
  SweepReport sweep(const std::set<std::uint64_t>& referenced, std::int64_t marked_at,
                    std::int64_t quarantine_millis) {
    std::set<BlockId> ids;
    for (const auto number : referenced) ids.insert(id_of(number));
    const auto report = store->sweep([&](const BlockId& id) { return ids.contains(id); },
                                     Timestamp{marked_at}, quarantine_millis, Timestamp{now});
    EXPECT_TRUE(report.ok()) << report.error().message;
    return report ? *report : SweepReport{};
  }
  /// Deletes what is not referenced, however new it is.
  void delete_all_but(const std::set<std::uint64_t>& referenced) {
    now += grace_millis + hour_millis;
    sweep(referenced, now, 0);
    sweep(referenced, now, 0);
  }
  BlockIndex::Row row(std::uint64_t number) {
    checkpoint();
    const auto rows = rows_of(*memory);
    const auto found = rows.find(id_of(number));
    EXPECT_NE(found, rows.end());
    return found == rows.end() ? BlockIndex::Row{} : found->second;
  }
  static std::string file_of(RecordLocation location) {
    char name[16];
    std::snprintf(name, sizeof name, "%08x.seg", location.segment);
    return name;
  }
  /// Flips a bit in the block's sealed bytes.
  void rot(std::uint64_t number) {
    const auto at = store->find(id_of(number));
    ASSERT_TRUE(at.ok());
    ASSERT_TRUE(disk->rot(file_of(*at), at->offset + 20 + 100, 3));
  }

  std::int64_t now = 1'000'000'000'000;
  std::shared_ptr<test::SimDisk> disk = std::make_shared<test::SimDisk>();
  MemoryStore* memory = nullptr;
  std::unique_ptr<BlockStore> store;

 private:
  BlockStoreOptions options_;
  std::unique_ptr<MemoryStore> kept_;
};

}  // namespace cairn::storage
