// What a node keeps of its replicas between starts, and what it says of them.
#include "actors/hosting.hpp"

#include <caf/typed_event_based_actor.hpp>
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "actors/supervisor.hpp"
#include "tests/actors/fake_replica.hpp"
#include "tests/support/temp_dir.hpp"

namespace cairn::actors::test {
namespace {

using ::testing::ElementsAre;
using cluster::Hosted;
using cluster::ReplicaId;
using cluster::directory::Epoch;
using cluster::directory::ShardId;

constexpr ShardId shard{2};

/// Whom replicas write to. Nothing arrives.
class SilentPeers : public Peers {
 public:
  Events<ReplicaId> written_to;

  void send(ShardId, const cluster::Message& message) override { written_to.add(message.to); }
  Result<void> send(const NodeName&, Channel, Bytes) override { return Error{Errc::unavailable, "silent"}; }
  Result<void> set_peers(std::map<NodeName, LinkPeer>) override { return {}; }
  std::string address() const override { return {}; }
  std::vector<LinkStatus> status() const override { return {}; }
  std::uint64_t strangers() const override { return 0; }
  void inject(const NodeName&, LinkFault) override {}
  void stop() override {}
};

using Task = std::function<void(Hosting&)>;

/// Holds what is hosted, as the agent does; it does tasks when it is told of a link.
struct Owner {
  std::unique_ptr<Hosting> hosting;
  Events<Task> tasks;
  std::size_t done = 0;
  Events<int> seen, deleted;
};

AgentActor::behavior_type owner(AgentActor::pointer, std::shared_ptr<Owner> state) {
  return {
      [](const ControlReceived&) {},
      [state](const LinkChanged&) { state->tasks.all().at(state->done++)(*state->hosting); },
      [](const ReplicaChanged&) {},
      [state](const ReplicaWithdrew& message) { state->hosting->withdrew(message); },
      [state](const ReplicaSeen& message) {
        state->hosting->seen(message.status);
        state->seen.add(1);
      },
      [](const ReplicaFailed&) {},
      [state](const ReplicaDeleted& message) {
        EXPECT_TRUE(state->hosting->deleted(message.replica).ok());
        state->deleted.add(1);
      },
      [](const PeerWarned&) {},
      [](const NodeWarned&) {},
      [](const GetNodeStatus&) {},
      [](const TimerFired&) {},
  };
}

class HostingTest : public ActorTest {
 protected:
  void SetUp() override { start(); }
  void TearDown() override { stop(); }

  void start() {
    identity_ = storage::Identity::open(data_, "n1", "", 77).value();
    cluster::Config config;
    config.node.data = data_;
    routes_ = std::make_shared<Routes>();
    peers_ = std::make_shared<SilentPeers>();
    Answered<bool> started;
    supervisor_ = system_.spawn(supervisor, std::vector<ChildSpec>{}, cluster::RestartLimits{}, started.reply());
    ASSERT_TRUE(started.get());
    routes_->set_replica_supervisor(supervisor_);
    owner_ = std::make_shared<Owner>();
    agent_ = system_.spawn([this, config](AgentActor::pointer self, std::shared_ptr<Owner> state) {
      state->hosting = std::make_unique<Hosting>(self, config, identity_, routes_, peers_, false);
      return owner(self, std::move(state));
    }, owner_);
    routes_->set_agent(agent_);
  }
  void stop() {
    if (!agent_) return;
    std::promise<void> ended;
    supervisor_->attach_functor([&] { ended.set_value(); });
    caf::anon_send(supervisor_, StopAll{});
    ASSERT_EQ(ended.get_future().wait_for(patience), std::future_status::ready);
    caf::anon_send_exit(agent_, caf::exit_reason::user_shutdown);
    routes_->set_agent({});
    routes_->set_replica_supervisor({});
    routes_->set_replica(shard, {});
    agent_ = AgentActor{};
    supervisor_ = SupervisorActor{};
    system_.await_all_actors_done();
    owner_.reset();
    identity_.reset();
  }

  template <class Work>
  auto with_hosting(Work work) {
    using Value = decltype(work(std::declval<Hosting&>()));
    Answered<Value> done;
    owner_->tasks.add([work, reply = done.reply()](Hosting& hosting) { reply(Result<Value>(work(hosting))); });
    caf::anon_send(agent_, LinkChanged{});
    return done.get().value();
  }
  bool follow(const std::vector<Hosted>& wanted, bool may_make = true, bool may_delete = true) {
    return with_hosting([=](Hosting& hosting) { return hosting.follow(wanted, may_make, may_delete).ok(); });
  }
  ReplicaStatus only_status() {
    return with_hosting([](Hosting& hosting) { return hosting.statuses().at(0); });
  }
  static Hosted founder(std::uint64_t id, const std::vector<std::uint64_t>& founders) {
    Hosted out{shard, ReplicaId{id}, {}, {cluster::directory::all_slots}, false};
    for (const auto one : founders) out.founders.voters.push_back(ReplicaId{one});
    return out;
  }
  std::string folder(std::uint64_t id) const { return data_ + "/shards/2-" + std::to_string(id); }
  std::vector<std::uint64_t> known() const {
    std::vector<std::uint64_t> out;
    for (const auto& [id, replica] : identity_->values().replicas) out.push_back(id);
    return out;
  }

