// The part of a configuration that makes a node one of a cluster: what goes together, and what is said if not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/config.hpp"
#include "cluster/config_keys.hpp"

namespace cairn::cluster {
namespace {

using directory::NodeRole;
using testing::HasSubstr;
using testing::IsEmpty;

std::string described(const std::vector<ConfigError>& errors) {
  std::string all;
  for (const auto& error : errors) all += describe(error, "f.toml") + "\n";
  return all;
}

const std::string certificates = R"(
[link]
listen = "127.0.0.1:7511"
certificate = "n.pem"
key = "n.key"
authority = "ca.pem"
)";

/// A node called node-1 with links and this in [cluster] and [node].
std::string linked(const std::string& cluster, const std::string& node = "") {
  return "[node]\nname = \"node-1\"\n" + node + certificates + "[cluster]\n" + cluster;
}

const std::string three =
    "founders = [\"node-1@127.0.0.1:7511\", \"node-2@127.0.0.1:7512\", \"node-3@127.0.0.1:7513\"]\n";

/// All that is wrong with `text`, as one text.
std::string wrong(const std::string& text) { return described(parse_config(text).errors); }

TEST(ConfigOfACluster, TakesAFounder) {
  const auto result = parse_config(linked(three + "shards = 4\nreplicas = 5\n", "roles = [\"metadata\"]\n"));
  ASSERT_THAT(result.errors, IsEmpty()) << described(result.errors);
  const auto& c = result.config;
  EXPECT_EQ(c.node.roles, directory::Roles{}.with(NodeRole::metadata));
  ASSERT_EQ(c.cluster.founders.size(), 3u);
  EXPECT_EQ(c.cluster.founders[1].name.text(), "node-2");
  EXPECT_EQ(c.cluster.founders[1].address, "127.0.0.1:7512");
  EXPECT_EQ(c.cluster.shards, 4u);
  EXPECT_EQ(c.cluster.replicas, 5u);
  EXPECT_EQ(c.link.authority, "ca.pem");
  EXPECT_TRUE(is_founder(c));
}

TEST(ConfigOfACluster, TakesANodeThatJoins) {
  const auto front = parse_config(linked("join = [\"node-9@[::1]:7519\"]", "roles = [\"block\", \"api\"]\n"));
  ASSERT_THAT(front.errors, IsEmpty()) << described(front.errors);
  EXPECT_EQ(to_text(front.config.cluster.join.at(0)), "node-9@[::1]:7519");
  EXPECT_FALSE(is_founder(front.config));
  EXPECT_EQ(wrong(linked("founders = [\"node-7@h:1\", \"node-8@h:2\", \"node-9@h:3\"]", "roles = [\"metadata\"]\n")),
            "")
      << "founders that this node is not among lead it to the cluster";
}

TEST(ConfigOfACluster, ANodeAloneFounds) {
  EXPECT_TRUE(is_founder(Config{}));
  EXPECT_EQ(wrong(linked("")), "") << "a cluster of one node that others may join";
  EXPECT_EQ(wrong("[cluster]\nfounders = [\"node-1@127.0.0.1:7511\"]"), "") << "only this node: no links needed";
  EXPECT_TRUE(is_founder(parse_config(linked("")).config));
}

TEST(ConfigOfACluster, NodeNamesAreThoseOfCertificates) {
  for (const std::string& good : std::vector<std::string>{"a", "node-1", "n1.rack-2.example", std::string(63, 'x')})
    EXPECT_EQ(wrong("node.name = \"" + good + "\""), "") << good;
  for (const std::string& bad :
       std::vector<std::string>{"", "Node-1", "node_1", "-a", "a-", ".a", "a b", std::string(64, 'x'), "é"})
    EXPECT_THAT(wrong("node.name = \"" + bad + "\""), HasSubstr("node.name is \"")) << bad;
}

TEST(ConfigOfACluster, BadNodesOfAListAreShown) {
  const std::pair<const char*, const char*> cases[] = {
      {"node-1", "no '@'"},
      {"@h:1", "a name that is not"},
      {"Node@h:1", "a name that is not"},
      {"node-1@h", "has no port"},
      {"node-1@h:0", "port 0"},
      {"node-1@0.0.0.0:7", "every interface"},
      {"node-1@[::]:7", "every interface"},
      {"node-1@a@h:7", "host name"},
      {"node-1@", "has no port"},
  };
  for (const auto& [node, why] : cases) {
    const auto said = wrong(linked("join = [\"" + std::string(node) + "\"]"));
    EXPECT_THAT(said, HasSubstr(std::string("cluster.join has \"") + node + "\", which ")) << said;
    EXPECT_THAT(said, HasSubstr(why)) << said;
  }
  EXPECT_THAT(wrong("cluster.founders = \"node-1@h:1\""), HasSubstr("must be a list of text"));
  EXPECT_THAT(wrong("cluster.founders = [1]"), HasSubstr("must hold only text"));
  EXPECT_THAT(wrong("cluster.founders = [[\"node-1@h:1\"]]"), HasSubstr("must hold only text"));
  std::string many;
  for (int i = 0; i < 65; ++i) many += "\"n" + std::to_string(i) + "@h:1\",";
  EXPECT_THAT(wrong(linked("join = [" + many + "]")), HasSubstr("has 65 parts but may have 64"));
}

TEST(ConfigOfACluster, FoundersAreOneThreeOrFiveAndDistinct) {
  EXPECT_THAT(wrong(linked("founders = [\"node-1@h:1\", \"node-2@h:2\"]")),
              HasSubstr("has 2 nodes but must have 1, 3"));
  EXPECT_THAT(wrong(linked("founders = [\"node-1@h:1\", \"node-2@h:2\", \"node-2@h:3\"]")),
              HasSubstr("names node-2 twice"));
  EXPECT_THAT(wrong(linked("founders = [\"node-1@h:1\", \"node-2@h:2\", \"node-3@h:2\"]")),
              HasSubstr("two nodes at h:2"));
  EXPECT_THAT(wrong(linked("join = [\"node-2@h:1\", \"node-2@h:2\"]")), HasSubstr("names node-2 twice"));
  EXPECT_THAT(wrong(linked("join = [\"node-1@h:1\"]")), HasSubstr("this node itself"));
  EXPECT_THAT(wrong(linked("join = [\"node-2@h:1\"]\nfounders = [\"node-1@h:1\"]")), HasSubstr("found, or join"));
}

TEST(ConfigOfACluster, WhatNeedsLinksSaysSo) {
  EXPECT_THAT(wrong("[cluster]\n" + three), HasSubstr("f.toml:2: cluster.founders needs link.listen"));
  EXPECT_THAT(wrong("[cluster]\njoin = [\"node-2@h:1\"]"), HasSubstr("f.toml:2: cluster.join needs link.listen"));
  EXPECT_THAT(wrong("[cluster]\nfounders = [\"node-2@h:1\"]"), HasSubstr("needs link.listen"));
  EXPECT_THAT(wrong("link.listen = \"127.0.0.1:1\""),
              HasSubstr("link.listen needs link.certificate, link.key, link.authority too"));
  EXPECT_THAT(wrong("[link]\nlisten = \"127.0.0.1:1\"\ncertificate = \"a\"\nauthority = \"b\""),
              HasSubstr("link.listen needs link.key too"));
  for (const std::string key : {"certificate", "key", "authority"})
    EXPECT_THAT(wrong("[link]\n" + key + " = \"a.pem\""), HasSubstr("link." + key + " has no effect without"));
  EXPECT_THAT(wrong("link.advertise = \"h:1\""), HasSubstr("has no effect without link.listen"));
}

TEST(ConfigOfACluster, EveryInterfaceNeedsAnAdvertisedAddress) {
  auto text = linked("");
  text.replace(text.find("127.0.0.1"), 9, "0.0.0.0");
  EXPECT_THAT(wrong(text), HasSubstr("link.advertise"));
  text.insert(text.find("listen"), "advertise = \"10.0.0.1:7511\"\n");
  EXPECT_EQ(wrong(text), "");
  EXPECT_THAT(wrong(linked("") + "\n[link.x]"), HasSubstr("link"));
  EXPECT_THAT(wrong("link.advertise = \"h:0\""), HasSubstr("port 0"));
}

TEST(ConfigOfACluster, RolesGoTogether) {
  const auto join = std::string("join = [\"node-2@h:1\"]");
  for (const std::string good : {"[\"api\", \"block\"]", "[\"block\"]", "[\"metadata\"]", "[\"gateway\", \"metadata\"]",
                                 "[\"gateway\", \"api\", \"block\", \"metadata\"]"})
    EXPECT_EQ(wrong(linked(join, "roles = " + good + "\n")), "") << good;
  EXPECT_THAT(wrong(linked(join, "roles = [\"api\", \"metadata\"]\n")), HasSubstr("node.roles has api without block"));
  EXPECT_THAT(wrong(linked("", "roles = [\"api\", \"block\"]\n")), HasSubstr("no other node is known that has"));
  EXPECT_THAT(wrong("node.roles = [\"metadata\"]"), HasSubstr("nobody could ever reach the node"));
  EXPECT_THAT(wrong(linked(three, "roles = [\"api\", \"block\"]\n")), HasSubstr("one of cluster.founders"));
  EXPECT_THAT(wrong("node.roles = []"), HasSubstr("at least one role"));
  EXPECT_THAT(wrong("node.roles = [\"api\", \"api\"]"), HasSubstr("has \"api\" twice"));
  EXPECT_THAT(wrong("node.roles = [\"console\"]"), HasSubstr("one of gateway, api, block, metadata"));
}

TEST(ConfigOfACluster, ReplicasAreOddAndShardsBounded) {
  for (const int bad : {0, 2, 4, 6, 8}) EXPECT_NE(wrong("cluster.replicas = " + std::to_string(bad)), "") << bad;
  EXPECT_THAT(wrong("cluster.replicas = 4"), HasSubstr("must be odd: 1, 3, 5 or 7"));
  for (const int good : {1, 3, 5, 7}) EXPECT_EQ(wrong("cluster.replicas = " + std::to_string(good)), "") << good;
  EXPECT_THAT(wrong("cluster.shards = 1025"), HasSubstr("1 to 1024"));
  EXPECT_NE(wrong("cluster.shards = 0"), "");
}

TEST(ConfigOfACluster, SocketPathsFitIntoTheSystemsAddress) {
  EXPECT_EQ(admin_socket_path(Config{}), "./cairn-data/admin.socket");
  EXPECT_EQ(wrong("admin.socket = \"" + std::string(107, 'x') + "\""), "");
  EXPECT_THAT(wrong("admin.socket = \"" + std::string(108, 'x') + "\""), HasSubstr("107 bytes"));
  EXPECT_THAT(wrong("node.data = \"" + std::string(95, 'x') + "\""), HasSubstr("f.toml:1: node.data would be"))
      << "the default lies in the data directory";
}

TEST(Address, SaysWhatItIs) {
  EXPECT_TRUE(parse_listen_address("[::]:1")->everywhere);
  EXPECT_TRUE(parse_listen_address("0.0.0.0:1")->everywhere);
  EXPECT_FALSE(parse_listen_address("127.0.0.1:1")->everywhere);
  EXPECT_TRUE(parse_peer_address("127.0.0.1:1"));
  EXPECT_FALSE(parse_listen_address(std::string(256, 'a') + ":1"));
  EXPECT_TRUE(parse_listen_address(std::string(255, 'a') + ":1"));
}

}  // namespace
}  // namespace cairn::cluster
