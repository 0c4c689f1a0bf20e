// A simulated node's life, its clocks, its frames, and its router.
#include "tests/simulation/cluster_node.hpp"

#include "tests/simulation/cluster_world.hpp"

namespace cairn::simulation {

using cluster::directory::SlotMap;

namespace {

// 2026-11-01, so that times look like times.
constexpr std::int64_t start_millis = 1'793'491'200'000;

}  // namespace

ClusterNode::ClusterNode(ClusterWorld& world, std::string name, std::uint64_t data)
    : world_(world),
      name_(std::move(name)),
      node_name_(cluster::directory::NodeName::parse(name_).value()),
      founding_(cluster::founding_map(world.founders())) {
  disk_.data = data;
}

ClusterNode::Process::Process(const ClusterNode& node, std::uint64_t first, const cluster::RoutingOptions& options)
    : routing(node.name_, first, options), reporting(node.node_name_, node.world_.founders(), node.world_.faults()) {}

// Its life.

void ClusterNode::start() {
  if (running()) return;
  ++process_number_;
  ++disk_.incarnation;
  cluster::RoutingOptions options;
  options.timeout = Duration(20'000'000);
  options.faults = world_.faults();
  process_ = std::make_unique<Process>(*this, world_.random().next() >> 1, options);
  process_->hub = std::make_unique<SimHub>(*this);
  process_->office = std::make_unique<DirectoryOffice>(*this);
  trace("starts, the " + std::to_string(disk_.incarnation) + ". time on disk " + std::to_string(disk_.data));
  if (!disk_.map.empty()) {
    auto stored = cluster::directory::decode_query_result(disk_.map);
    if (stored && std::holds_alternative<SlotMap>(*stored)) process_->map = std::get<SlotMap>(std::move(*stored));
  }
  run([this] {
    take_map();
    tick();
  });
  world_.node_started(*this);
}

void ClusterNode::crash(bool power) {
  if (!running()) return;
  trace(power ? "loses power" : "is killed");
  ++process_number_;
  if (power)
    for (auto& [shard, held] : process_->held)
      if (held.replica) held.replica->lose_power();
  // Who waits is not told: the process is gone.
  const auto process = std::move(process_);
  backlog_.clear();
  paused_ = false;
  world_.node_ended(*this);
}

void ClusterNode::resume() {
  paused_ = false;
  const auto number = process_number_;
  while (!backlog_.empty() && !paused_ && number == process_number_) {
    auto event = std::move(backlog_.front());
    backlog_.pop_front();
    run(std::move(event));
  }
}

void ClusterNode::wipe(std::uint64_t data) {
  crash(false);
  trace("loses its disk");
  disk_ = NodeDisk{};
  disk_.data = data;
}

void ClusterNode::after(Duration delay, std::function<void()> event) {
  world_.after(delay, [this, number = process_number_, event = std::move(event)]() mutable {
    if (number == process_number_ && running()) run(std::move(event));
  });
}

void ClusterNode::run(std::function<void()> event) {
  if (!running()) return;
  if (paused_) return backlog_.push_back(std::move(event));
  try {
    event();
  } catch (const PowerLoss&) {
    world_.crash_at_write(*this);
  }
}

// Its clocks.

Instant ClusterNode::steady() const { return clock_offset_ + world_.now() + world_.now() * drift_ / 1'000'000; }

void ClusterNode::set_drift(std::int64_t millionths) {
  const auto before = steady();
  drift_ = millionths;
  clock_offset_ += before - steady();
}

Timestamp ClusterNode::wall() const {
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(steady() - clock_offset_) + wall_offset_;
  return Timestamp{start_millis + millis.count()};
}

Duration ClusterNode::until(Instant deadline) const {
  const auto wait = std::max(deadline - steady(), Duration(0));
  return wait * 1'000'000 / (1'000'000 + drift_) + Duration(1);
}

// Frames.

bool ClusterNode::send(const std::string& to, Channel channel, std::function<void(ClusterNode&)> deliver) {
  return world_.send(*this, to, channel, std::move(deliver));
}

bool ClusterNode::send_control(const std::string& to, const cluster::directory::ControlFrame& frame) {
  return send(to, Channel::control, [from = name_, bytes = cluster::directory::encode(frame)](ClusterNode& node) {
    node.control_received(from, bytes);
  });
}

void ClusterNode::send_raft(ShardId shard, const cluster::Message& message) {
  const auto& to = map().node_of(message.to);
  if (to.empty() || to == node_name_) return;
  auto bytes = cluster::encode(message);
  (void)send(to.text(), Channel::raft, [shard, bytes = std::move(bytes)](ClusterNode& node) {
    const auto decoded = cluster::decode_message(bytes);
    if (!decoded) return;
    if (node.world().tracing_messages())
      node.trace("gets for shard " + std::to_string(shard.value) + " " + describe(*decoded));
    node.raft_received(shard, *decoded);
  });
}

void ClusterNode::raft_received(ShardId shard, const cluster::Message& message) {
  if (auto* to = replica(shard)) to->receive(message);
}

void ClusterNode::call_received(const std::string& from, std::uint64_t attempt, ShardRequest request, bool relay) {
  auto answer = [this, from, attempt](ShardAnswer answered) {
    (void)send(from, Channel::call, [attempt, by = name_, answered = std::move(answered)](ClusterNode& node) {
      node.answer_received(by, attempt, answered);
    });
  };
  if (relay) return route(std::move(request), true, std::move(answer));
  if (auto* to = replica(request.shard)) return to->request(std::move(request), std::move(answer));
  answer({Served::not_here, {}, 0, {}});
}

ShardReplica* ClusterNode::replica(ShardId shard) {
  if (!process_) return nullptr;
  const auto found = process_->held.find(shard);
  if (found == process_->held.end() || !found->second.replica || found->second.replica->withdrawing()) return nullptr;
  return found->second.replica.get();
}

void ClusterNode::trace(const std::string& line) const { world_.trace(name_, line); }

// The router.

void ClusterNode::route(ShardRequest request, bool relayed, AnswerTo answer) {
  if (!running()) return;
  const bool by_leader = relayed || request.proposes || request.linearizable;
  const cluster::RoutedRequest routed{request.shard, request.slot, by_leader, request.floor, request.body.size(),
                                      relayed};
  const auto number = process_->routing.begin(routed, steady());
  if (!number) return answer({Served::busy, {}, 0, {}});
  process_->waiting.emplace(*number, Waiting{std::move(request), std::move(answer)});
  routing_pump();
}

void ClusterNode::answer_received(const std::string& from, std::uint64_t attempt, ShardAnswer answer) {
  if (world_.tracing_messages())
    trace("is answered " + std::to_string(static_cast<int>(answer.served)) + " by " + from + ", leader " +
          std::to_string(answer.leader.value));
  const auto request = process_->routing.answered(attempt, from, answer.served, answer.leader, answer.index, steady());
  if (request) deliver(*request, std::move(answer));
  routing_pump();
}

void ClusterNode::heard_leader(ShardId shard, ReplicaId leader, std::uint64_t term) {
  process_->routing.heard_leader(shard, leader, term, steady());
  routing_pump();
}

void ClusterNode::deliver(std::uint64_t request, ShardAnswer answer) {
  auto waiting = process_->waiting.extract(request);
  if (waiting.empty()) return;
  // As a message to who asked.
  after(Duration(1), [to = std::move(waiting.mapped().answer), answer = std::move(answer)] { to(answer); });
}

void ClusterNode::routing_pump() {
  for (;;) {
    process_->routing.tick(steady());
    const auto steps = process_->routing.take_steps();
    if (steps.empty()) break;
    for (const auto& step : steps) {
      if (const auto* send = std::get_if<cluster::SendAttempt>(&step)) {
        carry_out(*send);
      } else {
        const auto& gave_up = std::get<cluster::GiveUp>(step);
        deliver(gave_up.request, {gave_up.why, {}, 0, {}});
      }
    }
  }
  const auto at = process_->routing.deadline();
  const auto number = ++process_->routing_timer;
  if (at == cluster::never) return;
  after(until(at), [this, number] {
    if (number == process_->routing_timer) routing_pump();
  });
}

void ClusterNode::carry_out(const cluster::SendAttempt& attempt) {
  const auto found = process_->waiting.find(attempt.request);
  if (found == process_->waiting.end()) return;
  auto request = found->second.request;
  request.shard = attempt.shard;
  if (world_.tracing_messages())
    trace("sends request " + std::to_string(attempt.request) + " for shard " + std::to_string(attempt.shard.value) +
          " to " + attempt.node);
  if (attempt.node != name_) {
    const bool sent = send(attempt.node, Channel::call,
                           [from = name_, number = attempt.attempt, relay = attempt.relay,
                            request = std::move(request)](ClusterNode& node) {
                             node.call_received(from, number, request, relay);
                           });
    if (!sent) process_->routing.not_sent(attempt.attempt, true, steady());
    return;
  }
  after(Duration(1), [this, number = attempt.attempt, request = std::move(request)] {
    auto* to = replica(request.shard);
    auto answer = [this, number](const ShardAnswer& answered) {
      after(Duration(1), [this, number, answered] { answer_received(name_, number, answered); });
    };
    if (!to) return answer({Served::not_here, {}, 0, {}});
    to->request(request, answer);
  });
}

}  // namespace cairn::simulation
