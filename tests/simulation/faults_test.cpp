// The simulation's own test: every planted fault is found, and how many seeds that takes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

#include "tests/simulation/world.hpp"

namespace cairn::simulation {
namespace {

constexpr std::uint64_t most_seeds = 600;

/// Faults that the simulation does not find within these seeds: what they break is not shown to be guarded,
/// so leader leases, which three of them are about, stay off by default.
constexpr cluster::Fault not_found_yet[] = {
    cluster::Fault::candidate_counts_old_votes, cluster::Fault::lease_without_end, cluster::Fault::vote_within_lease,
    cluster::Fault::restart_forgets_lease,      cluster::Fault::accept_old_leader, cluster::Fault::quiescent_for_ever};

class PlantedFaults : public testing::TestWithParam<unsigned> {};

TEST_P(PlantedFaults, IsFound) {
  const auto fault = static_cast<cluster::Fault>(GetParam());
  if (std::ranges::find(not_found_yet, fault) != std::end(not_found_yet)) GTEST_SKIP() << "not found yet";
  RunSettings settings;
  settings.faults = cluster::Faults(fault);
  std::string found;
  std::uint64_t seeds = 0;
  while (found.empty() && seeds < most_seeds) {
    settings.seed = ++seeds;
    found = run_seed(settings).violation;
  }
  std::printf("%-32s %5llu seeds  %s\n", std::string(to_string(fault)).c_str(),
              static_cast<unsigned long long>(seeds), found.empty() ? "NOT FOUND" : found.c_str());
  EXPECT_FALSE(found.empty()) << to_string(fault) << " is not found within " << most_seeds << " seeds";
}

INSTANTIATE_TEST_SUITE_P(All, PlantedFaults, testing::Range(0u, static_cast<unsigned>(cluster::Fault::count_)),
                         [](const testing::TestParamInfo<unsigned>& info) {
                           return std::string(to_string(static_cast<cluster::Fault>(info.param)));
                         });

}  // namespace
}  // namespace cairn::simulation
