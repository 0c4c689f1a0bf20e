#include "actors/router.hpp"

#include <caf/response_promise.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <caf/typed_response_promise.hpp>

#include <map>
#include <random>
#include <unordered_map>

#include "actors/clock.hpp"
#include "actors/replica_requests.hpp"

namespace cairn::actors {
namespace {

struct Waiting {
  ShardRequest call;
  Responder responder;
};

/// Calls of a node that leave together.
struct Outgoing {
  Writer frame;
  std::vector<std::uint64_t> attempts;
};

Answer refusal(Served served) { return Answer{{}, served, 0, 0}; }

cluster::RoutedRequest routed(const Propose& call) {
  return {cluster::directory::ShardId{call.target.shard}, call.target.slot, true, 0, call.command.size()};
}
cluster::RoutedRequest routed(const Ask& call) {
  return {cluster::directory::ShardId{call.target.shard}, call.target.slot, call.linearizable, call.floor,
          call.query.size()};
}

class Router {
 public:
  Router(RouterActor::pointer self, std::string node, std::shared_ptr<Routes> routes,
         std::shared_ptr<NodeNetwork> network, cluster::RoutingOptions options)
      : self_(self),
        node_(std::move(node)),
        routes_(std::move(routes)),
        network_(std::move(network)),
        // Half of all numbers are left to count through.
        routing_(node_, (std::uint64_t{std::random_device{}()} << 32 | std::random_device{}()) >> 1, options) {
    routing_.set_map(routes_->map(), steady_micros());
  }

  // Who waits is told at once, instead of finding out by a timeout.
  ~Router() {
    for (auto& [request, waiting] : waiting_) answers_.put(waiting.responder, Served::unknown);
  }

  template <class Message>
  Responder::Promise begin(Message& message) {
    auto promise = self_->make_response_promise<Responder::Promise>();
    const auto request = routing_.begin(routed(message), steady_micros());
    if (!request) {
      promise.deliver(refusal(Served::busy));
      return promise;
    }
    waiting_.emplace(*request, Waiting{std::move(message), Responder(promise)});
    pump();
    return promise;
  }

  void relay(const RelayRequests& message) {
    for (auto& [call, asker] : *message.all) {
      auto what = std::visit([](const auto& one) { return routed(one); }, call);
      what.by_leader = what.relayed = true;
      Responder responder(std::move(asker));
      if (const auto request = routing_.begin(what, steady_micros()))
        waiting_.emplace(*request, Waiting{std::move(call), std::move(responder)});
      else
        answers_.put(responder, Served::busy);
    }
    pump();
  }

  void answered(AnswersReceived& message) {
    for (auto& [attempt, answer] : message.all) take(message.from, attempt, std::move(answer));
    pump();
  }

  void link_changed(const LinkChanged& message) {
    routing_.link_changed(message.node, message.up, steady_micros());
    pump();
  }

  void heard_leader(cluster::directory::ShardId shard, cluster::ReplicaId leader, std::uint64_t term) {
    routing_.heard_leader(shard, leader, term, steady_micros());
    pump();
  }

  void map_changed() {
    routing_.set_map(routes_->map(), steady_micros());
    pump();
  }

  void timer(const TimerFired& message) {
    if (message.generation != timer_) return;
    timer_at_ = cluster::never;
    pump();
  }

  void step() {
    step_due_ = false;
    for (auto& [node, calls] : std::exchange(outgoing_, {})) send(node, calls);
    pump();
  }

 private:
  void take(const std::string& from, std::uint64_t attempt, Answer answer) {
    const auto request = routing_.answered(attempt, from, answer.served, cluster::ReplicaId{answer.leader},
                                           answer.index, steady_micros());
    if (request) deliver(*request, std::move(answer));
  }

  void deliver(std::uint64_t request, Answer answer) {
    const auto found = waiting_.find(request);
    answers_.put(found->second.responder, std::move(answer));
    waiting_.erase(found);
  }

  // Does what is to be done until nothing is.
  void pump() {
    while (true) {
      routing_.tick(steady_micros());
      const auto steps = routing_.take_steps();
      if (steps.empty()) break;
      for (const auto& step : steps) {
        if (const auto* send = std::get_if<cluster::SendAttempt>(&step)) {
          carry_out(*send);
        } else {
          const auto& gave_up = std::get<cluster::GiveUp>(step);
          deliver(gave_up.request, refusal(gave_up.why));
        }
      }
    }
    answers_.flush();
    set_timer();
  }

