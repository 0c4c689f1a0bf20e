// What every OrderedStore promises, for the one on LMDB and the one in memory; and what is LMDB's
// own: one process at a time, threads, a full disk.
#include <gtest/gtest.h>

#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "storage/lmdb.hpp"
#include "storage/memory_store.hpp"
#include "tests/support/random.hpp"
#include "tests/support/temp_dir.hpp"

namespace cairn::storage {
namespace {

using Keys = std::vector<Bytes>;

void put_all(OrderedStore& store, const Keys& keys) {
  auto transaction = store.begin().value();
  for (const auto& key : keys) ASSERT_TRUE(transaction->put(key, "value of " + key).ok());
  ASSERT_TRUE(transaction->commit().ok());
}

Keys keys_of(StoreSnapshot& snapshot, BytesView from, BytesView to, bool back,
             std::size_t limit = SIZE_MAX) {
  Keys out;
  const auto visit = [&](BytesView key, BytesView value) {
    EXPECT_EQ(value, "value of " + Bytes(key));
    out.emplace_back(key);
    return out.size() < limit;
  };
  EXPECT_TRUE((back ? snapshot.scan_back(from, to, visit) : snapshot.scan(from, to, visit)).ok());
  return out;
}

class AnyStore : public testing::TestWithParam<bool> {
 protected:
  std::unique_ptr<OrderedStore> make() {
    if (GetParam()) return open_lmdb(dir_ / "db").value();
    return make_memory_store();
  }
  test::TempDir dir_;
};

INSTANTIATE_TEST_SUITE_P(Store, AnyStore, testing::Bool(),
                         [](const auto& info) { return info.param ? "Lmdb" : "Memory"; });

TEST_P(AnyStore, ScansHaveAnInclusiveStartAndAnExclusiveEnd) {
  const auto store = make();
  put_all(*store, {"b", "d", "f", "fa", "h"});
  const auto snapshot = store->snapshot().value();
  EXPECT_EQ(keys_of(*snapshot, "", "", false), (Keys{"b", "d", "f", "fa", "h"}));
  EXPECT_EQ(keys_of(*snapshot, "", "", true), (Keys{"h", "fa", "f", "d", "b"}));
  EXPECT_EQ(keys_of(*snapshot, "d", "fa", false), (Keys{"d", "f"}));
  EXPECT_EQ(keys_of(*snapshot, "d", "fa", true), (Keys{"f", "d"}));
  EXPECT_EQ(keys_of(*snapshot, "c", "e", false), (Keys{"d"}));
  EXPECT_EQ(keys_of(*snapshot, "c", "e", true), (Keys{"d"}));
  EXPECT_EQ(keys_of(*snapshot, "i", "", false), Keys());
  EXPECT_EQ(keys_of(*snapshot, "", "a", true), Keys());
  EXPECT_EQ(keys_of(*snapshot, "", "z", true, 2), (Keys{"h", "fa"}));
  EXPECT_EQ(keys_of(*snapshot, "c", "", false, 2), (Keys{"d", "f"}));
  EXPECT_EQ(keys_of(*snapshot, "f", "c", false), Keys());
}

TEST_P(AnyStore, ALookupInVainFindsTheRowsAround) {
  const auto store = make();
  const auto around = [&](BytesView key) {
    const auto snapshot = store->snapshot().value();
    const auto found = snapshot->look_up(key).value();
    EXPECT_FALSE(found.value);
    return std::pair(found.before ? Bytes(found.before->key) : "none", found.after ? Bytes(found.after->key) : "none");
  };
  using Pair = std::pair<Bytes, Bytes>;
  EXPECT_EQ(around("a"), Pair("none", "none"));
  put_all(*store, {"b", "d", "f"});
  EXPECT_EQ(around("a"), Pair("none", "b"));
  EXPECT_EQ(around("c"), Pair("b", "d"));
  EXPECT_EQ(around("da"), Pair("d", "f"));
  EXPECT_EQ(around("g"), Pair("f", "none"));
  EXPECT_EQ(around(""), Pair("none", "b"));
  const auto snapshot = store->snapshot().value();
  for (const auto* key : {"b", "d", "f"}) {
    const auto found = snapshot->look_up(key).value();
    EXPECT_EQ(found.value, snapshot->get(key).value());
    EXPECT_FALSE(found.before || found.after);
  }
  EXPECT_EQ(snapshot->look_up("c")->before->value, snapshot->get("b").value());
  snapshot->release();
  EXPECT_FALSE(snapshot->look_up("b").ok());
}

TEST_P(AnyStore, ScansAnEmptyStore) {
  const auto store = make();
  const auto snapshot = store->snapshot().value();
  EXPECT_EQ(keys_of(*snapshot, "", "", false), Keys());
  EXPECT_EQ(keys_of(*snapshot, "", "", true), Keys());
  EXPECT_EQ(keys_of(*snapshot, "a", "b", true), Keys());
  EXPECT_FALSE(*snapshot->get("a"));
  EXPECT_FALSE(*snapshot->get(""));
}

TEST_P(AnyStore, ASnapshotStaysUntilItIsRefreshed) {
  const auto store = make();
  put_all(*store, {"a"});
  const auto snapshot = store->snapshot().value();
  put_all(*store, {"b"});
  EXPECT_FALSE(*snapshot->get("b"));
  ASSERT_TRUE(snapshot->refresh().ok());
  EXPECT_TRUE(*snapshot->get("b"));
  snapshot->release();
  EXPECT_FALSE(snapshot->get("b").ok());
  put_all(*store, {"c"});
  ASSERT_TRUE(snapshot->refresh().ok());
  EXPECT_TRUE(*snapshot->get("c"));
}

TEST_P(AnyStore, WithoutACommitNothingHappened) {
  const auto store = make();
  put_all(*store, {"a", "b"});
  {
    auto transaction = store->begin().value();
    ASSERT_TRUE(transaction->put("c", "x").ok());
    ASSERT_TRUE(transaction->erase("a").ok());
  }
  EXPECT_EQ(keys_of(*store->snapshot().value(), "", "", false), (Keys{"a", "b"}));
  auto transaction = store->begin().value();
  ASSERT_TRUE(transaction->erase("a").ok());
  ASSERT_TRUE(transaction->erase("never there").ok());
  ASSERT_TRUE(transaction->commit().ok());
  EXPECT_EQ(keys_of(*store->snapshot().value(), "", "", false), (Keys{"b"}));
  EXPECT_GT(store->used_bytes().value(), 0u);
  EXPECT_GE(store->max_key_bytes(), 300u);
}

TEST_P(AnyStore, ASnapshotMayMoveBetweenThreadsWhileAnotherWrites) {
  const auto store = make();
  put_all(*store, {"a"});
  auto snapshot = store->snapshot().value();
  std::thread reader([&] {
    for (int i = 0; i < 200; ++i) {
      EXPECT_TRUE(snapshot->refresh().ok());
      EXPECT_TRUE(*snapshot->get("a"));
      snapshot->release();
    }
  });
  for (int i = 0; i < 20; ++i) put_all(*store, {"a", "b" + std::to_string(i)});
  reader.join();
  ASSERT_TRUE(snapshot->refresh().ok());
  EXPECT_EQ(keys_of(*snapshot, "b", "", false).size(), 20u);
}

Bytes big_endian(std::uint64_t n) {
  Bytes out;
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(n >> shift));
  return out;
}

TEST(Lmdb, RunsOfNewRowsFillTheirPages) {
  const test::TempDir dir;
  const auto store = open_lmdb(dir / "db").value();
  std::uint64_t bytes = 0;
  // Several groups of rows, each of which grows at its end in every transaction.
  for (std::uint64_t round = 0; round < 10; ++round) {
    auto transaction = store->begin().value();
    for (char group = 'a'; group < 'i'; ++group)
      for (std::uint64_t i = 0; i < 400; ++i) {
        const auto key = group + big_endian(round * 400 + i);
        const Bytes value(60, group);
        bytes += key.size() + value.size();
        ASSERT_TRUE(transaction->put(key, value).ok());
      }
    ASSERT_TRUE(transaction->commit().ok());
  }
  // A row costs LMDB 10 bytes or so itself: without help the pages would be half empty (2.3).
  EXPECT_LT(static_cast<double>(store->used_bytes().value()) / static_cast<double>(bytes), 1.4);
  std::uint64_t rows = 0;
  ASSERT_TRUE(store->snapshot()
                  .value()
                  ->scan("", "",
                         [&](BytesView key, BytesView value) {
                           EXPECT_EQ(value, Bytes(60, key.front()));
                           return ++rows > 0;
                         })
                  .ok());
  EXPECT_EQ(rows, 10u * 8 * 400);
}

TEST(Lmdb, AgreesWithAMapWhateverTheOrderOfChanges) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    test::Random random(seed);
    const test::TempDir dir;
    const auto store = open_lmdb(dir / "db").value();
    std::map<Bytes, Bytes> rows;
    for (int round = 0; round < 30; ++round) {
      auto transaction = store->begin().value();
      auto next = rows;
      for (int burst = 0; burst < 12; ++burst) {
        auto at = random.below(4000);
        const auto length = random.one_in(3) ? random.between(1, 120) : random.between(1, 12);
        const auto action = random.below(8);
        for (std::uint64_t i = 0; i < length; ++i, at += 1 + random.below(2)) {
          const auto key = big_endian(action == 2 ? at - random.below(std::min<std::uint64_t>(at + 1, 20)) : at);
          if (action == 0 || (action <= 2 && random.one_in(action == 1 ? 4 : 2))) {
            ASSERT_TRUE(transaction->erase(key).ok());
            next.erase(key);
          } else {
            const Bytes value(random.one_in(50) ? 5000 : random.below(150),
                              static_cast<char>(random.next()));
            ASSERT_TRUE(transaction->put(key, value).ok());
            next[key] = value;
          }
        }
      }
      if (random.one_in(5)) continue;  // and without a commit nothing happens
      ASSERT_TRUE(transaction->commit().ok());
      rows = std::move(next);
      std::map<Bytes, Bytes> found;
      ASSERT_TRUE(store->snapshot()
                      .value()
                      ->scan("", "",
                             [&](BytesView key, BytesView value) {
                               return found.emplace(key, value).second;
                             })
                      .ok());
      ASSERT_EQ(found, rows);
    }
  }
}

