#include "actors/supervisor.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <list>
#include <memory>
#include <random>

#include "actors/clock.hpp"
#include "actors/errors.hpp"
#include "actors/log.hpp"

namespace cairn::actors {
namespace {

struct Child {
  ChildSpec spec;
  cluster::RestartPolicy policy;
  caf::actor actor;  // invalid while it is not running
  ChildStatus status;
  bool wanted_down = false;                      // an operator's restart: not a crash
  std::vector<std::function<void()>> removed{};  // what waits for it to be gone for good
  bool leaving = false;
};

class Children {
 public:
  Children(SupervisorActor::pointer self, std::vector<ChildSpec> specs, cluster::RestartLimits limits)
      : self_(self), limits_(limits), random_(std::random_device{}()) {
    for (auto& spec : specs) push_back(std::move(spec));
  }

  // The first start is not supervised: what fails now would fail again, and the operator is watching.
  Result<void> start_all() {
    for (auto& child : children_)
      if (const auto started = start(child); !started)
        return Error{started.error().code, child.spec.name + ": " + started.error().message};
    return {};
  }

  void down(const caf::down_msg& message) {
    for (auto& child : children_) {
      if (!child.actor || child.actor.address() != message.source) continue;
      child.actor = {};
      child.status.running = false;
      if (stopping_) return stop_next();
      if (child.leaving || (child.spec.may_end && !message.reason)) return forget(child);
      if (std::exchange(child.wanted_down, false)) return start_again(child);
      return failed(child, "crashed: " + caf::to_string(message.reason));
    }
  }

  void start_child(const std::string& name) {
    auto* child = find(name);
    if (!child || child->actor || child->leaving || stopping_) return;
    start_again(*child);
  }

  void add_child(ChildSpec spec) {
    if (stopping_ || find(spec.name)) return;
    push_back(std::move(spec));
    auto& child = children_.back();
    if (const auto started = start(child); !started) did_not_start(child, started.error());
  }

  void remove_child(RemoveChild& message) {
    auto* child = find(message.name);
    if (!child) return message.then();
    child->removed.push_back(std::move(message.then));
    if (std::exchange(child->leaving, true) || stopping_) return;
    if (!child->actor) return forget(*child);
    self_->send_exit(child->actor, caf::exit_reason::user_shutdown);
  }

  void restart_child(const std::string& name) {
    auto* child = find(name);
    if (!child || !child->actor || stopping_) return;
    log_info("{}: restarted by an operator", name);
    child->wanted_down = true;
    self_->send_exit(child->actor, caf::exit_reason::user_shutdown);
  }

  void stop_all(caf::error reason) {
    if (stopping_) return;
    stopping_ = true;
    reason_ = std::move(reason);
    stop_next();
  }

  std::vector<ChildStatus> status() const {
    std::vector<ChildStatus> all;
    for (const auto& child : children_) all.push_back(child.status);
    return all;
  }

 private:
  Child* find(const std::string& name) {
    for (auto& child : children_)
      if (child.spec.name == name) return &child;
    return nullptr;
  }

  Result<void> start(Child& child) {
    auto started = child.spec.start();
    if (!started) return started.error();
    child.actor = std::move(*started);
    child.status.running = true;
    self_->monitor(child.actor);
    return {};
  }

  void start_again(Child& child) {
    child.status.restarts += 1;
    if (const auto started = start(child); !started) return did_not_start(child, started.error());
    log_info("{}: started again", child.spec.name);
  }

  void push_back(ChildSpec spec) {
    const auto name = spec.name;
    children_.push_back({std::move(spec), cluster::RestartPolicy(limits_), {}, {name, false, 0, {}}});
  }

  void forget(Child& child) {
    const auto removed = std::move(child.removed);
    children_.remove_if([&](const Child& other) { return &other == &child; });
    for (const auto& then : removed) then();
  }

  void did_not_start(Child& child, const Error& why) {
    if (why.code == Errc::cancelled) return forget(child);
    failed(child, "did not start: " + why.message);
  }

  void failed(Child& child, std::string why) {
    child.status.last_crash = why;
    const double jitter = std::uniform_real_distribution<double>(0, 1)(random_);
    const auto wait = child.policy.failed(steady_now(), jitter);
    if (!wait) {
      log_error("{} {}; too many restarts, giving up", child.spec.name, why);
      return stop_all(escalated);
    }
    log_error("{} {}; starting it again in {} ms", child.spec.name, why, wait->count());
    self_->delayed_send(SupervisorActor{self_}, *wait, StartChild{child.spec.name});
  }

  void stop_next() {
    for (auto child = children_.rbegin(); child != children_.rend(); ++child)
      if (child->actor) return self_->send_exit(child->actor, caf::exit_reason::user_shutdown);
    self_->quit(reason_);
  }

  SupervisorActor::pointer self_;
  cluster::RestartLimits limits_;
  std::list<Child> children_;
  std::mt19937_64 random_;
  bool stopping_ = false;
  caf::error reason_;
};

}  // namespace

SupervisorActor::behavior_type supervisor(SupervisorActor::pointer self, std::vector<ChildSpec> children,
                                          cluster::RestartLimits limits, Reply<bool> started) {
  auto state = std::make_shared<Children>(self, std::move(children), limits);
  self->set_down_handler([state](const caf::down_msg& message) { state->down(message); });
  self->set_exit_handler([state](const caf::exit_msg& message) { state->stop_all(message.reason); });
  if (const auto all = state->start_all(); all) {
    started(true);
  } else {
    started(all.error());
    state->stop_all(escalated);
  }
  return {
      [state](const GetChildren& message) { message.reply(state->status()); },
      [state](const RestartChild& message) { state->restart_child(message.name); },
      [state](AddChild& message) { state->add_child(std::move(message.child)); },
      [state](RemoveChild& message) { state->remove_child(message); },
      [state](const StartChild& message) { state->start_child(message.name); },
      [state](const StopAll&) { state->stop_all({}); },
  };
}

}  // namespace cairn::actors
