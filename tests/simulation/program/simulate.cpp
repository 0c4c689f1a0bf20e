// Runs seeds of the simulation: simulate --seeds N --first S [--trace]. Prints the rate, and for a seed
// that fails its trace; the exit code is 0 only if none did.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/simulation/world.hpp"

namespace {

using namespace cairn;

int usage() {
  std::fprintf(stderr, "usage: simulate [--seeds N] [--first S] [--fault WORD] [--trace]\n");
  return 2;
}

bool parse_fault(const std::string& word, cluster::Faults& faults) {
  for (unsigned i = 0; i < static_cast<unsigned>(cluster::Fault::count_); ++i)
    if (to_string(static_cast<cluster::Fault>(i)) == word) {
      faults = cluster::Faults(static_cast<cluster::Fault>(i));
      return true;
    }
  return false;
}

}  // namespace

int main(int count, char** words) {
  std::uint64_t seeds = 1'000;
  std::uint64_t first = 1;
  simulation::RunSettings settings;
  bool always_trace = false;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (word == "--trace") {
      always_trace = true;
      continue;
    }
    if (++i == count) return usage();
    if (word == "--seeds") seeds = std::strtoull(words[i], nullptr, 10);
    else if (word == "--first") first = std::strtoull(words[i], nullptr, 10);
    else if (word != "--fault" || !parse_fault(words[i], settings.faults)) return usage();
  }
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const auto started = std::chrono::steady_clock::now();
  double simulated = 0;
  std::uint64_t failed = 0, events = 0, acknowledged = 0, crashes = 0, snapshots = 0, configurations = 0;
  for (auto seed = first; seed < first + seeds; ++seed) {
    settings.seed = seed;
    const auto outcome = simulation::run_seed(settings);
    simulated += static_cast<double>(outcome.simulated.count()) / 1e6;
    events += outcome.events;
    acknowledged += outcome.acknowledged;
    crashes += outcome.crashes;
    snapshots += outcome.snapshots;
    configurations += outcome.configurations;
    if (outcome.violation.empty() && !always_trace) continue;
    failed += !outcome.violation.empty();
    if (failed <= 3 || always_trace) std::printf("%s", simulation::explain(settings).c_str());
    else std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), outcome.violation.c_str());
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  std::printf("%llu seeds, %llu failed; %.0f simulated seconds in %.1f s: %.0f simulated seconds per second\n",
              static_cast<unsigned long long>(seeds), static_cast<unsigned long long>(failed), simulated, took.count(),
              simulated / took.count());
  std::printf("%llu events, %llu writes acknowledged, %llu crashes, %llu snapshot chunks, %llu configuration changes\n",
              static_cast<unsigned long long>(events), static_cast<unsigned long long>(acknowledged),
              static_cast<unsigned long long>(crashes), static_cast<unsigned long long>(snapshots),
              static_cast<unsigned long long>(configurations));
  return failed == 0 ? 0 : 1;
}
