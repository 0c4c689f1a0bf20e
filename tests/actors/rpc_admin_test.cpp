// The Admin interface over its socket, with a directory, an agent and a supervisor that the test plays: what a
// status holds when all answer and when none does, what each change asks of whom, and what strangers' bytes do.
#include "actors/rpc_admin.hpp"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <caf/typed_event_based_actor.hpp>

#include <fstream>

#include "client/admin.hpp"
#include "cluster/directory_machine.hpp"
#include "protocol/version.hpp"
#include "tests/actors/actor_fixture.hpp"
#include "tests/cluster/metadata_shard.hpp"
#include "tests/support/temp_dir.hpp"

namespace cairn::actors::test {
namespace {

namespace directory = cluster::directory;

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

directory::NodeName name(const std::string& text) { return directory::NodeName::parse(text).value(); }

/// The real directory over rows in memory, as one actor.
struct FakeDirectory {
  cluster::MapRows rows;

  directory::CommandResult run(const directory::Command& command) {
    storage::WriteBatch batch;
    auto applied = directory::DirectoryMachine(rows).apply(command, batch);
    if (!applied) return applied.error();
    rows.apply(batch);
    return applied->result;
  }
  directory::QueryResult ask(const directory::Query& query) { return directory::DirectoryMachine(rows).query(query); }
};

ShardActor::behavior_type fake_directory(ShardActor::pointer, std::shared_ptr<FakeDirectory> directory) {
  return {
      [directory](const Propose& message) {
        EXPECT_EQ(message.target.shard, 1u);
        return Answer{encode(directory->run(directory::decode_command(message.command).value())), Served::done, 0, 0};
      },
      [directory](const Ask& message) {
        EXPECT_EQ(message.target.slot, whole_shard);
        return Answer{encode(directory->ask(directory::decode_query(message.query).value())), Served::done, 0, 0};
      },
  };
}

ShardActor::behavior_type lost_directory(ShardActor::pointer, Served served) {
  return {
      [served](const Propose&) {
        return Answer{{}, served, 0, 0};
      },
      [served](const Ask&) {
        return Answer{{}, served, 0, 0};
      },
  };
}

using Held = std::vector<caf::typed_response_promise<Answer>>;

/// Takes requests and never answers.
ShardActor::behavior_type silent_directory(ShardActor::pointer self, std::shared_ptr<Held> held) {
  const auto hold = [self, held] {
    held->push_back(self->make_response_promise<Answer>());
    return held->back();
  };
  return {
      [hold](const Propose&) -> caf::typed_response_promise<Answer> { return hold(); },
      [hold](const Ask&) -> caf::typed_response_promise<Answer> { return hold(); },
  };
}

class RpcAdminTest : public ActorTest {
 protected:
  void SetUp() override {
    config_of_node_.node.name = "node-1";
    config_of_node_.node.data = folder_.path();
    config_of_node_.node.zone = "z";
  }

  void TearDown() override {
    admin_.reset();
    if (server_) server_->stop();
    for (const auto& actor : spawned_) caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
    routes_->set_shard(ShardActor{});
    routes_->set_agent(AgentActor{});
    routes_->set_replica(directory::ShardId{2}, ReplicaActor{});
    supervisor_ = SupervisorActor{};
    system_.await_all_actors_done();
  }

  /// A handle of any interface for an actor that only knows some of its messages.
  template <class Handle, class... Handlers>
  Handle play(Handlers... handlers) {
    const auto actor = system_.spawn([](caf::event_based_actor*, caf::behavior all) { return all; },
                                     caf::behavior{std::move(handlers)...});
    spawned_.push_back(actor);
    return caf::actor_cast<Handle>(actor);
  }

  template <class... Args>
  void play_shard(Args... args) {
    const auto actor = system_.spawn(args...);
    spawned_.push_back(caf::actor_cast<caf::actor>(actor));
    routes_->set_shard(actor);
  }

