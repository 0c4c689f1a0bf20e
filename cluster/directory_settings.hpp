// The settings that the directory keeps for the whole cluster: a closed list of numbers. Pure functions,
// any thread.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "cluster/node_faults.hpp"
#include "cluster/raft_types.hpp"

namespace cairn::cluster::directory {

struct KnownSetting {
  std::string_view name;
  std::uint64_t fallback;
  std::uint64_t least;
  std::uint64_t most;
  std::string_view meaning;     ///< unit and effect
};

/// By name.
std::span<const KnownSetting> known_settings();

/// The number that `text` sets `name` to. invalid_argument: an unknown name, no number, or out of range.
Result<std::uint64_t> parse_setting(std::string_view name, std::string_view text);

/// What reconcile() goes by.
struct ReconcileSettings {
  Duration dead_after{10'000'000};
  Duration grace{15'000'000};
  Duration leader_settle{10'000'000};
  Duration leader_interval{1'000'000};
  std::uint64_t max_changes = 8;
  std::uint64_t max_moves = 4;
  std::uint64_t max_leader_moves = 4;
  std::uint64_t max_promotion_lag = 4'096;
  NodeFaults faults;
};

/// `settings` are those of a DirectoryState; what is not there has its default.
ReconcileSettings reconcile_settings(const std::map<std::string, std::string>& settings);

}  // namespace cairn::cluster::directory
