// Where another replica of a shard goes: nodes by zone and load, kept so that the best place is found without
// looking at all of them. A plain value, one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace cairn::cluster::directory {

class Placement {
 public:
  /// How many replicas of one shard are in a zone; a zone that is not there has none.
  using ZoneCounts = std::map<std::size_t, std::uint32_t>;

  /// Adds a node; its number, from 0. A `host` may be given replicas; the load of the others is kept, too.
  std::size_t add_node(const std::string& zone, bool host);
  std::size_t zone(std::size_t node) const { return spots_[node].zone; }
  /// Replicas on the node.
  std::int64_t load(std::size_t node) const { return spots_[node].load; }
  void change_load(std::size_t node, std::int64_t by);

  /// The host, none of `taken`, in the zone with the least of `counts` that has one, and there the least
  /// loaded; among equals the first.
  std::optional<std::size_t> best(const std::vector<std::size_t>& taken, const ZoneCounts& counts) const;

 private:
  struct Spot {
    std::size_t zone = 0;
    std::int64_t load = 0;
    bool host = false;
  };
  using ByLoad = std::set<std::pair<std::int64_t, std::size_t>>;

  void leave_order(std::size_t node);
  void enter_order(std::size_t node);
  std::optional<std::pair<std::int64_t, std::size_t>> best_in(std::size_t zone,
                                                              const std::vector<std::size_t>& taken) const;

  std::vector<Spot> spots_;
  std::map<std::string, std::size_t> zone_numbers_;
  std::vector<ByLoad> hosts_;   // of each zone
  ByLoad zones_;                // those with hosts, by the load of their least loaded one
};

}  // namespace cairn::cluster::directory
