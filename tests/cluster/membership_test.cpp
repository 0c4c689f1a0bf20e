// A node's part in its cluster.
#include "cluster/membership.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cairn::cluster {
namespace {

using directory::NodeName;
using directory::Replica;
using directory::ReplicaKind;
using directory::Shard;
using directory::ShardId;
using directory::SlotMap;
using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

NodeName name(const char* text) { return NodeName::parse(text).value(); }

std::vector<NodeAt> three() { return {{name("c"), "h:3"}, {name("a"), "h:1"}, {name("b"), "h:2"}}; }

TEST(Membership, FoundersBeginWithTheDirectorysShard) {
  const ClusterMap map(founding_map(three()));
  EXPECT_EQ(map.epoch().value, 0u);
  EXPECT_EQ(map.node_of(ReplicaId{1}), name("c")) << "ids are places in the list";
  EXPECT_EQ(map.node_of(ReplicaId{3}), name("b"));
  EXPECT_EQ(map.address_of(name("b"))->link_address, "h:2");
  const auto hosted = hosted_by(map.slots(), name("a"));
  ASSERT_EQ(hosted.size(), 1u);
  EXPECT_EQ(hosted[0].replica, ReplicaId{2});
  EXPECT_THAT(hosted[0].founders.voters, ElementsAre(ReplicaId{1}, ReplicaId{2}, ReplicaId{3}));
  EXPECT_TRUE(hosted_by(map.slots(), name("d")).empty());
  EXPECT_TRUE(founding_map({}).shards.empty());
}

TEST(Membership, TheDirectorysShardIsKnownUntilTheMapKnowsIt) {
  SlotMap map;
  map.epoch = directory::Epoch{4};
  map.nodes = {{name("b"), 7, "h:9", {}}};
  const auto merged = ClusterMap(with_founding(map, founding_map(three())));
  EXPECT_EQ(merged.epoch().value, 4u);
  EXPECT_NE(merged.find(directory::directory_shard), nullptr);
  EXPECT_EQ(merged.address_of(name("b"))->link_address, "h:9") << "what the map says counts";
  EXPECT_EQ(merged.address_of(name("c"))->link_address, "h:3");
  SlotMap later;
  later.epoch = directory::Epoch{5};
  later.shards = {Shard{directory::directory_shard, {}, {{ReplicaId{9}, name("z"), ReplicaKind::voter}}, {}, 0, 1, {}}};
  EXPECT_EQ(with_founding(later, founding_map(three())), later);
}

TEST(Membership, NodesDialWhomTheyMust) {
  const auto map = founding_map(three());
  EXPECT_THAT(peers_of(map, name("b"), {}),
              UnorderedElementsAre(Pair("a", PeerAt{"h:1", false}), Pair("c", PeerAt{"h:3", true})));
  EXPECT_THAT(peers_of(map, name("z"), {}),
              UnorderedElementsAre(Pair("a", PeerAt{"h:1", true}), Pair("b", PeerAt{"h:2", true}),
                                   Pair("c", PeerAt{"h:3", true})))
      << "who holds no replica is not known to them";
  EXPECT_THAT(peers_of({}, name("z"), {{name("a"), "h:1"}, {name("z"), "h:4"}}),
              UnorderedElementsAre(Pair("a", PeerAt{"h:1", true})))
      << "its seeds, while it knows nothing";
  EXPECT_EQ(peers_of(map, name("z"), {{name("y"), "h:5"}}).count("y"), 0u);
}

TEST(Membership, ANodeHoldsWhatTheMapSays) {
  SlotMap map;
  map.shards = {Shard{ShardId{2},
                      {{0, 9}},
                      {{ReplicaId{4}, name("a"), ReplicaKind::voter},
                       {ReplicaId{5}, name("b"), ReplicaKind::learner},
                       {ReplicaId{6}, name("c"), ReplicaKind::leaving}},
                      {},
                      0,
                      3,
                      {}},
                Shard{ShardId{3}, {{10, 20}}, {{ReplicaId{7}, name("c"), ReplicaKind::voter}}, {}, 0, 3, {}}};
  const auto founder = hosted_by(map, name("a"));
  ASSERT_EQ(founder.size(), 1u);
  EXPECT_THAT(founder[0].founders.voters, ElementsAre(ReplicaId{4}, ReplicaId{6})) << "who leaves has founded, too";
  auto later = map;
  later.shards[0].leader_term = 1;
  EXPECT_TRUE(hosted_by(later, name("a"))[0].founders.voters.empty()) << "the group has begun, and may be another";
  const auto learner = hosted_by(map, name("b"));
  ASSERT_EQ(learner.size(), 1u);
  EXPECT_TRUE(learner[0].founders.voters.empty()) << "it waits to be taken in";
  const auto both = hosted_by(map, name("c"));
  ASSERT_EQ(both.size(), 2u);
  EXPECT_TRUE(both[0].leaving);
  EXPECT_FALSE(both[1].leaving);
  EXPECT_THAT(both[1].slots, ElementsAre(directory::SlotRange{10, 20}));
}

TEST(Membership, AFounderThatMayHaveVotedHearsTheOthersFirst) {
  const auto founders = three();
  const FounderHeard new_one{{}, names_of(founders)};
  const FounderHeard founded{directory::Epoch{3}, {}};
  EXPECT_EQ(may_found(founders, name("a"), false, {}), MayFound::wait);
  EXPECT_EQ(may_found(founders, name("a"), false, {{"b", new_one}}), MayFound::wait);
  EXPECT_EQ(may_found(founders, name("a"), false, {{"b", new_one}, {"c", new_one}}), MayFound::yes);
  EXPECT_EQ(may_found(founders, name("a"), false, {{"b", founded}}), MayFound::no) << "the others are founded";
  EXPECT_EQ(may_found(founders, name("a"), true, {}), MayFound::yes) << "it began before";
  EXPECT_EQ(may_found(founders, name("z"), true, {}), MayFound::no);
  EXPECT_EQ(may_found({{name("a"), ""}}, name("a"), false, {}), MayFound::yes) << "alone";
}

TEST(Membership, FoundersThatNameOthersFoundNothing) {
  const auto founders = three();
  const FounderHeard same{{}, names_of(founders)};
  const FounderHeard other{{}, {name("a"), name("c"), name("d")}};
  EXPECT_EQ(may_found(founders, name("a"), false, {{"b", same}, {"c", other}}), MayFound::wait);
  EXPECT_EQ(may_found(founders, name("a"), false, {{"b", other}, {"c", same}}), MayFound::wait);
}

}  // namespace
}  // namespace cairn::cluster
