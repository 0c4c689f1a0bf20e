// The simulated node's agent and hosting, as actors/agent.cpp and hosting.cpp: the same rules in the same order.
#include <algorithm>

#include "cluster/directory_commands.hpp"
#include "tests/simulation/cluster_node.hpp"
#include "tests/simulation/cluster_world.hpp"

namespace cairn::simulation {

using namespace cluster::directory;

namespace {

std::string describe(const ControlFrame& frame) {
  const auto number = [](auto id) { return std::to_string(id.value); };
  struct Words {
    decltype(number)& text;
    std::string operator()(const MapRequest& it) const { return "asks for the map since epoch " + text(it.since); }
    std::string operator()(const MapAnswer& it) const { return "gives the map of epoch " + text(it.map.epoch); }
    std::string operator()(const Report& it) const {
      std::string line = "reports";
      for (const auto& one : it.report.replicas)
        line += " " + text(one.replica) + (one.role == cluster::Role::leader ? " (leads)" : "");
      return line;
    }
    std::string operator()(const ReportAnswer& it) const {
      return std::string(it.leads ? "leads" : "leads not") + ", knows leader " + text(it.leader) + ", epoch " +
             text(it.epoch);
    }
    std::string operator()(const Order& it) const {
      return "orders to " + std::string(to_string(it.change)) + " replica " + text(it.replica);
    }
    std::string operator()(const Note& it) const { return "notes: " + it.what; }
    std::string operator()(const NoteAnswer&) const { return "has the note"; }
  };
  return std::visit(Words{number}, frame);
}

}  // namespace

void ClusterNode::tick() {
  const bool settled = process_->registered && !process_->map.shards.empty();
  after(settled ? world_.settings().agent_interval : Duration(limits::agent_hurried_interval), [this] { tick(); });
  found_or_not();
  ask_founders();
  register_node();
  refresh_map();
  look_around();
  send_report();
  ask_all();
}

void ClusterNode::control_received(const std::string& from, const Bytes& bytes) {
  auto frame = decode_control_frame(bytes);
  if (!frame) violated("a control frame is not understood: " + frame.error().message);
  if (world_.tracing_messages()) trace("hears that " + from + " " + describe(*frame));
  std::visit([&](auto& body) { hear(from, body); }, *frame);
}

void ClusterNode::link_changed(const std::string& peer, bool up) {
  if (world_.tracing()) trace((up ? "has a link to " : "has no link any more to ") + peer);
  process_->routing.link_changed(peer, up, steady());
  routing_pump();
  process_->hub->link_changed(peer, up);
  if (up) {
    if (!process_->founding_decided || process_->map.epoch.value == 0) ask_for_map(peer, Epoch{0});
    return;
  }
  process_->reporting.link_lost(peer);
  const auto lost = NodeName::parse(peer).value();
  for (const auto& shard : map().slots().shards)
    if (const auto* other = shard.find_on(lost))
      if (auto* own = replica(shard.id)) own->peer_down(other->id);
}

void ClusterNode::replica_changed(const RoleChange& change) {
  after(Duration(1), [this, change] {
    if (change.shard == directory_shard) {
      process_->reporting.heard_leader(change.leader);
      process_->office->replica_changed(change);
    }
    heard_leader(change.shard, change.role == cluster::Role::leader ? change.replica : change.leader, change.term);
    process_->hub->replica_changed(change);
    ask_all();
    refresh_map();
  });
}

void ClusterNode::replica_withdrew(ShardId shard, ReplicaId id, const std::string& why) {
  after(Duration(1), [this, shard, id, why] {
    const auto found = process_->held.find(shard);
    if (found == process_->held.end() || found->second.what.replica != id) return;
    found->second.replica.reset();
    auto& report = found->second.status;
    report.withdrawn = !world_.faulty(ClusterFault::withdrawn_not_reported);
    report.role = cluster::Role::follower;
    report.settled = false;
    note("replica " + std::to_string(id.value) + " withdrew", why);
    send_report();
  });
}

// Founding.

void ClusterNode::found_or_not() {
  if (process_->founding_decided) return;
  const auto& founders = world_.founders();
  auto may = cluster::may_found(founders, node_name_, disk_.founded, process_->heard);
  if (world_.faulty(ClusterFault::wiped_founder_founds) && may != cluster::MayFound::yes &&
      std::ranges::find(founders, node_name_, &cluster::NodeAt::name) != founders.end())
    may = cluster::MayFound::yes;
  switch (may) {
    case cluster::MayFound::yes:
      process_->founding_decided = true;
      disk_.founded = true;
      follow(cluster::hosted_by(cluster::with_founding(process_->map, founding_), node_name_), true, false);
      break;
    case cluster::MayFound::no:
      process_->founding_decided = true;
      break;
    case cluster::MayFound::wait:
      break;
  }
}

void ClusterNode::ask_founders() {
  if (process_->founding_decided) return;
  for (const auto& founder : world_.founders())
    if (founder.name != node_name_) ask_for_map(founder.name.text(), Epoch{0});
}

// The map.

void ClusterNode::ask_for_map(const std::string& node, Epoch since) { (void)send_control(node, MapRequest{since}); }

void ClusterNode::refresh_map() {
  if (process_->asking_map) return;
  auto* own = replica(directory_shard);
  if (!own) {
    const auto node = directory_node();
    if (!node.empty()) ask_for_map(node, process_->map.epoch);
    return;
  }
  process_->asking_map = true;
  const auto answered = std::make_shared<bool>(false);
  after(Duration(limits::agent_ask_timeout), [this, answered] {
    if (!std::exchange(*answered, true)) process_->asking_map = false;
  });
  own->request({directory_shard, slot_count, encode(Query(GetMap{process_->map.epoch})), false, false, 0},
               [this, answered](const ShardAnswer& answer) {
                 after(Duration(1), [this, answered, answer] {
                   if (std::exchange(*answered, true)) return;
                   process_->asking_map = false;
                   if (answer.served != Served::done) return;
                   auto result = decode_query_result(answer.result);
                   if (!result) return;
                   if (auto* map = std::get_if<SlotMap>(&*result)) merge(std::move(*map));
                 });
               });
}

void ClusterNode::merge(SlotMap newer) {
  if (newer.epoch <= process_->map.epoch) return;
  process_->map.merge(newer);
  if (!full_) disk_.map = encode(QueryResult(process_->map));
  take_map();
  send_report();
}

void ClusterNode::take_map() {
  auto whole = cluster::with_founding(process_->map, founding_);
  set_peers(whole);
  const auto hosted = cluster::hosted_by(whole, node_name_);
  process_->cluster_map = std::make_shared<cluster::ClusterMap>(std::move(whole));
  process_->routing.set_map(process_->cluster_map, steady());
  routing_pump();
  process_->hub->map_changed();
  const bool current = process_->registered && process_->map.epoch >= *process_->registered;
  follow(hosted, current || world_.faulty(ClusterFault::host_from_old_map), current);
}

bool ClusterNode::wants_link(const std::string& peer) const {
  return process_ && process_->peers.contains(peer);
}

void ClusterNode::set_peers(const SlotMap& whole) {
  process_->peers = cluster::peers_of(whole, node_name_, world_.founders());
  world_.links_changed();
}

void ClusterNode::look_around() {
  process_->reporting.tick(map(), steady());
  if (!process_->reporting.lost() || process_->peers.empty()) return;
  const auto turn = process_->lost_turn++ % process_->peers.size();
  ask_for_map(std::next(process_->peers.begin(), static_cast<std::ptrdiff_t>(turn))->first, process_->map.epoch);
}

// Registration.

void ClusterNode::register_node() {
  if (process_->registered || process_->registering || !process_->founding_decided) return;
  process_->registering = true;
  NodeIdentity node;
  node.name = node_name_;
  node.incarnation = disk_.incarnation;
  node.link_address = name_ + ":7000";
  node.zone = "zone";
  node.roles = all_roles;
  node.data = DataId{disk_.data};
  const Command command{wall(), RegisterNode{std::move(node)}};
  route({directory_shard, slot_count, encode(command), true, false, 0},
        [this](const ShardAnswer& answer) { registered(answer); });
}

void ClusterNode::registered(const ShardAnswer& answer) {
  process_->registering = false;
  if (answer.served != Served::done) return;
  const auto result = decode_command_result(answer.result);
  if (!result) violated("a registration's answer is not understood");
  if (std::holds_alternative<Error>(*result)) return;
  process_->registered = std::get<Done>(*result).epoch;
  trace("is registered at epoch " + std::to_string(process_->registered->value));
  if (process_->map.epoch >= *process_->registered) take_map();
  refresh_map();
}

// Reports.

std::string ClusterNode::directory_node() const {
  if (world_.faulty(ClusterFault::reports_to_itself) && process_->reporting.leader().value == 0) return name_;
  return process_->reporting.node(map());
}

void ClusterNode::send_report() {
  if (!process_->registered) return;
  NodeReport report;
  report.node = node_name_;
  for (const auto& [shard, held] : process_->held) report.replicas.push_back(held.status);
  const auto node = directory_node();
  if (node == name_) {
    after(Duration(1), [this, report = std::move(report)] { process_->office->report(name_, report); });
    return;
  }
  process_->reporting.sent(node);
  (void)send_control(node, Report{std::move(report)});
}

bool ClusterNode::leads_directory() const { return process_->reporting.leads_here(map()); }

void ClusterNode::note(const std::string& what, const std::string& why) {
  const auto node = directory_node();
  if (node == name_)
    process_->office->note(what, why);
  else
    (void)send_control(node, Note{0, what, why});
}

void ClusterNode::hear(const std::string& from, MapRequest& request) {
  (void)send_control(from, MapAnswer{map_since(map().slots(), request.since), cluster::names_of(world_.founders())});
}

void ClusterNode::hear(const std::string& from, MapAnswer& answer) {
  process_->heard[from] = {answer.map.epoch, answer.founders};
  merge(std::move(answer.map));
  found_or_not();
  register_node();
}

void ClusterNode::hear(const std::string& from, Report& report) {
  const bool leads = leads_directory();
  (void)send_control(from, ReportAnswer{leads, process_->reporting.leader(), process_->map.epoch});
  if (leads) process_->office->report(from, report.report);
}

void ClusterNode::hear(const std::string& from, ReportAnswer& answer) {
  process_->reporting.answered(from, answer, map());
  if (answer.epoch > process_->map.epoch) ask_for_map(from, process_->map.epoch);
}

void ClusterNode::hear(const std::string&, Order& order) {
  auto* own = replica(order.shard);
  if (!own) return;
  const auto done = own->change(order.change, order.replica);
  trace("is ordered to " + std::string(to_string(order.change)) + " replica " + std::to_string(order.replica.value) +
        (done ? "" : ": " + done.error().message));
}

void ClusterNode::hear(const std::string&, Note& note) {
  if (leads_directory()) process_->office->note(note.what, note.why);
}

void ClusterNode::hear(const std::string&, NoteAnswer&) {}

// Hosting.

void ClusterNode::follow(const std::vector<cluster::Hosted>& wanted, bool may_make, bool may_delete) {
  auto& held = process_->held;
  std::map<ShardId, const cluster::Hosted*> by_shard;
  for (const auto& what : wanted) by_shard[what.shard] = &what;
  std::vector<ShardId> unwanted;
  for (const auto& [shard, one] : held) {
    const auto found = by_shard.find(shard);
    if (found == by_shard.end() || found->second->replica != one.what.replica) unwanted.push_back(shard);
  }
  if (may_delete) {
    for (const auto shard : unwanted) remove(shard);
    remove_leftovers(wanted);
  }
  for (const auto& what : wanted) {
    const auto found = held.find(what.shard);
    if (found != held.end()) {
      auto& one = found->second;
      if (one.what.replica == what.replica && one.what.slots != what.slots) {
        one.what.slots = what.slots;
        if (one.replica) one.replica->set_slots(what.slots);
      }
      continue;
    }
    const bool made_before = disk_.made.contains(what.replica);
    if (!made_before && (!may_make || what.leaving)) continue;
    hold(what);
  }
}

void ClusterNode::hold(const cluster::Hosted& what) {
  const bool made_before = disk_.made.contains(what.replica);
  if (!made_before) {
    world_.checks().made(what.replica, disk_.data);
    disk_.made.insert(what.replica);
  }
  auto& held = process_->held[what.shard];
  held.what = what;
  held.status.shard = what.shard;
  held.status.replica = what.replica;
  after(Duration(200 + world_.random().below(3'000)),
        [this, shard = what.shard, id = what.replica, made_before] { open_replica(shard, id, made_before); });
}

void ClusterNode::open_replica(ShardId shard, ReplicaId id, bool made_before) {
  const auto found = process_->held.find(shard);
  if (found == process_->held.end() || found->second.what.replica != id) return;
  auto& folder = disk_.folders[id];
  const bool gone = made_before && !folder;
  if (!folder) folder = std::make_shared<ReplicaFolderDisk>();
  if (gone) return replica_withdrew(shard, id, "its folder is gone");
  world_.checks().started(id, disk_.data);
  const auto& what = found->second.what;
  ShardReplica::Options options{shard, id, what.founders, what.slots};
  if (world_.faulty(ClusterFault::learner_as_founder) && options.founders.voters.empty() && !what.leaving)
    options.founders.voters = {id};
  found->second.replica = std::make_unique<ShardReplica>(*this, options, folder);
  const auto opened = found->second.replica->open();
  if (opened) return;
  found->second.replica.reset();
  trace("replica " + std::to_string(id.value) + " withdraws at its start: " + opened.error().message);
  replica_withdrew(shard, id, opened.error().message);
}

void ClusterNode::remove(ShardId shard) {
  const auto id = process_->held.at(shard).what.replica;
  trace("deletes replica " + std::to_string(id.value) + " of shard " + std::to_string(shard.value));
  process_->held.erase(shard);
  process_->going.insert(id);
  if (world_.faulty(ClusterFault::keep_forgotten)) return;
  after(Duration(world_.random().below(2'000)), [this, id] { delete_folder(id); });
}

/// What the end of an earlier process kept from being deleted.
void ClusterNode::remove_leftovers(const std::vector<cluster::Hosted>& wanted) {
  if (world_.faulty(ClusterFault::leave_leftovers) || world_.faulty(ClusterFault::keep_forgotten)) return;
  for (const auto id : disk_.made) {
    const auto is_it = [&](const auto& what) { return what.replica == id; };
    if (process_->going.contains(id) || std::ranges::any_of(wanted, is_it)) continue;
    if (std::ranges::any_of(process_->held, [&](const auto& held) { return is_it(held.second.what); })) continue;
    process_->going.insert(id);
    after(Duration(world_.random().below(2'000)), [this, id] { delete_folder(id); });
  }
}

void ClusterNode::delete_folder(ReplicaId id) {
  disk_.folders.erase(id);
  after(Duration(world_.random().below(500)), [this, id] {
    disk_.made.erase(id);
    process_->going.erase(id);
  });
}

/// What a replica says comes later than it was asked for.
void ClusterNode::ask_all() {
  for (const auto& [shard, held] : process_->held) {
    if (!held.replica) continue;
    after(Duration(1 + world_.random().below(300)), [this, shard = shard, id = held.what.replica,
                                                    epoch = process_->map.epoch] {
      const auto found = process_->held.find(shard);
      if (found == process_->held.end() || found->second.what.replica != id || !found->second.replica) return;
      if (found->second.replica->withdrawing()) return;
      const bool leads = found->second.replica->report().role == cluster::Role::leader;
      const auto leader = found->second.replica->role().leader;
      if (shard == directory_shard && leader.value) process_->reporting.heard_leader(leader);
      found->second.status = found->second.replica->report();
      found->second.status.epoch = epoch;
      if (leads) send_report();
    });
  }
}

}  // namespace cairn::simulation
