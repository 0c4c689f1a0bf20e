// When a failed child is started again, and when no more.
#include "cluster/supervision.hpp"

#include <gtest/gtest.h>

namespace cairn::cluster {
namespace {

using namespace std::chrono_literals;

constexpr RestartLimits limits{3, 10'000ms, 100ms, 300ms};

TEST(Supervision, WaitsLongerForEachFailureUpToTheLongestWait) {
  RestartPolicy policy({5, 10'000ms, 100ms, 300ms});
  EXPECT_EQ(policy.failed(0ms, 1.0), 100ms);
  EXPECT_EQ(policy.failed(1ms, 1.0), 200ms);
  EXPECT_EQ(policy.failed(2ms, 1.0), 300ms);
  EXPECT_EQ(policy.failed(3ms, 1.0), 300ms);
}

TEST(Supervision, JitterKeepsTheWaitBetweenItsHalfAndItsWhole) {
  for (const double jitter : {0.0, 0.25, 0.5, 1.0}) {
    RestartPolicy policy(limits);
    const auto wait = policy.failed(0ms, jitter);
    ASSERT_TRUE(wait);
    EXPECT_EQ(wait->count(), 50 + static_cast<std::int64_t>(50 * jitter));
  }
}

TEST(Supervision, JitterOutsideZeroToOneIsClamped) {
  RestartPolicy low(limits);
  EXPECT_EQ(low.failed(0ms, -5), 50ms);
  RestartPolicy high(limits);
  EXPECT_EQ(high.failed(0ms, 5), 100ms);
}

TEST(Supervision, GivesUpBeyondTheRestartsOfTheWindow) {
  RestartPolicy policy(limits);
  EXPECT_TRUE(policy.failed(0ms, 0));
  EXPECT_TRUE(policy.failed(1'000ms, 0));
  EXPECT_TRUE(policy.failed(2'000ms, 0));
  EXPECT_FALSE(policy.failed(9'999ms, 0));
}

TEST(Supervision, FailuresOlderThanTheWindowAreForgotten) {
  RestartPolicy policy(limits);
  EXPECT_TRUE(policy.failed(0ms, 0));
  EXPECT_TRUE(policy.failed(1'000ms, 0));
  EXPECT_TRUE(policy.failed(2'000ms, 0));
  // The first has left the window just now, the two others count and set the wait.
  EXPECT_EQ(policy.failed(10'000ms, 1.0), 300ms);
  EXPECT_FALSE(policy.failed(10'500ms, 0));
  EXPECT_EQ(policy.failed(30'000ms, 1.0), 100ms);
}

TEST(Supervision, NoRestartsAllowedMeansGivingUpAtOnce) {
  RestartPolicy policy({0, 10'000ms, 100ms, 300ms});
  EXPECT_FALSE(policy.failed(0ms, 0));
}

TEST(Supervision, AFirstWaitAboveTheLongestIsCut) {
  RestartPolicy policy({3, 10'000ms, 1'000ms, 300ms});
  EXPECT_EQ(policy.failed(0ms, 1.0), 300ms);
}

}  // namespace
}  // namespace cairn::cluster
