// `cairn cluster` without a real server: what it reads, what it makes of its nodes' answers, and daemons that are
// started, found again and stopped, with scripts in place of cairnd.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "apps/cairn/cluster_files.hpp"
#include "apps/cairn/cluster_view.hpp"
#include "apps/cairn/commands.hpp"
#include "apps/cairn/node_process.hpp"
#include "protocol/certificates.hpp"
#include "tests/support/temp_dir.hpp"

namespace cairn::apps {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::string text_of(const std::string& path) {
  const std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class Cluster : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(folder_ / "configs");
    write("b.toml", node_text("b", "127.0.0.1:7502"));
    write("a.toml", node_text("a", "127.0.0.1:7501"));
    fs::create_directory(folder_ / "run");
  }
  void TearDown() override {
    for (const std::string name : {"a", "b"})
      if (const auto left = NodeProcess::find(folder().pid_file(name))) {
        (void)left->signal(SIGKILL);
        EXPECT_TRUE(left->wait(std::chrono::seconds(20)));
      }
  }

  static std::string node_text(const std::string& name, const std::string& listen) {
    return "[node]\nname = \"" + name + "\"\ndata = \"" + name + "\"\n[link]\nlisten = \"" + listen +
           "\"\ncertificate = \"keys/" + name + ".pem\"\nkey = \"keys/" + name +
           ".key\"\nauthority = \"keys/ca.pem\"\n";
  }
  void write(const std::string& file, const std::string& text) { std::ofstream(configs() + "/" + file) << text; }
  std::string configs() const { return folder_ / "configs"; }
  ClusterFolder folder() const { return cluster_folder(folder_ / "run"); }

  /// A program in place of cairnd.
  std::string script(const std::string& lines) const {
    const auto path = folder_ / "cairnd";
    std::ofstream(path) << "#!/bin/sh\n" << lines << "\n";
    chmod(path.c_str(), 0755);
    return path;
  }

  template <class C>
  int run_it(const C& command) {
    std::FILE* out = std::fopen((folder_ / "out").c_str(), "w");
    std::FILE* err = std::fopen((folder_ / "err").c_str(), "w");
    int code = -1;
    {
      Output output(out, err);
      Context context{output, interrupts_, {}};
      code = run(command, context);
      EXPECT_TRUE(output.finish());
    }
    std::fclose(out);
    std::fclose(err);
    out_ = text_of(folder_ / "out");
    err_ = text_of(folder_ / "err");
    return code;
  }
  ClusterUp up(const std::string& program) const { return {{configs()}, folder().path, program, 1}; }
  ClusterDown down() const { return {folder().path, 20, false, false, false}; }

  test::TempDir folder_;
  Interrupts interrupts_;
  std::string out_;
  std::string err_;
};

TEST_F(Cluster, ReadsAFolderOfConfigurations) {
  const auto read = read_configs({configs()}, folder());
  ASSERT_THAT(read.errors, IsEmpty()) << read.errors[0].message;
  ASSERT_EQ(read.nodes.size(), 2u);
  EXPECT_EQ(read.nodes[0].name, "a");
  EXPECT_EQ(read.nodes[0].config, configs() + "/a.toml");
  EXPECT_EQ(read.nodes[0].data, folder_ / "run/a") << "relative paths start in the cluster's folder";
  EXPECT_EQ(read.nodes[0].socket, folder_ / "run/a/admin.socket");
  EXPECT_EQ(read.nodes[0].authority, folder_ / "run/keys/ca.pem");
  EXPECT_EQ(read_configs({configs() + "/b.toml"}, folder()).nodes.at(0).name, "b");
}

