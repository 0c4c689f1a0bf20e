// The shipped configurations as a user starts them, on free ports: `cairn cluster up`, files in and out, a node killed
// and started again, `cairn cluster down`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "tests/integration/cluster_of_one.hpp"
#include "tests/support/temp_dir.hpp"

namespace cairn::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using testing::HasSubstr;

// The dead are noticed soon, and passwords cost nothing.
constexpr const char* quick_settings = "\n[accounts]\npassword_operations = 1\npassword_memory = \"64KiB\"\n";
constexpr auto bound = 120s;

/// Ports that are free now; each once.
class FreePorts {
 public:
  std::string next() {
    while (true) {
      const int fd = socket(AF_INET, SOCK_STREAM, 0);
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      socklen_t length = sizeof address;
      EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), length), 0);
      EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length), 0);
      close(fd);
      const auto port = std::to_string(ntohs(address.sin_port));
      if (given_.insert(port).second) return port;
    }
  }

 private:
  std::set<std::string> given_;
};

class ClusterUpTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { copy_configs(); }
  void TearDown() override {
    const auto ran = cairn({"cluster", "down", "--data", data(), "--force"});
    EXPECT_EQ(ran.code, 0) << ran.out << ran.err;
    if (!HasFailure()) return;
    for (const auto& entry : fs::directory_iterator(data()))
      if (entry.path().extension() == ".log") {
        const std::ifstream file(entry.path());
        std::ostringstream text;
        text << file.rdbuf();
        std::cerr << entry.path() << "\n" << text.str();
      }
  }

  /// The shipped files with every port replaced by a free one, the same everywhere.
  void copy_configs() {
    fs::create_directory(folder_ / "configs");
    FreePorts free;
    std::map<std::string, std::string> ports;
    for (const auto& entry : fs::directory_iterator(fs::path(CAIRN_SOURCE_DIR "/configs") / GetParam())) {
      if (entry.path().extension() != ".toml") continue;
      const std::ifstream file(entry.path());
      std::ostringstream text;
      text << file.rdbuf();
      auto config = text.str();
      const std::string host = "127.0.0.1:";
      for (auto at = config.find(host); at != config.npos; at = config.find(host, at + 1)) {
        const auto end = config.find_first_not_of("0123456789", at + host.size());
        const auto port = config.substr(at + host.size(), end - at - host.size());
        if (!ports.contains(port)) ports[port] = free.next();
        config.replace(at + host.size(), port.size(), ports[port]);
      }
      std::ofstream(folder_ / "configs/" + entry.path().filename().string()) << config << quick_settings;
    }
  }

  std::string data() const { return folder_ / "cluster"; }

  Ran cairn(std::vector<std::string> arguments, const std::string& input = "") {
    arguments.insert(arguments.begin(), cairn_path());
    return run_process({arguments, {{"XDG_CONFIG_HOME", folder_ / "home"}}, input, folder_.path()}, bound);
  }
  Json status(int code) {
    const auto ran = cairn({"cluster", "status", "--json", "--data", data()});
    EXPECT_EQ(ran.code, code) << ran.out << ran.err;
    return Json::parse(ran.out, nullptr, false);
  }
  /// The view once nothing is wrong any more: replicas and links may take a moment longer than to serve.
  Json well() {
    const auto until = std::chrono::steady_clock::now() + bound;
    Ran ran;
    do {
      ran = cairn({"cluster", "status", "--json", "--data", data()});
    } while (ran.code != 0 && std::chrono::steady_clock::now() < until);
    EXPECT_EQ(ran.code, 0) << ran.out << ran.err;
    return Json::parse(ran.out, nullptr, false);
  }
  void up() {
    const auto ran = cairn({"cluster", "up", folder_ / "configs", "--data", data(), "--cairnd", cairnd_path()});
    ASSERT_EQ(ran.code, 0) << ran.out << ran.err;
    EXPECT_THAT(ran.out, HasSubstr("cairn cluster down --data " + data()));
  }
  std::string rpc_address() {
    const auto view = well();
    for (const auto& node : view["nodes"])
      if (node["rpc_address"] != "") return node["rpc_address"];
    return {};
  }
  void kill_node(const std::string& name) {
    std::ifstream file(data() + "/" + name + ".pid");
    pid_t pid = 0;
    ASSERT_TRUE(file >> pid);
    ASSERT_EQ(kill(pid, SIGKILL), 0);
  }
  void expect_file(const std::string& path, const std::string& content) {
    const auto ran = cairn({"cat", path});
    EXPECT_EQ(ran.code, 0) << ran.err;
    EXPECT_EQ(ran.out, content);
  }

  TempDir folder_;
};

TEST_P(ClusterUpTest, ServesSurvivesTheDeathOfANodeAndStops) {
  up();
  const auto view = well();
  EXPECT_EQ(view["well"], true);
  EXPECT_GE(view["shards"].size(), 2u);
  for (const auto& shard : view["shards"]) EXPECT_NE(shard["leader"], "");

  const auto address = rpc_address();
  const auto login = cairn({"--server", address, "login", "ada", "--create", "--password-stdin"}, "long enough\n");
  ASSERT_EQ(login.code, 0) << login.err;
  std::ofstream(folder_ / "one.txt") << "first";
  std::ofstream(folder_ / "two.txt") << "second";
  ASSERT_EQ(cairn({"put", folder_ / "one.txt"}).code, 0);

  // The one that leads the most has the most to lose.
  kill_node(view["shards"][1]["leader"]);
  ASSERT_EQ(cairn({"put", folder_ / "two.txt"}).code, 0);
  expect_file("/one.txt", "first");
  expect_file("/two.txt", "second");
  EXPECT_EQ(status(1)["well"], false);

  up();
  well();
  expect_file("/two.txt", "second");
  const auto down = cairn({"cluster", "down", "--data", data()});
  EXPECT_EQ(down.code, 0) << down.err;
  EXPECT_EQ(cairn({"cluster", "status", "--data", data()}).code, 7);

  up();
  expect_file("/one.txt", "first");
  ASSERT_EQ(cairn({"admin", "set", "dead-after-millis", "5000", "--data", data()}).code, 0);
  EXPECT_EQ(well()["settings"]["dead-after-millis"], "5000");
  EXPECT_EQ(cairn({"admin", "set", "dead-after-millis", "1", "--data", data()}).code, 2);
}

INSTANTIATE_TEST_SUITE_P(Shipped, ClusterUpTest, testing::Values("three-nodes", "five-nodes"),
                         [](const auto& info) { return info.index == 0 ? "ThreeNodes" : "FiveNodes"; });

}  // namespace
}  // namespace cairn::test
