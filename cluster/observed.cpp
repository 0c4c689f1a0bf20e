#include "cluster/observed.hpp"

namespace cairn::cluster::directory {

void observe(Observed& observed, const NodeReport& report, Instant now) {
  observed.heard[report.node] = now;
  for (const auto& replica : report.replicas) {
    if (replica.withdrawn) observed.withdrawn.insert(replica.replica);
    if (replica.role != Role::leader) continue;
    auto& group = observed.groups[replica.shard];
    if (replica.term < group.term) continue;
    if (group.leader != replica.replica) group.since = now;
    group.leader = replica.replica;
    group.term = replica.term;
    group.heard = now;
    group.epoch = replica.epoch;
    group.settled = replica.settled;
    group.configuration = replica.configuration;
    group.lag = replica.lag;
  }
}

}  // namespace cairn::cluster::directory
