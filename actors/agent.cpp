#include "actors/agent.hpp"

#include <caf/send.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "actors/clock.hpp"
#include "actors/hosting.hpp"
#include "actors/log.hpp"
#include "actors/shard_calls.hpp"
#include "cluster/control.hpp"
#include "cluster/directory_commands.hpp"
#include "cluster/membership.hpp"
#include "cluster/reporting.hpp"
#include "storage/small_file.hpp"

namespace cairn::actors {
namespace {

using cluster::directory::directory_shard;
using cluster::directory::Epoch;
using cluster::directory::NodeName;
using cluster::directory::SlotMap;

// A node's own replica of the directory, and whatever else a replica of a shard is asked as a whole.
constexpr Target directory_target{directory_shard.value, whole_shard};

class Agent {
 public:
  Agent(AgentActor::pointer self, AgentStart start)
      : self_(self),
        start_(std::move(start)),
        name_(NodeName::parse(start_.config.node.name).value()),
        founders_(founders()),
        founding_(cluster::founding_map(founders_)),
        reporting_(name_, start_.config.cluster.join),
        hosting_(self, start_.config, start_.identity, start_.routes, start_.peers, lone()) {
    if (auto stored = storage::read_small_file(map_path())) {
      auto answer = cluster::directory::decode_query_result(*stored);
      if (answer && std::holds_alternative<SlotMap>(*answer)) map_ = std::get<SlotMap>(std::move(*answer));
    }
    take_map();
    tick();
  }

  void tick() {
    const auto wait = registered_ && !map_.shards.empty() ? limits::agent_interval : limits::agent_hurried_interval;
    self_->delayed_send(AgentActor{self_}, wait, TimerFired{0});
    found_or_not();
    ask_founders();
    register_node();
    refresh_map();
    look_around();
    send_report();
    hosting_.ask_all(map_.epoch);
    warn_of_strangers();
    for (const auto& note : notes_) tell(note);
    tell_ready();
  }

  void control(const ControlReceived& message) {
    auto frame = cluster::directory::decode_control_frame(message.frame);
    if (!frame) return log_warning("a control frame of {} is dropped: {}", message.from, frame.error().message);
    std::visit([&](auto& body) { hear(message.from, body); }, *frame);
  }

  void link_changed(const LinkChanged& message) {
    if (!message.up) {
      reporting_.link_lost(message.node);
      return;
    }
    // Who knows nothing asks anybody who comes, since those it was told of may be gone.
    if (!founding_decided_ || map_.epoch.value == 0) ask_for_map(message.node, Epoch{0});
  }

  void replica_changed(const ReplicaChanged& message) {
    if (message.shard == directory_shard) reporting_.heard_leader(message.leader);
    hosting_.ask_all(map_.epoch);
    refresh_map();
    tell_ready();
  }

  void withdrew(const ReplicaWithdrew& message) {
    hosting_.withdrew(message);
    note("replica " + std::to_string(message.replica.value) + " of shard " + std::to_string(message.shard.value) +
             " on " + name_.text() + " withdrew",
         message.why);
    send_report();
  }

  void seen(const ReplicaSeen& message) {
    // What other nodes say of the directory's leader may be older than what its own group knows.
    if (message.status.report.shard == directory_shard && message.status.leader.value)
      reporting_.heard_leader(message.status.leader);
    hosting_.seen(message.status);
    if (message.status.report.role == cluster::Role::leader) send_report();
  }

  void failed(const ReplicaFailed& message) {
    if (lone()) start_.ready(message.why);
  }

  void deleted(const ReplicaDeleted& message) { must(hosting_.deleted(message.replica)); }

  void warned(const NodeWarned& message) {
    if (std::exchange(told_[message.part], message.state) == message.state) return;
    note(message.part + " on " + name_.text() + " " + message.state, message.why);
  }
  void warned(const PeerWarned& message) { note(name_.text() + " on its link to " + message.node, message.sentence); }

  NodeStatus status() const {
    NodeStatus status;
    status.name = name_.text();
    status.incarnation = start_.identity->values().incarnation;
    status.link_address = link_address();
    status.registered = registered_.has_value();
    status.epoch = map_.epoch;
    status.links = start_.peers->status();
    status.replicas = hosting_.statuses();
    return status;
  }

 private:
  bool lone() const { return start_.config.link.listen.empty(); }

