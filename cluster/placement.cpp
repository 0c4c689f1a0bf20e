#include "cluster/placement.hpp"

#include <algorithm>
#include <tuple>

namespace cairn::cluster::directory {

std::size_t Placement::add_node(const std::string& zone, bool host) {
  const auto [at, is_new] = zone_numbers_.try_emplace(zone, hosts_.size());
  if (is_new) hosts_.emplace_back();
  spots_.push_back({at->second, 0, host});
  enter_order(spots_.size() - 1);
  return spots_.size() - 1;
}

void Placement::change_load(std::size_t node, std::int64_t by) {
  leave_order(node);
  spots_[node].load += by;
  enter_order(node);
}

void Placement::leave_order(std::size_t node) {
  const auto& spot = spots_[node];
  if (!spot.host) return;
  auto& hosts = hosts_[spot.zone];
  zones_.erase({hosts.begin()->first, spot.zone});
  hosts.erase({spot.load, node});
  if (!hosts.empty()) zones_.insert({hosts.begin()->first, spot.zone});
}

void Placement::enter_order(std::size_t node) {
  const auto& spot = spots_[node];
  if (!spot.host) return;
  auto& hosts = hosts_[spot.zone];
  if (!hosts.empty()) zones_.erase({hosts.begin()->first, spot.zone});
  hosts.insert({spot.load, node});
  zones_.insert({hosts.begin()->first, spot.zone});
}

std::optional<std::pair<std::int64_t, std::size_t>> Placement::best_in(std::size_t zone,
                                                                       const std::vector<std::size_t>& taken) const {
  for (const auto& host : hosts_[zone])
    if (std::ranges::find(taken, host.second) == taken.end()) return host;
  return std::nullopt;
}

std::optional<std::size_t> Placement::best(const std::vector<std::size_t>& taken, const ZoneCounts& counts) const {
  std::optional<std::pair<std::int64_t, std::size_t>> found;
  for (const auto& [least_load, zone] : zones_) {
    if (found && least_load >= found->first) break;
    if (const auto count = counts.find(zone); count != counts.end() && count->second > 0) continue;
    const auto host = best_in(zone, taken);
    if (host && (!found || *host < *found)) found = host;
  }
  if (found) return found->second;
  std::optional<std::tuple<std::uint32_t, std::int64_t, std::size_t>> shared;
  for (const auto& [zone, count] : counts) {
    const auto host = best_in(zone, taken);
    if (!host) continue;
    const std::tuple place(count, host->first, host->second);
    if (!shared || place < *shared) shared = place;
  }
  if (!shared) return std::nullopt;
  return std::get<2>(*shared);
}

}  // namespace cairn::cluster::directory
