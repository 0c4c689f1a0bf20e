// Every configuration that is shipped is right, and those of one folder make a cluster.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "cluster/config.hpp"

namespace cairn::cluster {
namespace {

namespace fs = std::filesystem;
using directory::NodeRole;

const fs::path shipped = CAIRN_SOURCE_DIR "/configs";

std::vector<fs::path> shipped_files() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(shipped))
    if (entry.path().extension() == ".toml") files.push_back(entry.path());
  return files;
}

ConfigResult read(const fs::path& path) {
  const std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return parse_config(text.str());
}

TEST(ShippedConfigs, AreAllRight) {
  EXPECT_GE(shipped_files().size(), 11u);
  for (const auto& path : shipped_files())
    for (const auto& error : read(path).errors) ADD_FAILURE() << describe(error, path.string());
}

struct Cluster {
  std::vector<Config> nodes;
  std::map<std::string, std::string> links;  // address by name
};

Cluster cluster_in(const std::string& folder) {
  Cluster cluster;
  for (const auto& entry : fs::directory_iterator(shipped / folder)) {
    if (entry.path().extension() != ".toml") continue;
    const auto config = read(entry.path()).config;
    EXPECT_EQ(entry.path().stem(), config.node.name);
    cluster.nodes.push_back(config);
    cluster.links[config.node.name] = config.link.listen;
  }
  return cluster;
}

class ShippedCluster : public testing::TestWithParam<std::pair<const char*, std::size_t>> {};

TEST_P(ShippedCluster, FoundsAndIsJoined) {
  const auto cluster = cluster_in(GetParam().first);
  std::set<std::string> listens;
  std::set<std::string> datas;
  std::set<std::vector<std::string>> founders;
  std::size_t metadata = 0;
  std::size_t serving = 0;
  for (const auto& node : cluster.nodes) {
    EXPECT_TRUE(listens.insert(node.link.listen).second) << node.link.listen;
    EXPECT_TRUE(datas.insert(node.node.data).second) << node.node.data;
    EXPECT_FALSE(fs::path(node.node.data).is_absolute());
    EXPECT_TRUE(parse_listen_address(node.link.listen)->loopback);
    metadata += is_founder(node);
    if (node.node.roles.has(NodeRole::api)) {
      ++serving;
      EXPECT_TRUE(listens.insert(node.rpc.listen).second) << node.rpc.listen;
    }
    std::vector<std::string> list;
    for (const auto& known : is_founder(node) ? node.cluster.founders : node.cluster.join) {
      list.push_back(to_text(known));
      EXPECT_EQ(cluster.links.at(known.name.text()), known.address);
    }
    founders.insert(list);
  }
  EXPECT_EQ(founders.size(), 1u) << "all name the same founders";
  EXPECT_EQ(metadata, GetParam().second);
  EXPECT_EQ(serving, 1u);
}

INSTANTIATE_TEST_SUITE_P(ShippedConfigs, ShippedCluster,
                         testing::Values(std::pair("three-nodes", 3), std::pair("five-nodes", 5)));

}  // namespace
}  // namespace cairn::cluster
