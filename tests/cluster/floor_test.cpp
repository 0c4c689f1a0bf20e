// What a session has seen of its shard, and how its next read must be.
#include "cluster/floor.hpp"

#include <gtest/gtest.h>

namespace cairn::cluster {
namespace {

using directory::ShardId;

Seen seen(std::uint32_t shard, std::uint64_t index) { return {true, ShardId{shard}, index}; }

TEST(Floor, TheFirstReadIsLinearizable) {
  const Floor floor;
  EXPECT_TRUE(floor.of(ShardId{2}).linearizable);
  EXPECT_TRUE(floor.of(ShardId{0}).linearizable);
}

TEST(Floor, OnlyRises) {
  Floor floor;
  floor.raise(seen(2, 5));
  EXPECT_FALSE(floor.of(ShardId{2}).linearizable);
  EXPECT_EQ(floor.of(ShardId{2}).floor, 5u);
  floor.raise(seen(2, 3));
  floor.raise({});
  EXPECT_EQ(floor.of(ShardId{2}).floor, 5u);
  floor.raise(seen(2, 8));
  EXPECT_EQ(floor.of(ShardId{2}).floor, 8u);
}

TEST(Floor, BeginsAnewInAnotherShard) {
  Floor floor;
  floor.raise(seen(2, 900));
  EXPECT_TRUE(floor.of(ShardId{3}).linearizable);
  floor.raise(seen(3, 4));
  EXPECT_EQ(floor.of(ShardId{3}).floor, 4u);
  EXPECT_TRUE(floor.of(ShardId{2}).linearizable);
}

}  // namespace
}  // namespace cairn::cluster
