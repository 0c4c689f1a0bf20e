// A cluster of whole nodes in one process, joined by real links: how it is founded, what goes on when nodes stop or
// are cut off, and how nodes join.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <caf/scoped_actor.hpp>
#include <filesystem>
#include <future>
#include <thread>

#include "actors/clock.hpp"
#include "actors/node.hpp"
#include "actors/shard_calls.hpp"
#include "cluster/directory_commands.hpp"
#include "protocol/certificates.hpp"
#include "tests/support/events.hpp"
#include "tests/support/temp_dir.hpp"

namespace cairn::actors::test {
namespace {

using namespace std::chrono_literals;
using cairn::test::patience;
using cairn::test::TempDir;
using cluster::directory::NodeName;
using cluster::directory::NodeRole;

// A port that was free a moment ago: founders must name each other's before any of them listens.
std::uint16_t free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  ::close(fd);
  return ntohs(address.sin_port);
}

class Nodes : public ::testing::Test {
 protected:
  Nodes() { EXPECT_TRUE(make_cluster_authority(folder_ / "ca").ok()); }

  ~Nodes() override {
    // The last that is started stops first; none waits for another.
    while (!nodes_.empty()) nodes_.erase(std::prev(nodes_.end()));
  }

  cluster::Config config(const std::string& name, cluster::directory::Roles roles) {
    cluster::Config config;
    config.node.name = name;
    config.node.data = folder_ / name;
    config.node.roles = roles;
    config.rpc.listen = "127.0.0.1:0";
    config.accounts.password_cost = {1, 64u << 10};
    if (!std::filesystem::exists(folder_ / "certificates/" + name + ".pem")) {
      EXPECT_TRUE(issue_node_certificate(name, folder_ / "ca", folder_ / "certificates").ok());
    }
    config.link.listen = "127.0.0.1:" + std::to_string(port_of(name));
    config.link.authority = folder_ / "ca/ca.pem";
    config.link.certificate = folder_ / "certificates/" + name + ".pem";
    config.link.key = folder_ / "certificates/" + name + ".key";
    config.cluster.shards = shards_;
    for (const auto& founder : founders_)
      config.cluster.founders.push_back(
          {NodeName::parse(founder).value(), "127.0.0.1:" + std::to_string(port_of(founder))});
    return config;
  }

  std::uint16_t port_of(const std::string& name) {
    auto& port = ports_[name];
    if (!port) port = free_port();
    return port;
  }

  void start(const std::string& name, cluster::directory::Roles roles) { start(config(name, roles)); }

  // A metadata node that knows nothing but where `other` is to be.
  void start_knowing(const std::string& name, const std::string& other) {
    auto joining = config(name, metadata);
    joining.cluster.founders.clear();
    joining.cluster.join = {{NodeName::parse(other).value(), "127.0.0.1:" + std::to_string(port_of(other))}};
    start(joining);
  }

  void start(const cluster::Config& config) {
    auto node = Node::start(config);
    ASSERT_TRUE(node.ok()) << node.error().message;
    nodes_[config.node.name] = std::move(*node);
  }

  void start_three_and_front() {
    for (const auto& name : founders_) start(name, metadata);
    start("front", front);
  }

  Answer ask(const std::string& node, Ask ask) {
    caf::scoped_actor self{nodes_.at(node)->system()};
    Answer out;
    self->request(nodes_.at(node)->routes()->router(), patience, std::move(ask))
        .receive([&](Answer& answer) { out = std::move(answer); },
                 [&](const caf::error& error) { ADD_FAILURE() << caf::to_string(error); });
    return out;
  }

  Answer propose(const std::string& node, const cluster::Command& command, Slot slot) {
    caf::scoped_actor self{nodes_.at(node)->system()};
    Answer out;
    self->request(nodes_.at(node)->routes()->router(), patience,
                  Propose{{0, slot.value}, cluster::encode(command)})
        .receive([&](Answer& answer) { out = std::move(answer); },
                 [&](const caf::error& error) { ADD_FAILURE() << caf::to_string(error); });
    return out;
  }

  // Makes an account through the front; true when it was acknowledged.
  bool make_account(const std::string& login) {
    const auto answer = propose("front", {now(), cluster::CreateAccount{login, "hash of " + login, 1000}},
                                slot_of_login(login));
    if (answer.served != Served::done) return false;
    const auto result = cluster::decode_command_result(answer.result);
    return result.ok() && std::holds_alternative<cluster::AccountCreated>(*result);
  }

