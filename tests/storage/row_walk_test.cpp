// Walks over several batches and stored rows beside a std::map that holds what should be seen.
#include "storage/row_walk.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/random.hpp"

namespace cairn::storage {
namespace {

using Rows = std::map<Bytes, Bytes, std::less<>>;
using Seen = std::vector<std::pair<Bytes, Bytes>>;

// Of several lengths, many with the same first 24 bytes, some the beginning of others, and some that end in zeros.
Bytes key_of(std::uint64_t n) {
  Bytes key = n % 3 == 0 ? "k" : "a key that is longer than twenty-four bytes ";
  key += std::to_string(n / 4);
  key.append(n % 4, '\0');
  return key;
}

Result<BytesView> as_it_is(BytesView, BytesView stored) { return stored; }

/// What a scan of `stored` under `batches` shows until it has shown `most`.
Result<Seen> scan(const Rows& stored, std::initializer_list<const WriteBatch*> batches, BytesView from, BytesView to,
                  Direction direction, std::size_t most, const OpenRow& open = as_it_is) {
  Seen seen;
  const auto shown = scan_rows(
      RowWalk(batches, from, to, direction),
      [&](BytesView key, BytesView value) {
        seen.emplace_back(key, value);
        return seen.size() < most;
      },
      open,
      [&](const VisitRow& visit) -> Result<void> {
        const auto first = stored.lower_bound(from);
        const auto last = to.empty() ? stored.end() : stored.lower_bound(to);
        if (direction == Direction::forwards)
          for (auto row = first; row != last && visit(row->first, row->second);) ++row;
        else
          for (auto row = last; row != first && visit(std::prev(row)->first, std::prev(row)->second);) --row;
        return {};
      });
  if (!shown) return shown.error();
  return seen;
}

TEST(RowWalk, AgreesWithAMap) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    test::Random random(seed);
    const auto keys = random.between(1, 400);
    Rows stored;
    for (std::uint64_t n = 0; n < keys; ++n)
      if (random.percent(40)) stored[key_of(n)] = "stored";
    auto expected = stored;
    WriteBatch older, newer;
    for (auto* batch : {&older, &newer}) {
      for (auto left = random.below(300); left > 0; --left) {
        const auto key = key_of(random.below(keys));
        if (random.percent(10)) batch->order();
        if (random.percent(30)) {
          batch->erase(key);
          expected.erase(key);
        } else {
          const auto value = (batch == &older ? "older" : "newer") + std::to_string(left);
          batch->put(key, value);
          expected[key] = value;
        }
      }
    }
    for (int turn = 0; turn < 100; ++turn) {
      auto from = key_of(random.below(keys)), to = random.percent(20) ? Bytes() : key_of(random.below(keys));
      if (!to.empty() && to < from) std::swap(from, to);
      const auto most = random.percent(50) ? std::size_t{1'000} : random.between(1, 20);
      const auto first = expected.lower_bound(from);
      const auto last = to.empty() ? expected.end() : expected.lower_bound(to);
      Seen wanted(first, last), backwards(std::make_reverse_iterator(last), std::make_reverse_iterator(first));
      for (auto* all : {&wanted, &backwards}) all->resize(std::min<std::size_t>(all->size(), most));
      ASSERT_EQ(scan(stored, {&newer, &older}, from, to, Direction::forwards, most).value(), wanted) << seed;
      ASSERT_EQ(scan(stored, {&newer, &older}, from, to, Direction::backwards, most).value(), backwards) << seed;
    }
  }
}

TEST(RowWalk, ShowsErasedRowsAsSuch) {
  WriteBatch batch;
  batch.put("a", "1");
  batch.erase("b");
  RowWalk walk(batch);
  EXPECT_EQ(walk.row()->key(), "a");
  walk.step();
  EXPECT_EQ(walk.row()->key(), "b");
  EXPECT_EQ(walk.row()->value(), std::nullopt);
  walk.step();
  EXPECT_EQ(walk.row(), nullptr);
}

TEST(RowWalk, WhatIsPutInMeanwhileIsNotWalked) {
  WriteBatch batch;
  for (const auto* key : {"a", "c", "e"}) batch.put(key, "1");
  std::vector<Bytes> keys;
  for (RowWalk walk(batch); const auto* row = walk.row(); walk.step()) {
    keys.emplace_back(row->key());
    batch.put(keys.back() + "x", "2");
    batch.order();
  }
  EXPECT_THAT(keys, testing::ElementsAre("a", "c", "e"));
}

TEST(RowWalk, DamageCountsWhereTheRowIsShown) {
  const Rows stored{{"a", "good"}, {"b", "bad"}, {"c", "good"}};
  const auto open = [](BytesView key, BytesView value) -> Result<BytesView> {
    if (value == "bad") return Error{Errc::corrupt, "row " + Bytes(key)};
    return value;
  };
  WriteBatch batch;
  const auto found = scan(stored, {&batch}, "a", "", Direction::forwards, 10, open);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, Errc::corrupt);
  EXPECT_EQ(scan(stored, {&batch}, "a", "", Direction::forwards, 1, open).value(), (Seen{{"a", "good"}}));
  batch.erase("b");
  EXPECT_EQ(scan(stored, {&batch}, "a", "", Direction::forwards, 10, open).value(),
            (Seen{{"a", "good"}, {"c", "good"}}));
}

}  // namespace
}  // namespace cairn::storage
