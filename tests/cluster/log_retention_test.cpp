// How much of a log is kept for followers: the bounds of entries and of bytes.
#include "cluster/log_retention.hpp"

#include <gtest/gtest.h>

namespace cairn::cluster {
namespace {

TEST(LogRetention, KeepsEntriesUpToABoundOfThem) {
  LogRetention retention(100, 1'000'000);
  EXPECT_EQ(retention.forget_to(50), 0u);
  for (std::uint64_t i = 1; i <= 500; ++i) retention.count(i, 10);
  EXPECT_EQ(retention.forget_to(500), 400u);
  EXPECT_EQ(retention.forget_to(120), 20u);
}

TEST(LogRetention, KeepsEntriesUpToABoundOfBytes) {
  LogRetention retention(1'000'000, 64'000);
  for (std::uint64_t i = 1; i <= 1'000; ++i) retention.count(i, 1'000);
  const auto to = retention.forget_to(1'000);
  EXPECT_GE(to, 1'000u - 66);
  EXPECT_LE(to, 1'000u - 60);
  EXPECT_EQ(retention.forget_to(500), 500u) << "never past the checkpoint";
}

TEST(LogRetention, OneLargeEntryIsKept) {
  LogRetention retention(1'000, 100);
  retention.count(1, 5);
  retention.count(2, 5'000);
  EXPECT_EQ(retention.forget_to(2), 1u);
}

}  // namespace
}  // namespace cairn::cluster
