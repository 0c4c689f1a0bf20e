// The invariants of directory_machine.hpp, checked over all rows.
#include <set>

#include "cluster/directory_machine.hpp"
#include "cluster/directory_rows.hpp"
#include "protocol/limits.hpp"

namespace cairn::cluster::directory {
namespace {

class DirectoryCheck {
 public:
  explicit DirectoryCheck(storage::RowReader& rows) : rows_(rows) {}

  std::vector<std::string> run() {
    const auto head = read_head(rows_);
    const auto state = read_state(rows_);
    if (!head.ok()) say(head.error().message);
    if (!state.ok()) say(state.error().message);
    if (!found_.empty()) return found_;
    head_ = *head;
    state_ = *state;
    for (const auto& [name, node] : state_.nodes) check(name, node);
    for (const auto& [id, shard] : state_.shards) check(id, shard);
    check_events();
    return found_;
  }

 private:
  void say(std::string message) { found_.push_back(std::move(message)); }

  void check(const NodeName& name, const Node& node) {
    if (node.changed > head_.epoch || node.changed.value == 0) say("node " + name.text() + " changed in the future");
  }

  void check(ShardId id, const Shard& shard) {
    const auto who = "shard " + std::to_string(id.value);
    if (shard.changed > head_.epoch || shard.changed.value == 0) say(who + " changed in the future");
    if (id.value == 0 || id.value >= head_.next_shard) say(who + " has an id that was never given");
    const auto normal = normalize_slots(shard.slots);
    if (!normal.ok() || *normal != shard.slots) say(who + " has slots that are not in their normal form");
    if (id == directory_shard && !shard.slots.empty()) say(who + " is the directory's and has slots");
    for (const auto& range : shard.slots)
      for (std::uint32_t slot = range.first; slot <= range.last; ++slot)
        if (!slots_.insert(slot).second) say("slot " + std::to_string(slot) + " is in two shards");
    if (shard.replicas.size() > limits::max_replicas_per_shard) say(who + " has too many replicas");
    if (shard.leader != no_replica && !shard.find(shard.leader)) say(who + " is led by nobody of it");
    ReplicaId last = no_replica;
    std::set<NodeName> hosts;
    for (const auto& replica : shard.replicas) {
      if (replica.id <= last) say(who + " has replicas out of order");
      last = replica.id;
      if (!hosts.insert(replica.node).second) say(who + " has two replicas on node " + replica.node.text());
      check(who, replica);
    }
    if (shard.replicas.empty()) say(who + " has no replica");
  }

  void check(const std::string& who, const Replica& replica) {
    if (replica.id.value >= head_.next_replica) say(who + " has a replica with an id that was never given");
    if (!replicas_.insert(replica.id).second) say("replica " + std::to_string(replica.id.value) + " is there twice");
    const auto node = state_.nodes.find(replica.node);
    if (node == state_.nodes.end())
      say(who + " has a replica on the unknown node " + replica.node.text());
    else if (node->second.state == NodeState::removed || !node->second.roles.has(NodeRole::metadata))
      say(who + " has a replica on node " + replica.node.text() + ", which can hold none");
  }

  void check_events() {
    auto expected = head_.next_event;
    const auto read = scan_events_back(rows_, ~std::uint64_t{0}, [&](const Event& event) {
      if (event.number != --expected) say("event " + std::to_string(event.number) + " is out of order");
      return true;
    });
    if (!read.ok()) say(read.error().message);
    if (expected != head_.first_event) say("the first event is not " + std::to_string(head_.first_event));
    if (head_.next_event - head_.first_event > limits::max_directory_events) say("too many events are kept");
    if (head_.next_event != head_.epoch.value + 1) say("there are more epochs than events, or fewer");
  }

  storage::RowReader& rows_;
  Head head_;
  DirectoryState state_;
  std::set<std::uint32_t> slots_;
  std::set<ReplicaId> replicas_;
  std::vector<std::string> found_;
};

}  // namespace

std::vector<std::string> check_directory(storage::RowReader& rows) { return DirectoryCheck(rows).run(); }

}  // namespace cairn::cluster::directory
