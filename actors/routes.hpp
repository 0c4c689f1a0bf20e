// Where to send: the node's own actors by what they do. Supervisors set them at each start and restart;
// everybody else asks at each use, so that a restarted actor is found. Any thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <mutex>
#include <vector>

#include "actors/interfaces.hpp"

namespace cairn::actors {

class Routes {
 public:
  /// The replica that serves `slot`; an invalid handle while there is none.
  ReplicaActor replica(Slot) const { return get(replica_); }
  BlockWriterActor block_writer() const { return get(block_writer_); }
  WatchHubActor watch_hub() const { return get(watch_hub_); }
  SignInActor sign_in() const { return get(sign_in_); }
  CollectorActor collector() const { return get(collector_); }
  /// In turn.
  SealerActor sealer() const { return next(sealers_, sealer_turn_); }
  PasswordActor password() const { return next(passwords_, password_turn_); }

  void set_replica(ReplicaActor actor) { set(replica_, std::move(actor)); }
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
  ReplicaActor replica_;
  BlockWriterActor block_writer_;
  WatchHubActor watch_hub_;
  SignInActor sign_in_;
  CollectorActor collector_;
  std::vector<SealerActor> sealers_;
  std::vector<PasswordActor> passwords_;
  mutable std::atomic<std::size_t> sealer_turn_ = 0;
  mutable std::atomic<std::size_t> password_turn_ = 0;
};

}  // namespace cairn::actors