TEST_F(Cluster, WhatIsWrongInConfigurationsIsNamed) {
  write("b.toml", "[node]\nname = \"B\"\n");
  write("c.toml", node_text("a", "127.0.0.1:7503"));
  const auto read = read_configs({configs(), folder_ / "none", folder_ / "run"}, folder());
  std::string all;
  for (const auto& error : read.errors) all += error.message + "\n";
  EXPECT_THAT(all, HasSubstr("b.toml:2: node.name is \"B\""));
  EXPECT_THAT(all, HasSubstr("cannot read " + folder_ / "none"));
  EXPECT_THAT(all, HasSubstr("run holds no *.toml"));
  EXPECT_THAT(all, HasSubstr("c.toml: node.name is a, as in " + configs() + "/a.toml"));
  EXPECT_THAT(all, HasSubstr("node.data"));
  EXPECT_EQ(run_it(up(script("exit 0"))), exit_usage);
  EXPECT_FALSE(fs::exists(folder().list())) << "nothing is started if one is wrong";
}

TEST_F(Cluster, CertificatesAreMadeOnceAndOnlyWhereTheyAreMissing) {
  const auto nodes = read_configs({configs()}, folder()).nodes;
  const auto made = make_certificates(nodes);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_THAT(*made, ElementsAre(folder_ / "run/keys/ca.pem", folder_ / "run/keys/a.pem", folder_ / "run/keys/b.pem"));
  const auto before = text_of(folder_ / "run/keys/a.pem");
  EXPECT_THAT(*make_certificates(nodes), IsEmpty());
  EXPECT_EQ(text_of(folder_ / "run/keys/a.pem"), before);
  auto odd = nodes;
  odd[0].certificate = folder_ / "run/keys/other.pem";
  EXPECT_THAT(make_certificates(odd).error().message, HasSubstr("cairn admin issue"));
  odd = nodes;
  odd[0].authority = folder_ / "run/else/root.pem";
  odd[0].certificate = folder_ / "run/else/a.pem";
  odd[0].key = folder_ / "run/else/a.key";
  EXPECT_EQ(make_certificates(odd).error().code, Errc::bad_config);
}

TEST_F(Cluster, TheListComesBackAndDamageIsNamed) {
  const auto nodes = read_configs({configs()}, folder()).nodes;
  EXPECT_EQ(read_cluster(folder()).error().code, Errc::not_found);
  ASSERT_TRUE(write_cluster(folder(), nodes));
  EXPECT_EQ(*read_cluster(folder()), nodes);
  for (const std::string text : {"", "{", "[]", "{\"nodes\": 5}", "{\"nodes\": [{}]}", "{\"nodes\": [5]}",
                                 R"({"nodes":[{"name":"../x","config":"","data":"","socket":"","certificate":"",)"
                                 R"("key":"","authority":""}]})"}) {
    std::ofstream(folder().list()) << text;
    EXPECT_EQ(read_cluster(folder()).error().code, Errc::bad_config) << text;
  }
}

TEST_F(Cluster, AServerThatEndsAtOnceIsToldWithItsLastWords) {
  EXPECT_EQ(run_it(up(script("echo one; echo the last word >&2; exit 3"))), exit_partial);
  EXPECT_THAT(err_, HasSubstr("ended at once"));
  EXPECT_THAT(text_of(folder().log_file("a")) + text_of(folder().log_file("b")), HasSubstr("the last word"));
  EXPECT_EQ(run_it(down()), exit_ok) << err_;
}

TEST_F(Cluster, ServersAreStartedOnceFoundAgainAndStopped) {
  const auto program = script("echo \"$PWD $*\"; exec sleep 1000");
  EXPECT_EQ(run_it(up(program)), exit_partial) << "nobody answers on the sockets";
  EXPECT_THAT(err_, HasSubstr("does not serve after 1 s"));
  EXPECT_THAT(out_, HasSubstr("a does not answer"));
  const auto first = NodeProcess::find(folder().pid_file("a"));
  ASSERT_TRUE(first);
  EXPECT_EQ(getsid(first->pid()), first->pid()) << "it outlives the terminal";
  EXPECT_EQ(text_of(folder().log_file("a")), folder().path + " --config " + configs() + "/a.toml\n");

  EXPECT_EQ(run_it(up(program)), exit_partial);
  EXPECT_THAT(out_, HasSubstr("a runs already, as process " + std::to_string(first->pid())));
  EXPECT_EQ(NodeProcess::find(folder().pid_file("a"))->pid(), first->pid());

  EXPECT_EQ(run_it(ClusterStatus{folder().path, {}, false}), exit_unreachable);
  EXPECT_EQ(run_it(down()), exit_ok) << err_;
  EXPECT_THAT(out_, HasSubstr("a stopped\nb stopped\n"));
  EXPECT_FALSE(fs::exists(folder().pid_file("a")));
  EXPECT_EQ(run_it(down()), exit_ok) << "again is fine";
  EXPECT_THAT(out_, HasSubstr("a does not run"));
}

