// Small files: replaced as a whole, and damage is seen.
#include "storage/small_file.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "tests/support/temp_dir.hpp"

namespace cairn::storage {
namespace {

TEST(SmallFile, IsReplacedAsAWhole) {
  const test::TempDir folder;
  const auto path = folder / "it";
  EXPECT_EQ(read_small_file(path).error().code, Errc::not_found);
  for (const Bytes& content : {Bytes("one"), Bytes(100'000, 'x'), Bytes(), Bytes("two")}) {
    ASSERT_TRUE(write_small_file(path, content));
    EXPECT_EQ(read_small_file(path).value(), content);
  }
}

TEST(SmallFile, DamageIsSeen) {
  const test::TempDir folder;
  const auto path = folder / "it";
  ASSERT_TRUE(write_small_file(path, "content"));
  std::ifstream in(path, std::ios::binary);
  const std::string good((std::istreambuf_iterator<char>(in)), {});
  EXPECT_EQ(good, std::string("CAIRNSML\x61\xaf\x75\x33" "content")) << "the form on disk";
  for (std::size_t at = 0; at < good.size(); ++at) {
    auto bad = good;
    bad[at] ^= 4;
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bad;
    EXPECT_EQ(read_small_file(path).error().code, Errc::corrupt) << at;
    std::ofstream(path, std::ios::binary | std::ios::trunc) << good.substr(0, at);
    EXPECT_EQ(read_small_file(path).error().code, Errc::corrupt) << at;
  }
}

}  // namespace
}  // namespace cairn::storage
