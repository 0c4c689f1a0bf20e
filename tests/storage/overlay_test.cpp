// The rows of a table in memory beside a std::map: what was put is found and walked, also where many share a slot.
#include "storage/overlay.hpp"

#include <gtest/gtest.h>

#include "tests/support/random.hpp"

namespace cairn::storage {
namespace {

TEST(WriteBatch, TakesInANewerOne) {
  WriteBatch batch;
  batch.put("a", "1");
  batch.put("c", "1");
  batch.put("d", "1");
  WriteBatch newer;
  newer.put("b", "2");
  newer.put("c", "2");
  newer.erase("d");
  batch.take_in(std::move(newer));
  EXPECT_EQ(batch.changes(),
            (WriteBatch::Changes{{"a", Bytes("1")}, {"b", Bytes("2")}, {"c", Bytes("2")}, {"d", std::nullopt}}));
}

TEST(Overlay, AgreesWithAMap) {
  test::Random random(1);
  Overlay overlay;
  WriteBatch::Changes expected;
  EXPECT_EQ(overlay.find("a"), nullptr);
  for (int round = 0; round < 300; ++round) {
    WriteBatch batch;
    for (auto left = random.below(40); left > 0; --left) {
      const auto key = "key-of-more-than-one-word-" + std::to_string(random.below(3'000));
      random.percent(20) ? batch.erase(key) : batch.put(key, Bytes(random.below(30), 'v'));
    }
    for (const auto& [key, value] : batch.changes()) expected[key] = value;
    overlay.put(batch.take());
  }
  EXPECT_EQ(overlay.rows(), expected);
  for (int i = 0; i < 3'000; ++i) {
    const auto key = "key-of-more-than-one-word-" + std::to_string(i);
    const auto* row = overlay.find(key);
    const auto found = expected.find(key);
    ASSERT_EQ(row != nullptr, found != expected.end()) << key;
    if (row) {
      EXPECT_EQ(row->second, found->second) << key;
    }
  }
}

TEST(Overlay, CountsItsBytesAndGivesAllAway) {
  Overlay overlay;
  WriteBatch one, other;
  one.put("a", "12345");
  overlay.put(one.take());
  const auto bytes = overlay.bytes();
  other.put("a", "123");
  overlay.put(other.take());
  EXPECT_EQ(overlay.bytes(), bytes - 2);
  EXPECT_EQ(overlay.take().size(), 1u);
  EXPECT_TRUE(overlay.empty());
  EXPECT_EQ(overlay.bytes(), 0u);
  EXPECT_EQ(overlay.find("a"), nullptr);
}

}  // namespace
}  // namespace cairn::storage
