#include "actors/rpc_admin_service.hpp"

#include <caf/send.hpp>

#include <algorithm>

#include "actors/admin_view.hpp"
#include "actors/clock.hpp"
#include "actors/directory_calls.hpp"
#include "actors/rpc_bridge.hpp"
#include "actors/shard_calls.hpp"
#include "protocol/admin_capnp.hpp"
#include "protocol/limits.hpp"
#include "protocol/names.hpp"
#include "protocol/version.hpp"

namespace cairn::actors {
namespace {

namespace directory = cluster::directory;

using View = std::shared_ptr<AdminStatus>;

const Error starting{Errc::unavailable, "the node is starting"};
const std::string asked = "an operator asked for it";

std::string text(capnp::Text::Reader in) { return {in.begin(), in.size()}; }

directory::NodeName node_name(capnp::Text::Reader in) { return value_or_throw(directory::NodeName::parse(text(in))); }

class AdminService final : public rpc::Admin::Server {
 public:
  explicit AdminService(std::shared_ptr<AdminContext> context) : context_(std::move(context)) {}

  kj::Promise<void> status(StatusContext call) override {
    const auto view = std::make_shared<AdminStatus>();
    show_node(*view);
    auto parts = kj::heapArrayBuilder<kj::Promise<void>>(6);
    parts.add(part(view, "the node's part in the cluster", ask_agent()));
    parts.add(part(view, "the node's actors", ask_children()));
    parts.add(directory_part<directory::SlotMap>(view, "the directory's shards", directory::GetMap{}));
    parts.add(directory_part<directory::Nodes>(view, "the directory's nodes",
                                               directory::GetNodes{{}, limits::max_admin_nodes}));
    parts.add(directory_part<directory::SettingsFound>(view, "the directory's settings", directory::GetSettings{}));
    parts.add(directory_part<directory::Events>(view, "the directory's events",
                                                directory::GetEvents{0, limits::max_admin_events}));
    return kj::joinPromises(parts.finish()).then([this, view, call]() mutable {
      fall_back_to_map(*view);
      to_capnp(*view, call.getResults().initStatus());
    });
  }

  kj::Promise<void> setSetting(SetSettingContext call) override {
    const auto params = call.getParams();
    return tell(directory::SetSetting{text(params.getName()), text(params.getValue()), asked});
  }

  kj::Promise<void> drain(DrainContext call) override {
    return tell(
        directory::SetNodeState{node_name(call.getParams().getNode()), directory::NodeState::draining, {}, asked});
  }

  kj::Promise<void> undrain(UndrainContext call) override {
    const auto node = node_name(call.getParams().getNode());
    return ask<directory::Nodes>(directory::GetNode{node}).then([this, node](directory::Nodes found) {
      const auto& now = found.nodes.at(0);
      if (now.state != directory::NodeState::draining)
        throw_error({Errc::conflict, node.text() + " is " + std::string(to_string(now.state)) + ", not draining"});
      return tell(directory::SetNodeState{node, directory::NodeState::alive, now.changed, asked});
    });
  }

  kj::Promise<void> transferLeadership(TransferLeadershipContext call) override {
    const directory::ShardId shard{call.getParams().getShard()};
    const auto node = node_name(call.getParams().getNode());
    const auto map = context_->of.routes->map();
    const auto* known = map->find(shard);
    if (!known) throw_error({Errc::not_found, "there is no shard " + std::to_string(shard.value)});
    const auto* target = known->find_on(node);
    if (!target)
      throw_error({Errc::not_found, node.text() + " has no replica of shard " + std::to_string(shard.value)});
    if (target->kind != directory::ReplicaKind::voter)
      throw_error({Errc::conflict, "the replica on " + node.text() + " is " + std::string(to_string(target->kind)) +
                                       ": only a voter can lead"});
    const auto replica = context_->of.routes->replica(shard);
    if (!replica) throw_error(led_elsewhere(*map, *known));
    auto bridge = make_bridge<bool>();
    caf::anon_send(replica, ChangeGroup{GroupChange::transfer, target->id, std::move(bridge.reply)});
    return within(limits::shard_answer_timeout, kj::mv(bridge.promise))
        .then([](bool) {},
              [map, known](kj::Exception&& thrown) {
                clamp_type(thrown);
                auto error = from_exception(thrown);
                throw_error(error.code == Errc::unavailable ? led_elsewhere(*map, *known) : error);
              });
  }

