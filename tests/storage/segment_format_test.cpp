// Segments, shard records and table rows byte by byte, as disk_format.md says. A test that fails
// here has changed what lies on people's disks.
#include <gtest/gtest.h>

#include "storage/memory_store.hpp"
#include "storage/segment_format.hpp"
#include "storage/shard_store.hpp"
#include "storage/table.hpp"
#include "tests/support/sim_disk.hpp"

namespace cairn::storage {
namespace {

using namespace segment_format;
using test::SimDisk;

std::string hex(BytesView bytes) {
  std::string out;
  for (const char c : bytes) {
    out.push_back("0123456789abcdef"[static_cast<unsigned char>(c) >> 4]);
    out.push_back("0123456789abcdef"[static_cast<unsigned char>(c) & 15]);
  }
  return out;
}

constexpr Identity identity{0x1122334455667788, 3, 2};

TEST(SegmentFormat, HeaderPage) {
  const auto page = encode_header_page(identity);
  ASSERT_EQ(page.size(), 4096u);
  EXPECT_EQ(hex(page.substr(0, 36)),
            "434149524e534547"
            "00000001"
            "00000002"
            "1122334455667788"
            "0000000000000003"
            "28eae088");
  EXPECT_EQ(page.find_first_not_of('\0', 36), Bytes::npos);
  EXPECT_EQ(decode_header_page(page), identity);
  for (std::size_t i = 0; i < 36 * 8; ++i) {
    auto rotten = page;
    rotten[i / 8] = static_cast<char>(rotten[i / 8] ^ (1 << (i % 8)));
    EXPECT_FALSE(decode_header_page(rotten));
  }
  EXPECT_FALSE(decode_header_page(BytesView(page).substr(0, 35)));
}

TEST(SegmentFormat, Seal) {
  const auto seal = encode_seal(identity, 0x12345);
  EXPECT_EQ(hex(seal),
            "434149524e454e44"
            "00012345"
            "213b52c9");
  auto page = encode_header_page(identity);
  EXPECT_FALSE(decode_seal(identity, page));
  page.replace(512, seal.size(), seal);
  EXPECT_EQ(decode_seal(identity, page), 0x12345u);
  auto other = identity;
  ++other.incarnation;
  EXPECT_FALSE(decode_seal(other, page));
}

TEST(SegmentFormat, RecordHead) {
  RecordHeader header;
  header.kind = 0xab;
  header.length = 5;
  header.body_checksum = 0xcafebabe;
  header.watermark = 4096;
  const auto head = encode_record_header(identity, 4608, header);
  EXPECT_EQ(hex(head),
            "8da9ec7c"
            "cafebabe"
            "00000005"
            "00001000"
            "01"
            "ab"
            "0000");
  const auto decoded = decode_record_header(identity, 4608, head);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->kind, 0xab);
  EXPECT_EQ(decoded->length, 5u);
  EXPECT_EQ(decoded->watermark, 4096u);
  EXPECT_FALSE(decode_record_header(identity, 4612, head));
  for (auto other : {Identity{1, 3, 2}, Identity{identity.log, 4, 2}, Identity{identity.log, 3, 1}})
    EXPECT_FALSE(decode_record_header(other, 4608, head));
  for (std::size_t i = 0; i < 20 * 8; ++i) {
    auto rotten = head;
    rotten[i / 8] = static_cast<char>(rotten[i / 8] ^ (1 << (i % 8)));
    EXPECT_FALSE(decode_record_header(identity, 4608, rotten));
  }
  EXPECT_FALSE(decode_record_header(identity, 0, Bytes(20, '\0')));
}

TEST(SegmentFormat, AHeadNeverCrossesASector) {
  EXPECT_EQ(next_position(4096), 4096u);
  EXPECT_EQ(next_position(4097), 4100u);
  EXPECT_EQ(next_position(4588), 4588u);
  EXPECT_EQ(next_position(4589), 4608u);
  EXPECT_EQ(next_position(4607), 4608u);
  for (std::uint32_t end = 4096; end < 6000; ++end) {
    const auto at = next_position(end);
    EXPECT_GE(at, end);
    EXPECT_EQ(at % 4, 0u);
    EXPECT_EQ(at / 512, (at + record_header_bytes - 1) / 512);
  }
}

SegmentLogOptions small_segments() {
  SegmentLogOptions options;
  options.segment_bytes = 16 << 10;
  options.preallocation_step_bytes = 4 << 10;
  return options;
}

TEST(SegmentFormat, ALogOfTwoRecords) {
  const auto disk = std::make_shared<SimDisk>();
  {
    const auto log = SegmentLog::open(disk, small_segments(), nullptr).value();
    ASSERT_TRUE(log->append(7, {"he", "llo"}).ok());
    ASSERT_TRUE(log->append(8, {}).ok());
    ASSERT_TRUE(log->sync().ok());
  }
  EXPECT_EQ(disk->list().value(), (std::vector<std::string>{"00000001.seg"}));
  const auto content = disk->content("00000001.seg");
  EXPECT_EQ(content.size(), 8192u);
  const auto found = decode_header_page(content);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->segment, 1u);
  EXPECT_EQ(found->incarnation, 1u);
  // Without the head's own checksum, which hangs on the random log id.
  EXPECT_EQ(hex(content.substr(4100, 21)),
            "9a71bb4c"
            "00000005"
            "00001000"
            "01"
            "07"
            "0000"
            "68656c6c6f");
  EXPECT_EQ(hex(content.substr(4128, 16)),
            "00000000"
            "00000000"
            "00001000"
            "01"
            "08"
            "0000");
  EXPECT_EQ(hex(content.substr(4148, 16)),
            "00000000"
            "00000000"
            "00001030"
            "02"
            "00"
            "0000");
  for (const std::uint32_t at : {4096u, 4124u, 4144u})
    EXPECT_TRUE(decode_record_header(*found, at, BytesView(content).substr(at))) << at;
}

