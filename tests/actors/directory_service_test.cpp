// The directory service beside a fake replica of the directory: that it founds, hears, repairs and forgets.
#include "actors/directory_service.hpp"

#include <atomic>

#include "tests/actors/fake_directory.hpp"

namespace cairn::actors::test {
namespace {

using namespace cluster::directory;
using cluster::Configuration;
using cluster::ReplicaId;
using cluster::Role;
using cluster::directory::NodeName;

NodeName name(const std::string& text) { return *NodeName::parse(text); }

NodeIdentity identity(const std::string& node, std::uint64_t incarnation = 1) {
  return {name(node), incarnation, node + ":1", "", "zone", all_roles, DataId{5}};
}

class DirectoryServiceTest : public ActorTest {
 protected:
  static constexpr ShardId data_shard{2};

  ~DirectoryServiceTest() override {
    stop(service_);
    for (auto& replica : replicas_) stop(replica);
    EXPECT_EQ(directory_->broken(), std::vector<std::string>());
  }

  template <class Actor>
  static void stop(const Actor& actor) {
    if (actor) caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
  }

  void start(const std::vector<std::string>& founders, std::uint32_t shards = 1, bool leads_already = false) {
    cluster::Config config;
    config.node.name = "self";
    for (const auto& founder : founders) config.cluster.founders.push_back({name(founder), founder + ":1"});
    config.cluster.shards = shards;
    ReplicaStatus status;
    status.report.shard = directory_shard;
    status.report.replica = ReplicaId{1};
    status.report.role = leads_already ? Role::leader : Role::follower;
    status.report.term = 1;
    status.report.settled = leads_already;
    add_replica(directory_shard, status);
    DirectoryPace pace;
    pace.interval = pace.founding_interval = 2ms;
    pace.clock = [clock = clock_] { return cluster::Instant(clock->load()); };
    service_ = system_.spawn(directory_service, config, routes_, std::shared_ptr<NodeNetwork>(peers_), pace);
  }
  void add_replica(ShardId shard, const ReplicaStatus& status = {}) {
    replicas_.push_back(system_.spawn(fake_leader, shard, directory_, orders_, status));
    routes_->set_replica(shard, replicas_.back());
  }
  void jump(std::chrono::milliseconds time) { *clock_ += std::chrono::microseconds(time).count(); }
  /// Time in small steps, as the service's timer sees it, in which `nodes` report.
  void pass(std::chrono::milliseconds time, const std::vector<std::string>& nodes = {}) {
    for (; time > 0ms; time -= 200ms) {
      jump(std::min(time, 200ms));
      report_all(nodes);
      const auto before = status().looks;
      ASSERT_TRUE(becomes([&](const auto& status) { return status.looks >= before + 3; }));
    }
  }

  template <class Message>
  void tell(Message message) {
    caf::anon_send(service_, std::move(message));
  }
  void set_role(Role role, std::uint64_t term = 1, bool settled = true) {
    tell(ReplicaChanged{directory_shard, ReplicaId{1}, role, term, ReplicaId{1}, settled, 0});
  }
  DirectoryStatus status() {
    Answered<DirectoryStatus> answered;
    tell(GetDirectory{answered.reply()});
    return answered.get().value();
  }
  /// Waits until the service is as wanted; asks again and again, since only its own timer moves it.
  bool becomes(const std::function<bool(const DirectoryStatus&)>& wanted) {
    const auto until = std::chrono::steady_clock::now() + patience;
    while (std::chrono::steady_clock::now() < until)
      if (wanted(status())) return true;
    return false;
  }
  /// Until the rows are so, while `meanwhile` goes on.
  bool eventually(
      const std::function<bool(const DirectoryState&)>& wanted, const std::function<void()>& meanwhile = [] {}) {
    const bool became = becomes([&](const DirectoryStatus&) {
      meanwhile();
      return wanted(directory_->state());
    });
    status();  // what was said meanwhile has been heard by now, and not later
    return became;
  }
  CommandResult run(CommandBody body) {
    const auto answer = directory_->propose(encode(Command{Timestamp{1}, std::move(body)}));
    return decode_command_result(answer.result).value();
  }
  template <class Body>
  std::size_t proposed() {
    std::size_t count = 0;
    for (const auto& body : directory_->proposed().all()) count += std::holds_alternative<Body>(body) ? 1 : 0;
    return count;
  }
  bool has_event(const std::string& what, const std::string& why) {
    for (const auto& event : directory_->events())
      if (event.what == what && event.why.find(why) != std::string::npos) return true;
    return false;
  }