TEST(Lmdb, ErasesWhatWasPutWhereThereWasNothingToErase) {
  const test::TempDir dir;
  const auto store = open_lmdb(dir / "db").value();
  put_all(*store, {"a", "z"});
  auto transaction = store->begin().value();
  for (const auto* key : {"c", "d", "y"}) ASSERT_TRUE(transaction->erase(key).ok());
  for (const auto* key : {"e", "b", "k", "d"}) ASSERT_TRUE(transaction->put(key, "").ok());
  for (const auto* key : {"b", "d", "e", "f", "k", "x", "z"}) ASSERT_TRUE(transaction->erase(key).ok());
  ASSERT_TRUE(transaction->put("zz", "value of zz").ok());
  for (const auto* key : {"zx", "zy", "zzz"}) ASSERT_TRUE(transaction->erase(key).ok());
  ASSERT_TRUE(transaction->commit().ok());
  EXPECT_EQ(keys_of(*store->snapshot().value(), "", "", false), (Keys{"a", "zz"}));
}

TEST(Lmdb, KeepsItsRowsAcrossRestarts) {
  const test::TempDir dir;
  put_all(*open_lmdb(dir / "deep/er/db").value(), {"a", "b"});
  EXPECT_EQ(keys_of(*open_lmdb(dir / "deep/er/db").value()->snapshot().value(), "", "", false),
            (Keys{"a", "b"}));
}