  kj::Promise<void> restartActor(RestartActorContext call) override {
    const auto name = text(call.getParams().getName());
    return within(limits::admin_part_timeout, ask_children()).then([this, name](std::vector<ChildStatus> children) {
      const auto child = std::ranges::find(children, name, &ChildStatus::name);
      if (child == children.end()) throw_error({Errc::not_found, "there is no actor \"" + printable(name, 80) + "\""});
      if (!child->running) throw_error({Errc::conflict, name + " does not run: its supervisor starts it again"});
      caf::anon_send(context_->of.supervisor, RestartChild{name});
    });
  }

 private:
  void show_node(AdminStatus& view) const {
    view.node.name = context_->node.name;
    view.node.version = version;
    view.node.zone = context_->node.zone;
    view.node.roles = words_of(context_->node.roles);
    view.node.rpc_address = context_->of.rpc_address;
    view.node.uptime_millis = static_cast<std::uint64_t>((steady_now() - context_->started).count());
  }

  // What was read last stands in for a directory that does not answer.
  void fall_back_to_map(AdminStatus& view) const {
    const auto map = context_->of.routes->map();
    if (view.directory.shards.empty() && map->epoch().value > 0) {
      show(map->slots(), view);
      view.missing.push_back("the directory as it is now: shown is what this node had of epoch " +
                             std::to_string(map->epoch().value));
    }
    show_addresses(map->slots(), view);
    if (view.directory.nodes.size() >= limits::max_admin_nodes)
      view.missing.push_back("nodes of the directory after the first " + std::to_string(limits::max_admin_nodes));
  }

  static Error led_elsewhere(const cluster::ClusterMap& map, const directory::Shard& shard) {
    const auto& leader = map.node_of(shard.leader);
    return {Errc::unavailable, "this node does not lead shard " + std::to_string(shard.id.value) +
                                   (leader.empty() ? "; nobody is known to" : ": ask " + leader.text())};
  }

  /// The promise, or timed_out.
  template <class T>
  kj::Promise<T> within(std::chrono::milliseconds bound, kj::Promise<T> promise) const {
    auto late = context_->timer->afterDelay(bound.count() * kj::MILLISECONDS).then([bound]() -> T {
      throw_error({Errc::timed_out, "no answer within " + std::to_string(bound.count()) + " ms"});
    });
    return promise.exclusiveJoin(kj::mv(late));
  }

  /// Shows what is promised, or that it is missing; never fails.
  template <class T>
  kj::Promise<void> part(const View& view, std::string what, kj::Promise<T> promise) const {
    return within(limits::admin_part_timeout, kj::mv(promise))
        .then([view](T told) { show(told, *view); },
              [view, what](kj::Exception&& thrown) {
                clamp_type(thrown);
                view->missing.push_back(what + ": " + from_exception(thrown).message);
              });
  }

  template <class Wanted>
  kj::Promise<void> directory_part(const View& view, const char* what, const directory::Query& query) const {
    return part(view, what, ask<Wanted>(query));
  }

  kj::Promise<NodeStatus> ask_agent() const {
    auto bridge = make_bridge<NodeStatus>();
    if (const auto agent = context_->of.routes->agent())
      caf::anon_send(agent, GetNodeStatus{std::move(bridge.reply)});
    else
      bridge.reply(starting);
    return kj::mv(bridge.promise);
  }

  kj::Promise<std::vector<ChildStatus>> ask_children() const {
    auto bridge = make_bridge<std::vector<ChildStatus>>();
    if (context_->of.supervisor)
      caf::anon_send(context_->of.supervisor, GetChildren{std::move(bridge.reply)});
    else
      bridge.reply(starting);
    return kj::mv(bridge.promise);
  }

  template <class Wanted>
  kj::Promise<Wanted> ask(const directory::Query& query) const {
    auto bridge = make_bridge<directory::QueryResult>();
    ask_directory(context_->of.system, *context_->of.routes, query, limits::admin_part_timeout,
                  std::move(bridge.reply));
    return bridge.promise.then(
        [](directory::QueryResult result) { return value_or_throw(expect<Wanted>(std::move(result))); });
  }

  kj::Promise<void> tell(directory::CommandBody body) const {
    auto bridge = make_bridge<directory::CommandResult>();
    tell_directory(context_->of.system, *context_->of.routes, std::move(body), std::move(bridge.reply));
    return bridge.promise.then(
        [](directory::CommandResult result) { value_or_throw(expect<directory::Done>(std::move(result))); });
  }

  std::shared_ptr<AdminContext> context_;
};

}  // namespace

rpc::Admin::Client make_admin(std::shared_ptr<AdminContext> context) {
  return kj::heap<AdminService>(std::move(context));
}

}  // namespace cairn::actors