  void carry_out(const cluster::SendAttempt& send) {
    const auto found = waiting_.find(send.request);
    if (found == waiting_.end()) return;  // given up since
    if (send.node == node_) return ask_here(send, found->second.call);
    append(send, found->second.call);
  }

  // What comes meanwhile is taken in before the frame leaves.
  void append(const cluster::SendAttempt& attempt, const ShardRequest& call) {
    auto& calls = outgoing_[attempt.node];
    if (calls.frame.view().size() + size_in_frame(call) > limits::call_frame_bytes) send(attempt.node, calls);
    append_call(calls.frame, attempt.attempt, call, attempt.shard, attempt.relay);
    calls.attempts.push_back(attempt.attempt);
    if (calls.frame.view().size() >= limits::call_frame_bytes) return send(attempt.node, calls);
    if (!std::exchange(step_due_, true)) self_->send(RouterActor{self_}, StepDue{});
  }

  void send(const std::string& node, Outgoing& calls) {
    auto frame = calls.frame.take();
    const auto attempts = std::exchange(calls.attempts, {});
    if (attempts.empty()) return;
    const auto channel = channel_for(Channel::call, Channel::call_bulk, frame.size());
    const auto sent = network_->send(node, channel, std::move(frame));
    if (sent) return;
    for (const auto attempt : attempts)
      routing_.not_sent(attempt, sent.error().code == Errc::unavailable, steady_micros());
  }

  void ask_here(const cluster::SendAttempt& send, ShardRequest call) {
    std::visit([&](auto& message) { message.target.shard = send.shard.value; }, call);
    const auto replica = routes_->replica(send.shard);
    if (!replica) {
      (void)routing_.answered(send.attempt, node_, Served::not_here, cluster::no_replica, 0, steady_micros());
      return;
    }
    const auto done = [this, attempt = send.attempt](Answer& answer) {
      take(node_, attempt, std::move(answer));
      pump();
    };
    const auto failed = [this, attempt = send.attempt](const caf::error&) {
      take(node_, attempt, refusal(Served::unknown));
      pump();
    };
    std::visit(
        [&](auto& message) { self_->request(replica, limits::route_timeout, std::move(message)).then(done, failed); },
        call);
  }

  // An earlier one than is needed only looks in vain, and most requests are answered before theirs.
  void set_timer() {
    const auto at = routing_.deadline();
    if (at >= timer_at_) return;
    timer_at_ = at;
    const auto wait = std::max(at - steady_micros(), cluster::Duration(0));
    self_->delayed_send(RouterActor{self_}, wait, TimerFired{++timer_});
  }

  RouterActor::pointer self_;
  std::string node_;
  std::shared_ptr<Routes> routes_;
  std::shared_ptr<NodeNetwork> network_;
  cluster::Routing routing_;
  std::unordered_map<std::uint64_t, Waiting> waiting_;
  TurnsAnswers answers_;
  std::map<std::string, Outgoing> outgoing_;  // by node
  bool step_due_ = false;
  std::uint64_t timer_ = 0;  // the number of the one that counts
  cluster::Instant timer_at_ = cluster::never;
};

}  // namespace

RouterActor::behavior_type router(RouterActor::pointer self, std::string node, std::shared_ptr<Routes> routes,
                                  std::shared_ptr<NodeNetwork> network, cluster::RoutingOptions options) {
  auto state =
      std::make_shared<Router>(self, std::move(node), std::move(routes), std::move(network), std::move(options));
  return {
      [state](Propose& message) { return state->begin(message); },
      [state](Ask& message) { return state->begin(message); },
      [state](AnswersReceived& message) { state->answered(message); },
      [state](const RelayRequests& message) { state->relay(message); },
      [state](const LinkChanged& message) { state->link_changed(message); },
      [state](const ReplicaChanged& message) {
        const auto leads = message.role == cluster::Role::leader ? message.replica : message.leader;
        state->heard_leader(message.shard, leads, message.term);
      },
      [state](const LeaderHeard& message) { state->heard_leader(message.shard, message.replica, message.term); },
      [state](const MapChanged&) { state->map_changed(); },
      [state](const StepDue&) { state->step(); },
      [state](const TimerFired& message) { state->timer(message); },
  };
}

}  // namespace cairn::actors
