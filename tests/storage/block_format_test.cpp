// The bytes of block records and index rows are what disk_format.md says, and nothing else is accepted.
#include "storage/block_format.hpp"

#include <gtest/gtest.h>

#include "protocol/digest.hpp"

namespace cairn::storage::block_format {
namespace {

std::string hex(BytesView bytes) {
  std::string out;
  for (const char c : bytes) {
    out.push_back("0123456789abcdef"[static_cast<std::uint8_t>(c) >> 4]);
    out.push_back("0123456789abcdef"[static_cast<std::uint8_t>(c) & 15]);
  }
  return out;
}

const BlockId id = sha256("abc");
const std::string id_hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

TEST(BlockFormat, GoldenBytes) {
  EXPECT_EQ(hex(encode_trailer(id, Timestamp{0x0102030405})), id_hex + "0000000102030405");
  EXPECT_EQ(hex(index_key(id)), "62" + id_hex);
  IndexRow row{{0x11223344, 0x55667788}, 0x99aabbcc, Timestamp{0x0102030405}, {}, false};
  EXPECT_EQ(hex(encode_row(row)), "00" "11223344" "55667788" "99aabbcc" "0000000102030405");
  row.quarantined = Timestamp{-1};
  row.damaged = true;
  EXPECT_EQ(hex(encode_row(row)),
            "03" "11223344" "55667788" "99aabbcc" "0000000102030405" "ffffffffffffffff");
}

TEST(BlockFormat, RowsComeBackAndOtherBytesDoNot) {
  for (const bool damaged : {false, true})
    for (const auto quarantined : {std::optional<Timestamp>(), std::optional(Timestamp{7})}) {
      const IndexRow row{{1, 2}, 3, Timestamp{4}, quarantined, damaged};
      const auto bytes = encode_row(row);
      EXPECT_EQ(decode_row(bytes), row);
      EXPECT_FALSE(decode_row(bytes + '\0'));
      for (std::size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(decode_row(bytes.substr(0, size)));
      auto unknown = bytes;
      unknown[0] = static_cast<char>(unknown[0] | 4);
      EXPECT_FALSE(decode_row(unknown));
    }
  EXPECT_EQ(id_of_key(index_key(id)), id);
  EXPECT_FALSE(id_of_key(id.view()));
  EXPECT_FALSE(id_of_key(index_key(id) + 'x'));
  EXPECT_FALSE(id_of_key(""));
}

TEST(BlockFormat, RecordsComeBackAndOtherBytesDoNot) {
  const auto trailer = encode_trailer(id, Timestamp{9});
  for (const std::uint8_t kind : {1, 2}) {
    const Record record{{1, 4096}, kind, "sealed" + trailer};
    const auto block = decode_record(record);
    ASSERT_TRUE(block);
    EXPECT_EQ(static_cast<std::uint8_t>(block->kind), kind);
    EXPECT_EQ(block->sealed, "sealed");
    EXPECT_EQ(block->id, id);
    EXPECT_EQ(block->touched, Timestamp{9});
  }
  EXPECT_TRUE(decode_record({{}, 3, trailer}));
  EXPECT_FALSE(decode_record({{}, 3, "x" + trailer}));
  EXPECT_FALSE(decode_record({{}, 1, trailer.substr(1)}));
  EXPECT_FALSE(decode_record({{}, 0, trailer}));
  EXPECT_FALSE(decode_record({{}, 4, trailer}));
}

TEST(BlockFormat, PositionsOrderAsLocationsDo) {
  const RecordLocation places[] = {{0, 0}, {0, 1}, {1, 0}, {1, UINT32_MAX}, {UINT32_MAX, 5}};
  for (const auto a : places) {
    EXPECT_EQ(location_of(position_of(a)), a);
    for (const auto b : places) EXPECT_EQ(position_of(a) < position_of(b), a < b);
  }
}

}  // namespace
}  // namespace cairn::storage::block_format
