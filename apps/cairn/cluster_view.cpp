#include "apps/cairn/cluster_view.hpp"

#include <algorithm>
#include <map>

#include "protocol/ids.hpp"
#include "protocol/names.hpp"

namespace cairn::apps {
namespace {

using Directory = AdminStatus::Directory;

/// The directory that is known best: of those told by itself the newest, else the newest map.
const Directory* best_directory(const std::vector<NodeAnswer>& answers) {
  const Directory* best = nullptr;
  const auto rank = [](const Directory& d) { return std::pair(!d.settings.empty(), d.epoch); };
  for (const auto& answer : answers)
    if (answer.status && (!best || rank(answer.status->directory) > rank(*best))) best = &answer.status->directory;
  return best;
}

std::string slots_text(const std::vector<AdminStatus::SlotRange>& slots) {
  if (slots.empty()) return "directory";
  std::string out;
  for (const auto& range : slots) {
    if (out.size() > 40) return out + ", …";
    out += (out.empty() ? "" : ", ") + std::to_string(range.first) + "-" + std::to_string(range.last);
  }
  return out;
}

class Merge {
 public:
  explicit Merge(const std::vector<NodeAnswer>& answers) : answers_(answers) {
    for (const auto& answer : answers_)
      if (answer.status) told_[answer.status->node.name] = &*answer.status;
  }

  ClusterView run() {
    view_.answered = told_.size();
    say_who_is_silent();
    const auto* directory = best_directory(answers_);
    if (directory) {
      view_.epoch = directory->epoch;
      view_.settings = directory->settings;
      view_.events = directory->events;
      for (const auto& member : directory->nodes) add_node(member);
    }
    add_unregistered();
    if (directory)
      for (const auto& shard : directory->shards) add_shard(shard);
    check_slots(directory);
    for (const auto& [name, status] : told_)
      for (const auto& missing : status->missing) problem(name + " could not tell " + missing);
    view_.serves = serves_ && !view_.shards.empty() && view_.answered == answers_.size();
    return std::move(view_);
  }

 private:
  void problem(std::string sentence) { view_.problems.push_back(std::move(sentence)); }

  void say_who_is_silent() {
    for (const auto& answer : answers_)
      if (!answer.status)
        problem((answer.name.empty() ? "the node" : answer.name) +
                " does not answer: " + answer.status.error().message);
  }

  void add_node(const AdminStatus::Member& member) {
    ClusterView::Node node;
    node.name = member.name;
    node.state = member.state.empty() ? "unknown" : member.state;
    node.zone = member.zone;
    node.roles = member.roles;
    node.incarnation = member.incarnation;
    node.rpc_address = member.rpc_address;
    node.link_address = member.link_address;
    if (node.state == "dead" || node.state == "joining") problem(node.name + " is " + node.state);
    const auto told = told_.find(member.name);
    if (told != told_.end()) add_told(*told->second, node);
    view_.nodes.push_back(std::move(node));
  }

  void add_told(const AdminStatus& status, ClusterView::Node& node) {
    node.answers = true;
    node.zone = status.node.zone;
    node.roles = status.node.roles;
    node.incarnation = status.node.incarnation;
    node.links = status.links.size();
    for (const auto& link : status.links) {
      if (link.state == "up")
        ++node.links_up;
      else
        problem(node.name + " has no link to " + link.peer +
                (link.last_error.empty() ? "" : ": " + printable(link.last_error, 200)));
    }
    for (const auto& actor : status.actors)
      if (!actor.running)
        problem(actor.name + " of " + node.name + " does not run" +
                (actor.last_crash.empty() ? "" : ": " + printable(actor.last_crash, 200)));
    if (status.node.registered) return;
    serves_ = false;
    problem(node.name + " is not registered at the directory yet");
  }

  /// Nodes that answer and that the directory does not know.
  void add_unregistered() {
    for (const auto& [name, status] : told_) {
      if (std::ranges::find(view_.nodes, name, &ClusterView::Node::name) != view_.nodes.end()) continue;
      ClusterView::Node node;
      node.name = name;
      node.state = "unknown";
      node.rpc_address = status->node.rpc_address;
      node.link_address = status->node.link_address;
      add_told(*status, node);
      view_.nodes.push_back(std::move(node));
    }
  }