  std::vector<cluster::NodeAt> founders() const {
    const auto& config = start_.config;
    if (!config.cluster.founders.empty()) return cluster::founders_by_name(config);
    if (config.cluster.join.empty()) return {{name_, link_address()}};
    return {};
  }

  std::string link_address() const {
    const auto& advertised = start_.config.link.advertise;
    return advertised.empty() ? start_.peers->address() : advertised;
  }

  std::string map_path() const { return start_.config.node.data + "/cluster-map"; }

  void must(const Result<void>& done) {
    if (!done) end_process("the node's own files", done.error());
  }

  // Founding.

  void found_or_not() {
    if (founding_decided_) return;
    switch (cluster::may_found(founders_, name_, start_.identity->values().founded, heard_)) {
      case cluster::MayFound::yes:
        founding_decided_ = true;
        if (!start_.identity->values().founded) must(start_.identity->set_founded());
        must(hosting_.follow(cluster::hosted_by(cluster::with_founding(map_, founding_), name_), true, false));
        break;
      case cluster::MayFound::no:
        founding_decided_ = true;
        break;
      case cluster::MayFound::wait:
        break;
    }
  }

  // With a tick only: if each answer made this node ask again, the questions would never stop growing.
  void ask_founders() {
    if (founding_decided_) return;
    for (const auto& founder : founders_)
      if (founder.name != name_) ask_for_map(founder.name.text(), Epoch{0});
  }

  // The map.

  void ask_for_map(const std::string& node, Epoch since) {
    (void)send(node, cluster::directory::MapRequest{since});  // asked again with the next tick
  }

  void refresh_map() {
    if (asking_map_) return;
    const auto replica = start_.routes->replica(directory_shard);
    if (!replica) {
      const auto node = directory_node();
      if (!node.empty()) ask_for_map(node, map_.epoch);
      return;
    }
    asking_map_ = true;
    const Ask ask{directory_target,
                  cluster::directory::encode(cluster::directory::Query(cluster::directory::GetMap{map_.epoch})), false,
                  0};
    self_->request(replica, limits::agent_ask_timeout, ask)
        .then(
            [this](const Answer& answer) {
              asking_map_ = false;
              if (answer.served != Served::done) return;
              auto result = cluster::directory::decode_query_result(answer.result);
              if (!result) return;
              if (auto* map = std::get_if<SlotMap>(&*result)) merge(std::move(*map));
            },
            [this](const caf::error&) { asking_map_ = false; });
  }

  void merge(SlotMap newer) {
    if (newer.epoch <= map_.epoch) return;
    map_.merge(newer);
    const auto bytes = cluster::directory::encode(cluster::directory::QueryResult(map_));
    const auto written = storage::write_small_file(map_path(), bytes);
    if (!written && written.error().code != Errc::disk_full) must(written);
    take_map();
    send_report();
  }

  void take_map() {
    auto whole = cluster::with_founding(map_, founding_);
    set_peers(whole);
    const auto hosted = cluster::hosted_by(whole, name_);
    start_.routes->set_map(std::make_shared<cluster::ClusterMap>(std::move(whole)));
    if (const auto router = start_.routes->router()) self_->send(router, MapChanged{});
    if (const auto hub = start_.routes->watch_hub()) self_->send(hub, MapChanged{});
    // A map from before this start's registration may still count on replicas that this node has lost.
    const bool current = registered_ && map_.epoch >= *registered_;
    must(hosting_.follow(hosted, current, current));
  }

  void set_peers(const SlotMap& whole) {
    if (lone()) return;
    auto seeds = start_.config.cluster.join;
    seeds.insert(seeds.end(), founders_.begin(), founders_.end());
    std::map<std::string, LinkPeer> peers;
    peer_names_.clear();
    for (auto& [node, at] : cluster::peers_of(whole, name_, seeds)) {
      peers[node] = {std::move(at.address), at.dial};
      peer_names_.push_back(node);
    }
    if (const auto set = start_.peers->set_peers(std::move(peers)); !set)
      log_error("the map's peers are refused: {}", set.error().message);
  }

  void look_around() {
    const auto map = start_.routes->map();
    reporting_.tick(*map, steady_micros());
    // Its own replica of the directory may be as old as its map, and those that the map names gone.
    if (!reporting_.lost() || peer_names_.empty()) return;
    ask_for_map(peer_names_[lost_turn_++ % peer_names_.size()], map_.epoch);
  }

