// How a follower takes a snapshot, chunk by chunk.
#include <gtest/gtest.h>

#include "protocol/digest.hpp"
#include "tests/cluster/raft_one.hpp"

namespace cairn::cluster {
namespace {

SnapshotChunk chunk(std::uint64_t transfer, std::uint64_t offset, Bytes bytes, bool last = false) {
  const auto crc = crc32c(bytes);
  return {transfer, {9, 3, voters({1, 2})}, offset, last, crc, 1, std::move(bytes)};
}

TEST(RaftSnapshots, ChunksAreTakenWholeAndInOrder) {
  One one;
  one.hear(2, 4, chunk(5, 3, "def"));
  EXPECT_TRUE(one.take<SnapshotAnswer>().at(0).refused) << "the first was not seen";
  auto damaged = chunk(5, 0, "abc");
  damaged.bytes[1] ^= 1;
  one.hear(2, 4, damaged);
  EXPECT_TRUE(one.take<SnapshotAnswer>().empty()) << "as good as lost";
  EXPECT_TRUE(one.keeps.empty());
  one.hear(2, 4, chunk(5, 0, "abc"));
  one.hear(2, 4, chunk(5, 6, "ghi", true));
  one.hear(2, 4, chunk(5, 0, "abc"));
  ASSERT_EQ(one.keeps.size(), 1u) << "neither the third before the second nor the first twice";
  one.hear(2, 4, chunk(5, 3, "def"));
  ASSERT_EQ(one.keeps.size(), 3u) << "the third came early, and need not come again";
  EXPECT_EQ(one.keeps[0].bytes + one.keeps[1].bytes + one.keeps[2].bytes, "abcdefghi");
  one.sent.clear();
  one->snapshot_installed(one.keeps[2].transfer, one.now);
  one.settle();
  EXPECT_EQ(one.take<AppendAnswer>().at(0), (AppendAnswer{true, 9, 0, 1}));
  EXPECT_EQ(one->configuration(), voters({1, 2})) << "it comes with the snapshot";
  EXPECT_EQ(one->applied(), 9u);
}

TEST(RaftSnapshots, AnotherTransferBeginsAnew) {
  One one;
  one.hear(2, 4, chunk(5, 0, "abc"));
  one.hear(2, 4, chunk(6, 3, "def"));
  EXPECT_TRUE(one.take<SnapshotAnswer>().at(0).refused);
  one.hear(2, 4, chunk(6, 0, "xyz"));
  ASSERT_EQ(one.keeps.size(), 2u);
  EXPECT_NE(one.keeps[0].transfer, one.keeps[1].transfer);
}

TEST(RaftSnapshots, FewChunksThatCameEarlyAreKept) {
  RaftOptions options;
  options.max_snapshot_chunks_in_flight = 2;
  One one(options);
  one.hear(2, 4, chunk(5, 0, "a"));
  one->snapshot_kept(one.keeps[0].transfer, 1, one.now);
  for (const std::uint64_t offset : {4, 3, 2}) one.hear(2, 4, chunk(5, offset, "x"));
  one.hear(2, 4, chunk(5, 1, "b"));
  ASSERT_EQ(one.keeps.size(), 2u) << "two were kept, and 2 was one too many";
  one.hear(2, 4, chunk(5, 2, "c"));
  ASSERT_EQ(one.keeps.size(), 5u);
  for (std::uint64_t offset = 0; offset < 5; ++offset) EXPECT_EQ(one.keeps[offset].offset, offset);
}

TEST(RaftSnapshots, ALateChunkOfAGivenUpTransferChangesNothing) {
  One one;
  one.hear(2, 4, chunk(6, 0, "abc"));
  one.sent.clear();
  one.hear(2, 4, chunk(5, 0, "old"));
  EXPECT_TRUE(one.sent.empty());
  one.hear(2, 4, chunk(6, 3, "def"));
  ASSERT_EQ(one.keeps.size(), 2u);
  EXPECT_EQ(one.keeps[0].bytes + one.keeps[1].bytes, "abcdef");
}

TEST(RaftSnapshots, APartKeptForAnEarlierTermIsNotAnswered) {
  One one;
  one.hear(2, 4, chunk(5, 0, "abc"));
  one.hear(2, 4, chunk(5, 3, "def", true));
  ASSERT_EQ(one.keeps.size(), 2u);
  one.hear(3, 5, VoteAnswer{true, false});
  one.sent.clear();
  one->snapshot_kept(one.keeps[0].transfer, 3, one.now);
  one->snapshot_installed(one.keeps[1].transfer, one.now);
  one.settle();
  EXPECT_TRUE(one.take<SnapshotAnswer>().empty()) << "its round would count in term 5 if 2 leads again";
}

}  // namespace
}  // namespace cairn::cluster