TEST(Lmdb, RefusesASecondUserButNotAfterADeath) {
  const test::TempDir dir;
  auto store = open_lmdb(dir / "db").value();
  const auto second = open_lmdb(dir / "db");
  EXPECT_EQ(second.error().code, Errc::io);
  EXPECT_NE(second.error().message.find("in use"), std::string::npos);
  store.reset();
  const auto child = ::fork();
  if (child == 0) {
    const auto held = open_lmdb(dir / "db");
    ::_exit(held.ok() ? 7 : 1);  // without closing anything
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 7);
  EXPECT_TRUE(open_lmdb(dir / "db").ok());
}

TEST(Lmdb, ASmallMapIsAFullDisk) {
  const test::TempDir dir;
  const auto store = open_lmdb(dir / "db", {.map_bytes = 1 << 20}).value();
  put_all(*store, {"a"});
  auto transaction = store->begin().value();
  Result<void> result;
  for (int i = 0; i < 2000 && result.ok(); ++i)
    result = transaction->put("k" + std::to_string(i), Bytes(1000, 'x'));
  EXPECT_EQ(result.error().code, Errc::disk_full);
  EXPECT_EQ(transaction->put("z", "z").error().code, Errc::internal);
  put_all(*store, {"b"});
  EXPECT_EQ(keys_of(*store->snapshot().value(), "", "", false), (Keys{"a", "b"}));
}