  // Registration.

  void register_node() {
    const auto router = start_.routes->router();
    if (registered_ || registering_ || !router || !founding_decided_ || steady_now() < register_at_) return;
    registering_ = true;
    cluster::directory::NodeIdentity node;
    node.name = name_;
    node.incarnation = start_.identity->values().incarnation;
    node.link_address = link_address();
    node.rpc_address = start_.rpc_address;
    node.zone = start_.config.node.zone;
    node.roles = start_.config.node.roles;
    node.data = cluster::directory::DataId{start_.identity->values().data};
    const cluster::directory::Command command{now(), cluster::directory::RegisterNode{std::move(node)}};
    self_->request(router, caf::infinite, Propose{directory_target, cluster::directory::encode(command)})
        .then([this](const Answer& answer) { registered(answer); },
              [this](const caf::error&) { registering_ = false; });
  }

  void registered(const Answer& answer) {
    registering_ = false;
    if (answer.served != Served::done) return;
    const auto result = cluster::directory::decode_command_result(answer.result);
    if (!result) return log_error("the directory's answer is not understood: {}", result.error().message);
    if (const auto* refused = std::get_if<Error>(&*result)) {
      if (refused_ != refused->message) log_warning("the directory does not take this node in: {}", refused->message);
      refused_ = refused->message;
      register_at_ = steady_now() + limits::registration_interval;  // each try is an entry of the directory's log
      return;
    }
    registered_ = std::get<cluster::directory::Done>(*result).epoch;
    log_info("registered at the directory, epoch {}", registered_->value);
    if (map_.epoch >= *registered_) take_map();
    refresh_map();
  }

  // Reports.

  std::string directory_node() const { return reporting_.node(*start_.routes->map()); }

  void send_report() {
    if (!registered_) return;
    cluster::directory::NodeReport report;
    report.node = name_;
    for (auto& status : hosting_.statuses()) report.replicas.push_back(std::move(status.report));
    const auto node = directory_node();
    if (node == name_.text()) {
      if (const auto directory = start_.routes->directory())
        self_->send(directory, ReportReceived{name_.text(), std::move(report)});
      return;
    }
    reporting_.sent(node);
    (void)send(node, cluster::directory::Report{std::move(report)});  // sent again with the next tick
  }

  template <class Body>
  Result<void> send(const std::string& node, Body body) {
    return start_.peers->send(node, Channel::control,
                              cluster::directory::encode(cluster::directory::ControlFrame(std::move(body))));
  }

  // What other nodes say.

  void hear(const std::string& from, cluster::directory::MapRequest& request) {
    const auto map = start_.routes->map();
    (void)send(from, cluster::directory::MapAnswer{cluster::directory::map_since(map->slots(), request.since),
                                                   cluster::names_of(founders_)});
  }

  void hear(const std::string& from, cluster::directory::MapAnswer& answer) {
    hear_founder(from, answer);
    merge(std::move(answer.map));
    found_or_not();
    register_node();
  }

  bool is_founder(const std::string& node) const {
    return std::ranges::any_of(founders_, [&](const auto& founder) { return founder.name.text() == node; });
  }

  void hear_founder(const std::string& from, const cluster::directory::MapAnswer& answer) {
    if (founding_decided_ || !is_founder(from)) return;
    auto& heard = heard_[from];
    const bool differs = answer.map.epoch.value == 0 && answer.founders != cluster::names_of(founders_);
    if (differs && heard.founders != answer.founders)
      log_error("{} names other cluster.founders than this node: neither founds a cluster", from);
    heard = {answer.map.epoch, answer.founders};
  }

  void hear(const std::string& from, cluster::directory::Report& report) {
    const bool leads = leads_directory();
    (void)send(from, cluster::directory::ReportAnswer{leads, reporting_.leader(), map_.epoch});
    const auto directory = start_.routes->directory();
    if (leads && directory) self_->send(directory, ReportReceived{from, std::move(report.report)});
  }

  void hear(const std::string& from, cluster::directory::ReportAnswer& answer) {
    reporting_.answered(from, answer, *start_.routes->map());
    if (answer.epoch > map_.epoch) ask_for_map(from, map_.epoch);
  }