  const AdminStatus::Replica* told_of(const AdminStatus::Placed& placed) const {
    const auto told = told_.find(placed.node);
    if (told == told_.end()) return nullptr;
    const auto& replicas = told->second->replicas;
    const auto found = std::ranges::find(replicas, placed.replica, &AdminStatus::Replica::id);
    return found == replicas.end() ? nullptr : &*found;
  }

  void add_shard(const AdminStatus::Shard& told) {
    ClusterView::Shard shard;
    shard.id = told.id;
    shard.slots = told.id == 1 && told.slots.empty() ? "directory" : slots_text(told.slots);
    shard.wanted = told.wanted;
    const AdminStatus::Replica* leader = nullptr;
    for (const auto& placed : told.placed) {
      const auto* replica = told_of(placed);
      if (replica && replica->role == "leader" && (!leader || replica->term > leader->term)) leader = replica;
    }
    for (const auto& placed : told.placed) {
      if (leader ? placed.replica == leader->id : placed.replica == told.leader && !told_.contains(placed.node))
        shard.leader = placed.node;
      shard.replicas.push_back(replica_of(placed, leader));
    }
    shard.term = leader ? leader->term : told.leader_term;
    check(shard);
    view_.shards.push_back(std::move(shard));
  }

  ClusterView::Replica replica_of(const AdminStatus::Placed& placed, const AdminStatus::Replica* leader) const {
    ClusterView::Replica out;
    out.id = placed.replica;
    out.node = placed.node;
    out.kind = placed.kind;
    if (const auto* replica = told_of(placed)) {
      out.role = replica->role;
      out.applied = replica->applied;
      out.withdrawn = replica->withdrawn;
      out.withdrawn_why = replica->withdrawn_why;
    }
    if (!leader) return out;
    const auto lag = std::ranges::find(leader->lag, placed.replica, &AdminStatus::Lag::replica);
    if (lag != leader->lag.end()) out.lag = lag->entries;
    return out;
  }

  /// As many replicas as are wanted, or as there are nodes for.
  std::size_t hoped_for(std::uint32_t wanted) const {
    const auto hosts = std::ranges::count_if(view_.nodes, [](const ClusterView::Node& node) {
      return node.state != "removed" && std::ranges::find(node.roles, "metadata") != node.roles.end();
    });
    return std::min<std::size_t>(wanted, static_cast<std::size_t>(hosts));
  }

  void check(const ClusterView::Shard& shard) {
    const auto name = "shard " + std::to_string(shard.id);
    if (shard.leader.empty()) {
      serves_ = false;
      problem(name + " has no leader");
    }
    std::size_t voters = 0;
    for (const auto& replica : shard.replicas) {
      voters += replica.kind == "voter" && !replica.withdrawn;
      if (replica.withdrawn)
        problem("replica " + std::to_string(replica.id) + " of " + name +
                " withdrew: " + printable(replica.withdrawn_why, 300));
    }
    if (const auto hoped = hoped_for(shard.wanted); voters < hoped)
      problem(name + " has " + std::to_string(voters) + " of " + std::to_string(hoped) + " replicas");
  }

  void check_slots(const Directory* directory) {
    std::size_t owned = 0;
    if (directory)
      for (const auto& shard : directory->shards)
        for (const auto& range : shard.slots)
          if (range.last >= range.first) owned += range.last - range.first + 1u;
    if (owned >= slot_count) return;
    serves_ = false;
    if (view_.answered > 0)
      problem(owned == 0 ? "the cluster is not founded yet"
                         : std::to_string(slot_count - owned) + " slots belong to no shard");
  }

  const std::vector<NodeAnswer>& answers_;
  std::map<std::string, const AdminStatus*> told_;  // by the node's own name
  ClusterView view_;
  bool serves_ = true;
};

std::string words(const std::vector<std::string>& list) {
  std::string out;
  for (const auto& word : list) out += (out.empty() ? "" : ",") + word;
  return out;
}

std::string or_dash(const std::string& text) { return text.empty() ? "-" : printable(text, 200); }

/// Rows in columns as wide as they need; the last one is not filled up.
void add_table(std::vector<std::string>& lines, const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i)
      line += row[i] + (i + 1 < row.size() ? std::string(widths[i] - row[i].size() + 2, ' ') : "");
    lines.push_back(std::move(line));
  }
}

