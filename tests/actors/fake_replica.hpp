// A shard's replica made of a function: what it answers to queries and commands is the test's affair. And the
// other nodes, as frames that were sent to them.
#pragma once

#include <caf/response_promise.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <functional>
#include <mutex>
#include <set>

#include "actors/interfaces.hpp"
#include "actors/peers.hpp"
#include "actors/routes.hpp"
#include "tests/actors/actor_fixture.hpp"

namespace cairn::actors::test {

struct FakeShard {
  std::function<cluster::QueryResult(const cluster::Query&)> query = [](const auto&) {
    return cluster::QueryResult(Error{Errc::internal, "not expected"});
  };
  std::function<cluster::CommandResult(const cluster::Command&)> command = [](const auto&) {
    return cluster::CommandResult(Error{Errc::internal, "not expected"});
  };
  /// What a whole replica says of itself.
  ReplicaStatus status;
  /// Of the answers that `query` and `command` make.
  std::atomic<std::uint64_t> index = 0;
  /// Sees every request, before it is answered.
  std::function<void(const Ask&)> asked = [](const auto&) {};
  /// If set: answers instead of all that, to bodies that need not be encoded.
  std::function<Answer(const Target&, bool proposal)> raw;
  /// If set: requests are counted here and never answered.
  std::shared_ptr<Events<int>> hold;

  using Promise = caf::typed_response_promise<Answer>;

  template <class Self>
  Promise answer(Self* self, const Propose& message) {
    auto promise = self->template make_response_promise<Promise>();
    if (hold) {
      held.push_back(promise);
      hold->add(1);
    } else if (raw) {
      promise.deliver(raw(message.target, true));
    } else {
      promise.deliver(
          Answer{cluster::encode(command(cluster::decode_command(message.command).value())), Served::done, index, 0});
    }
    return promise;
  }
  template <class Self>
  Promise answer(Self* self, const Ask& message) {
    asked(message);
    auto promise = self->template make_response_promise<Promise>();
    if (hold) {
      held.push_back(promise);
      hold->add(1);
    } else if (raw) {
      promise.deliver(raw(message.target, false));
    } else {
      promise.deliver(
          Answer{cluster::encode(query(cluster::decode_query(message.query).value())), Served::done, index, 0});
    }
    return promise;
  }

  std::vector<Promise> held;
};

inline ShardActor::behavior_type fake_replica(ShardActor::pointer self, std::shared_ptr<FakeShard> shard) {
  return {
      [self, shard](const Propose& message) { return shard->answer(self, message); },
      [self, shard](const Ask& message) { return shard->answer(self, message); },
  };
}

/// A whole replica that does nothing with what it is told but these.
template <class OnPropose, class OnAsk, class OnChange, class OnStatus>
ReplicaActor::behavior_type replica_with(OnPropose propose, OnAsk ask, OnChange change, OnStatus status,
                                         std::function<void(const RemoteRequests&)> remote = {}) {
  return {
      propose,
      ask,
      [remote](const RemoteRequests& message) {
        if (remote) remote(message);
      },
      [](const RaftReceived&) {},
      [](const PeerDown&) {},
      [](const SetSlots&) {},
      change,
      status,
      [](const Stored&) {},
      [](const LogCompacted&) {},
      [](const CheckpointWritten&) {},
      [](const EntriesFetched&) {},
      [](const LogReset&) {},
      [](const WithdrawalMarked&) {},
      [](const RotFound&) {},
      [](const SnapshotPart&) {},
      [](const SnapshotFailed&) {},
      [](const SnapshotKept&) {},
      [](const SnapshotRefused&) {},
      [](const SnapshotInPlace&) {},
      [](const RaftTimer&) {},
      [](const StepDue&) {},
      [](const TimerFired&) {},
  };
}

/// fake_replica() as a whole replica.
inline ReplicaActor::behavior_type fake_shard_replica(ReplicaActor::pointer self, std::shared_ptr<FakeShard> shard) {
  return replica_with([self, shard](const Propose& message) { return shard->answer(self, message); },
                      [self, shard](const Ask& message) { return shard->answer(self, message); },
                      [](const ChangeGroup&) {}, [shard](const GetReplica& message) { message.reply(shard->status); });
}

/// What was sent to other nodes, in order. Any thread.
class FakeNetwork : public NodeNetwork {
 public:
  struct Sent {
    NodeName to;
    Channel channel;
    Bytes frame;
  };
  Events<Sent> sent;
  Events<NodeName> refused;
  /// If set, after `sent`: carries the frame to where it goes.
  std::function<void(const Sent&)> carry;

  using NodeNetwork::send;
  Result<void> send(const NodeName& to, Channel channel, Bytes frame) override {
    {
      const std::lock_guard lock(mutex_);
      if (cut_.contains(to)) {
        refused.add(to);
        return Error{Errc::unavailable, "cut"};
      }
    }
    const Sent one{to, channel, std::move(frame)};
    sent.add(one);
    if (carry) carry(one);
    return {};
  }
  void cut(const NodeName& to) {
    const std::lock_guard lock(mutex_);
    cut_.insert(to);
  }
  void heal(const NodeName& to) {
    const std::lock_guard lock(mutex_);
    cut_.erase(to);
  }

 private:
  std::mutex mutex_;
  std::set<NodeName> cut_;
};

}  // namespace cairn::actors::test
