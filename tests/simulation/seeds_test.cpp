// Short runs of the simulation, some hundreds of seeds, and that a seed runs again exactly. More by
// scripts/simulate.
#include <gtest/gtest.h>

#include "tests/simulation/world.hpp"

namespace cairn::simulation {
namespace {

void run_seeds(std::uint64_t first, std::uint64_t count) {
  RunSettings settings;
  RunOutcome sum;
  for (auto seed = first; seed < first + count; ++seed) {
    settings.seed = seed;
    const auto outcome = run_seed(settings);
    ASSERT_EQ(outcome.violation, "") << explain(settings);
    sum.acknowledged += outcome.acknowledged;
    sum.crashes += outcome.crashes;
    sum.snapshots += outcome.snapshots;
    sum.configurations += outcome.configurations;
  }
  // A simulation in which nothing happens finds nothing.
  EXPECT_GT(sum.acknowledged, count * 30);
  EXPECT_GT(sum.crashes, count);
  EXPECT_GT(sum.snapshots, count / 2);
  EXPECT_GT(sum.configurations, count / 4);
}

TEST(Simulation, PromisesHoldOverSeedsPartOne) { run_seeds(1, 150); }
TEST(Simulation, PromisesHoldOverSeedsPartTwo) { run_seeds(10'001, 150); }
TEST(Simulation, PromisesHoldOverSeedsPartThree) { run_seeds(20'001, 150); }

TEST(Simulation, ASeedRunsAgainExactly) {
  RunSettings settings;
  settings.trace = true;
  for (const std::uint64_t seed : {3, 14, 159}) {
    settings.seed = seed;
    const auto once = run_seed(settings);
    const auto again = run_seed(settings);
    settings.trace = false;
    const auto untraced = run_seed(settings);
    settings.trace = true;
    EXPECT_EQ(once.trace, again.trace);
    EXPECT_FALSE(once.trace.empty());
    EXPECT_EQ(once.events, untraced.events) << "tracing must not change a run";
    EXPECT_EQ(once.simulated, untraced.simulated);
  }
}

}  // namespace
}  // namespace cairn::simulation