  /// All founders registered, shard 1 and 2 on them, the service's first round done.
  void found(const std::vector<std::string>& founders) {
    start(founders);
    set_role(Role::leader);
    ASSERT_TRUE(eventually([](const auto& state) { return state.cluster.value != 0; }));
    // Nothing moves only to be spread more evenly.
    run(SetSetting{"max-moves", "0", "a test"});
    run(SetSetting{"leader-interval-millis", "3600000", "a test"});
    for (const auto& founder : founders) run(RegisterNode{identity(founder)});
    ASSERT_TRUE(eventually([](const auto& state) { return state.shards.size() == 2; }));
    for (const auto& [id, shard] : directory_->state().shards)
      for (const auto& replica : shard.replicas) groups_[id] = groups_[id].with_voter(replica.id);
    add_replica(data_shard);
    leaders_[directory_shard] = replica_on(directory_shard, "self");
    leaders_[data_shard] = replica_on(data_shard, founders.back());
  }
  ReplicaId replica_on(ShardId shard, const std::string& node) {
    return directory_->state().shards.at(shard).find_on(name(node))->id;
  }

  /// What `node` says: it leads what is led on it, and everybody in its groups has everything.
  void report(const std::string& node) {
    const auto state = directory_->state();
    NodeReport out{name(node), {}};
    for (const auto& [id, shard] : state.shards) {
      const auto* replica = shard.find_on(name(node));
      if (!replica) continue;
      ReplicaReport one;
      one.shard = id;
      one.replica = replica->id;
      one.epoch = state.epoch;
      one.term = terms_[id] + 1;
      one.withdrawn = withdrawn_.contains(replica->id);
      if (leaders_[id] == replica->id) {
        one.role = Role::leader;
        one.settled = true;
        one.configuration = groups_[id];
        for (const auto& other : shard.replicas)
          if (other.id != replica->id && groups_[id].contains(other.id)) one.lag[other.id] = 0;
      }
      out.replicas.push_back(one);
    }
    tell(ReportReceived{node, std::move(out)});
  }
  void report_all(const std::vector<std::string>& nodes) {
    for (const auto& node : nodes) report(node);
  }
  /// Does what was ordered since the last call.
  void obey() {
    const auto all = orders_->all();
    for (; obeyed_ < all.size(); ++obeyed_) {
      const auto& order = all[obeyed_].order;
      auto& group = groups_[order.shard];
      if (order.change == GroupChange::take_in && !group.contains(order.replica))
        group = group.with_learner(order.replica);
      if (order.change == GroupChange::promote) group = group.with_voter(order.replica);
      if (order.change == GroupChange::remove) group = group.without(order.replica);
      if (order.change == GroupChange::transfer && leaders_[order.shard] != order.replica) {
        leaders_[order.shard] = order.replica;
        ++terms_[order.shard];
      }
    }
  }
  /// The orders about a shard, without those that were only repeated.
  std::vector<GivenOrder> orders_of(ShardId shard) {
    std::vector<GivenOrder> out;
    for (const auto& one : orders_->all())
      if (one.order.shard == shard && (out.empty() || out.back().order.change != one.order.change)) out.push_back(one);
    return out;
  }

