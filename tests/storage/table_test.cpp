// The checkpointed table beside a std::map: reads and scans through overlay, frozen overlay and
// store, checkpoints at random times, crashes and failing commits between, rot.
#include <gtest/gtest.h>

#include <thread>

#include "storage/lmdb.hpp"
#include "storage/memory_store.hpp"
#include "storage/remembered.hpp"
#include "storage/row_walk.hpp"
#include "storage/table.hpp"
#include "tests/support/random.hpp"
#include "tests/support/temp_dir.hpp"

namespace cairn::storage {
namespace {

using test::Random;
using Rows = std::map<Bytes, Bytes>;
using Pairs = std::vector<std::pair<Bytes, Bytes>>;

std::unique_ptr<Table> open_table(std::unique_ptr<OrderedStore> store) {
  auto table = Table::open(std::move(store));
  EXPECT_TRUE(table.ok()) << table.error().message;
  return std::move(table).value();
}

void put(Table& table, const Bytes& key, const Bytes& value) {
  WriteBatch batch;
  batch.put(key, value);
  table.apply(std::move(batch), table.applied() + 1);
}

void checkpoint(Table& table) {
  const auto checkpoint = table.begin_checkpoint();
  ASSERT_TRUE(checkpoint);
  ASSERT_TRUE(checkpoint->write().ok());
  ASSERT_TRUE(table.finish_checkpoint().ok());
}

Result<Pairs> scan(RowReader& rows, BytesView from, BytesView to, bool back,
                   std::size_t limit = SIZE_MAX) {
  Pairs out;
  const auto visit = [&](BytesView key, BytesView value) {
    out.emplace_back(key, value);
    return out.size() < limit;
  };
  CAIRN_TRY(back ? rows.scan_back(from, to, visit) : rows.scan(from, to, visit));
  return out;
}

Pairs expected(const Rows& rows, BytesView from, BytesView to, bool back,
               std::size_t limit = SIZE_MAX) {
  Pairs out;
  for (const auto& [key, value] : rows)
    if (key >= from && (to.empty() || key < to)) out.emplace_back(key, value);
  if (back) std::reverse(out.begin(), out.end());
  if (out.size() > limit) out.resize(limit);
  return out;
}

TEST(Table, NothingIsDurableBeforeACheckpoint) {
  auto store = make_memory_store();
  auto* const memory = store.get();
  auto table = open_table(std::move(store));
  EXPECT_EQ(table->checkpointed(), 0u);
  EXPECT_FALSE(table->begin_checkpoint());
  put(*table, "a", "1");
  EXPECT_EQ(table->applied(), 1u);
  EXPECT_GT(table->overlay_bytes(), 2u);
  EXPECT_FALSE(*open_table(memory->reopen())->get("a"));
  checkpoint(*table);
  EXPECT_EQ(table->overlay_bytes(), 0u);
  EXPECT_EQ(table->checkpointed(), 1u);
  EXPECT_EQ(**table->get("a"), "1");
  const auto again = open_table(memory->reopen());
  EXPECT_EQ(**again->get("a"), "1");
  EXPECT_EQ(again->applied(), 1u);
  EXPECT_EQ(again->checkpointed(), 1u);
}

TEST(Table, AnEmptyBatchMovesThePositionOn) {
  auto store = make_memory_store();
  auto* const memory = store.get();
  auto table = open_table(std::move(store));
  table->apply({}, 17);
  checkpoint(*table);
  EXPECT_EQ(open_table(memory->reopen())->checkpointed(), 17u);
  EXPECT_FALSE(table->begin_checkpoint());
}

TEST(Table, ScansNeverShowItsOwnRow) {
  auto table = open_table(make_memory_store());
  put(*table, "\x01", "low");
  put(*table, "\xff", "high");
  checkpoint(*table);
  EXPECT_EQ(scan(*table, "", "", false).value(), (Pairs{{"\x01", "low"}, {"\xff", "high"}}));
  EXPECT_EQ(scan(*table, "", "", true).value(), (Pairs{{"\xff", "high"}, {"\x01", "low"}}));
  EXPECT_TRUE(scan(*table, "", Bytes(1, '\0'), false).value().empty());
}

TEST(TableDeathTest, ItsOwnKeysAndAPositionThatGoesBackAreBugs) {
  auto table = open_table(make_memory_store());
  EXPECT_DEATH(put(*table, Bytes(1, '\0'), ""), "");
  EXPECT_DEATH(put(*table, "", ""), "");
  put(*table, "a", "");
  EXPECT_DEATH(table->apply({}, 0), "");
}

TEST(Table, ReadsInsideAScanSeeTheSame) {
  auto table = open_table(make_memory_store());
  for (const auto* key : {"a", "b", "c"}) put(*table, key, key);
  checkpoint(*table);
  put(*table, "d", "d");
  std::size_t seen = 0;
  ASSERT_TRUE(table
                  ->scan("", "",
                         [&](BytesView key, BytesView value) {
                           EXPECT_EQ(**table->get(key), value);
                           EXPECT_EQ(scan(*table, "", "", true).value().size(), 4u);
                           ++seen;
                           return true;
                         })
                  .ok());
  EXPECT_EQ(seen, 4u);
}

TEST(Table, ARowThatWasLookedUpIsSeenAsTheNextCheckpointLeavesIt) {
  auto table = open_table(make_memory_store());
  const Bytes large(2'000, 'v');
  for (const auto* key : {"a", "b", "c"}) put(*table, key, "1");
  put(*table, "d", large);
  checkpoint(*table);
  const auto look = [&] {
    std::vector<std::optional<Bytes>> seen;
    for (const auto* key : {"a", "b", "c", "d"}) seen.push_back(*table->get(key));
    return seen;
  };
  using Seen = std::vector<std::optional<Bytes>>;
  EXPECT_EQ(look(), (Seen{"1", "1", "1", large}));
  EXPECT_EQ(look(), (Seen{"1", "1", "1", large}));
  put(*table, "a", "2");
  WriteBatch erased;
  erased.erase("b");
  table->apply(std::move(erased), table->applied() + 1);
  const Seen changed{"2", std::nullopt, "1", large};
  EXPECT_EQ(look(), changed);
  const auto kept = table->begin_checkpoint();
  EXPECT_EQ(look(), changed);
  ASSERT_TRUE(kept->write().ok());
  EXPECT_EQ(look(), changed);
  ASSERT_TRUE(table->finish_checkpoint().ok());
  table->release_snapshot();
  EXPECT_EQ(look(), changed);
  EXPECT_EQ(look(), changed);
}

TEST(Table, AGapBetweenStoredRowsEndsWithTheNextCheckpoint) {
  auto table = open_table(make_memory_store());
  for (const auto* key : {"a", "z"}) put(*table, key, "1");
  checkpoint(*table);
  const auto learn = [&] {
    for (int i = 0; i < 100; ++i) EXPECT_FALSE(*table->get("m" + std::to_string(i)));
  };
  learn();
  put(*table, "m5", "2");
  EXPECT_EQ(**table->get("m5"), "2");
  const auto begun = table->begin_checkpoint();
  EXPECT_EQ(**table->get("m5"), "2");
  ASSERT_TRUE(begun->write().ok());
  EXPECT_EQ(**table->get("m5"), "2");
  ASSERT_TRUE(table->finish_checkpoint().ok());
  EXPECT_EQ(**table->get("m5"), "2");
  EXPECT_FALSE(*table->get("m6"));
}

/// A store that finds nothing but wrong rows around, as one does whose keys are damaged and thus out of order.
class WrongNeighbours : public OrderedStore {
 public:
  WrongNeighbours(std::unique_ptr<OrderedStore> store, Bytes before, Bytes after)
      : store_(std::move(store)), before_(std::move(before)), after_(std::move(after)) {}
  Result<std::unique_ptr<StoreSnapshot>> snapshot() override {
    auto inner = store_->snapshot();
    if (!inner.ok()) return inner.error();
    return std::unique_ptr<StoreSnapshot>(std::make_unique<Snapshot>(std::move(*inner), before_, after_));
  }
  Result<std::unique_ptr<StoreTransaction>> begin() override { return store_->begin(); }
  std::size_t max_key_bytes() const override { return store_->max_key_bytes(); }
  Result<std::uint64_t> used_bytes() override { return store_->used_bytes(); }

 private:
  struct Snapshot : StoreSnapshot {
    Snapshot(std::unique_ptr<StoreSnapshot> view, Bytes b, Bytes a)
        : inner(std::move(view)), before(std::move(b)), after(std::move(a)), value(seal_row("a", "1")) {}
    Result<std::optional<BytesView>> get(BytesView key) override { return inner->get(key); }
    Result<Lookup> look_up(BytesView key) override {
      auto found = inner->look_up(key);
      if (found.ok() && !found->value) {
        found->before = {before, value};
        found->after = {after, value};
      }
      return found;
    }
    Result<void> scan(BytesView from, BytesView to, const VisitRow& visit) override {
      return inner->scan(from, to, visit);
    }
    Result<void> scan_back(BytesView from, BytesView to, const VisitRow& visit) override {
      return inner->scan_back(from, to, visit);
    }
    Result<void> refresh() override { return inner->refresh(); }
    void release() override { inner->release(); }
    std::unique_ptr<StoreSnapshot> inner;
    Bytes before, after, value;
  };
  std::unique_ptr<OrderedStore> store_;
  Bytes before_, after_;
};

TEST(Table, ADamagedRowIsNotTheEndOfAGap) {
  for (const auto& [before, after] : {std::pair("0", "a"), std::pair("a", "zz")}) {
    auto store = std::make_unique<WrongNeighbours>(make_memory_store(), before, after);
    auto table = open_table(std::move(store));
    for (const auto* key : {"1", "5", "a", "m", "z"}) put(*table, key, "1");
    checkpoint(*table);
    for (int i = 0; i < 100; ++i) {
      EXPECT_FALSE(*table->get("3"));
      EXPECT_FALSE(*table->get("p"));
    }
    for (const auto* key : {"1", "5", "m", "z"}) EXPECT_TRUE(*table->get(key)) << key;
  }
}

TEST(Table, RotBesideWhatIsLookedUpIsNotInTheWay) {
  auto store = make_memory_store();
  auto* const memory = store.get();
  auto table = open_table(std::move(store));
  for (const auto* key : {"a", "z"}) put(*table, key, "1");
  checkpoint(*table);
  ASSERT_TRUE(memory->rot("a"));
  table->release_snapshot();
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(table->get("m").value());
  EXPECT_EQ(table->get("a").error().code, Errc::corrupt);
}

TEST(RememberedGaps, HoldWhatLiesBetweenTheirEnds) {
  RememberedGaps gaps;
  EXPECT_FALSE(gaps.hold("m"));
  gaps.keep("b", "d");
  gaps.keep("x", "");
  for (const auto* key : {"a", "b", "d", "e", "x"}) EXPECT_FALSE(gaps.hold(key)) << key;
  for (const auto* key : {"ba", "c", "cz", "xa", "z"}) EXPECT_TRUE(gaps.hold(key)) << key;
  gaps.keep("", "a");
  EXPECT_TRUE(gaps.hold("A"));
  gaps.forget();
  EXPECT_FALSE(gaps.hold("c"));
}

TEST(RememberedGaps, HoldNoKeyThatIsStoredHoweverAlike) {
  const Bytes same(32, 's');
  RememberedGaps gaps;
  gaps.keep(same, same + "m");
  EXPECT_FALSE(gaps.hold(same + "c")) << "it is not known to be in it";
  gaps.keep(same, "t");
  EXPECT_FALSE(gaps.hold(same + "z"));
  EXPECT_TRUE(gaps.hold("su"));

  test::Random random(11);
  const auto any_key = [&] {
    Bytes key(random.one_in(3) ? random.between(28, 36) : random.between(1, 5), 'a');
    for (auto& c : key) c = random.one_in(4) ? "\0b\xff"[random.below(3)] : c;
    key.front() |= 1;
    return key;
  };
  std::size_t held = 0;
  for (int round = 0; round < 200; ++round) {
    std::set<Bytes> stored;
    for (auto count = random.between(1, 40); count > 0; --count) stored.insert(any_key());
    RememberedGaps known;
    for (auto learnt = random.between(1, 60); learnt > 0; --learnt) {
      const auto after = stored.upper_bound(any_key());
      known.keep(after == stored.begin() ? BytesView() : BytesView(*std::prev(after)),
                 after == stored.end() ? BytesView() : BytesView(*after));
    }
    for (const auto& key : stored) EXPECT_FALSE(known.hold(key));
    for (int i = 0; i < 200; ++i) {
      const auto key = any_key();
      if (!known.hold(key)) continue;
      EXPECT_FALSE(stored.contains(key));
      ++held;
    }
  }
  EXPECT_GT(held, 1'000u);
}

TEST(RememberedGaps, AreAskedWhileTheyAreMetAgain) {
  RememberedGaps gaps;
  const auto asked = [&] {
    int count = 0;
    for (int i = 0; i < 80; ++i) count += gaps.wanted();
    return count;
  };
  EXPECT_EQ(asked(), 10) << "a few, to learn whether it pays";
  gaps.keep("b", "d");
  EXPECT_TRUE(gaps.hold("c"));
  EXPECT_EQ(asked(), 80);
  for (int i = 0; i < 7; ++i) EXPECT_FALSE(gaps.hold("e"));
  EXPECT_EQ(asked(), 80);
  EXPECT_FALSE(gaps.hold("e"));
  EXPECT_EQ(asked(), 10) << "one hit pays for so many misses";
  for (int i = 0; i < 10'000; ++i) EXPECT_TRUE(gaps.hold("c"));
  for (int i = 0; i < 4'096; ++i) EXPECT_FALSE(gaps.hold("e"));
  EXPECT_EQ(asked(), 10) << "nor do hits of long ago count";
}

TEST(RememberedGaps, AreBounded) {
  RememberedGaps gaps;
  const auto key = [](int i) { return std::to_string(1'000'000 + i); };
  for (int i = 0; i < 10'000; ++i) gaps.keep(key(2 * i), key(2 * i + 1));
  int held = 0;
  for (int i = 0; i < 10'000; ++i) held += gaps.hold(key(2 * i) + "x");
  EXPECT_GT(held, 0);
  EXPECT_LE(held, 4'096);
}

TEST(Table, RotIsReportedOnGetAndScanAndOverwrittenRowsAreNot) {
  auto store = make_memory_store();
  auto* const memory = store.get();
  auto table = open_table(std::move(store));
  for (const auto* key : {"a", "b", "c"}) put(*table, key, "a value of some length");
  checkpoint(*table);
  ASSERT_TRUE(memory->rot("b"));
  table->release_snapshot();
  EXPECT_EQ(table->get("b").error().code, Errc::corrupt);
  EXPECT_NE(table->get("b").error().message.find("62"), std::string::npos);
  EXPECT_TRUE(table->get("a").ok());
  EXPECT_EQ(scan(*table, "", "", false).error().code, Errc::corrupt);
  EXPECT_EQ(scan(*table, "", "", true).error().code, Errc::corrupt);
  EXPECT_EQ(scan(*table, "c", "", false).value().size(), 1u);
  EXPECT_EQ(scan(*table, "", "", false, 1).value().size(), 1u);
  put(*table, "b", "new");
  EXPECT_EQ(**table->get("b"), "new");
  EXPECT_EQ(scan(*table, "", "", false).value().size(), 3u);
}

TEST(Table, ARowUnderAnotherKeyIsRot) {
  const auto stored = seal_row("key", "value");
  EXPECT_EQ(open_row("key", stored).value(), "value");
  EXPECT_EQ(open_row("other", stored).error().code, Errc::corrupt);
  for (std::size_t cut = 0; cut < stored.size(); ++cut)
    EXPECT_EQ(open_row("key", BytesView(stored).substr(0, cut)).error().code, Errc::corrupt);
}

TEST(Table, RotInItsPositionIsReportedAtOpen) {
  auto store = make_memory_store();
  auto* const memory = store.get();
  auto table = open_table(std::move(store));
  put(*table, "a", "1");
  checkpoint(*table);
  ASSERT_TRUE(memory->rot(BytesView("\0applied", 8)));
  EXPECT_EQ(Table::open(memory->reopen()).error().code, Errc::corrupt);
}

TEST(Table, AFailedCheckpointGoesWithTheNext) {
  for (const auto code : {Errc::disk_full, Errc::io}) {
    auto store = make_memory_store();
    auto* const memory = store.get();
    auto table = open_table(std::move(store));
    put(*table, "a", "1");
    put(*table, "b", "1");
    put(*table, "c", "1");
    memory->fail_commits(code);
    auto failing = table->begin_checkpoint();
    put(*table, "b", "2");
    WriteBatch batch;
    batch.erase("c");
    batch.put("d", "2");
    table->apply(std::move(batch), table->applied() + 1);
    EXPECT_EQ(failing->write().error().code, code);
    failing.reset();
    const auto before = table->overlay_bytes();
    table->abandon_checkpoint();
    EXPECT_LT(table->overlay_bytes(), before);  // "b" and "c" were counted twice
    EXPECT_EQ(table->checkpointed(), 0u);
    const Pairs rows{{"a", "1"}, {"b", "2"}, {"d", "2"}};
    EXPECT_EQ(scan(*table, "", "", false).value(), rows);
    memory->fail_commits(std::nullopt);
    checkpoint(*table);
    EXPECT_EQ(table->overlay_bytes(), 0u);
    const auto again = open_table(memory->reopen());
    EXPECT_EQ(scan(*again, "", "", false).value(), rows);
    EXPECT_EQ(again->checkpointed(), 5u);
  }
}

/// Random batches, reads, scans, checkpoints, failures and restarts, against a map. `reopen` gives
/// the store as a restarted process finds it.
class TableRun {
 public:
  TableRun(std::uint64_t seed, std::function<std::unique_ptr<OrderedStore>()> reopen,
           std::function<void(std::optional<Errc>)> fail)
      : random_(seed), reopen_(std::move(reopen)), fail_(std::move(fail)) {}

  void run(int steps) {
    table_ = open_table(reopen_());
    for (int step = 0; step < steps && !testing::Test::HasFailure(); ++step) {
      switch (random_.below(20)) {
        case 0:
        case 1:
          advance_checkpoint();
          break;
        case 2:
          restart();
          break;
        case 3:
          table_->release_snapshot();
          break;
        case 4:
        case 5:
        case 6:
        case 7:
        case 8:
          look();
          break;
        default:
          change();
          break;
      }
    }
  }

 private:
  Bytes random_key() {
    Bytes key(1, static_cast<char>(random_.between(1, 255)));
    if (random_.one_in(3)) key += random_.bytes(random_.below(4));
    return key;
  }

  void change() {
    WriteBatch batch;
    for (auto count = random_.below(8); count > 0; --count) {
      const auto key = random_key();
      if (random_.one_in(3)) {
        batch.erase(key);
        rows_.erase(key);
      } else {
        const auto value = random_.bytes(random_.below(20));
        batch.put(key, value);
        rows_[key] = value;
      }
    }
    position_ += random_.below(3);
    table_->apply(std::move(batch), position_);
  }

  void advance_checkpoint() {
    if (!checkpoint_) {
      checkpoint_ = table_->begin_checkpoint();
      if (!checkpoint_) return;
      frozen_ = {rows_, position_};
      return;
    }
    if (!written_) {
      const bool failing = fail_ && random_.one_in(4);
      if (failing) fail_(Errc::disk_full);
      const auto result = checkpoint_->write();
      if (failing) fail_(std::nullopt);
      ASSERT_EQ(result.ok(), !failing);
      written_ = true;
      if (!failing) durable_ = frozen_;
      failed_ = failing;
      return;
    }
    checkpoint_.reset();
    written_ = false;
    if (failed_) return table_->abandon_checkpoint();
    ASSERT_TRUE(table_->finish_checkpoint().ok());
    EXPECT_EQ(table_->checkpointed(), durable_.second);
  }

  void restart() {
    checkpoint_.reset();
    written_ = false;
    table_.reset();
    table_ = open_table(reopen_());
    rows_ = durable_.first;
    position_ = durable_.second;
    ASSERT_EQ(table_->applied(), position_);
    ASSERT_EQ(scan(*table_, "", "", false).value(), expected(rows_, "", "", false));
  }

  // One key after the other, as names come to a folder, or here and there.
  void look() {
    auto key = random_key();
    for (auto count = random_.between(1, 20); count > 0; --count) {
      const auto value = table_->get(key);
      ASSERT_TRUE(value.ok());
      const auto row = rows_.find(key);
      ASSERT_EQ(value->has_value(), row != rows_.end());
      if (*value) {
        ASSERT_EQ(**value, row->second);
      }
      key = random_.one_in(4) ? random_key() : key + random_.bytes(1);
    }
    const auto from = random_.one_in(3) ? Bytes() : random_key();
    const auto to = random_.one_in(3) ? Bytes() : random_key();
    const auto limit = random_.one_in(2) ? SIZE_MAX : random_.between(1, 5);
    for (const bool back : {false, true}) {
      const auto rows = scan(*table_, from, to, back, limit);
      ASSERT_TRUE(rows.ok());
      ASSERT_EQ(*rows, expected(rows_, from, to, back, limit));
    }
  }

  Random random_;
  std::function<std::unique_ptr<OrderedStore>()> reopen_;
  std::function<void(std::optional<Errc>)> fail_;
  std::unique_ptr<Table> table_;
  Rows rows_;
  std::uint64_t position_ = 0;
  std::shared_ptr<Checkpoint> checkpoint_;
  bool written_ = false, failed_ = false;
  std::pair<Rows, std::uint64_t> frozen_, durable_;
};

TEST(Table, AgreesWithAMapInMemory) {
  for (std::uint64_t seed = 1; seed <= 20 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const auto memory = make_memory_store();
    TableRun(
        seed, [&] { return memory->reopen(); },
        [&](std::optional<Errc> code) { memory->fail_commits(code); })
        .run(1000);
  }
}

TEST(Table, AgreesWithAMapOnLmdb) {
  for (std::uint64_t seed = 1; seed <= 3 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const test::TempDir dir;
    TableRun(
        seed, [&] { return open_lmdb(dir / "table").value(); }, nullptr)
        .run(1000);
  }
}

TEST(Table, ACheckpointRunsBesideReadsAndWrites) {
  const test::TempDir dir;
  auto table = open_table(open_lmdb(dir / "table").value());
  Rows rows;
  Random random(5);
  for (int round = 0; round < 20; ++round) {
    const auto checkpoint = table->begin_checkpoint();
    Result<void> result;
    std::thread writer([&] {
      if (checkpoint) result = checkpoint->write();
    });
    for (int i = 0; i < 300; ++i) {
      const auto key = "k" + std::to_string(random.below(500));
      rows[key] = std::to_string(i);
      put(*table, key, rows[key]);
      const auto other = "k" + std::to_string(random.below(500));
      const auto value = table->get(other);
      EXPECT_TRUE(value.ok());
      const auto row = rows.find(other);
      EXPECT_EQ(*value, row == rows.end() ? std::nullopt : std::optional(row->second));
      if (i % 50 == 0) table->release_snapshot();
    }
    writer.join();
    ASSERT_TRUE(result.ok());
    if (checkpoint) {
      ASSERT_TRUE(table->finish_checkpoint().ok());
    }
    ASSERT_EQ(scan(*table, "", "", false).value(), expected(rows, "", "", false));
  }
}

}  // namespace
}  // namespace cairn::storage