  bool has_account(const std::string& login, bool linearizable) {
    Ask question{{0, slot_of_login(login).value}, cluster::encode(cluster::Query(cluster::FindLogin{login})),
                 linearizable, 0};
    const auto answer = ask("front", std::move(question));
    if (answer.served != Served::done) return false;
    const auto result = cluster::decode_query_result(answer.result);
    return result.ok() && std::holds_alternative<cluster::LoginFound>(*result);
  }

  // The node that leads the first shard of accounts, as its own replica says; empty if none does.
  std::string leader_of(cluster::directory::ShardId shard) {
    for (const auto& [name, node] : nodes_) {
      const auto replica = node->routes()->replica(shard);
      if (!replica) continue;
      std::promise<Result<ReplicaStatus>> promise;
      auto status = promise.get_future();
      caf::anon_send(replica, GetReplica{Reply<ReplicaStatus>(
                                  [&promise](Result<ReplicaStatus> answer) { promise.set_value(std::move(answer)); })});
      const auto answer = status.get();
      if (answer && answer->report.role == cluster::Role::leader && answer->report.settled) return name;
    }
    return {};
  }

  // Asks until it is true: each try waits for real work, not for time.
  static bool eventually(const std::function<bool()>& wanted) {
    const auto until = std::chrono::steady_clock::now() + patience;
    while (std::chrono::steady_clock::now() < until) {
      if (wanted()) return true;
      std::this_thread::yield();
    }
    return false;
  }

  static constexpr cluster::directory::Roles metadata{static_cast<std::uint8_t>(NodeRole::metadata)};
  static constexpr cluster::directory::Roles front{
      static_cast<std::uint8_t>(static_cast<unsigned>(NodeRole::api) | static_cast<unsigned>(NodeRole::block))};
  static constexpr cluster::directory::ShardId accounts{2};