TEST_F(Cluster, WhoDoesNotStopIsKilledOnlyIfAskedTo) {
  write("b.toml", "");
  fs::remove(configs() + "/b.toml");
  EXPECT_EQ(run_it(up(script("trap '' TERM; echo ready; while true; do sleep 1; done"))), exit_partial);
  auto command = down();
  command.wait_seconds = 1;
  EXPECT_EQ(run_it(command), exit_partial);
  EXPECT_THAT(err_, HasSubstr("has not stopped; --force would kill it"));
  EXPECT_TRUE(NodeProcess::find(folder().pid_file("a")));
  command.force = true;
  EXPECT_EQ(run_it(command), exit_ok);
  EXPECT_THAT(err_, HasSubstr("was killed"));
  EXPECT_FALSE(NodeProcess::find(folder().pid_file("a")));
}

TEST_F(Cluster, APidThatIsAnothersNowIsLeftAlone) {
  const auto file = folder().pid_file("a");
  std::ofstream(file) << getpid() << " 1\n";
  EXPECT_FALSE(NodeProcess::find(file)) << "this test started at another time";
  for (const std::string text : {"", "x", "1 1", "-5 3", "999999999 3", "0 0"}) {
    std::ofstream(file) << text;
    EXPECT_FALSE(NodeProcess::find(file)) << text;
  }
}

TEST_F(Cluster, DeletesWhatItMadeAndNothingElse) {
  std::ofstream(folder_ / "run/mine.txt") << "x";
  write("b.toml", "[node]\nname = \"b\"\ndata = \"" + folder_ / "outside" + "\"\n");
  fs::create_directory(folder_ / "outside");
  EXPECT_EQ(run_it(up(script("mkdir a; exec sleep 1000"))), exit_partial);
  auto command = down();
  command.remove = true;
  EXPECT_EQ(run_it(command), exit_usage) << "there is nobody to ask";
  EXPECT_TRUE(NodeProcess::find(folder().pid_file("a"))) << "nothing was done";
  command.yes = true;
  EXPECT_EQ(run_it(command), exit_ok) << err_;
  EXPECT_THAT(err_, HasSubstr("left: " + folder_ / "outside"));
  EXPECT_TRUE(fs::exists(folder_ / "outside"));
  std::vector<std::string> left;
  for (const auto& entry : fs::directory_iterator(folder().path)) left.push_back(entry.path().filename());
  EXPECT_THAT(left, ElementsAre("mine.txt"));
}

TEST_F(Cluster, WithoutOneTheCommandsSayHowToStartIt) {
  EXPECT_EQ(run_it(ClusterStatus{folder().path, {}, false}), exit_not_found);
  EXPECT_THAT(err_, HasSubstr("no cluster was started in " + folder().path));
  EXPECT_EQ(run_it(down()), exit_not_found);
  EXPECT_EQ(run_it(AdminDrain{"a", false, {"", folder().path}}), exit_not_found);
  EXPECT_EQ(run_it(AdminSet{"x", "1", {folder_ / "no.socket", ""}}), exit_not_found);
  EXPECT_EQ(run_it(up(folder_ / "no-program")), exit_not_found);
}

