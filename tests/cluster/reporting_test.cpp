// Whom a node reports to as the directory's leaders come and go.
#include "cluster/reporting.hpp"

#include <gtest/gtest.h>

#include "cluster/membership.hpp"
#include "protocol/limits.hpp"

namespace cairn::cluster {
namespace {

using directory::NodeName;
using directory::ReportAnswer;

NodeName name(const char* text) { return NodeName::parse(text).value(); }

// The directory's replicas 1, 2 and 3 are on the nodes a, b and c.
class ReportingTest : public testing::Test {
 protected:
  std::string node() const { return reporting_.node(map_); }
  // To itself a node sends nothing.
  void report() {
    if (node() != "c") reporting_.sent(node());
  }
  void tick() {
    now_ += limits::agent_interval;
    reporting_.tick(map_, now_);
    report();
  }
  void answer(bool leads, std::uint64_t leader = 0) {
    reporting_.answered(node(), ReportAnswer{leads, ReplicaId{leader}, {}}, map_);
  }

  ClusterMap map_{founding_map({{name("a"), "h:1"}, {name("b"), "h:2"}, {name("c"), "h:3"}})};
  Instant now_{1'000'000};
  Reporting reporting_{name("c"), {{name("y"), "h:8"}, {name("z"), "h:9"}}};
};

TEST_F(ReportingTest, WithoutAMapThoseToJoinAreAskedInTurn) {
  const ClusterMap none;
  EXPECT_EQ(reporting_.node(none), "y");
  reporting_.sent("y");
  reporting_.answered("y", ReportAnswer{}, none);
  EXPECT_EQ(reporting_.node(none), "z");
  EXPECT_EQ(Reporting(name("c"), {}).node(none), "");
}

TEST_F(ReportingTest, TheOthersAreAskedUntilOneKnows) {
  EXPECT_EQ(node(), "a");
  report();
  answer(false);
  EXPECT_EQ(node(), "b");
  report();
  answer(false);
  EXPECT_EQ(node(), "a") << "this node itself knows of none";
  report();
  answer(false, 2);
  EXPECT_EQ(node(), "b");
  EXPECT_FALSE(reporting_.leads_here(map_));
  reporting_.heard_leader(ReplicaId{3});
  EXPECT_EQ(node(), "c");
  EXPECT_TRUE(reporting_.leads_here(map_));
}

TEST_F(ReportingTest, WhetherThisNodeLeadsItsOwnReplicaSays) {
  report();
  answer(false, 3);
  EXPECT_EQ(node(), "b") << "who said that this node leads knows of no other";
  EXPECT_FALSE(reporting_.leads_here(map_));
  reporting_.heard_leader(ReplicaId{3});
  reporting_.answered("b", ReportAnswer{false, ReplicaId{3}, {}}, map_);
  EXPECT_TRUE(reporting_.leads_here(map_));
}

TEST_F(ReportingTest, WhoWasAskedBeforeALeaderWasKnownDoesNotMakeItForgotten) {
  report();
  ASSERT_EQ(node(), "a");
  for (const std::uint64_t leader : {2, 3}) {
    for (const std::uint64_t named : {0, 1}) {
      reporting_.heard_leader(ReplicaId{leader});
      reporting_.answered("a", ReportAnswer{false, ReplicaId{named}, {}}, map_);
      EXPECT_EQ(reporting_.leader(), ReplicaId{leader}) << "named: " << named;
    }
  }
}

TEST_F(ReportingTest, AnotherIsAskedWhenTheLeaderAnswersNoMore) {
  reporting_.heard_leader(ReplicaId{1});
  report();
  for (std::uint32_t i = 0; i < limits::max_unanswered_reports; ++i) tick();
  EXPECT_EQ(node(), "a");
  tick();
  EXPECT_EQ(node(), "b");
  EXPECT_EQ(reporting_.leader(), ReplicaId{0});
}

TEST_F(ReportingTest, ManyReportsAtOnceDoNotMakeALeaderSilent) {
  reporting_.heard_leader(ReplicaId{1});
  for (int interval = 0; interval < 5; ++interval) {
    for (int burst = 0; burst < 20; ++burst) report();
    tick();
    EXPECT_EQ(node(), "a") << interval;
    answer(true);
  }
}

TEST_F(ReportingTest, WhoHearsNothingOfTheDirectoryIsLost) {
  tick();
  const auto ticks = limits::lost_after / limits::agent_interval;
  for (int i = 0; i < ticks; ++i) tick();
  EXPECT_FALSE(reporting_.lost());
  tick();
  EXPECT_TRUE(reporting_.lost());
  answer(false, 2);
  tick();
  EXPECT_TRUE(reporting_.lost()) << "those who do not lead may have been forgotten, too";
  answer(true);
  tick();
  EXPECT_FALSE(reporting_.lost());
  reporting_.heard_leader(ReplicaId{3});
  for (int i = 0; i < 2 * ticks; ++i) tick();
  EXPECT_FALSE(reporting_.lost()) << "it leads itself";
}

TEST_F(ReportingTest, ALostLinkIsNotSilence) {
  reporting_.heard_leader(ReplicaId{1});
  report();
  for (std::uint32_t i = 0; i < limits::max_unanswered_reports; ++i) tick();
  reporting_.link_lost("a");
  tick();
  EXPECT_EQ(node(), "a") << "its link was away meanwhile";
}

}  // namespace
}  // namespace cairn::cluster
