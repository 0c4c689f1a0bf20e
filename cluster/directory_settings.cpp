#include "cluster/directory_settings.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "protocol/names.hpp"

namespace cairn::cluster::directory {
namespace {

constexpr std::uint64_t hour_millis = 3'600'000;

constexpr KnownSetting known[] = {
    {"dead-after-millis", 10'000, 500, hour_millis, "a node that is not heard for this long is dead"},
    {"grace-millis", 15'000, 0, hour_millis,
     "a new leader of the directory decides nothing for this long, nor for dead-after-millis"},
    {"leader-interval-millis", 1'000, 0, hour_millis, "between moves of leaders for balance"},
    {"leader-settle-millis", 10'000, 0, hour_millis, "a new leader of a shard is not moved for balance for this long"},
    {"max-changes", 8, 1, 10'000, "shards whose replicas change at once, whatever the reason"},
    {"max-leader-moves", 4, 1, 10'000, "leaders that are moved at once for balance"},
    {"max-moves", 4, 0, 10'000, "shards whose replicas change at once when new ones change for balance only"},
    {"max-promotion-lag", 4'096, 1, 1'000'000, "log entries that a learner may lack when it becomes a voter"},
};

std::uint64_t number(const std::map<std::string, std::string>& settings, std::string_view name) {
  const auto at = settings.find(std::string(name));
  if (at != settings.end()) {
    if (const auto value = parse_setting(name, at->second); value.ok()) return *value;
  }
  const auto setting = std::ranges::find(known, name, &KnownSetting::name);
  if (setting == std::end(known)) std::abort();
  return setting->fallback;
}

}  // namespace

std::span<const KnownSetting> known_settings() { return known; }

Result<std::uint64_t> parse_setting(std::string_view name, std::string_view text) {
  const auto setting = std::ranges::find(known, name, &KnownSetting::name);
  if (setting == std::end(known))
    return Error{Errc::invalid_argument, "name: there is no setting " + printable(name, 64)};
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < setting->least || value > setting->most)
    return Error{Errc::invalid_argument, "value: " + std::string(name) + " is " + printable(text, 64) +
                                             " but must be " + std::to_string(setting->least) + " to " +
                                             std::to_string(setting->most)};
  return value;
}

ReconcileSettings reconcile_settings(const std::map<std::string, std::string>& settings) {
  const auto millis = [&](std::string_view name) { return Duration(1'000 * number(settings, name)); };
  ReconcileSettings out;
  out.dead_after = millis("dead-after-millis");
  out.grace = millis("grace-millis");
  out.leader_settle = millis("leader-settle-millis");
  out.leader_interval = millis("leader-interval-millis");
  out.max_changes = number(settings, "max-changes");
  out.max_moves = number(settings, "max-moves");
  out.max_leader_moves = number(settings, "max-leader-moves");
  out.max_promotion_lag = number(settings, "max-promotion-lag");
  return out;
}

}  // namespace cairn::cluster::directory
