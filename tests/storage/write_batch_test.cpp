// Changes in memory beside a std::map: what was put is found, also where many share a slot, and walked in order.
#include "storage/write_batch.hpp"

#include <gtest/gtest.h>

#include <map>

#include "tests/support/random.hpp"

namespace cairn::storage {
namespace {

using Expected = std::map<Bytes, std::optional<Bytes>>;

Expected rows_of(const WriteBatch& batch) {
  Expected rows;
  for (const auto& run : batch.runs()) {
    for (std::size_t i = 0; i < run->size(); ++i) {
      const auto& row = *(*run)[i].row;
      if (i > 0) {
        EXPECT_LT((*run)[i - 1].row->key(), row.key());
      }
      EXPECT_TRUE(rows.emplace(row.key(), row.value()).second) << row.key() << " is in two runs";
    }
  }
  EXPECT_EQ(rows.size(), batch.size());
  return rows;
}

TEST(WriteBatch, TheLastChangeOfAKeyWins) {
  WriteBatch batch;
  EXPECT_TRUE(batch.empty());
  EXPECT_EQ(batch.find("a"), nullptr);
  batch.put("a", "1");
  batch.put("a", "2");
  EXPECT_EQ(batch.find("a")->value(), "2");
  batch.erase("a");
  ASSERT_NE(batch.find("a"), nullptr);
  EXPECT_EQ(batch.find("a")->value(), std::nullopt);
  batch.put("a", "3");
  EXPECT_EQ(batch.find("a")->value(), "3");
  EXPECT_EQ(batch.size(), 1u);
  batch.clear();
  EXPECT_TRUE(batch.empty());
  EXPECT_TRUE(batch.runs().empty());
}

TEST(WriteBatch, AValueMayGrowShrinkAndBeAPartOfTheLast) {
  WriteBatch batch;
  for (const std::size_t size : {3, 8, 9, 1'000, 0, 5, 1'001, 7}) {
    batch.put("a", Bytes(size, 'v'));
    EXPECT_EQ(batch.find("a")->value(), Bytes(size, 'v'));
  }
  batch.put("a", "0123456789");
  batch.put("a", batch.find("a")->value()->substr(2, 7));
  EXPECT_EQ(batch.find("a")->value(), "2345678");
}

TEST(WriteBatch, IsEmptyOnceItWasMoved) {
  WriteBatch batch;
  for (int i = 0; i < 100; ++i) batch.put("key" + std::to_string(i), "v");
  EXPECT_EQ(batch.runs().size(), 1u);
  const WriteBatch other = std::move(batch);
  EXPECT_EQ(other.size(), 100u);
  EXPECT_EQ(batch.bytes(), 0u);
  EXPECT_TRUE(batch.runs().empty());
  batch.put("a", "1");
  EXPECT_EQ(rows_of(batch), (Expected{{"a", "1"}}));
}

TEST(WriteBatch, RunsAreFew) {
  WriteBatch batch;
  for (int i = 0; i < 50'000; ++i) {
    batch.put(std::to_string(i), "v");
    if (i % 7 == 0) batch.order();
    ASSERT_LE(batch.runs().size(), 9u) << i;
  }
}

TEST(WriteBatch, TakesInANewerOne) {
  WriteBatch batch;
  for (const auto* key : {"a", "c", "d"}) batch.put(key, "1");
  WriteBatch newer;
  newer.put("b", "2");
  newer.put("c", "2");
  newer.erase("d");
  batch.take_in(std::move(newer));
  EXPECT_TRUE(newer.empty());
  const Expected expected{{"a", "1"}, {"b", "2"}, {"c", "2"}, {"d", std::nullopt}};
  EXPECT_EQ(rows_of(batch), expected);
  WriteBatch other;
  other.take_in(std::move(batch));
  EXPECT_EQ(rows_of(other), expected);
  EXPECT_TRUE(batch.empty());
}

TEST(WriteBatch, AgreesWithAMap) {
  for (const std::uint64_t seed : {1, 2, 3}) {
    test::Random random(seed);
    WriteBatch all;
    Expected expected;
    const auto key_of = [](std::uint64_t n) { return "key-of-more-than-one-word-" + std::to_string(n); };
    for (int round = 0; round < 1'000; ++round) {
      WriteBatch batch;
      for (auto left = random.below(40); left > 0; --left) {
        const auto key = key_of(random.below(30'000));
        const auto value = Bytes(random.below(30), 'v');
        const bool erase = random.percent(20);
        erase ? batch.erase(key) : batch.put(key, value);
        expected[key] = erase ? std::nullopt : std::optional(value);
      }
      all.take_in(std::move(batch));
      if (!random.percent(3)) continue;  // mostly much is put in order at once
      ASSERT_EQ(rows_of(all), expected) << "seed " << seed << ", round " << round;
    }
    EXPECT_EQ(rows_of(all), expected) << "seed " << seed;
    for (std::uint64_t n = 0; n < 30'000; ++n) {
      const auto* row = all.find(key_of(n));
      const auto found = expected.find(key_of(n));
      ASSERT_EQ(row != nullptr, found != expected.end()) << n;
      if (row) {
        EXPECT_EQ(row->value(), found->second) << n;
      }
    }
  }
}

TEST(WriteBatch, IsInOrderAlsoWhenMoreComesThanIsOrderedAtOnce) {
  WriteBatch batch;
  Expected expected;
  test::Random random(4);
  for (int i = 0; i < 20'000; ++i) {
    const auto key = std::to_string(random.next());
    batch.put(key, "v");
    expected[key] = "v";
  }
  EXPECT_EQ(rows_of(batch), expected);
}

TEST(WriteBatch, CountsItsBytes) {
  WriteBatch all, one, other;
  one.put("a", "12345");
  all.take_in(std::move(one));
  const auto bytes = all.bytes();
  EXPECT_GT(bytes, 6u);
  other.put("a", "123");
  EXPECT_LE(other.bytes(), bytes);
  other.put("b", "");
  const auto both = other.bytes();
  EXPECT_GT(both, bytes);
  all.take_in(std::move(other));
  EXPECT_EQ(all.bytes(), both);
  all.put("b", Bytes(1'000, 'v'));
  EXPECT_GE(all.bytes(), both + 1'000);
  const auto large = all.bytes();
  all.erase("b");
  all.put("b", Bytes(1'000, 'w'));
  EXPECT_EQ(all.bytes(), large) << "in the same place";
  all.clear();
  EXPECT_EQ(all.bytes(), 0u);
}

TEST(WriteBatch, AValueThatGrowsAndGrowsTakesFewTimesItsSize) {
  WriteBatch batch;
  Bytes value;
  while (value.size() < 20'000) {
    value += "seven..";
    batch.put("a", value);
  }
  EXPECT_EQ(batch.find("a")->value(), value);
  EXPECT_LT(batch.bytes(), 4 * value.size());
}

TEST(WriteBatch, RowsLargerThanAPieceOfMemoryStandBesideSmallOnes) {
  WriteBatch batch;
  Expected expected;
  for (int i = 0; i < 200; ++i) {
    const auto key = "key" + std::to_string(i);
    const Bytes value(i % 7 == 0 ? 100'000 + i : i, static_cast<char>('a' + i % 26));
    batch.put(key, value);
    expected[key] = value;
  }
  EXPECT_EQ(rows_of(batch), expected);
}

TEST(WriteBatchDeathTest, ATablesOwnKeysAreNobodysToChange) {
  WriteBatch batch;
  EXPECT_DEATH(batch.put("", "v"), "");
  EXPECT_DEATH(batch.erase(Bytes(1, '\0')), "");
}

}  // namespace
}  // namespace cairn::storage
