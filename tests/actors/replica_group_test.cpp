// A replica among others: elections, commits, answers, reads, and what a fallen leader leaves behind.
#include "tests/actors/replica_group.hpp"

#include <algorithm>

#include "cluster/directory_commands.hpp"

namespace cairn::actors::test {
namespace {

using ReplicaGroup = ReplicaGroupTest;

bool made(const Answer& answer) {
  const auto result = cluster::decode_command_result(answer.result);
  return answer.served == Served::done && result && std::holds_alternative<cluster::AccountCreated>(*result);
}

TEST_F(ReplicaGroup, ThreeElectALeaderAndCommit) {
  found({1, 2, 3});
  const auto first = leader();
  const auto answer = propose(first, create_account("anna"));
  ASSERT_TRUE(made(answer));
  EXPECT_GT(answer.index, 0u);
  for (const auto id : {1u, 2u, 3u}) {
    ASSERT_TRUE(reaches(id, answer.index));
    EXPECT_TRUE(has_account(id, "anna", false, answer.index)) << id;
  }
}

TEST_F(ReplicaGroup, AFollowerSaysWhoLeads) {
  found({1, 2, 3});
  const auto leads = leader();
  const auto follows = follower(leads);
  ASSERT_TRUE(reaches(follows, 1));
  const auto proposed = propose(follows, create_account("anna"));
  EXPECT_EQ(proposed.served, Served::not_leader);
  EXPECT_EQ(proposed.leader, leads);
  const auto asked = ask(follows, cluster::FindLogin{"anna"}, true);
  EXPECT_EQ(asked.served, Served::not_leader);
  EXPECT_EQ(asked.leader, leads);
}

TEST_F(ReplicaGroup, WhatTheShardDoesNotOwnIsNotHere) {
  options_.slots = {{10, 19}, {30, 39}};
  found({1});
  leader();
  const auto code = [&](std::uint16_t slot) {
    return send(1, Ask{{0, slot}, cluster::encode(cluster::Query(cluster::FindLogin{"a"})), false, 0}).served;
  };
  for (const std::uint16_t slot : {10, 19, 30, 39}) EXPECT_EQ(code(slot), Served::done) << slot;
  for (const std::uint16_t slot : {0, 9, 20, 29, 40, 16'383}) EXPECT_EQ(code(slot), Served::not_here) << slot;
  EXPECT_EQ(code(whole_shard), Served::done);
  EXPECT_EQ(send(1, Ask{{7, 10}, {}, false, 0}).served, Served::not_here) << "another shard";
  const auto slot = slot_of_login("anna").value;
  EXPECT_EQ(propose(1, create_account("anna"), 10).served, Served::not_here) << "the command is of another slot";
  caf::anon_send(actor(1), SetSlots{{{slot, slot}}});
  EXPECT_TRUE(made(propose(1, create_account("anna"), slot)));
  EXPECT_EQ(code(10), Served::not_here);
}

TEST_F(ReplicaGroup, AnActorOfTheNodeIsAnsweredLikewise) {
  found({1, 2, 3});
  const auto leads = leader();
  caf::scoped_actor self(system_);
  Answer answer;
  self->request(actor(leads), patience, Propose{{0, whole_shard}, cluster::encode(create_account("anna"))})
      .receive([&](const Answer& got) { answer = got; }, [](const caf::error&) { ADD_FAILURE(); });
  EXPECT_TRUE(made(answer));
  Answer found;
  self->request(actor(leads), patience, Ask{{}, cluster::encode(cluster::Query(cluster::FindLogin{"anna"})), true, 0})
      .receive([&](const Answer& got) { found = got; }, [](const caf::error&) { ADD_FAILURE(); });
  EXPECT_EQ(found.served, Served::done);
}

TEST_F(ReplicaGroup, AfterTheLeadersEndAnotherLeadsWithAllThatWasAnswered) {
  found({1, 2, 3});
  const auto first = leader();
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(made(propose(first, create_account("user-" + std::to_string(i)))));
  network_->cut(ReplicaId{first});  // so that it cannot hand its office on
  kill(first);
  const auto second = leader_but(first);
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(has_account(second, "user-" + std::to_string(i), true)) << i;
  ASSERT_TRUE(made(propose(second, create_account("later"))));
  network_->heal();
  ASSERT_TRUE(start(first).ok());
  ASSERT_TRUE(reaches(first, status(second).last_index));
  EXPECT_TRUE(has_account(first, "later", false));
}

TEST_F(ReplicaGroup, ALeaderThatEndsHandsItsOfficeOn) {
  options_.raft.election_timeout = std::chrono::seconds(60);  // nobody would campaign by itself in time
  options_.raft.heartbeat_interval = std::chrono::milliseconds(50);
  found({1, 2, 3});
  // The first office is taken by hand.
  caf::anon_send(actor(1), RaftReceived{{ReplicaId{2}, ReplicaId{1}, 1, cluster::Heartbeat{}}});
  caf::anon_send(actor(1), PeerDown{ReplicaId{2}});
  const auto first = leader();
  EXPECT_EQ(first, 1u);
  ASSERT_TRUE(made(propose(first, create_account("anna"))));
  const auto still_known = actor(first);
  kill(first, false);
  EXPECT_TRUE(has_account(leader_but(first), "anna", true));
}

TEST_F(ReplicaGroup, ALeaderThatEndsWithoutAWordInASilentGroupIsMissedByWhoIsAsked) {
  options_.raft.heartbeat_interval = std::chrono::milliseconds(10);
  options_.raft.quiesce_after_heartbeats = 2;
  found({1, 2, 3});
  const auto first = leader();
  const auto asked = follower(first);
  ASSERT_TRUE(reaches(asked, propose(first, create_account("anna")).index));
  // Nothing is heard of the leader for as long as it would take to miss it.
  for (std::size_t before = 0; before != network_->brought(4);) {
    before = network_->brought(4);
    for (int i = 0; i < 3; ++i)
      EXPECT_EQ(ask(asked, cluster::FindLogin{"anna"}, false, 1'000'000).served, Served::behind);
  }
  network_->drop([](const cluster::Message& m) { return std::holds_alternative<cluster::TransferNow>(m.body); });
  kill(first, false);
  const auto answer = propose(asked, create_account("bert"));
  EXPECT_EQ(answer.served, Served::not_leader);
  EXPECT_EQ(answer.leader, first) << "it knows no better";
  EXPECT_TRUE(has_account(leader_but(first), "anna", true));
}

TEST_F(ReplicaGroup, WhatWasAnsweredOutlivesManyLeadersOnABadNetwork) {
  options_.metadata.tick_interval = std::chrono::milliseconds(5);
  options_.metadata.checkpoint_interval = std::chrono::milliseconds(50);
  options_.log_entries_kept = 10;
  found({1, 2, 3});
  auto count = std::make_shared<std::atomic<unsigned>>(0);
  network_->drop([=](const cluster::Message&) { return (++*count * 2'654'435'761u >> 16) % 100 < 5; });
  std::vector<std::string> answered;
  const auto make = [&](int how_many) {
    for (int i = 0; i < how_many; ++i) {
      answered.push_back("user-" + std::to_string(answered.size()));
      ASSERT_GT(make_account(answered.back()), 0u);
    }
  };
  for (int round = 0; round < 6; ++round) {
    make(20);
    const auto ended = leader();
    if (round % 2) network_->cut(ReplicaId{ended});
    kill(ended, round % 3 != 0);
    make(20);
    network_->heal();
    ASSERT_TRUE(start(ended).ok());
  }
  const auto last = make_account("last");
  for (const auto id : {1u, 2u, 3u}) {
    ASSERT_TRUE(reaches(id, last)) << id;
    for (const auto& login : answered) EXPECT_TRUE(has_account(id, login, false, last)) << id << " " << login;
  }
}

TEST_F(ReplicaGroup, AReadAtOnceAfterACommitSeesIt) {
  found({1, 2, 3});
  const auto leads = leader();
  for (int i = 0; i < 100; ++i) {
    const auto login = "user-" + std::to_string(i);
    ASSERT_TRUE(made(propose(leads, create_account(login))));
    EXPECT_TRUE(has_account(leads, login, true)) << i;
  }
}

TEST_F(ReplicaGroup, ALeaderThatIsCutOffAnswersNoLinearizableRead) {
  found({1, 2, 3});
  const auto first = leader();
  network_->cut(ReplicaId{first});
  const auto asked = ask(first, cluster::FindLogin{"anna"}, true);
  EXPECT_EQ(asked.served, Served::not_leader);
  EXPECT_EQ(asked.leader, 0u);
}

TEST_F(ReplicaGroup, AReadWaitsForItsFloorButNotForEver) {
  found({1, 2, 3});
  const auto leads = leader();
  const auto follows = follower(leads);
  const auto last = propose(leads, create_account("anna")).index;
  EXPECT_EQ(ask(follows, cluster::FindLogin{"anna"}, false, last + 1'000).served, Served::behind);
  // One that waits is answered by the commit that it waits for.
  const auto asker = std::make_shared<TestAsker>();
  caf::anon_send(actor(leads), asker->asks({Ask{{0, whole_shard},
                                                cluster::encode(cluster::Query(cluster::FindLogin{"bert"})),
                                                false,
                                                last + 1}}));
  ASSERT_EQ(propose(leads, create_account("bert")).index, last + 1);
  const auto waited = asker->answers(1);
  ASSERT_EQ(waited.size(), 1u);
  EXPECT_EQ(waited.at(1).served, Served::done);
  EXPECT_GE(waited.at(1).index, last + 1);
}

TEST_F(ReplicaGroup, RequestsThatComeTogetherAreAnsweredTogether) {
  found({1, 2, 3});
  const auto leads = leader();
  std::vector<ShardRequest> requests;
  for (int i = 0; i < 50; ++i)
    requests.push_back(Propose{{0, whole_shard}, cluster::encode(create_account("user-" + std::to_string(i)))});
  auto asker = std::make_shared<TestAsker>();
  caf::anon_send(actor(leads), asker->asks(requests));
  const auto answers = asker->answers(50);
  ASSERT_EQ(answers.size(), 50u);
  for (const auto& [number, answer] : answers) {
    EXPECT_TRUE(made(answer)) << number;
    EXPECT_EQ(answer.index, answers.at(1).index + number - 1) << "in their order";
  }
  EXPECT_LT(asker->groups.all().size(), 10u);

  // So are those of another kind, of which each has an answer of its own.
  asker = std::make_shared<TestAsker>();
  const auto find = cluster::encode(cluster::Query(cluster::FindLogin{"user-7"}));
  caf::anon_send(actor(leads), asker->asks({Ask{{0, whole_shard}, find, false, 0},
                                            Ask{{7, whole_shard}, find, false, 0},
                                            Ask{{0, whole_shard}, "no query", false, 0},
                                            Ask{{0, whole_shard}, find, false, 1}}));
  const auto read = asker->answers(4);
  ASSERT_EQ(read.size(), 4u);
  EXPECT_EQ(read.at(1).served, Served::done);
  EXPECT_EQ(read.at(2).served, Served::not_here);
  EXPECT_TRUE(std::holds_alternative<Error>(cluster::decode_query_result(read.at(3).result).value()));
  EXPECT_EQ(read.at(4).result, read.at(1).result);
}

TEST_F(ReplicaGroup, AnotherKnowsWhatIsCommittedBeforeWhoAskedIsAnswered) {
  found({1, 2, 3});
  const auto leads = leader();
  const auto asker = std::make_shared<TestAsker>();
  Events<std::pair<std::uint64_t, std::size_t>> told;  // what is committed, and how many were answered by then
  network_->drop([&, leads](const cluster::Message& message) {
    if (const auto* beat = std::get_if<cluster::Heartbeat>(&message.body); beat && message.from.value == leads)
      told.add({beat->commit, asker->groups.all().size()});
    return false;
  });
  caf::anon_send(actor(leads), asker->asks({Propose{{0, whole_shard}, cluster::encode(create_account("anna"))}}));
  const auto answers = asker->answers(1);
  network_->drop({});
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_GE(std::ranges::count(told.all(), std::pair{answers.at(1).index, std::size_t{0}}), 1);
}

TEST_F(ReplicaGroup, WhoAsksAReplicaThatHasEndedIsTold) {
  found({1});
  leader();
  const auto ended = actor(1);
  kill(1);
  const auto asker = std::make_shared<TestAsker>();
  caf::anon_send(ended, asker->asks({Propose{{0, whole_shard}, cluster::encode(create_account("anna"))},
                                     Ask{{0, whole_shard}, {}, false, 0}}));
  const auto answers = asker->answers(2);
  ASSERT_EQ(answers.size(), 2u);
  for (const auto& [number, answer] : answers) EXPECT_EQ(answer.served, Served::unknown) << number;
}

TEST_F(ReplicaGroup, AProposalOfALeaderThatIsCutOffIsUnknown) {
  found({1, 2, 3});
  const auto first = leader();
  ASSERT_TRUE(made(propose(first, create_account("anna"))));
  network_->cut(ReplicaId{first});
  EXPECT_EQ(propose(first, create_account("bert")).served, Served::unknown);
  EXPECT_EQ(propose(first, create_account("carl")).served, Served::not_leader);
}

TEST_F(ReplicaGroup, AProposalWhosePlaceAnotherLeaderTookWasNotDone) {
  found({1, 2, 3});
  const auto first = leader();
  ASSERT_TRUE(made(propose(first, create_account("anna"))));
  // Its appends are lost, but it still hears the others, so that it keeps its office.
  network_->drop([=](const cluster::Message& message) {
    return message.from.value == first && std::holds_alternative<cluster::Append>(message.body);
  });
  const auto asker = std::make_shared<TestAsker>();
  caf::anon_send(actor(first),
                 asker->asks({Propose{{0, whole_shard}, cluster::encode(create_account("bert"))}}));
  ASSERT_TRUE(becomes(first, [](const ReplicaStatus& s) { return s.last_index > s.committed; }));
  for (const auto id : {1u, 2u, 3u})
    if (id != first) caf::anon_send(actor(id), PeerDown{ReplicaId{first}});
  const auto second = leader_but(first);
  const auto index = make_account("carl");
  ASSERT_TRUE(reaches(first, index));
  const auto lost = asker->answers(1);
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_NE(lost.at(1).served, Served::done);
  network_->drop({});
  EXPECT_FALSE(has_account(second, "bert", true));
}

TEST_F(ReplicaGroup, AHandedOnOfficeLosesNoAnswer) {
  found({1, 2, 3});
  const auto first = leader();
  const auto second = follower(first);
  ASSERT_TRUE(reaches(second, propose(first, create_account("anna")).index));
  std::vector<std::shared_ptr<TestAsker>> askers;
  for (int i = 0; i < 200; ++i) {
    if (i == 100) {
      ASSERT_TRUE(change(first, GroupChange::transfer, second).ok());
    }
    askers.push_back(std::make_shared<TestAsker>());
    const auto command = cluster::encode(create_account("u" + std::to_string(i)));
    caf::anon_send(actor(first), askers.back()->asks({Propose{{0, whole_shard}, command}}));
  }
  std::vector<Served> all;
  for (const auto& asker : askers)
    for (const auto& [number, answer] : asker->answers(1)) all.push_back(answer.served);
  ASSERT_EQ(all.size(), 200u);
  EXPECT_GE(std::ranges::count(all, Served::done), 100);
  EXPECT_EQ(std::ranges::count(all, Served::unknown), 0);
  EXPECT_EQ(leader_but(first), second);
}

TEST_F(ReplicaGroup, AFollowerThatWasAwayCatchesUpFromTheLog) {
  found({1, 2, 3});
  const auto leads = leader();
  const auto away = follower(leads);
  network_->cut(ReplicaId{away});
  std::uint64_t last = 0;
  for (int i = 0; i < 200; ++i) last = propose(leads, create_account("user-" + std::to_string(i))).index;
  ASSERT_GT(last, 0u);
  EXPECT_EQ(ask(away, cluster::FindLogin{"user-199"}, false, last).served, Served::behind);
  network_->heal();
  ASSERT_TRUE(reaches(away, last));
  EXPECT_TRUE(has_account(away, "user-199", false));
}

TEST_F(ReplicaGroup, EntriesThatLeftMemoryAreFetched) {
  options_.raft.cache_bytes = 4'096;
  found({1, 2, 3});
  const auto leads = leader();
  const auto away = follower(leads);
  network_->cut(ReplicaId{away});
  std::uint64_t last = 0;
  for (int i = 0; i < 200; ++i) last = propose(leads, create_account("user-" + std::to_string(i), 1'000)).index;
  network_->heal();
  ASSERT_TRUE(reaches(leader(), last));
  ASSERT_TRUE(reaches(away, last));
}

TEST_F(ReplicaGroup, AllThatWasAnsweredSurvivesARestartOfAll) {
  found({1, 2, 3});
  const auto first = leader();
  std::uint64_t last = 0;
  for (int i = 0; i < 100; ++i) last = propose(first, create_account("user-" + std::to_string(i))).index;
  kill_all();
  for (const auto id : {1u, 2u, 3u}) ASSERT_TRUE(start(id).ok());
  const auto leads = leader();
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(has_account(leads, "user-" + std::to_string(i), true)) << i;
  for (const auto id : {1u, 2u, 3u}) EXPECT_TRUE(reaches(id, last)) << id;
}

TEST_F(ReplicaGroup, EveryReplicaTellsItsHubWhatGrewIfSomebodyWantsToKnow) {
  found({1, 2, 3});
  const auto leads = leader();
  const auto untold = leads == 1 ? 2u : 1u;
  std::vector<std::shared_ptr<const void>> wanted;
  for (const auto id : {1u, 2u, 3u})
    if (id != untold) wanted.push_back(routes(id).want_growth());
  const auto answer = propose(leads, create_account("anna"));
  const auto result = cluster::decode_command_result(answer.result);
  const auto account = std::get<cluster::AccountCreated>(*result).account;
  cluster::CommitChanges commit;
  commit.account = account;
  commit.request = {ClientId{7}, 1};
  commit.device = "d";
  commit.changes = {MakeFolder{{root_entry, ""}, "folder", {}}};
  const auto committed = propose(leads, {Timestamp{2'000'000}, commit});
  ASSERT_EQ(committed.served, Served::done);
  for (const auto id : {1u, 2u, 3u}) {
    if (id == untold) continue;
    ASSERT_TRUE(told(id).growth.wait([&](const auto& all) {
      return std::ranges::any_of(all, [&](const JournalGrew& one) { return one.index == committed.index; });
    })) << id;
    const auto grew = told(id).growth.all().back();
    EXPECT_EQ(grew.account, account.value);
    EXPECT_EQ(grew.shard, 2u);
    EXPECT_EQ(grew.leads, id == leads);
  }
  ASSERT_TRUE(reaches(untold, committed.index));
  EXPECT_TRUE(told(untold).growth.all().empty());
}

TEST_F(ReplicaGroup, WhatAnotherReplicaIsToHearIsLetGo) {
  found({1, 2, 3});
  leader();
  const auto before = status(1);
  caf::anon_send(actor(1), RaftReceived{{ReplicaId{2}, ReplicaId{9}, 1'000, cluster::Heartbeat{}}});
  caf::anon_send(actor(1), RaftReceived{{ReplicaId{1}, ReplicaId{1}, 1'000, cluster::Heartbeat{}}});
  EXPECT_EQ(status(1).report.term, before.report.term);
}

TEST_F(ReplicaGroup, TheDirectoryIsAMachineLikeAnother) {
  options_.shard = cluster::directory::directory_shard;
  found({1, 2, 3});
  namespace directory = cluster::directory;
  const auto leads = leader();
  directory::NodeIdentity node;
  node.name = directory::NodeName::parse("node-1").value();
  node.incarnation = 1;
  node.link_address = "127.0.0.1:1";
  node.zone = "zone-1";
  node.roles = directory::all_roles;
  node.data = directory::DataId{5};
  const directory::Command command{Timestamp{1'000}, directory::Bootstrap{directory::ClusterId{77}, {node}}};
  const auto answer = send(leads, Propose{{1, whole_shard}, directory::encode(command)});
  ASSERT_EQ(answer.served, Served::done);
  const auto result = directory::decode_command_result(answer.result);
  ASSERT_TRUE(result && std::holds_alternative<directory::Done>(*result));
  for (const auto id : {1u, 2u, 3u}) {
    ASSERT_TRUE(becomes(id, [&](const ReplicaStatus& s) { return s.applied >= answer.index; }));
    const auto asked = send(
        id, Ask{{1, whole_shard}, directory::encode(directory::Query(directory::GetNodes{})), false, answer.index});
    const auto nodes = directory::decode_query_result(asked.result);
    ASSERT_TRUE(nodes && std::holds_alternative<directory::Nodes>(*nodes)) << id;
    EXPECT_EQ(std::get<directory::Nodes>(*nodes).nodes.size(), 1u);
  }
  EXPECT_TRUE(told(leads).to_directory.wait([](const auto& all) { return !all.empty() && all.back().settled; }));
  const auto bad = send(leads, Propose{{1, whole_shard}, "not a command"});
  const auto refused = directory::decode_command_result(bad.result);
  ASSERT_TRUE(refused && std::holds_alternative<Error>(*refused));
  EXPECT_EQ(std::get<Error>(*refused).code, Errc::protocol);
}

}  // namespace
}  // namespace cairn::actors::test
