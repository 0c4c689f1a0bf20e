// Runs seeds of the simulation: simulate [--cluster] --seeds N --first S [--trace]. Prints the rate, and for a
// seed that fails its trace; the exit code is 0 only if none did.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <string>
#include <utility>

#include "tests/simulation/cluster_world.hpp"
#include "tests/simulation/world.hpp"

namespace {

using namespace cairn;

int usage() {
  std::fprintf(stderr, "usage: simulate [--cluster] [--seeds N] [--first S] [--fault WORD] [--trace] [--messages]\n");
  return 2;
}

struct Options {
  bool cluster = false;
  std::uint64_t seeds = 1'000;
  std::uint64_t first = 1;
  std::string fault;
  bool trace = false;
  bool messages = false;
};

bool parse(int count, char** words, Options& options) {
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (word == "--trace") {
      options.trace = true;
    } else if (word == "--messages") {
      options.messages = true;
    } else if (word == "--cluster") {
      options.cluster = true;
    } else if (++i == count) {
      return false;
    } else if (word == "--seeds") {
      options.seeds = std::strtoull(words[i], nullptr, 10);
    } else if (word == "--first") {
      options.first = std::strtoull(words[i], nullptr, 10);
    } else if (word == "--fault") {
      options.fault = words[i];
    } else {
      return false;
    }
  }
  return true;
}

template <class Fault>
bool parse_fault(const std::string& word, Fault& fault) {
  for (unsigned i = 0; i < static_cast<unsigned>(Fault::count_); ++i)
    if (to_string(static_cast<Fault>(i)) == word) {
      fault = static_cast<Fault>(i);
      return true;
    }
  return false;
}

/// Runs the seeds; how many failed. `add` sees each outcome.
template <class Run, class Settings, class Add>
std::uint64_t run_seeds(const Options& options, Settings settings, Run run, Add add) {
  const auto started = std::chrono::steady_clock::now();
  double simulated = 0;
  std::uint64_t failed = 0;
  for (auto seed = options.first; seed < options.first + options.seeds; ++seed) {
    settings.seed = seed;
    const auto outcome = run(settings);
    simulated += static_cast<double>(outcome.simulated.count()) / 1e6;
    add(outcome);
    if (outcome.violation.empty() && !options.trace) continue;
    failed += !outcome.violation.empty();
    if (failed <= 3 || options.trace)
      std::printf("%s", simulation::explain(settings).c_str());
    else
      std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), outcome.violation.c_str());
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  std::printf("%llu seeds, %llu failed; %.0f simulated seconds in %.1f s: %.0f simulated seconds per second\n",
              static_cast<unsigned long long>(options.seeds), static_cast<unsigned long long>(failed), simulated,
              took.count(), simulated / took.count());
  return failed;
}

void print(std::initializer_list<std::pair<const char*, std::uint64_t>> sums) {
  const char* comma = "";
  for (const auto& [what, count] : sums) {
    std::printf("%s%llu %s", comma, static_cast<unsigned long long>(count), what);
    comma = ", ";
  }
  std::printf("\n");
}

int run_groups(const Options& options) {
  simulation::RunSettings settings;
  cluster::Fault fault{};
  if (!options.fault.empty()) {
    if (!parse_fault(options.fault, fault)) return usage();
    settings.faults = cluster::Faults(fault);
  }
  simulation::RunOutcome sum;
  const auto failed = run_seeds(options, settings, simulation::run_seed, [&](const auto& outcome) {
    sum.events += outcome.events;
    sum.acknowledged += outcome.acknowledged;
    sum.crashes += outcome.crashes;
    sum.snapshots += outcome.snapshots;
    sum.configurations += outcome.configurations;
  });
  print({{"events", sum.events},
         {"writes acknowledged", sum.acknowledged},
         {"crashes", sum.crashes},
         {"snapshot chunks", sum.snapshots},
         {"configuration changes", sum.configurations}});
  return failed == 0 ? 0 : 1;
}

int run_clusters(const Options& options) {
  simulation::ClusterRun run;
  run.messages = options.messages;
  cluster::NodeFault real{};
  if (!options.fault.empty() && !parse_fault(options.fault, run.fault) && !parse_fault(options.fault, real))
    return usage();
  run.faults = cluster::NodeFaults(real);
  simulation::ClusterOutcome sum;
  const auto failed = run_seeds(options, run, simulation::run_cluster, [&](const auto& outcome) {
    sum.events += outcome.events;
    sum.acknowledged += outcome.acknowledged;
    sum.crashes += outcome.crashes;
    sum.snapshots += outcome.snapshots;
    sum.made += outcome.made;
    sum.losses += outcome.losses;
  });
  print({{"events", sum.events},
         {"commits acknowledged", sum.acknowledged},
         {"crashes", sum.crashes},
         {"snapshots", sum.snapshots},
         {"replicas made", sum.made},
         {"losses", sum.losses}});
  return failed == 0 ? 0 : 1;
}

}  // namespace

int main(int count, char** words) {
  Options options;
  if (!parse(count, words, options)) return usage();
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  return options.cluster ? run_clusters(options) : run_groups(options);
}
