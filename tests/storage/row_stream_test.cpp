// Rows as a stream: what comes out is what went in, however it is cut, and what is damaged does not come out.
#include "storage/row_stream.hpp"

#include <gtest/gtest.h>

#include "protocol/codec.hpp"
#include "storage/memory_store.hpp"
#include "storage/row_walk.hpp"
#include "tests/support/random.hpp"

namespace cairn::storage {
namespace {

struct Rows {
  MemoryStore* store;
  std::unique_ptr<Table> table;
};

Rows filled(int count, std::size_t value_bytes) {
  auto store = make_memory_store();
  auto* raw = store.get();
  auto table = Table::open(std::move(store)).value();
  WriteBatch batch;
  for (int i = 0; i < count; ++i)
    batch.put("\x01key-" + std::to_string(1'000 + i), Bytes(value_bytes + static_cast<std::size_t>(i) % 7, 'v'));
  table->apply(std::move(batch), 9);
  const auto checkpoint = table->begin_checkpoint();
  EXPECT_TRUE(checkpoint->write().ok());
  EXPECT_TRUE(table->finish_checkpoint().ok());
  return {raw, std::move(table)};
}

Bytes whole(Table& table, const std::function<std::size_t()>& part_bytes) {
  RowStreamReader reader(table.stored_rows().value());
  Bytes all;
  for (bool last = false; !last;) {
    EXPECT_EQ(reader.offset(), all.size());
    const auto bytes = part_bytes();
    const auto part = reader.next(bytes).value();
    EXPECT_TRUE(part.last ? part.bytes.size() <= bytes : part.bytes.size() == bytes);
    all += part.bytes;
    last = part.last;
  }
  return all;
}

TEST(RowStream, HasOneFormHoweverItIsCut) {
  const auto rows = filled(200, 30);
  const auto all = whole(*rows.table, [] { return std::size_t{1} << 20; });
  EXPECT_EQ(whole(*rows.table, [] { return std::size_t{1}; }), all);
  EXPECT_EQ(whole(*rows.table, [size = all.size()] { return size; }), all);
  test::Random random(3);
  EXPECT_EQ(whole(*rows.table, [&] { return std::size_t{1} + random.below(500); }), all);
}

TEST(RowStream, BringsAllRowsButTheTablesOwn) {
  const auto rows = filled(200, 30);
  const auto all = whole(*rows.table, [] { return std::size_t{777}; });
  test::Random random(5);
  RowStreamWriter writer;
  WriteBatch batch;
  for (std::size_t at = 0; at < all.size();) {
    EXPECT_FALSE(writer.finished());
    const auto count = std::min<std::size_t>(1 + random.below(300), all.size() - at);
    ASSERT_TRUE(writer.take(BytesView(all).substr(at, count), batch).ok());
    at += count;
  }
  EXPECT_TRUE(writer.finished());
  EXPECT_GT(writer.take_added(), 200u * 30);
  EXPECT_EQ(writer.take_added(), 0u);
  ASSERT_EQ(batch.size(), 200u);
  for (RowWalk walk(batch); const auto* row = walk.row(); walk.step())
    EXPECT_EQ(rows.table->get(row->key()).value(), row->value()) << row->key();
}

TEST(RowStream, OfNoRowsEndsAtOnce) {
  const auto rows = filled(0, 0);
  const auto all = whole(*rows.table, [] { return std::size_t{100}; });
  EXPECT_EQ(all, Bytes(2, '\0'));
  RowStreamWriter writer;
  WriteBatch batch;
  ASSERT_TRUE(writer.take(all, batch).ok());
  EXPECT_TRUE(writer.finished());
}

// The form, byte for byte (disk_format.md, "Row stream").
TEST(RowStream, KeepsItsForm) {
  auto table = Table::open(make_memory_store()).value();
  WriteBatch batch;
  batch.put("a", "x");
  table->apply(std::move(batch), 1);
  ASSERT_TRUE(table->begin_checkpoint()->write().ok());
  const auto sealed = seal_row("a", "x");
  ASSERT_EQ(sealed.size(), 5u);
  EXPECT_EQ(whole(*table, [] { return std::size_t{100}; }), Bytes("\x01"
                                                                  "a\x05",
                                                                  3) +
                                                                sealed + Bytes("\0\x01", 2));
}

TEST(RowStream, RotInARowIsFoundWhereItIsRead) {
  const auto rows = filled(50, 30);
  ASSERT_TRUE(rows.store->rot("\x01key-1020"));
  RowStreamReader reader(rows.table->stored_rows().value());
  ASSERT_TRUE(reader.next(100).ok());
  Errc code{};
  for (int i = 0; i < 100 && code == Errc{}; ++i)
    if (const auto part = reader.next(100); !part) code = part.error().code;
  EXPECT_EQ(code, Errc::corrupt);
}

TEST(RowStream, WhatIsNoStreamIsRefused) {
  const auto rows = filled(20, 30);
  const auto all = whole(*rows.table, [] { return std::size_t{1} << 20; });
  const auto outcome = [&](const Bytes& bytes) {
    RowStreamWriter writer;
    WriteBatch batch;
    const auto taken = writer.take(bytes, batch);
    return taken ? (writer.finished() ? Errc{} : Errc::cancelled) : taken.error().code;
  };
  EXPECT_EQ(outcome(all), Errc{});
  EXPECT_EQ(outcome(all.substr(0, all.size() - 1)), Errc::cancelled);
  EXPECT_EQ(outcome(all + "x"), Errc::protocol);
  for (std::size_t at = 0; at < all.size(); ++at) {
    auto bad = all;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    EXPECT_NE(outcome(bad), Errc{}) << at;
  }
  // A row is missing, or comes twice.
  const auto row = Writer().bytes("k").bytes(seal_row("k", "v")).take();
  EXPECT_EQ(outcome(row + Writer().bytes({}).varint(2).take()), Errc::protocol);
  EXPECT_EQ(outcome(row + row), Errc::protocol);
  EXPECT_EQ(outcome(Writer().bytes({"\0a", 2}).bytes(seal_row({"\0a", 2}, "v")).take()), Errc::protocol);
}

}  // namespace
}  // namespace cairn::storage
