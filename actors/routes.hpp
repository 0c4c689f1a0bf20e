// Where to send: the node's own actors by what they do. Supervisors set them at each start and restart;
// everybody else asks at each use, so that a restarted actor is found. Any thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "actors/interfaces.hpp"
#include "cluster/cluster_map.hpp"

namespace cairn::actors {

class Routes {
 public:
  /// Who brings requests to shards; an invalid handle while there is nobody.
  ShardActor shard() const { return get(shard_); }
  /// This node's replica of a shard; an invalid handle while there is none.
  ReplicaActor replica(cluster::directory::ShardId shard) const {
    const std::lock_guard lock(mutex_);
    const auto found = replicas_.find(shard);
    return found == replicas_.end() ? ReplicaActor{} : found->second;
  }
  /// This node's replicas.
  std::map<cluster::directory::ShardId, ReplicaActor> replicas() const { return get(replicas_); }
  RouterActor router() const { return get(router_); }
  AgentActor agent() const { return get(agent_); }
  /// Supervises this node's replicas.
  SupervisorActor replica_supervisor() const { return get(replica_supervisor_); }
  DirectoryActor directory() const { return get(directory_); }
  /// The newest map that the node has; never null.
  std::shared_ptr<const cluster::ClusterMap> map() const { return get(map_); }
  BlockWriterActor block_writer() const { return get(block_writer_); }
  WatchHubActor watch_hub() const { return get(watch_hub_); }
  SignInActor sign_in() const { return get(sign_in_); }
  CollectorActor collector() const { return get(collector_); }
  /// Somebody is to be told of journals that grow while what this answers lives: replicas wake the hub only then. What
  /// a replica answers after the call shows all growth that it did not tell.
  std::shared_ptr<const void> want_growth() {
    ++*growth_wanted_;
    return {growth_wanted_.get(), [count = growth_wanted_](const void*) { --*count; }};
  }
  bool growth_wanted() const { return *growth_wanted_ > 0; }
  /// In turn.
  SealerActor sealer() const { return next(sealers_, sealer_turn_); }
  PasswordActor password() const { return next(passwords_, password_turn_); }

  void set_shard(ShardActor actor) { set(shard_, std::move(actor)); }
  /// An invalid handle takes it out.
  void set_replica(cluster::directory::ShardId shard, ReplicaActor actor) {
    const std::lock_guard lock(mutex_);
    if (actor) {
      replicas_[shard] = std::move(actor);
    } else {
      replicas_.erase(shard);
    }
  }
  void set_router(RouterActor actor) { set(router_, std::move(actor)); }
  void set_replica_supervisor(SupervisorActor actor) { set(replica_supervisor_, std::move(actor)); }
  void set_agent(AgentActor actor) { set(agent_, std::move(actor)); }
  void set_directory(DirectoryActor actor) { set(directory_, std::move(actor)); }
  void set_map(std::shared_ptr<const cluster::ClusterMap> map) { set(map_, std::move(map)); }
  void set_block_writer(BlockWriterActor actor) { set(block_writer_, std::move(actor)); }
  void set_watch_hub(WatchHubActor actor) { set(watch_hub_, std::move(actor)); }
  void set_sign_in(SignInActor actor) { set(sign_in_, std::move(actor)); }
  void set_collector(CollectorActor actor) { set(collector_, std::move(actor)); }
  void set_sealer(std::size_t number, SealerActor actor) { set_at(sealers_, number, std::move(actor)); }
  void set_password(std::size_t number, PasswordActor actor) { set_at(passwords_, number, std::move(actor)); }

 private:
  template <class Actor>
  Actor get(const Actor& actor) const {
    const std::lock_guard lock(mutex_);
    return actor;
  }
  template <class Actor>
  Actor next(const std::vector<Actor>& actors, std::atomic<std::size_t>& turn) const {
    const std::lock_guard lock(mutex_);
    return actors.empty() ? Actor{} : actors[turn++ % actors.size()];
  }
  template <class Actor>
  void set(Actor& place, Actor actor) {
    const std::lock_guard lock(mutex_);
    place = std::move(actor);
  }
  template <class Actor>
  void set_at(std::vector<Actor>& places, std::size_t number, Actor actor) {
    const std::lock_guard lock(mutex_);
    if (places.size() <= number) places.resize(number + 1);
    places[number] = std::move(actor);
  }

  mutable std::mutex mutex_;
  ShardActor shard_;
  std::map<cluster::directory::ShardId, ReplicaActor> replicas_;
  RouterActor router_;
  AgentActor agent_;
  SupervisorActor replica_supervisor_;
  DirectoryActor directory_;
  std::shared_ptr<const cluster::ClusterMap> map_ = std::make_shared<cluster::ClusterMap>();
  BlockWriterActor block_writer_;
  WatchHubActor watch_hub_;
  SignInActor sign_in_;
  CollectorActor collector_;
  std::vector<SealerActor> sealers_;
  std::vector<PasswordActor> passwords_;
  std::shared_ptr<std::atomic<std::size_t>> growth_wanted_ = std::make_shared<std::atomic<std::size_t>>(0);
  mutable std::atomic<std::size_t> sealer_turn_ = 0;
  mutable std::atomic<std::size_t> password_turn_ = 0;
};

}  // namespace cairn::actors