std::string replica_text(const ClusterView::Replica& replica) {
  auto out = printable(replica.node, 64);
  if (replica.kind != "voter") out += " " + printable(replica.kind, 20);
  if (replica.withdrawn) return out + " withdrawn";
  if (replica.applied) out += " at " + std::to_string(*replica.applied);
  if (replica.lag) out += ", lacks " + std::to_string(*replica.lag);
  if (replica.role.empty()) out += " silent";
  return out;
}

}  // namespace

ClusterView make_view(const std::vector<NodeAnswer>& answers) { return Merge(answers).run(); }

std::vector<std::string> describe(const ClusterView& view, std::size_t events) {
  std::vector<std::string> lines;
  lines.push_back("Cluster of " + std::to_string(view.nodes.size()) + (view.nodes.size() == 1 ? " node" : " nodes") +
                  ", epoch " + std::to_string(view.epoch) + ": " +
                  (view.problems.empty() ? "all is well" : "not all is well"));
  for (const auto& problem : view.problems) lines.push_back("  " + printable(problem, 400));
  std::vector<std::vector<std::string>> rows{{"NODE", "STATE", "ZONE", "ROLES", "STARTS", "CLIENTS", "NODES", "LINKS"}};
  for (const auto& node : view.nodes)
    rows.push_back({or_dash(node.name), node.answers ? or_dash(node.state) : or_dash(node.state) + ", silent",
                    or_dash(node.zone), or_dash(words(node.roles)), std::to_string(node.incarnation),
                    or_dash(node.rpc_address), or_dash(node.link_address),
                    node.answers ? std::to_string(node.links_up) + "/" + std::to_string(node.links) : "-"});
  lines.push_back("");
  add_table(lines, rows);
  rows = {{"SHARD", "SLOTS", "LEADER", "TERM", "REPLICAS"}};
  for (const auto& shard : view.shards) {
    std::string replicas;
    for (const auto& replica : shard.replicas) replicas += (replicas.empty() ? "" : "; ") + replica_text(replica);
    rows.push_back(
        {std::to_string(shard.id), shard.slots, or_dash(shard.leader), std::to_string(shard.term), replicas});
  }
  lines.push_back("");
  add_table(lines, rows);
  rows.clear();
  for (const auto& event : view.events) {
    if (rows.size() == events) break;
    rows.push_back(
        {time_words(event.time_millis * 1'000'000), printable(event.what, 200) + ": " + printable(event.why, 200)});
  }
  if (rows.empty()) return lines;
  lines.push_back("");
  lines.push_back("LAST EVENTS");
  add_table(lines, rows);
  return lines;
}

Json to_json(const ClusterView& view) {
  auto nodes = Json::array();
  for (const auto& node : view.nodes)
    nodes.push_back({{"name", node.name},
                     {"state", node.state},
                     {"answers", node.answers},
                     {"zone", node.zone},
                     {"roles", node.roles},
                     {"incarnation", node.incarnation},
                     {"rpc_address", node.rpc_address},
                     {"link_address", node.link_address},
                     {"links_up", node.links_up},
                     {"links", node.links}});
  auto shards = Json::array();
  for (const auto& shard : view.shards) {
    auto replicas = Json::array();
    for (const auto& replica : shard.replicas) {
      Json json{{"id", replica.id}, {"node", replica.node}, {"kind", replica.kind}, {"role", replica.role}};
      json["applied"] = replica.applied ? Json(*replica.applied) : Json();
      json["lag"] = replica.lag ? Json(*replica.lag) : Json();
      json["withdrawn"] = replica.withdrawn;
      json["withdrawn_why"] = replica.withdrawn_why;
      replicas.push_back(std::move(json));
    }
    shards.push_back({{"id", shard.id},
                      {"slots", shard.slots},
                      {"leader", shard.leader},
                      {"term", shard.term},
                      {"wanted", shard.wanted},
                      {"replicas", replicas}});
  }
  Json settings = Json::object();
  for (const auto& setting : view.settings) settings[setting.name] = setting.value;
  auto events = Json::array();
  for (const auto& event : view.events)
    events.push_back({{"number", event.number},
                      {"time", time_iso(event.time_millis * 1'000'000)},
                      {"what", event.what},
                      {"why", event.why}});
  return {{"well", view.problems.empty()}, {"serves", view.serves}, {"epoch", view.epoch},
          {"problems", view.problems},     {"nodes", nodes},        {"shards", shards},
          {"settings", settings},          {"events", events}};
}

}  // namespace cairn::apps
