#include "tests/simulation/cluster_office.hpp"

#include <algorithm>

#include "tests/simulation/cluster_world.hpp"

namespace cairn::simulation {

using namespace cluster::directory;

DirectoryOffice::DirectoryOffice(ClusterNode& node) : node_(node), plan_(node.world().plan()) {}

void DirectoryOffice::replica_changed(const RoleChange& change) {
  if (change.shard != directory_shard) return;
  const bool leads = change.role == cluster::Role::leader;
  if (leading_ && (!leads || change.term != term_)) resign();
  if (!leading_ && leads && change.settled) take_office(change);
}

void DirectoryOffice::report(const std::string& from, const NodeReport& heard) {
  if (!leading_ || heard.node.text() != from) return;
  const auto report = credible(heard, state_);
  const bool news = brings_news(report, observed_);
  observe(observed_, report, node_.steady());
  if (news) begin_round();
}

void DirectoryOffice::note(const std::string& what, const std::string& why) {
  if (leading_ && notes_.size() < limits::max_notes_waiting) notes_.push_back({what, why});
}

void DirectoryOffice::take_office(const RoleChange& change) {
  node_.trace("leads the directory in term " + std::to_string(change.term));
  leading_ = true;
  term_ = change.term;
  ++office_;
  observed_.leading_since = node_.steady();
  set_timer();
  begin_round();
}

void DirectoryOffice::resign() {
  node_.trace("leads the directory no longer");
  leading_ = false;
  founded_ = false;
  in_round_ = false;
  again_ = false;
  ++office_;
  state_ = {};
  observed_ = {};
  waits_.clear();
  decided_.clear();
  duties_.clear();
  notes_.clear();
}

void DirectoryOffice::set_timer() {
  const auto wait = founded_ ? node_.world().settings().directory_interval : Duration(limits::founding_interval);
  node_.after(wait, [this, office = office_] {
    if (!leading_ || office != office_) return;
    set_timer();
    begin_round();
  });
}

void DirectoryOffice::begin_round() {
  again_ = in_round_;
  if (in_round_) return;
  in_round_ = true;
  look(&DirectoryOffice::found);
}

void DirectoryOffice::end_round() {
  in_round_ = false;
  duties_.clear();
  if (again_) begin_round();
}

void DirectoryOffice::look(Step next) {
  ShardRequest ask{directory_shard, slot_count, encode(Query(GetState{state_.epoch})), false, true, 0};
  request(std::move(ask), [this, next](const ShardAnswer& answer) {
    auto result = decode_query_result(answer.result);
    auto* changes = result ? std::get_if<StateChanges>(&*result) : nullptr;
    if (!changes) return end_round();
    merge(state_, std::move(*changes));
    (this->*next)();
  });
}

void DirectoryOffice::found() {
  if (founded_) return write_down();
  const auto step = next_founding_step(state_, plan_);
  if (const auto* command = std::get_if<FoundingCommand>(&step)) {
    duties_.push_back(duty_of(*command));
    node_.trace("decides: " + duties_.back().what);
    return work(&DirectoryOffice::found);
  }
  const auto* waits = std::get_if<FoundingWaits>(&step);
  founded_ = !waits;
  waits_ = waits ? waits->why : std::string();
  if (state_.shards.empty()) return end_round();
  write_down();
}

void DirectoryOffice::write_down() {
  for (auto& duty : news_of_leaders(state_, observed_)) duties_.push_back(std::move(duty));
  for (auto& note : notes_) duties_.push_back({note.what, note.why, RecordEvent{note.what, note.why}, {}});
  notes_.clear();
  if (duties_.empty()) return decide();
  work(&DirectoryOffice::decide);
}

/// Where a node is free for a successor, that comes first.
void DirectoryOffice::check_replaced(const cluster::directory::Remove& remove, Duration dead_after) const {
  const auto& shard = state_.shards.at(remove.shard);
  const auto* replica = shard.find(remove.replica);
  if (!replica || replica->kind != ReplicaKind::voter) return;
  const auto voters = std::ranges::count(shard.replicas, ReplicaKind::voter, &Replica::kind);
  if (voters > static_cast<std::ptrdiff_t>(shard.wanted)) return;
  for (const auto& [name, node] : state_.nodes) {
    const auto heard = observed_.heard.find(name);
    const bool silent = heard == observed_.heard.end() || node_.steady() - heard->second > dead_after;
    if (node.state == NodeState::alive && !silent && !shard.find_on(name))
      violated("replica " + std::to_string(remove.replica.value) + " is to be removed before its successor has come");
  }
}

void DirectoryOffice::decide() {
  const auto now = node_.steady();
  const auto& world = node_.world();
  auto settings = reconcile_settings(state_.settings);
  settings.faults = world.faults();
  const auto decisions = reconcile(state_, observed_, now, settings);
  for (const auto& decision : decisions)
    if (const auto* remove = std::get_if<cluster::directory::Remove>(&decision.action))
      check_replaced(*remove, settings.dead_after);
  remember(observed_, state_, decisions, now);
  std::set<std::string> decided;
  for (const auto& decision : decisions) {
    const auto named = duty_of(decision, state_, observed_, true).what;
    const bool repeated = decided_.contains(named);
    decided.insert(named);
    if (!repeated) node_.trace("decides: " + named + ": " + decision.why);
    auto duty = duty_of(decision, state_, observed_, repeated);
    duties_.push_back(std::move(duty));
  }
  decided_ = std::move(decided);
  work(nullptr);
}

void DirectoryOffice::work(Step next) {
  while (!duties_.empty()) {
    auto duty = std::move(duties_.front());
    duties_.pop_front();
    if (duty.command) return propose(std::move(duty), next);
    give(duty.order);
  }
  if (!next) return end_round();
  look(next);
}

void DirectoryOffice::propose(Duty duty, Step next) {
  ShardRequest command{directory_shard, slot_count, encode(Command{node_.wall(), *duty.command}), true, false, 0};
  request(std::move(command), [this, next, duty = std::move(duty)](const ShardAnswer& answer) {
    const auto result = decode_command_result(answer.result);
    if (!result) return end_round();
    if (const auto* refused = std::get_if<Error>(&*result)) {
      node_.trace("is refused: " + duty.what + ": " + refused->message);
      if (next == &DirectoryOffice::found) return end_round();
    } else {
      give(duty.order);
    }
    work(next);
  });
}

void DirectoryOffice::give(const std::optional<Order>& order) {
  if (!order) return;
  const auto node = leaders_node(order->shard, state_, observed_);
  if (node.empty()) return;
  if (node_.world().faulty(ClusterFault::orders_lost)) {
    const auto words = std::string(to_string(order->change)) + std::to_string(order->replica.value);
    if (!given_.insert(words).second || node_.world().random().percent(50)) return;
  }
  if (node.text() != node_.name()) {
    (void)node_.send_control(node.text(), ControlFrame(*order));
  } else if (auto* replica = node_.replica(order->shard)) {
    (void)replica->change(order->change, order->replica);
  }
}

void DirectoryOffice::request(ShardRequest request, std::function<void(const ShardAnswer&)> then) {
  auto* replica = node_.replica(directory_shard);
  if (!replica) return end_round();
  // The answer comes as a message, and one that is late is none.
  const auto answered = std::make_shared<bool>(false);
  const auto office = office_;
  node_.after(Duration(limits::directory_answer_timeout), [this, answered, office] {
    if (!std::exchange(*answered, true) && office == office_) end_round();
  });
  replica->request(std::move(request), [this, answered, office, then = std::move(then)](const ShardAnswer& answer) {
    node_.after(Duration(1), [this, answered, office, then, answer] {
      if (std::exchange(*answered, true) || office != office_) return;
      if (answer.served == Served::not_leader && node_.world().faulty(ClusterFault::office_left_in_transfer))
        return resign();
      if (answer.served != Served::done) return end_round();
      then(answer);
    });
  });
}

}  // namespace cairn::simulation
