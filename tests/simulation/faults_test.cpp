// The simulation's own test: every planted fault is found, and how many seeds that takes.
#include <gtest/gtest.h>

#include <cstdio>

#include "tests/simulation/world.hpp"

namespace cairn::simulation {
namespace {

constexpr std::uint64_t most_seeds = 600;

class PlantedFaults : public testing::TestWithParam<unsigned> {};

TEST_P(PlantedFaults, IsFound) {
  const auto fault = static_cast<cluster::Fault>(GetParam());
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
