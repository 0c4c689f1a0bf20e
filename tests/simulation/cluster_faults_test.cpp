// The cluster simulation's own test: every planted fault is found, and how many seeds that takes.
#include <gtest/gtest.h>

#include <cstdio>

#include "tests/simulation/cluster_world.hpp"

namespace cairn::simulation {
namespace {

constexpr std::uint64_t most_seeds = 300;

class PlantedClusterFaults : public testing::TestWithParam<unsigned> {};

TEST_P(PlantedClusterFaults, IsFound) {
  ClusterRun run;
  run.fault = static_cast<ClusterFault>(GetParam());
  std::string found;
  for (run.seed = 0; found.empty() && run.seed < most_seeds;) {
    ++run.seed;
    found = run_cluster(run).violation;
  }
  std::printf("%-26s %4llu seeds  %s\n", std::string(to_string(run.fault)).c_str(),
              static_cast<unsigned long long>(run.seed), found.empty() ? "NOT FOUND" : found.c_str());
  EXPECT_FALSE(found.empty()) << to_string(run.fault) << " is not found within " << most_seeds << " seeds";
}

INSTANTIATE_TEST_SUITE_P(All, PlantedClusterFaults, testing::Range(1u, static_cast<unsigned>(ClusterFault::count_)),
                         [](const testing::TestParamInfo<unsigned>& info) {
                           return std::string(to_string(static_cast<ClusterFault>(info.param)));
                         });

}  // namespace
}  // namespace cairn::simulation
