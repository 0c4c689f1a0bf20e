// Short runs of whole simulated clusters, some hundreds of seeds, and that a seed runs again exactly. More by
// scripts/simulate --cluster.
#include <gtest/gtest.h>

#include "tests/simulation/cluster_world.hpp"

namespace cairn::simulation {
namespace {

void run_seeds(std::uint64_t first, std::uint64_t count) {
  ClusterRun run;
  ClusterOutcome sum;
  for (run.seed = first; run.seed < first + count; ++run.seed) {
    const auto outcome = run_cluster(run);
    ASSERT_EQ(outcome.violation, "") << explain(run);
    sum.acknowledged += outcome.acknowledged;
    sum.crashes += outcome.crashes;
    sum.snapshots += outcome.snapshots;
    sum.made += outcome.made;
    sum.losses += outcome.losses;
  }
  // A simulation in which nothing happens finds nothing.
  EXPECT_GT(sum.acknowledged, count * 50);
  EXPECT_GT(sum.crashes, count);
  EXPECT_GT(sum.losses, count / 5);
}

TEST(ClusterSimulation, PromisesHoldOverSeedsPartOne) { run_seeds(1, 100); }
TEST(ClusterSimulation, PromisesHoldOverSeedsPartTwo) { run_seeds(10'001, 100); }

TEST(ClusterSimulation, ASeedRunsAgainExactly) {
  ClusterRun run;
  for (const std::uint64_t seed : {2, 71}) {
    run.seed = seed;
    run.trace = true;
    const auto once = run_cluster(run);
    const auto again = run_cluster(run);
    run.trace = false;
    const auto untraced = run_cluster(run);
    EXPECT_EQ(once.trace, again.trace);
    EXPECT_FALSE(once.trace.empty());
    EXPECT_EQ(once.events, untraced.events) << "tracing must not change a run";
    EXPECT_EQ(once.simulated, untraced.simulated);
  }
}

}  // namespace
}  // namespace cairn::simulation
