// The cluster simulation's own test: every planted fault is found, and how many seeds that takes. Faults of the real
// code come first (cluster/node_faults.hpp), then those of the simulated nodes around it (cluster_faults.hpp).
#include <gtest/gtest.h>

#include <cstdio>

#include "tests/simulation/cluster_world.hpp"

namespace cairn::simulation {
namespace {

constexpr std::uint64_t most_seeds = 1'500;

// A fault that takes many seeds begins here, shortly before one that finds it, so that the test stays short. It goes
// on from there if a change of the code made that seed another run.
const std::map<std::string, std::uint64_t> begins{
    {"read_without_leading", 24}, {"readers_asked_once", 109},     {"withdrawn_goes_on", 96},
    {"leave_leftovers", 3'515},     {"founders_not_kept", 550},     {"hub_hides_leader", 117},
    {"never_lost", 5'680},          {"withdrawn_still_leads", 438}, {"office_left_in_transfer", 367}};

void expect_found(ClusterRun run, const std::string& fault) {
  const auto begin = begins.find(fault);
  const auto first = begin == begins.end() ? 1 : begin->second;
  std::string found;
  std::uint64_t seeds = 0;
  for (; found.empty() && seeds < most_seeds; ++seeds) {
    run.seed = first + seeds;
    found = run_cluster(run).violation;
  }
  std::printf("%-26s %4llu seeds from %4llu  %s\n", fault.c_str(), static_cast<unsigned long long>(seeds),
              static_cast<unsigned long long>(first), found.empty() ? "NOT FOUND" : found.c_str());
  EXPECT_FALSE(found.empty()) << fault << " is not found within " << most_seeds << " seeds";
}

class PlantedNodeFaults : public testing::TestWithParam<unsigned> {};
class PlantedClusterFaults : public testing::TestWithParam<unsigned> {};

TEST_P(PlantedNodeFaults, IsFound) {
  const auto fault = static_cast<cluster::NodeFault>(GetParam());
  ClusterRun run;
  run.faults = cluster::NodeFaults(fault);
  expect_found(run, std::string(to_string(fault)));
}

TEST_P(PlantedClusterFaults, IsFound) {
  ClusterRun run;
  run.fault = static_cast<ClusterFault>(GetParam());
  expect_found(run, std::string(to_string(run.fault)));
}

template <class Fault>
std::string word_of(const testing::TestParamInfo<unsigned>& info) {
  return std::string(to_string(static_cast<Fault>(info.param)));
}

INSTANTIATE_TEST_SUITE_P(All, PlantedNodeFaults, testing::Range(1u, static_cast<unsigned>(cluster::NodeFault::count_)),
                         word_of<cluster::NodeFault>);
INSTANTIATE_TEST_SUITE_P(All, PlantedClusterFaults, testing::Range(1u, static_cast<unsigned>(ClusterFault::count_)),
                         word_of<ClusterFault>);

}  // namespace
}  // namespace cairn::simulation