  std::shared_ptr<FakeDirectory> directory_ = std::make_shared<FakeDirectory>();
  std::shared_ptr<GivenOrders> orders_ = std::make_shared<GivenOrders>();
  std::shared_ptr<Routes> routes_ = std::make_shared<Routes>();
  std::shared_ptr<OrderNetwork> peers_ = std::make_shared<OrderNetwork>(orders_);
  std::shared_ptr<std::atomic<std::int64_t>> clock_ = std::make_shared<std::atomic<std::int64_t>>(1'000'000);
  std::vector<ReplicaActor> replicas_;
  DirectoryActor service_;
  std::map<ShardId, Configuration> groups_;
  std::map<ShardId, ReplicaId> leaders_;
  std::map<ShardId, std::uint64_t> terms_;
  std::set<ReplicaId> withdrawn_;
  std::size_t obeyed_ = 0;
};

TEST_F(DirectoryServiceTest, FoundsAClusterOfOneNode) {
  start({});
  set_role(Role::leader);
  ASSERT_TRUE(becomes([](const auto& status) { return status.waits == "not yet registered: self"; }));
  run(RegisterNode{identity("self")});
  ASSERT_TRUE(becomes([](const auto& status) { return status.leads && status.state.shards.size() == 2; }));
  const auto state = directory_->state();
  EXPECT_EQ(state.shards.at(data_shard).slots, std::vector<SlotRange>{all_slots});
  EXPECT_EQ(state.shards.at(data_shard).replicas.size(), 1u);
  EXPECT_EQ(proposed<MakeShard>(), 2u);
}

TEST_F(DirectoryServiceTest, FoundsAClusterOfThreeNodes) {
  start({"b", "self", "a"}, 3);
  set_role(Role::leader);
  ASSERT_TRUE(becomes([](const auto& status) { return status.waits == "not yet registered: a, b, self"; }))
      << "in the order of their names, however the list is written";
  for (const auto* node : {"a", "self", "b"}) run(RegisterNode{identity(node)});
  ASSERT_TRUE(eventually([](const auto& state) { return state.shards.size() == 4; }));
  const auto state = directory_->state();
  EXPECT_EQ(state.shards.at(directory_shard).find_on(name("a"))->id, ReplicaId{1});
  EXPECT_EQ(state.shards.at(directory_shard).find_on(name("self"))->id, ReplicaId{3});
  for (const auto& [id, shard] : state.shards) EXPECT_EQ(shard.replicas.size(), 3u);
}

TEST_F(DirectoryServiceTest, DoesNothingWithoutTheOffice) {
  start({"self"});
  set_role(Role::follower);
  set_role(Role::leader, 1, false);
  tell(ReportReceived{"self", {name("self"), {}}});
  tell(NoteReceived{"self", {1, "what", "why"}});
  EXPECT_FALSE(status().leads);
  EXPECT_TRUE(status().observed.heard.empty());
  EXPECT_EQ(directory_->asked(), 0u);
  EXPECT_TRUE(directory_->proposed().all().empty());
  set_role(Role::leader);
  EXPECT_TRUE(becomes([](const auto& status) { return status.leads; }));
  EXPECT_TRUE(directory_->proposed().wait_count(1));
}

TEST_F(DirectoryServiceTest, LearnsItsRoleWhenItIsStartedAgain) {
  start({"self"}, 1, true);
  EXPECT_TRUE(becomes([](const auto& status) { return status.leads; }));
}

TEST_F(DirectoryServiceTest, WritesDownWhoLeads) {
  found({"a", "b", "self"});
  report_all({"a", "b", "self"});
  ASSERT_TRUE(eventually([&](const auto& state) {
    return state.shards.at(data_shard).leader == leaders_[data_shard] &&
           state.shards.at(directory_shard).leader == leaders_[directory_shard];
  }));
  for (int i = 0; i < 5; ++i) {
    report_all({"a", "b", "self"});
    status();
  }
  EXPECT_EQ(proposed<LeaderChanged>(), 2u);
  leaders_[data_shard] = replica_on(data_shard, "b");
  ++terms_[data_shard];
  report("b");
  ASSERT_TRUE(
      eventually([&](const auto& state) { return state.shards.at(data_shard).leader == leaders_[data_shard]; }));
  EXPECT_TRUE(has_event("replica 5 of shard 2 leads on node b", "term 2"));
}

TEST_F(DirectoryServiceTest, BelievesNodesOnlyWhatTheyCanKnow) {
  found({"a", "b", "self"});
  report_all({"a", "b", "self"});
  // It knows whose the replicas are, too: of one that it does not know yet anybody may be right.
  ASSERT_TRUE(becomes([](const auto& status) {
    return status.observed.groups.size() == 2 && status.state.shards.size() == 2;
  }));
  NodeReport lie{name("a"), {}};
  lie.replicas.resize(1);
  lie.replicas[0].shard = data_shard;
  lie.replicas[0].replica = replica_on(data_shard, "b");
  lie.replicas[0].role = Role::leader;
  lie.replicas[0].term = 99;
  lie.replicas[0].withdrawn = true;
  tell(ReportReceived{"a", lie});
  tell(ReportReceived{"b", {name("self"), {}}});
  const auto after = status();
  EXPECT_EQ(after.observed.groups.at(data_shard).term, 1u);
  EXPECT_TRUE(after.observed.withdrawn.empty());
}

TEST_F(DirectoryServiceTest, ReplacesTheReplicasOfANodeThatFallsSilent) {
  found({"a", "b", "self"});
  run(RegisterNode{identity("c")});
  // "a" says nothing more once the new leader is old enough to judge.
  const std::vector<std::string> all{"a", "b", "self", "c"};
  const std::vector<std::string> rest{"b", "self", "c"};
  leaders_[data_shard] = replica_on(data_shard, "b");
  pass(15s, all);
  ASSERT_TRUE(eventually([&](const auto& state) { return state.nodes.at(name("a")).state == NodeState::alive; },
                         [&] { report_all(all); }));
  pass(11s, rest);
  ASSERT_TRUE(eventually(
      [&](const auto& state) {
        for (const auto& [id, shard] : state.shards)
          if (shard.find_on(name("a")) || !shard.find_on(name("c")) || shard.replicas.size() != 3) return false;
        return true;
      },
      [&] {
        obey();
        report_all(rest);
      }));
  EXPECT_EQ(directory_->state().nodes.at(name("a")).state, NodeState::dead);
  for (const auto shard : {directory_shard, data_shard}) {
    const auto orders = orders_of(shard);
    ASSERT_EQ(orders.size(), 3u);
    EXPECT_EQ(orders[0].order.change, GroupChange::take_in);
    EXPECT_EQ(orders[1].order.change, GroupChange::promote);
    EXPECT_EQ(orders[2].order.change, GroupChange::remove);
    for (const auto& one : orders) EXPECT_EQ(one.node, shard == data_shard ? "b" : "self");
    EXPECT_EQ(orders[0].order.replica, directory_->state().shards.at(shard).find_on(name("c"))->id);
    EXPECT_EQ(groups_[shard].voters.size(), 3u);
    EXPECT_TRUE(groups_[shard].learners.empty());
  }
  EXPECT_TRUE(has_event("node a is dead", "it has not been heard for"));
  EXPECT_TRUE(has_event("replica 4 of shard 2 is to leave node a", "node a is dead"));
  EXPECT_TRUE(has_event("replica 4 of shard 2 has left node a", "it is out of the group"));
  const auto successor = std::to_string(replica_on(directory_shard, "c").value);
  EXPECT_TRUE(has_event("replica " + successor + " of shard 1 is to be made on node c", "2 of 3 good replicas"));
  // It returns.
  run(RegisterNode{identity("a", 2)});
  ASSERT_TRUE(eventually([&](const auto& state) { return state.nodes.at(name("a")).state == NodeState::alive; },
                         [&] {
                           obey();
                           report_all(all);
                         }));
  EXPECT_TRUE(has_event("node a returns", "it registered again"));
  EXPECT_TRUE(has_event("node a is alive", "it was heard"));
}

TEST_F(DirectoryServiceTest, ReplacesAWithdrawnReplicaAndSaysWhy) {
  found({"a", "b", "self"});
  run(RegisterNode{identity("c")});
  const std::vector<std::string> all{"a", "b", "self", "c"};
  const auto bad = replica_on(data_shard, "a");
  pass(15s, all);
  ASSERT_TRUE(eventually([&](const auto& state) { return state.nodes.at(name("c")).state == NodeState::alive; },
                         [&] { report_all(all); }));
  withdrawn_.insert(bad);
  ASSERT_TRUE(eventually([&](const auto& state) { return !state.shards.at(data_shard).find(bad); },
                         [&] {
                           obey();
                           report_all(all);
                         }));
  EXPECT_TRUE(has_event("replica 4 of shard 2 is to leave node a", "its rows are damaged"));
  // The shard's leader is on this node.
  for (const auto& one : orders_of(data_shard)) EXPECT_EQ(one.node, "self");
}

TEST_F(DirectoryServiceTest, TellsAnEventOfATransferOnce) {
  found({"a", "b", "self"});
  run(RegisterNode{identity("c")});
  const std::vector<std::string> all{"a", "b", "self", "c"};
  leaders_[data_shard] = replica_on(data_shard, "a");
  pass(15s, all);
  ASSERT_TRUE(eventually([&](const auto& state) { return state.nodes.at(name("c")).state == NodeState::alive; },
                         [&] { report_all(all); }));
  // The leader's node is drained: it hands on its office, but only after a while.
  run(SetNodeState{name("a"), NodeState::draining, {}, "the operator said so"});
  ASSERT_TRUE(eventually(
      [&](const auto&) {
        const auto orders = orders_of(data_shard);
        return !orders.empty() && orders.back().order.change == GroupChange::transfer;
      },
      [&] {
        const auto orders = orders_of(data_shard);
        if (orders.empty() || orders.back().order.change != GroupChange::transfer) obey();
        report_all(all);
      }));
  const auto given = orders_->all().size();
  ASSERT_TRUE(becomes([&](const auto&) {
    report_all(all);
    return orders_->all().size() > given + 3;
  }));
  std::size_t events = 0;
  for (const auto& event : directory_->events()) events += event.what.starts_with("leadership of shard 2 goes") ? 1 : 0;
  EXPECT_EQ(events, 1u);
}

TEST_F(DirectoryServiceTest, GoesByTheSettingsOfTheCluster) {
  found({"a", "b", "self"});
  EXPECT_TRUE(std::holds_alternative<Done>(run(SetSetting{"dead-after-millis", "500", "a test"})));
  EXPECT_TRUE(std::holds_alternative<Done>(run(SetSetting{"grace-millis", "0", "a test"})));
  ASSERT_TRUE(becomes([](const auto& status) { return status.state.settings.contains("grace-millis"); }));
  pass(501ms, {"a", "b", "self"});
  ASSERT_TRUE(eventually([&](const auto& state) { return state.nodes.at(name("a")).state == NodeState::alive; },
                         [&] {
                           report_all({"a", "b", "self"});
                         }));
  pass(501ms, {"b", "self"});
  ASSERT_TRUE(eventually([&](const auto& state) { return state.nodes.at(name("a")).state == NodeState::dead; },
                         [&] {
                           report_all({"b", "self"});
                         }));
  EXPECT_TRUE(has_event("node a is dead", "0.5 s"));
}

TEST_F(DirectoryServiceTest, JudgesNobodyAfterItStoodStillItself) {
  const std::vector<std::string> all{"a", "b", "self"};
  found(all);
  pass(16s, all);
  ASSERT_TRUE(becomes([](const auto& status) { return status.state.nodes.at(name("a")).state == NodeState::alive; }));
  // As if the process had been stopped: its own time goes on, but nobody could be heard.
  jump(60s);
  ASSERT_TRUE(becomes([&](const auto& status) { return status.observed.leading_since.count() == clock_->load(); }));
  pass(2s, all);
  EXPECT_EQ(status().state.nodes.at(name("a")).state, NodeState::alive);
  EXPECT_FALSE(has_event("node a is dead", ""));
  pass(14s, {"b", "self"});
  ASSERT_TRUE(eventually([](const auto& state) { return state.nodes.at(name("a")).state == NodeState::dead; }));
}

TEST_F(DirectoryServiceTest, ForgetsWithTheOffice) {
  found({"a", "b", "self"});
  report_all({"a", "b", "self"});
  ASSERT_TRUE(becomes([](const auto& status) { return status.observed.heard.size() == 3; }));
  set_role(Role::follower, 2);
  const auto after = status();
  EXPECT_FALSE(after.leads);
  EXPECT_TRUE(after.observed.heard.empty());
  EXPECT_TRUE(after.state.nodes.empty());
  // It begins anew, and judges nobody before it is old enough.
  jump(60s);
  set_role(Role::leader, 3);
  ASSERT_TRUE(becomes([](const auto& status) { return status.state.nodes.size() == 3; }));
  EXPECT_EQ(status().observed.leading_since.count(), clock_->load());
  EXPECT_TRUE(status().decisions.empty());
}

TEST_F(DirectoryServiceTest, StopsInTheMiddleOfARoundWhenItsReplicaDoesNotLead) {
  found({"a", "b", "self"});
  pass(16s, {"a", "b", "self"});
  report_all({"a", "b", "self"});
  directory_->serve(Served::not_leader);
  set_role(Role::follower, 1);
  ASSERT_TRUE(becomes([](const auto& status) { return !status.leads; }));
  const auto asked = directory_->asked();
  const auto given = orders_->all().size();
  report_all({"a", "b", "self"});
  status();
  EXPECT_EQ(directory_->asked(), asked);
  EXPECT_EQ(orders_->all().size(), given);
  // The next term is another office.
  directory_->serve(Served::done);
  set_role(Role::leader, 2);
  ASSERT_TRUE(eventually([&](const auto& state) { return state.shards.at(data_shard).leader.value != 0; },
                         [&] {
                           report_all({"a", "b", "self"});
                         }));
}

TEST_F(DirectoryServiceTest, KeepsAnOfficeThatCouldNotBeHandedOn) {
  found({"a", "b", "self"});
  pass(16s, {"a", "b", "self"});
  directory_->serve(Served::not_leader);
  const auto asked = directory_->asked();
  report_all({"a", "b", "self"});
  ASSERT_TRUE(becomes([&](const auto&) { return directory_->asked() > asked; }));
  EXPECT_TRUE(status().leads) << "its replica did not say that another leads";
  directory_->serve(Served::done);
  ASSERT_TRUE(eventually([&](const auto& state) { return state.shards.at(data_shard).leader.value != 0; },
                         [&] { report_all({"a", "b", "self"}); }));
}

TEST_F(DirectoryServiceTest, TriesAgainWhatFailed) {
  start({"self"});
  directory_->serve(Served::unknown);
  set_role(Role::leader);
  ASSERT_TRUE(becomes([&](const auto&) { return directory_->asked() > 3; }));
  EXPECT_TRUE(status().leads);
  directory_->serve(Served::done);
  ASSERT_TRUE(eventually([](const auto& state) { return state.cluster.value != 0; }));
}

TEST_F(DirectoryServiceTest, WritesNotesDownButNotAll) {
  found({"a", "b", "self"});
  tell(NoteReceived{"b", {1, "the clock of b is off", "by 3 s"}});
  ASSERT_TRUE(becomes([&](const auto&) { return has_event("the clock of b is off", "by 3 s"); }));
  for (std::size_t i = 0; i < 5 * limits::max_notes_at_once; ++i) tell(NoteReceived{"a", {i, "again", "and again"}});
  tell(NoteReceived{"b", {2, "the last", "word"}});
  ASSERT_TRUE(becomes([&](const auto&) { return has_event("the last", "word"); }));
  std::size_t kept = 0;
  for (const auto& event : directory_->events()) kept += event.what == "again" ? 1 : 0;
  EXPECT_EQ(kept, limits::max_notes_at_once);
}

TEST_F(DirectoryServiceTest, AnswersANoteOnceItIsWrittenDown) {
  found({"a", "b", "self"});
  directory_->serve(Served::unknown);
  const NoteReceived note{"b", {7, "the clock of b is off", "by 3 s"}};
  for (int i = 0; i < 5; ++i) tell(note);
  const auto tries = directory_->asked();
  ASSERT_TRUE(becomes([&](const auto&) { return directory_->asked() > tries + 3; }));
  EXPECT_TRUE(peers_->notes_answered.all().empty());
  directory_->serve(Served::done);
  ASSERT_TRUE(peers_->notes_answered.wait_count(1));
  EXPECT_EQ(peers_->notes_answered.all()[0], (OrderNetwork::NoteAnswered{"b", 7}));
  std::size_t written = 0;
  for (const auto& event : directory_->events()) written += event.what == note.note.what ? 1 : 0;
  EXPECT_EQ(written, 1u) << "though it came five times";
}

TEST_F(DirectoryServiceTest, ANoteThatALeaderTookWithItIsNotAnswered) {
  found({"a", "b", "self"});
  directory_->serve(Served::unknown);
  tell(NoteReceived{"b", {7, "what", "why"}});
  status();
  set_role(Role::follower);
  set_role(Role::leader, 2);
  directory_->serve(Served::done);
  ASSERT_TRUE(becomes([](const auto& status) { return status.leads && status.looks > 3; }));
  EXPECT_TRUE(peers_->notes_answered.all().empty()) << "its node tells it again";
  tell(NoteReceived{"b", {7, "what", "why"}});
  EXPECT_TRUE(peers_->notes_answered.wait_count(1));
}

}  // namespace
}  // namespace cairn::actors::test