  TempDir folder_;
  std::vector<std::string> founders_{"m1", "m2", "m3"};
  std::uint32_t shards_ = 1;
  std::map<std::string, std::uint16_t> ports_;
  std::map<std::string, std::unique_ptr<Node>> nodes_;
};

TEST_F(Nodes, ThreeFoundAClusterAndAFourthServesFromIt) {
  start_three_and_front();
  EXPECT_TRUE(make_account("ada"));
  EXPECT_TRUE(has_account("ada", true));
  EXPECT_FALSE(has_account("bob", true));
  for (const auto& name : founders_) {
    EXPECT_TRUE(eventually([&] { return nodes_.at(name)->routes()->replica(accounts) != nullptr; })) << name;
    EXPECT_TRUE(nodes_.at(name)->rpc_address().empty());
  }
  EXPECT_EQ(nodes_.at("front")->routes()->replica(accounts), nullptr);
}

TEST_F(Nodes, FoundersThatWaitForOneDoNotFloodEachOther) {
  start("m1", metadata);
  start("m2", metadata);
  const auto sent = [&] {
    std::uint64_t frames = 0;
    for (const auto& link : nodes_.at("m1")->peers()->status()) frames += link.frames_sent;
    return frames;
  };
  ASSERT_TRUE(eventually([&] { return sent() > 0; }));
  const auto before = sent();
  constexpr int intervals = 50;
  std::this_thread::sleep_for(intervals * limits::agent_hurried_interval);
  EXPECT_LT(sent() - before, 5u * intervals) << "one question and one answer in each interval";
}

TEST_F(Nodes, WritesGoOnWhenTheLeadersNodeStops) {
  start_three_and_front();
  ASSERT_TRUE(make_account("ada"));
  for (int round = 0; round < 3; ++round) {
    std::string leader;
    ASSERT_TRUE(eventually([&] { return !(leader = leader_of(accounts)).empty(); }));
    nodes_.erase(leader);
    const auto login = "user" + std::to_string(round);
    EXPECT_TRUE(make_account(login)) << "the rest makes a majority";
    EXPECT_TRUE(has_account("ada", true));
    start(leader, metadata);
    EXPECT_TRUE(eventually([&] { return nodes_.at(leader)->routes()->replica(accounts) != nullptr; }));
    EXPECT_TRUE(has_account(login, true));
  }
}

TEST_F(Nodes, ALeaderThatIsCutOffIsReplaced) {
  start_three_and_front();
  ASSERT_TRUE(make_account("ada"));
  std::string leader;
  ASSERT_TRUE(eventually([&] { return !(leader = leader_of(accounts)).empty(); }));
  for (const auto& [name, node] : nodes_)
    if (name != leader) {
      nodes_.at(leader)->peers()->inject(name, {true, true});
      node->peers()->inject(leader, {true, true});
    }
  EXPECT_TRUE(make_account("bob"));
  EXPECT_TRUE(has_account("ada", false)) << "at any replica";
  for (const auto& [name, node] : nodes_)
    if (name != leader) {
      nodes_.at(leader)->peers()->inject(name, {});
      node->peers()->inject(leader, {});
    }
  EXPECT_TRUE(make_account("cleo"));
}

TEST_F(Nodes, WithoutALinkToTheLeaderANodeIsServedThroughOthers) {
  start_three_and_front();
  ASSERT_TRUE(make_account("ada"));
  std::string leader;
  ASSERT_TRUE(eventually([&] { return !(leader = leader_of(accounts)).empty(); }));
  const auto cut = [&](LinkFault fault) {
    nodes_.at(leader)->peers()->inject("front", fault);
    nodes_.at("front")->peers()->inject(leader, fault);
  };
  cut({true, true});
  EXPECT_TRUE(make_account("bob"));
  EXPECT_TRUE(has_account("bob", true)) << "as its leader has it";
  for (const auto& link : nodes_.at("front")->peers()->status())
    EXPECT_EQ(link.state == LinkState::up, link.peer != leader) << link.peer;
  EXPECT_TRUE(make_account("cleo"));
  cut({});
  EXPECT_TRUE(make_account("dora"));
}

TEST_F(Nodes, TheWholeClusterStartsAgain) {
  start_three_and_front();
  ASSERT_TRUE(make_account("ada"));
  nodes_.clear();
  start_three_and_front();
  EXPECT_TRUE(has_account("ada", true));
  EXPECT_TRUE(make_account("bob"));
}

TEST_F(Nodes, ANodeWithNothingButAnAddressJoins) {
  start_three_and_front();
  ASSERT_TRUE(make_account("ada"));
  start_knowing("m4", "m2");
  ASSERT_TRUE(nodes_.contains("m4"));
  Ask everybody{{1, whole_shard},
                cluster::directory::encode(cluster::directory::Query(cluster::directory::GetNodes{{}, 100})), true, 0};
  EXPECT_TRUE(eventually([&] {
    const auto answer = ask("front", everybody);
    if (answer.served != Served::done) return false;
    const auto result = cluster::directory::decode_query_result(answer.result);
    const auto* nodes = result ? std::get_if<cluster::directory::Nodes>(&*result) : nullptr;
    return nodes && std::ranges::count_if(nodes->nodes, [](const auto& one) {
             return one.name.text() == "m4" && one.state == cluster::directory::NodeState::alive;
           }) == 1;
  }));
}

TEST_F(Nodes, ANodeThatLostItsDiskIsFoundByThoseWhoKnowIt) {
  start_three_and_front();
  ASSERT_TRUE(make_account("ada"));
  nodes_.erase("m1");
  std::filesystem::remove_all(folder_ / "m1");
  start_knowing("m1", "m9");
  ASSERT_TRUE(nodes_.contains("m1"));
  EXPECT_TRUE(eventually([&] { return nodes_.at("m1")->routes()->map()->slots().epoch.value > 0; }))
      << "whom it knows is gone, and the others have larger names";
}

TEST_F(Nodes, ACopyOfANodesDataDoesNotStart) {
  start_three_and_front();
  nodes_.erase("m3");
  std::filesystem::copy(folder_ / "m3", folder_ / "copy", std::filesystem::copy_options::recursive);
  auto copied = config("m3", metadata);
  copied.node.data = folder_ / "copy";
  const auto node = Node::start(copied);
  ASSERT_FALSE(node.ok());
  EXPECT_EQ(node.error().code, Errc::conflict);
  EXPECT_THAT(node.error().message, ::testing::HasSubstr("is a copy"));
  start("m3", metadata);
}

}  // namespace
}  // namespace cairn::actors::test