TEST(SegmentFormat, ShardRecords) {
  const auto disk = std::make_shared<SimDisk>();
  {
    ShardStore::Recovered none;
    const auto store = ShardStore::open(disk, small_segments(), none).value();
    ASSERT_TRUE(store->set_hard_state({300, 2}).ok());
    ASSERT_TRUE(store->append({{1, 300, 9, "abc"}, {2, 300, 0, ""}}).ok());
    ASSERT_TRUE(store->compact(1).ok());
    ASSERT_TRUE(store->reset(200, 301).ok());
  }
  std::vector<std::string> records;
  ASSERT_TRUE(SegmentLog::open(disk, small_segments(), [&](const Record& record) -> Result<void> {
                records.push_back(std::to_string(record.kind) + " " + hex(record.body));
                return {};
              }).ok());
  EXPECT_EQ(records, (std::vector<std::string>{"2 ac0202", "1 01ac0209616263", "1 02ac0200",
                                               "3 01ac02", "4 c801ad02", "2 ac0202"}));
}

TEST(SegmentFormat, TableRows) {
  EXPECT_EQ(hex(seal_row("key", "value")),
            "76616c7565"
            "e8008944");
  EXPECT_EQ(hex(seal_row("k", "")), "aa326b08");
  auto store = make_memory_store();
  auto* const memory = store.get();
  const auto table = Table::open(std::move(store)).value();
  WriteBatch batch;
  batch.put("key", "value");
  table->apply(std::move(batch), 258);
  ASSERT_TRUE(table->begin_checkpoint()->write().ok());
  std::vector<std::string> rows;
  ASSERT_TRUE(memory->snapshot()
                  .value()
                  ->scan("", "",
                         [&](BytesView key, BytesView value) {
                           rows.push_back(hex(key) + " " + hex(value));
                           return true;
                         })
                  .ok());
  EXPECT_EQ(rows, (std::vector<std::string>{"006170706c696564 0000000000000102"
                                            "fbf6e695",
                                            "6b6579 76616c7565"
                                            "e8008944"}));
}

}  // namespace
}  // namespace cairn::storage