  void found() {
    const auto node = [](const std::string& text) {
      return directory::NodeIdentity{name(text),          1, text + ":1", text + ":2", "z", directory::all_roles,
                                     directory::DataId{5}};
    };
    tell(directory::Bootstrap{directory::ClusterId{9}, {node("node-1"), node("node-2")}});
    tell(directory::MakeShard{{}, {name("node-1"), name("node-2")}, 3, "founding"});
    tell(directory::MakeShard{{directory::all_slots}, {name("node-1"), name("node-2")}, 3, "founding"});
    routes_->set_map(
        std::make_shared<cluster::ClusterMap>(std::get<directory::SlotMap>(directory_->ask(directory::GetMap{}))));
  }
  void tell(directory::CommandBody body) {
    const auto result = directory_->run({Timestamp{1'000}, std::move(body)});
    ASSERT_FALSE(std::holds_alternative<Error>(result)) << std::get<Error>(result).message;
  }
  directory::Node node_now(const std::string& text) {
    return std::get<directory::Nodes>(directory_->ask(directory::GetNode{name(text)})).nodes.at(0);
  }

  void start() {
    auto server = RpcAdmin::start(config_of_node_, AdminOf{system_, routes_, supervisor_, "127.0.0.1:7"});
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
    admin_ = client::Admin::connect(server_->path(), patience).value();
  }
  std::string socket_path() const { return folder_ / "admin.socket"; }

  cairn::test::TempDir folder_;
  cluster::Config config_of_node_;
  std::shared_ptr<Routes> routes_ = std::make_shared<Routes>();
  std::shared_ptr<FakeDirectory> directory_ = std::make_shared<FakeDirectory>();
  std::vector<caf::actor> spawned_;
  SupervisorActor supervisor_;
  std::unique_ptr<RpcAdmin> server_;
  std::unique_ptr<client::Admin> admin_;
};

TEST_F(RpcAdminTest, AStatusHoldsWhatAllPartsTell) {
  found();
  play_shard(fake_directory, directory_);
  routes_->set_agent(play<AgentActor>([](const GetNodeStatus& asked) {
    NodeStatus status;
    status.name = "node-1";
    status.incarnation = 4;
    status.link_address = "127.0.0.1:9";
    status.registered = true;
    status.epoch = directory::Epoch{3};
    LinkStatus link;
    link.peer = "node-2";
    link.state = LinkState::up;
    link.clock_skew = -3ms;
    status.links.push_back(link);
    ReplicaStatus replica;
    replica.report.shard = directory::ShardId{2};
    replica.report.replica = cluster::ReplicaId{3};
    replica.report.role = cluster::Role::leader;
    replica.report.term = 6;
    replica.report.lag[cluster::ReplicaId{4}] = 17;
    replica.leader = cluster::ReplicaId{3};
    replica.applied = 100;
    replica.log_bytes = 5'000;
    status.replicas.push_back(replica);
    asked.reply(status);
  }));
  supervisor_ = play<SupervisorActor>([](const GetChildren& asked) {
    asked.reply(std::vector<ChildStatus>{{"router", true, 2, "crashed: x"}});
  });
  start();
  const auto status = admin_->status();
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_THAT(status->missing, IsEmpty());
  EXPECT_EQ(status->node.name, "node-1");
  EXPECT_EQ(status->node.version, version);
  EXPECT_EQ(status->node.incarnation, 4u);
  EXPECT_EQ(status->node.rpc_address, "127.0.0.1:7");
  EXPECT_EQ(status->node.link_address, "127.0.0.1:9");
  EXPECT_THAT(status->node.roles, ElementsAre("gateway", "api", "block", "metadata"));
  EXPECT_TRUE(status->node.registered);
  ASSERT_EQ(status->actors.size(), 1u);
  EXPECT_EQ(status->actors[0], (AdminStatus::Actor{"router", true, 2, "crashed: x"}));
  ASSERT_EQ(status->links.size(), 1u);
  EXPECT_EQ(status->links[0].state, "up");
  EXPECT_EQ(status->links[0].clock_skew_millis, -3);
  ASSERT_EQ(status->replicas.size(), 1u);
  EXPECT_EQ(status->replicas[0].role, "leader");
  EXPECT_THAT(status->replicas[0].lag, ElementsAre(AdminStatus::Lag{4, 17}));
  ASSERT_EQ(status->directory.nodes.size(), 2u);
  EXPECT_EQ(status->directory.nodes[1].state, "joining");
  ASSERT_EQ(status->directory.shards.size(), 2u);
  EXPECT_THAT(status->directory.shards[0].slots, IsEmpty());
  EXPECT_THAT(status->directory.shards[1].slots, ElementsAre(AdminStatus::SlotRange{0, 16'383}));
  EXPECT_EQ(status->directory.shards[1].placed.at(1), (AdminStatus::Placed{4, "node-2", "voter"}));
  EXPECT_THAT(status->directory.settings, Contains(AdminStatus::Setting{"max-moves", "4"}));
  ASSERT_FALSE(status->directory.events.empty());
  EXPECT_EQ(status->directory.events[0].why, "founding");
}

TEST_F(RpcAdminTest, AStatusComesFromANodeThatIsOnlyStarting) {
  start();
  const auto status = admin_->status();
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(status->node.name, "node-1");
  EXPECT_EQ(status->missing.size(), 6u);
  EXPECT_THAT(status->missing, Contains("the directory's shards: the node is starting"));
  EXPECT_THAT(status->missing, Contains("the node's actors: the node is starting"));
}

TEST_F(RpcAdminTest, ADirectoryThatDoesNotAnswerCostsABoundAndTheMapStandsIn) {
  found();
  const auto held = std::make_shared<Held>();
  play_shard(silent_directory, held);
  start();
  const auto before = std::chrono::steady_clock::now();
  const auto status = admin_->status();
  EXPECT_LT(std::chrono::steady_clock::now() - before, limits::admin_part_timeout + 10s) << "all parts side by side";
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(status->directory.shards.size(), 2u);
  EXPECT_EQ(status->directory.nodes.size(), 2u);
  EXPECT_EQ(status->directory.nodes[0].state, "") << "the map tells no states";
  EXPECT_THAT(status->missing, Contains(HasSubstr("shown is what this node had of epoch 3")));
}

TEST_F(RpcAdminTest, AReplicaThatLeadsNobodyIsNamedAsUnavailable) {
  for (const auto served : {Served::not_leader, Served::not_here, Served::behind}) {
    play_shard(lost_directory, served);
    if (!admin_) start();
    EXPECT_EQ(admin_->set_setting("max-moves", "2").error().code, Errc::unavailable);
  }
  play_shard(lost_directory, Served::unknown);
  EXPECT_EQ(admin_->set_setting("max-moves", "2").error().code, Errc::timed_out) << "it may have taken effect";
  const auto status = admin_->status();
  ASSERT_TRUE(status);
  EXPECT_THAT(status->missing, Contains(HasSubstr("the directory's events: ")));
}

TEST_F(RpcAdminTest, ChangesGoToTheDirectoryAndItsRefusalsComeBack) {
  found();
  play_shard(fake_directory, directory_);
  start();
  EXPECT_TRUE(admin_->set_setting("max-moves", "2"));
  const auto settings = std::get<directory::SettingsFound>(directory_->ask(directory::GetSettings{})).settings;
  EXPECT_THAT(settings, Contains(testing::Field(&directory::Setting::value, "2")));
  const auto unknown = admin_->set_setting("max-mvoes", "2");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, Errc::invalid_argument);
  EXPECT_THAT(unknown.error().message, HasSubstr("max-mvoes"));
  EXPECT_EQ(admin_->set_setting("max-moves", "-1").error().code, Errc::invalid_argument);
  EXPECT_TRUE(admin_->set_setting("max-moves", "")) << "back to the default";

  EXPECT_EQ(admin_->undrain("node-2").error().code, Errc::conflict) << "it is joining";
  EXPECT_TRUE(admin_->drain("node-2"));
  EXPECT_EQ(node_now("node-2").state, directory::NodeState::draining);
  EXPECT_TRUE(admin_->drain("node-2")) << "again is fine";
  EXPECT_TRUE(admin_->undrain("node-2"));
  EXPECT_EQ(node_now("node-2").state, directory::NodeState::alive);
  EXPECT_EQ(admin_->drain("node-9").error().code, Errc::not_found);
  EXPECT_EQ(admin_->undrain("node-9").error().code, Errc::not_found);
  EXPECT_EQ(admin_->drain("No Node").error().code, Errc::invalid_argument);
}

TEST_F(RpcAdminTest, LeadershipIsHandedOnByWhoHasIt) {
  found();
  tell(directory::LeaderChanged{directory::ShardId{2}, cluster::ReplicaId{4}, 1});
  routes_->set_map(
      std::make_shared<cluster::ClusterMap>(std::get<directory::SlotMap>(directory_->ask(directory::GetMap{}))));
  start();
  EXPECT_EQ(admin_->transfer_leadership(7, "node-2").error().code, Errc::not_found);
  EXPECT_EQ(admin_->transfer_leadership(2, "node-3").error().code, Errc::not_found);
  const auto elsewhere = admin_->transfer_leadership(2, "node-1");
  ASSERT_FALSE(elsewhere);
  EXPECT_EQ(elsewhere.error().code, Errc::unavailable);
  EXPECT_THAT(elsewhere.error().message, HasSubstr("ask node-2"));

  Events<std::uint64_t> asked;
  std::atomic<bool> leads = false;
  routes_->set_replica(directory::ShardId{2}, play<ReplicaActor>([&](const ChangeGroup& change) {
                         EXPECT_EQ(change.change, GroupChange::transfer);
                         asked.add(change.replica.value);
                         change.reply(leads ? Result<bool>(true) : Error{Errc::unavailable, "not the leader"});
                       }));
  EXPECT_THAT(admin_->transfer_leadership(2, "node-1").error().message, HasSubstr("ask node-2"));
  leads = true;
  EXPECT_TRUE(admin_->transfer_leadership(2, "node-1"));
  EXPECT_THAT(asked.all(), ElementsAre(3u, 3u));
}

TEST_F(RpcAdminTest, ActorsAreRestartedByName) {
  Events<std::string> restarted;
  supervisor_ = play<SupervisorActor>(
      [](const GetChildren& asked) {
        asked.reply(std::vector<ChildStatus>{{"router", true, 0, ""}, {"sealer 1", false, 3, "x"}});
      },
      [&](const RestartChild& child) { restarted.add(child.name); });
  start();
  EXPECT_TRUE(admin_->restart_actor("router"));
  EXPECT_TRUE(restarted.wait_count(1));
  EXPECT_THAT(restarted.all(), ElementsAre("router"));
  EXPECT_EQ(admin_->restart_actor("sealer 1").error().code, Errc::conflict);
  EXPECT_EQ(admin_->restart_actor("nobody").error().code, Errc::not_found);
}

TEST_F(RpcAdminTest, TheSocketIsForItsOwnerAloneAndGoesWithTheNode) {
  start();
  struct stat info {};
  ASSERT_EQ(lstat(socket_path().c_str(), &info), 0);
  EXPECT_TRUE(S_ISSOCK(info.st_mode));
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  server_->stop();
  EXPECT_NE(lstat(socket_path().c_str(), &info), 0);
  EXPECT_EQ(admin_->status().error().code, Errc::unavailable);
  EXPECT_EQ(client::Admin::connect(socket_path(), patience).error().code, Errc::not_found);
}

/// A socket file as a process leaves it that is killed.
void leave_socket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(fd, 1), 0);
  close(fd);
}

TEST_F(RpcAdminTest, ALeftoverSocketIsReplacedAndALiveOneIsNot) {
  leave_socket(socket_path());
  EXPECT_EQ(client::Admin::connect(socket_path(), patience).error().code, Errc::unavailable);
  start();
  EXPECT_TRUE(admin_->status());
  const auto second = RpcAdmin::start(config_of_node_, AdminOf{system_, routes_, SupervisorActor{}, ""});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::bad_config);
  EXPECT_THAT(second.error().message, HasSubstr("another process answers"));
  EXPECT_TRUE(admin_->status()) << "the first is not disturbed";
}

TEST_F(RpcAdminTest, WhatIsNoSocketIsLeftAlone) {
  std::ofstream(socket_path()) << "precious";
  const auto refused = RpcAdmin::start(config_of_node_, AdminOf{system_, routes_, SupervisorActor{}, ""});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("no socket"));
  std::string text;
  std::ifstream(socket_path()) >> text;
  EXPECT_EQ(text, "precious");
  config_of_node_.admin.socket = folder_ / std::string(108, 'x');
  EXPECT_THAT(RpcAdmin::start(config_of_node_, AdminOf{system_, routes_, SupervisorActor{}, ""}).error().message,
              HasSubstr("107 bytes"));
  EXPECT_EQ(client::Admin::connect(config_of_node_.admin.socket, patience).error().code, Errc::invalid_argument);
  config_of_node_.admin.socket = folder_ / "none/admin.socket";
  EXPECT_EQ(RpcAdmin::start(config_of_node_, AdminOf{system_, routes_, SupervisorActor{}, ""}).error().code,
            Errc::bad_config);
}

TEST_F(RpcAdminTest, WhatAnotherPutInTheSocketsPlaceIsLeftThere) {
  start();
  ASSERT_EQ(unlink(socket_path().c_str()), 0);
  std::ofstream(socket_path()) << "another's";
  server_->stop();
  EXPECT_EQ(access(socket_path().c_str(), F_OK), 0);
}

/// A plain connection, for bytes that are no Cap'n Proto.
class Raw {
 public:
  explicit Raw(const std::string& path) : fd_(socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    const timeval bound{patience.count(), 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
  }
  ~Raw() { close(fd_); }
  void send(const std::string& bytes) {
    EXPECT_EQ(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  /// True once the peer has closed; what it says before is passed over.
  bool closed() {
    char buffer[4'096];
    ssize_t count = 0;
    while ((count = recv(fd_, buffer, sizeof buffer, 0)) > 0) continue;
    return count == 0 || errno == ECONNRESET;
  }

 private:
  int fd_;
};

TEST_F(RpcAdminTest, BadBytesEndTheirConnectionAndNoOther) {
  start();
  const std::string huge("\0\0\0\0\0\0\x01\0", 8);  // one segment of 512 KiB
  for (const auto& bytes : {std::string(64, '\xff'), huge, std::string("GET / HTTP/1.1\r\n\r\n")}) {
    Raw raw(socket_path());
    raw.send(bytes);
    EXPECT_TRUE(raw.closed());
    EXPECT_TRUE(admin_->status());
  }
}

TEST_F(RpcAdminTest, ConnectionsAreBounded) {
  start();
  std::vector<std::unique_ptr<Raw>> open;
  for (std::size_t i = 1; i < limits::max_admin_connections; ++i) open.push_back(std::make_unique<Raw>(socket_path()));
  Raw over(socket_path());
  EXPECT_TRUE(over.closed());
  EXPECT_TRUE(admin_->status()) << "those that are open go on";
}

}  // namespace
}  // namespace cairn::actors::test
