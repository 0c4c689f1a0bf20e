// Cuts: golden, bounded, and moved by an insertion only where it was made.
#include "client/chunker.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "protocol/digest.hpp"
#include "protocol/limits.hpp"

namespace cairn::client {
namespace {

Bytes pseudo_random(std::size_t size, std::uint64_t seed) {
  Bytes out(size, '\0');
  for (std::size_t i = 0; i < size; i += 8) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    std::memcpy(&out[i], &seed, std::min<std::size_t>(8, size - i));
  }
  return out;
}

std::vector<std::size_t> cuts(BytesView bytes, const ChunkBounds& bounds = {}) {
  std::vector<std::size_t> out;
  while (!bytes.empty()) {
    out.push_back(cut_point(bytes, bounds));
    bytes.remove_prefix(out.back());
  }
  return out;
}

ReadBytes reader_of(BytesView bytes, std::size_t at_most) {
  return [bytes, at_most](char* buffer, std::size_t count) mutable -> Result<std::size_t> {
    const auto taken = bytes.substr(0, std::min(count, at_most));
    std::memcpy(buffer, taken.data(), taken.size());
    bytes.remove_prefix(taken.size());
    return taken.size();
  };
}

TEST(Chunker, GoldenCuts) {
  const auto bytes = pseudo_random(8u << 20, 1);
  EXPECT_EQ(cuts(bytes), (std::vector<std::size_t>{1'082'323, 1'628'427, 1'414'182, 1'377'160, 1'054'537,
                                                   305'222, 947'760, 578'997}));
  EXPECT_EQ(cuts(BytesView(bytes).substr(0, 10'000), {64, 1'024, 4'096}),
            (std::vector<std::size_t>{1'192, 1'570, 1'165, 1'049, 1'025, 1'412, 1'191, 1'151, 245}));
}

TEST(Chunker, SmallAndEmptyContentIsOneOrNoBlock) {
  EXPECT_TRUE(cuts("").empty());
  EXPECT_EQ(cuts("x"), std::vector<std::size_t>{1});
  EXPECT_EQ(cuts(Bytes(256u << 10, 'x')), std::vector<std::size_t>{256u << 10});
}

TEST(Chunker, BoundsHoldAlsoForContentWithoutCuts) {
  const ChunkBounds bounds;
  for (const auto size : cuts(Bytes(20u << 20, '\0'))) EXPECT_LE(size, bounds.max);
  const auto sizes = cuts(pseudo_random(64u << 20, 5));
  for (std::size_t i = 0; i + 1 < sizes.size(); ++i) {
    EXPECT_GT(sizes[i], bounds.min);
    EXPECT_LE(sizes[i], bounds.max);
  }
  const auto average = (64u << 20) / sizes.size();
  EXPECT_GT(average, bounds.average * 3 / 4);
  EXPECT_LT(average, bounds.average * 3 / 2);
}

TEST(Chunker, AnInsertedByteChangesAtMostTwoBlocks) {
  const auto before = pseudo_random(64u << 20, 9);
  std::set<std::pair<std::size_t, std::uint32_t>> known;  // by size and checksum: as good as the bytes
  BytesView left = before;
  for (const auto size : cuts(before)) {
    known.insert({size, crc32c(left.substr(0, size))});
    left.remove_prefix(size);
  }
  for (const std::size_t at : {std::size_t{0}, before.size() / 3, before.size()}) {
    auto after = before;
    after.insert(at, 1, 'x');
    std::size_t changed = 0;
    left = after;
    for (const auto size : cuts(after)) {
      changed += !known.contains({size, crc32c(left.substr(0, size))});
      left.remove_prefix(size);
    }
    EXPECT_GE(changed, 1u);
    EXPECT_LE(changed, 2u) << "inserted at " << at;
  }
}

TEST(Chunker, StreamingCutsLikeTheWhole) {
  const ChunkBounds bounds{1'024, 4'096, 16'384};
  const auto bytes = pseudo_random(500'000, 3);
  for (const std::size_t at_most : {std::size_t{1}, std::size_t{777}, std::size_t{1} << 20}) {
    Chunker chunker(reader_of(bytes, at_most), bounds);
    Bytes joined;
    std::vector<std::size_t> sizes;
    for (;;) {
      const auto block = chunker.next();
      ASSERT_TRUE(block.ok());
      if (block->empty()) break;
      sizes.push_back(block->size());
      joined += *block;
    }
    EXPECT_EQ(sizes, cuts(bytes, bounds));
    EXPECT_EQ(joined, bytes);
    EXPECT_TRUE(chunker.next()->empty());
  }
}

TEST(Chunker, AReadErrorIsAnsweredAndStays) {
  Chunker chunker([](char*, std::size_t) -> Result<std::size_t> { return Error{Errc::io, "gone"}; });
  EXPECT_EQ(chunker.next().error().code, Errc::io);
  EXPECT_EQ(chunker.next().error().code, Errc::io);
}

TEST(Chunker, ContentIsInlineUpToTheLimit) {
  EXPECT_EQ(content_of(""), Content{});
  const Bytes small(limits::max_inline_bytes, 'a');
  EXPECT_EQ(content_of(small), (Content{small.size(), small, {}}));
  const auto large = small + "a";
  const auto content = content_of(large);
  EXPECT_EQ(content.size, large.size());
  EXPECT_TRUE(content.inline_bytes.empty());
  ASSERT_EQ(content.blocks.size(), 1u);
  EXPECT_EQ(content.blocks[0], (BlockRef{sha256(large), static_cast<std::uint32_t>(large.size())}));
}

}  // namespace
}  // namespace cairn::client
