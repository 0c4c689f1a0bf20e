// How many changed rows are gathered before a checkpoint: few for a small table, more for a large one, to a bound.
#include "cluster/checkpoint_size.hpp"

#include <gtest/gtest.h>

namespace cairn::cluster {
namespace {

constexpr std::uint64_t mib = 1u << 20;

TEST(CheckpointSize, GrowsWithWhatIsStoredUpToTheBound) {
  EXPECT_EQ(checkpoint_size(0, 64 * mib), 16 * mib);
  EXPECT_EQ(checkpoint_size(256 * mib, 64 * mib), 16 * mib);
  EXPECT_EQ(checkpoint_size(640 * mib, 64 * mib), 40 * mib);
  EXPECT_EQ(checkpoint_size(1024 * mib, 64 * mib), 64 * mib);
  EXPECT_EQ(checkpoint_size(UINT64_MAX, 64 * mib), 64 * mib);
}

TEST(CheckpointSize, ASmallBoundHoldsForASmallTable) {
  EXPECT_EQ(checkpoint_size(0, mib), mib);
  EXPECT_EQ(checkpoint_size(UINT64_MAX, mib), mib);
}

}  // namespace
}  // namespace cairn::cluster
