// Golden bytes of the row that says what a replica's rows reflect, and what is refused.
#include <gtest/gtest.h>

#include "cluster/raft_types.hpp"
#include "tests/cluster/golden.hpp"

namespace cairn::cluster {
namespace {

const Position position{300, 7, {{ReplicaId{1}, ReplicaId{2}, ReplicaId{200}}, {ReplicaId{9}}}};

TEST(PositionFormat, GoldenBytes) {
  expect_golden(position_key, "01 706f736974696f6e");
  expect_golden(encode(position), "ac02 07 03 01 02 c801 01 09");
  EXPECT_EQ(decode_position(encode(position)).value(), position);
}

TEST(PositionFormat, AnythingElseIsCorrupt) {
  const auto good = encode(position);
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_EQ(decode_position(good.substr(0, size)).error().code, Errc::corrupt) << size;
  EXPECT_EQ(decode_position(good + '\0').error().code, Errc::corrupt);
}

}  // namespace
}  // namespace cairn::cluster
