// What the simulations of one group and of whole clusters share: how a run of a seed goes, ends and is told.
#pragma once

#include <array>
#include <string>

#include "cluster/raft.hpp"
#include "tests/simulation/checks.hpp"
#include "tests/support/random.hpp"

namespace cairn::simulation {

/// One of the kinds, each as likely as its chance says.
template <std::size_t Kinds>
std::size_t draw_kind(test::Random& random, const std::array<unsigned, Kinds>& chances) {
  unsigned sum = 0;
  for (const auto chance : chances) sum += chance;
  auto draw = static_cast<unsigned>(random.below(sum));
  std::size_t kind = 0;
  while (draw >= chances[kind]) draw -= chances[kind++];
  return kind;
}

/// What `live` breaks; empty if it comes to its end.
template <class Live>
std::string violation_of(Live live) {
  try {
    live();
    return {};
  } catch (const Violation& violation) {
    return violation.what();
  } catch (const cluster::RaftBug& bug) {
    return std::string("a broken invariant of consensus: ") + bug.what();
  }
}

/// The trace of `settings.seed`, between two lines that say what broke.
template <class Settings, class Run>
std::string explain_by(Settings settings, Run run) {
  settings.trace = true;
  const auto outcome = run(settings);
  const auto head = "seed " + std::to_string(settings.seed) + ": " + outcome.violation + "\n";
  auto out = head;
  for (const auto& line : outcome.trace) out += line + "\n";
  return out + head;
}

}  // namespace cairn::simulation