TEST(Lmdb, RefusesKeysThatAreTooLongOrEmpty) {
  const test::TempDir dir;
  const auto store = open_lmdb(dir / "db").value();
  const Bytes longest(store->max_key_bytes(), 'k');
  put_all(*store, {longest});
  EXPECT_EQ(store->begin().value()->put(longest + "k", "").error().code, Errc::invalid_argument);
  EXPECT_EQ(store->begin().value()->put("", "").error().code, Errc::invalid_argument);
}

/// A file system of a few MiB of its own, or none if this user may not mount one.
class SmallFileSystem {
 public:
  explicit SmallFileSystem(const std::string& path) : path_(path) {
    mounted_ = ::mkdir(path.c_str(), 0700) == 0 &&
               ::mount("none", path.c_str(), "tmpfs", 0, "size=8m") == 0;
  }
  SmallFileSystem(const SmallFileSystem&) = delete;
  SmallFileSystem& operator=(const SmallFileSystem&) = delete;
  ~SmallFileSystem() {
    if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  void grow() const {
    ASSERT_EQ(::mount("none", path_.c_str(), "tmpfs", MS_REMOUNT, "size=64m"), 0);
  }

 private:
  std::string path_;
  bool mounted_ = false;
};

TEST(Lmdb, GoesOnReadingOnAFullDiskAndWritingWhenThereIsRoom) {
  const test::TempDir dir;
  const SmallFileSystem files(dir / "small");
  if (!files.mounted()) GTEST_SKIP() << "mounting a small tmpfs needs root";
  const auto store = open_lmdb(dir / "small/db").value();
  put_all(*store, {"a", "b"});
  // Commits of many sizes, so that the room ends in the middle of writes of all kinds.
  test::Random random(3);
  std::size_t refused = 0, kept = 2;
  for (int i = 0; i < 400; ++i) {
    const auto rows = random.between(1, 60);
    auto transaction = store->begin().value();
    Result<void> result;
    for (std::size_t row = 0; row < rows && result.ok(); ++row) {
      const auto key = "k" + std::to_string(i) + "." + std::to_string(row);
      result = transaction->put(key, "value of " + key + Bytes());
    }
    if (result.ok()) result = transaction->put("large", "value of large");
    if (result.ok())
      result = transaction->put("x" + std::to_string(i), random.bytes(random.below(40'000)));
    if (result.ok()) result = transaction->commit();
    if (!result.ok()) {
      ASSERT_EQ(result.error().code, Errc::disk_full) << result.error().message;
      ++refused;
    } else {
      kept += rows;
    }
  }
  EXPECT_GT(refused, 20u);
  const auto count = [&] { return keys_of(*store->snapshot().value(), "a", "l", false).size(); };
  EXPECT_EQ(count(), kept);
  files.grow();
  auto transaction = store->begin().value();
  for (int i = 0; i < 20; ++i)
    ASSERT_TRUE(transaction->put("y" + std::to_string(i), Bytes(100'000, 'y')).ok());
  ASSERT_TRUE(transaction->commit().ok());
  EXPECT_EQ(count(), kept);
}

}  // namespace
}  // namespace cairn::storage
