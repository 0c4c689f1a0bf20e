// How many changed rows are gathered before a checkpoint: few for a small table, more for a large one, to a bound.
#include "cluster/checkpoint_size.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

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

TEST(CheckpointSize, ReplicasOfAShardBeginFarFromEachOther) {
  for (std::uint64_t first = 1; first < 100; ++first)
    for (const auto count : {3u, 5u}) {
      std::vector<std::uint64_t> at;
      for (std::uint64_t id = first; id < first + count; ++id)
        at.push_back(first_checkpoint_size(16 * mib, ReplicaId{id}));
      std::ranges::sort(at);
      EXPECT_LT(at.back(), 16 * mib);
      at.push_back(at.front() + 16 * mib);  // the first one's next
      for (unsigned i = 0; i < count; ++i) EXPECT_GT(at[i + 1] - at[i], 2 * mib) << "from replica " << first;
    }
}

}  // namespace
}  // namespace cairn::cluster