  ::cairn::test::TempDir temp_;
  std::string data_ = temp_.path() + "/data";
  std::shared_ptr<storage::Identity> identity_;
  std::shared_ptr<Routes> routes_;
  std::shared_ptr<SilentPeers> peers_;
  std::shared_ptr<Owner> owner_;
  SupervisorActor supervisor_;
  AgentActor agent_;
};

TEST_F(HostingTest, AReplicaBeginsAgainWithTheFoundersThatItWasMadeWith) {
  ASSERT_TRUE(follow({founder(1, {1, 2, 3})}));
  ASSERT_TRUE(peers_->written_to.wait_count(2)) << "it asks for votes";
  stop();
  start();
  // The map has gone on; the replica's log has not.
  ASSERT_TRUE(follow({founder(1, {1, 2, 4})}));
  const auto asked = [&](std::uint64_t id) {
    return peers_->written_to.wait([&](const auto& all) { return std::ranges::count(all, ReplicaId{id}) > 0; });
  };
  EXPECT_TRUE(asked(2));
  EXPECT_TRUE(asked(3));
  EXPECT_EQ(std::ranges::count(peers_->written_to.all(), ReplicaId{4}), 0);
}

TEST_F(HostingTest, WhatADeletionLeftIsDeletedOnceTheMapIsCurrent) {
  ASSERT_TRUE(identity_->add_replica(7, shard.value));
  ASSERT_TRUE(identity_->add_replica(8, shard.value));
  std::filesystem::create_directories(folder(7));
  std::ofstream(folder(7) + "/rows") << "left";
  ASSERT_TRUE(follow({founder(9, {9, 10, 11})}, true, false));
  EXPECT_TRUE(std::filesystem::exists(folder(7))) << "the map may be old";
  ASSERT_TRUE(follow({founder(9, {9, 10, 11})}));
  ASSERT_TRUE(owner_->deleted.wait_count(2)) << "with its folder or without";
  EXPECT_FALSE(std::filesystem::exists(folder(7)));
  EXPECT_TRUE(std::filesystem::exists(folder(9)));
  EXPECT_THAT(with_hosting([this](Hosting&) { return known(); }), ElementsAre(9));
}

TEST_F(HostingTest, AStatusIsOfTheEpochThatItWasAskedAt) {
  Events<Reply<ReplicaStatus>> asked;
  const auto fake = [&](ReplicaActor::pointer, int) -> ReplicaActor::behavior_type {
    return replica_with([](const Propose&) { return Answer{}; }, [](const Ask&) { return Answer{}; },
                        [](const ChangeGroup&) {}, [&](const GetReplica& message) { asked.add(message.reply); });
  };
  ASSERT_TRUE(follow({founder(1, {1, 2, 3})}));
  ASSERT_TRUE(peers_->written_to.wait_count(1));
  const auto slow = system_.spawn(fake, 0);
  routes_->set_replica(shard, slow);
  const auto ask = [&](std::uint64_t epoch) {
    return with_hosting([=](Hosting& hosting) {
      hosting.ask_all(Epoch{epoch});
      return true;
    });
  };
  ask(5);
  ask(9);
  ASSERT_TRUE(asked.wait_count(2));
  ReplicaStatus status;
  status.report.shard = shard;
  status.report.replica = ReplicaId{1};
  asked.all()[0](status);
  ASSERT_TRUE(owner_->seen.wait_count(1));
  EXPECT_EQ(only_status().report.epoch, Epoch{5}) << "nine was not known when it was asked";
  asked.all()[1](status);
  ASSERT_TRUE(owner_->seen.wait_count(2));
  EXPECT_EQ(only_status().report.epoch, Epoch{9});
  caf::anon_send_exit(slow, caf::exit_reason::user_shutdown);
}

TEST_F(HostingTest, AWithdrawnReplicaSaysWhyAndNothingElseAnyMore) {
  ASSERT_TRUE(follow({founder(1, {1, 2, 3})}));
  caf::anon_send(agent_, ReplicaWithdrew{shard, ReplicaId{1}, "a row fails its checksum"});
  ReplicaStatus late;
  late.report.shard = shard;
  late.report.replica = ReplicaId{1};
  caf::anon_send(agent_, ReplicaSeen{late});
  ASSERT_TRUE(owner_->seen.wait_count(1));
  EXPECT_TRUE(only_status().report.withdrawn);
  EXPECT_EQ(only_status().withdrawn_why, "a row fails its checksum");
}

}  // namespace
}  // namespace cairn::actors::test