TEST(LogTail, IsTheLastLines) {
  const test::TempDir folder;
  const auto path = folder / "log";
  EXPECT_EQ(tail_of(path, 2), "");
  std::ofstream(path) << "one\ntwo\nthree\n";
  EXPECT_EQ(tail_of(path, 2), "two\nthree\n");
  EXPECT_EQ(tail_of(path, 9), "one\ntwo\nthree\n");
  std::ofstream(path) << "no end";
  EXPECT_EQ(tail_of(path, 2), "no end");
}

/// Three nodes, of which each holds a replica of the directory and of shard 2; node-1 leads both.
std::vector<NodeAnswer> healthy() {
  AdminStatus::Directory directory;
  directory.epoch = 9;
  directory.settings = {{"max-moves", "4"}};
  directory.events = {{5, 1'000, "shard 2 is made", "founding"}};
  const std::vector<std::string> names{"node-1", "node-2", "node-3"};
  for (std::uint32_t shard = 1; shard <= 2; ++shard) {
    AdminStatus::Shard placed;
    placed.id = shard;
    if (shard == 2) placed.slots = {{0, 16'383}};
    for (std::size_t i = 0; i < 3; ++i) placed.placed.push_back({(shard - 1) * 3 + i + 1, names[i], "voter"});
    placed.leader = placed.placed[0].replica;
    placed.leader_term = 4;
    placed.wanted = 3;
    directory.shards.push_back(placed);
  }
  for (const auto& name : names) directory.nodes.push_back({name, "alive", "z", {"metadata"}, name + ":1", "", 1});
  std::vector<NodeAnswer> answers;
  for (std::size_t i = 0; i < 3; ++i) {
    AdminStatus status;
    status.node.name = names[i];
    status.node.roles = {"metadata"};
    status.node.registered = true;
    status.directory = directory;
    for (const auto& other : names) {
      if (other == names[i]) continue;
      status.links.emplace_back();
      status.links.back().peer = other;
      status.links.back().state = "up";
    }
    for (const auto& shard : directory.shards) {
      AdminStatus::Replica replica;
      replica.shard = shard.id;
      replica.id = shard.placed[i].replica;
      replica.role = i == 0 ? "leader" : "follower";
      replica.term = 4;
      replica.applied = 100;
      if (i == 0) replica.lag = {{shard.placed[1].replica, 0}, {shard.placed[2].replica, 7}};
      status.replicas.push_back(replica);
    }
    answers.push_back({names[i], "/x/" + names[i], status});
  }
  return answers;
}

TEST(ClusterView, OfAHealthyClusterHasNoProblems) {
  const auto view = make_view(healthy());
  EXPECT_THAT(view.problems, IsEmpty());
  EXPECT_TRUE(view.serves);
  EXPECT_EQ(view.epoch, 9u);
  ASSERT_EQ(view.nodes.size(), 3u);
  EXPECT_EQ(view.nodes[0].links_up, 2u);
  ASSERT_EQ(view.shards.size(), 2u);
  EXPECT_EQ(view.shards[0].slots, "directory");
  EXPECT_EQ(view.shards[1].slots, "0-16383");
  EXPECT_EQ(view.shards[1].leader, "node-1");
  EXPECT_EQ(view.shards[1].replicas[2].lag, 7u);
  const auto lines = describe(view, 10);
  EXPECT_THAT(lines[0], HasSubstr("Cluster of 3 nodes, epoch 9: all is well"));
  EXPECT_THAT(lines, Contains(HasSubstr("node-3 at 100, lacks 7")));
  EXPECT_THAT(lines, Contains(HasSubstr("shard 2 is made: founding")));
  const auto json = to_json(view);
  EXPECT_EQ(json["well"], true);
  EXPECT_EQ(json["shards"][1]["replicas"][2]["lag"], 7);
  EXPECT_EQ(json["settings"]["max-moves"], "4");
}

TEST(ClusterView, ASilentLeaderIsAProblemUntilAnotherLeads) {
  auto answers = healthy();
  answers[0].status = Error{Errc::unavailable, "no node answers"};
  for (std::size_t i = 1; i < 3; ++i) answers[i].status->directory.nodes[0].state = "dead";
  auto view = make_view(answers);
  EXPECT_FALSE(view.serves);
  EXPECT_EQ(view.answered, 2u);
  EXPECT_THAT(view.problems, Contains("node-1 does not answer: no node answers"));
  EXPECT_THAT(view.problems, Contains("node-1 is dead"));
  EXPECT_THAT(describe(view, 0), Contains(HasSubstr("dead, silent")));
  for (auto& replica : answers[1].status->replicas) {
    replica.role = "leader";
    replica.term = 5;
  }
  view = make_view(answers);
  EXPECT_EQ(view.shards[1].leader, "node-2");
  EXPECT_EQ(view.shards[1].term, 5u);
}

TEST(ClusterView, AShardThatNobodySaysToLeadHasNoLeader) {
  auto answers = healthy();
  for (auto& replica : answers[0].status->replicas) replica.role = "follower";
  const auto view = make_view(answers);
  EXPECT_EQ(view.shards[1].leader, "") << "what the directory heard last is not true any more";
  EXPECT_THAT(view.problems, Contains("shard 2 has no leader"));
  EXPECT_FALSE(view.serves);
}

TEST(ClusterView, EveryKindOfTroubleIsNamed) {
  auto answers = healthy();
  auto& status = *answers[1].status;
  status.links[0].state = "waiting";
  status.links[0].last_error = "silent";
  status.actors = {{"router", false, 3, "crashed: x"}};
  status.replicas[1].withdrawn = true;
  status.replicas[1].withdrawn_why = "a row fails its checksum";
  status.missing = {"the directory's nodes: no answer within 2000 ms"};
  status.node.registered = false;
  const auto view = make_view(answers);
  EXPECT_THAT(view.problems, Contains("node-2 has no link to node-1: silent"));
  EXPECT_THAT(view.problems, Contains("router of node-2 does not run: crashed: x"));
  EXPECT_THAT(view.problems, Contains("replica 5 of shard 2 withdrew: a row fails its checksum"));
  EXPECT_THAT(view.problems, Contains("shard 2 has 2 of 3 replicas"));
  EXPECT_THAT(view.problems, Contains("node-2 could not tell the directory's nodes: no answer within 2000 ms"));
  EXPECT_THAT(view.problems, Contains("node-2 is not registered at the directory yet"));
  EXPECT_FALSE(view.serves);
}

TEST(ClusterView, OneNodeNeedsNoMoreReplicasThanNodes) {
  auto answers = healthy();
  answers.erase(answers.begin() + 1, answers.end());
  auto& directory = answers[0].status->directory;
  directory.nodes.resize(1);
  for (auto& shard : directory.shards) shard.placed.resize(1);
  answers[0].status->links.clear();
  const auto view = make_view(answers);
  EXPECT_THAT(view.problems, IsEmpty()) << "three replicas are wanted, but there is one node";
  EXPECT_TRUE(view.serves);
}

TEST(ClusterView, BeforeItIsFoundedItDoesNotServe) {
  AdminStatus status;
  status.node.name = "node-1";
  status.node.registered = true;
  const auto view = make_view({{"node-1", "/x", status}});
  EXPECT_FALSE(view.serves);
  EXPECT_THAT(view.problems, Contains("the cluster is not founded yet"));
  EXPECT_FALSE(make_view({}).serves);
}

TEST(ClusterView, WhatNodesSayCannotSteerATerminal) {
  auto answers = healthy();
  answers[0].status->links[0].state = "waiting";
  answers[0].status->links[0].last_error = "\x1b[31mred";
  for (auto& answer : answers) answer.status->directory.events[0].what = "a\nb\x1b";
  for (const auto& line : describe(make_view(answers), 5)) {
    EXPECT_THAT(line, Not(HasSubstr("\x1b")));
    EXPECT_THAT(line, Not(HasSubstr("\n")));
  }
}

}  // namespace
}  // namespace cairn::apps
