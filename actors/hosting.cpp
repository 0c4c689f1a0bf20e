#include "actors/hosting.hpp"

#include <caf/send.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <algorithm>
#include <filesystem>

#include "actors/log.hpp"
#include "actors/replica.hpp"
#include "actors/supervisor.hpp"

namespace cairn::actors {
namespace {

std::string name_of(const cluster::Hosted& what) {
  return "replica " + std::to_string(what.replica.value) + " of shard " + std::to_string(what.shard.value);
}

}  // namespace

Hosting::Hosting(AgentActor::pointer self, const cluster::Config& config, std::shared_ptr<storage::Identity> identity,
                 std::shared_ptr<Routes> routes, std::shared_ptr<Peers> peers, bool lone)
    : self_(self),
      config_(config),
      identity_(std::move(identity)),
      routes_(std::move(routes)),
      peers_(std::move(peers)),
      lone_(lone),
      supervisor_(routes_->replica_supervisor()) {}

Result<void> Hosting::follow(const std::vector<cluster::Hosted>& wanted, bool may_make, bool may_delete) {
  std::map<cluster::directory::ShardId, const cluster::Hosted*> by_shard;
  for (const auto& what : wanted) by_shard[what.shard] = &what;
  for (auto held = held_.begin(); held != held_.end();) {
    const auto found = by_shard.find(held->first);
    const bool stays = found != by_shard.end() && found->second->replica == held->second.what.replica;
    if (stays || !may_delete) {
      ++held;
      continue;
    }
    routes_->set_replica(held->first, {});
    remove(held->second);
    held = held_.erase(held);
  }
  if (may_delete) remove_leftovers(wanted);
  const auto data_shards =
      std::ranges::count_if(wanted, [](const auto& what) { return what.shard != cluster::directory::directory_shard; });
  const bool direct = lone_ && data_shards == 1;
  for (const auto& what : wanted) {
    const auto found = held_.find(what.shard);
    if (found != held_.end()) {
      auto& held = found->second.what;
      if (held.replica == what.replica && held.slots != what.slots) {
        held.slots = what.slots;
        if (const auto replica = routes_->replica(what.shard)) self_->send(replica, SetSlots{what.slots});
      }
      continue;
    }
    const bool made_before = identity_->values().replicas.contains(what.replica.value);
    if (!made_before && (!may_make || what.leaving)) continue;
    // First the note that it was made: one whose directory is gone afterwards has forgotten its votes.
    if (!made_before) CAIRN_TRY(identity_->add_replica(what.replica.value, what.shard.value));
    Held held;
    held.what = what;
    held.status.report.shard = what.shard;
    held.status.report.replica = what.replica;
    held.direct = direct;
    start(held, made_before);
    held_.emplace(what.shard, std::move(held));
  }
  return {};
}

void Hosting::start(const Held& held, bool made_before) {
  if (supervisor_) self_->send(supervisor_, AddChild{child(held.what, held.lease, made_before, held.direct)});
}

ChildSpec Hosting::child(const cluster::Hosted& what, const std::shared_ptr<Lease>& lease, bool made_before,
                         bool direct) const {
  ReplicaOptions options;
  options.shard = what.shard;
  options.self = what.replica;
  options.directory = directory_of(what);
  options.founders = what.founders;
  options.slots = what.slots;
  options.metadata = config_.metadata;
  const auto start = [system = &self_->system(), routes = routes_, peers = peers_, options, lease, made_before, direct,
                      lone = lone_, name = name_of(what)]() -> Result<caf::actor> {
    const auto open = [&]() -> Result<OpenedReplica> {
      if (made_before && !std::filesystem::exists(options.directory))
        return Error{Errc::corrupt, options.directory + " is gone"};
      return open_replica(options, lease.get());
    };
    auto opened = open();
    if (!opened && opened.error().code == Errc::corrupt && !lone) {
      log_error("{} withdraws: {}", name, opened.error().message);
      if (const auto agent = routes->agent())
        caf::anon_send(agent, ReplicaWithdrew{options.shard, options.self, opened.error().message});
      return Error{Errc::cancelled, "withdrawn"};
    }
    if (!opened) {
      if (const auto agent = routes->agent()) caf::anon_send(agent, ReplicaFailed{options.shard, opened.error()});
      return opened.error();
    }
    const auto actor =
        system->spawn(replica, std::move(*opened), options, routes, std::shared_ptr<ReplicaNetwork>(peers));
    routes->set_replica(options.shard, actor);
    if (direct && options.shard != cluster::directory::directory_shard) routes->set_shard(ShardActor(actor));
    return caf::actor_cast<caf::actor>(actor);
  };
  return {name_of(what), start, true};
}

void Hosting::remove(const Held& held) {
  const auto& what = held.what;
  log_info("{} is forgotten by the directory; its data is deleted", name_of(what));
  removing_.insert(what.replica);
  self_->send(supervisor_, RemoveChild{name_of(what), [routes = routes_, lease = held.lease,
                                                       directory = directory_of(what), replica = what.replica] {
                                         const auto free = lease->take();
                                         if (!free) return log_error("{}: {}", directory, free.error().message);
                                         std::error_code failed;
                                         std::filesystem::remove_all(directory, failed);
                                         if (failed) return log_error("{}: {}", directory, failed.message());
                                         if (const auto agent = routes->agent())
                                           caf::anon_send(agent, ReplicaDeleted{replica});
                                       }});
}

// Of replicas that were forgotten while the node was away, or whose deletion a crash has ended.
void Hosting::remove_leftovers(const std::vector<cluster::Hosted>& wanted) {
  std::set<cluster::ReplicaId> known;
  for (const auto& what : wanted) known.insert(what.replica);
  for (const auto& [shard, held] : held_) known.insert(held.what.replica);
  for (const auto& [id, shard] : identity_->values().replicas) {
    Held left;
    left.what.shard = cluster::directory::ShardId{shard};
    left.what.replica = cluster::ReplicaId{id};
    if (!known.contains(left.what.replica) && !removing_.contains(left.what.replica)) remove(left);
  }
}

void Hosting::ask_all(cluster::directory::Epoch epoch) {
  // One that was started anew knows of none.
  if (const auto supervisor = routes_->replica_supervisor(); supervisor != supervisor_) {
    supervisor_ = supervisor;
    for (const auto& [shard, held] : held_)
      if (!held.status.report.withdrawn) start(held, true);
  }
  const AgentActor me{self_};
  for (const auto& [shard, held] : held_) {
    const auto replica = routes_->replica(shard);
    if (!replica) continue;
    self_->send(replica, GetReplica{Reply<ReplicaStatus>([me, epoch](Result<ReplicaStatus> status) {
                  if (!status) return;
                  status->report.epoch = epoch;
                  caf::anon_send(me, ReplicaSeen{std::move(*status)});
                })});
  }
}

void Hosting::seen(const ReplicaStatus& status) {
  const auto found = held_.find(status.report.shard);
  if (found == held_.end() || found->second.what.replica != status.report.replica) return;
  // What it said before it withdrew may come late.
  if (!found->second.status.report.withdrawn) found->second.status = status;
}

void Hosting::withdrew(const ReplicaWithdrew& message) {
  const auto found = held_.find(message.shard);
  if (found == held_.end() || found->second.what.replica != message.replica) return;
  found->second.status.withdrawn_why = message.why;
  auto& report = found->second.status.report;
  report.withdrawn = true;
  report.role = cluster::Role::follower;
  report.settled = false;
  routes_->set_replica(message.shard, {});
}

Result<void> Hosting::deleted(cluster::ReplicaId replica) {
  removing_.erase(replica);
  return identity_->drop_replica(replica.value);
}

std::vector<ReplicaStatus> Hosting::statuses() const {
  std::vector<ReplicaStatus> out;
  for (const auto& [shard, held] : held_) out.push_back(held.status);
  return out;
}

std::string Hosting::directory_of(const cluster::Hosted& what) const {
  return config_.node.data + "/shards/" + std::to_string(what.shard.value) + "-" + std::to_string(what.replica.value);
}

}  // namespace cairn::actors