  void hear(const std::string& from, cluster::directory::Order& order) {
    const auto replica = start_.routes->replica(order.shard);
    if (!replica) return;
    self_->send(replica, ChangeGroup{order.change, order.replica, Reply<bool>([from, order](const Result<bool>& done) {
                                       if (!done)
                                         log_info("an order for shard {} is not carried out: {}", order.shard.value,
                                                  done.error().message);
                                     })});
  }

  void hear(const std::string& from, cluster::directory::Note& note) {
    const auto directory = start_.routes->directory();
    if (leads_directory() && directory) self_->send(directory, NoteReceived{from, std::move(note)});
  }

  void hear(const std::string&, cluster::directory::NoteAnswer& answer) {
    std::erase_if(notes_, [&](const auto& note) { return note.number == answer.number; });
  }

  bool leads_directory() const { return reporting_.leads_here(*start_.routes->map()); }

  // Something that an operator should find among the events. It is told with each tick until it is one.
  void note(std::string what, std::string why) {
    if (notes_.size() >= limits::max_notes_kept) return log_warning("not told to the directory: {}: {}", what, why);
    what.resize(std::min(what.size(), limits::max_event_text_bytes));
    why.resize(std::min(why.size(), limits::max_event_text_bytes));
    notes_.push_back({++note_number_, std::move(what), std::move(why)});
    tell(notes_.back());
  }

  void tell(const cluster::directory::Note& note) {
    const auto node = directory_node();
    if (node == name_.text()) {
      if (const auto directory = start_.routes->directory()) self_->send(directory, NoteReceived{node, note});
    } else if (!node.empty()) {
      (void)send(node, note);
    }
  }

  void warn_of_strangers() {
    const auto strangers = start_.peers->strangers();
    if (strangers == strangers_ || steady_now() - strangers_noted_ < limits::strangers_note_interval) return;
    note(std::to_string(strangers - strangers_) + " connections to the links of " + name_.text() + " were refused",
         "they showed no certificate of the cluster");
    strangers_ = strangers;
    strangers_noted_ = steady_now();
  }

  void tell_ready() {
    if (ready_told_) return;
    if (lone()) {
      // Every slot has a shard, and its replica here leads.
      bool led = registered_ && map_.shards.size() > 1;
      for (const auto& status : hosting_.statuses()) led = led && status.report.settled;
      if (!led) return;
    }
    ready_told_ = true;
    start_.ready(true);
  }

  AgentActor::pointer self_;
  AgentStart start_;
  NodeName name_;
  std::vector<cluster::NodeAt> founders_;
  SlotMap founding_;
  cluster::Reporting reporting_;
  std::vector<std::string> peer_names_;
  std::size_t lost_turn_ = 0;
  SlotMap map_;  // of the directory, without the founding
  Hosting hosting_;
  std::map<std::string, cluster::FounderHeard> heard_;  // of founders, until founding is decided
  bool founding_decided_ = false;
  std::optional<Epoch> registered_;
  bool registering_ = false;
  std::string refused_;
  std::chrono::milliseconds register_at_{0};
  std::map<std::string, std::string> told_;  // the state of each part: as many as there are replicas here
  std::deque<cluster::directory::Note> notes_;
  std::uint64_t note_number_ = 0;
  bool asking_map_ = false;
  std::uint64_t strangers_ = 0;
  std::chrono::milliseconds strangers_noted_{-1'000'000};
  bool ready_told_ = false;
};

}  // namespace

AgentActor::behavior_type agent(AgentActor::pointer self, AgentStart start) {
  auto state = std::make_shared<Agent>(self, std::move(start));
  return {
      [state](const ControlReceived& message) { state->control(message); },
      [state](const LinkChanged& message) { state->link_changed(message); },
      [state](const ReplicaChanged& message) { state->replica_changed(message); },
      [state](const ReplicaWithdrew& message) { state->withdrew(message); },
      [state](const ReplicaSeen& message) { state->seen(message); },
      [state](const ReplicaFailed& message) { state->failed(message); },
      [state](const ReplicaDeleted& message) { state->deleted(message); },
      [state](const PeerWarned& message) { state->warned(message); },
      [state](const NodeWarned& message) { state->warned(message); },
      [state](const GetNodeStatus& message) { message.reply(state->status()); },
      [state](const TimerFired&) { state->tick(); },
  };
}

}  // namespace cairn::actors
