// Nodes of a cluster that are killed, stopped and cut off while clients work: the rest goes on, nothing acknowledged is
// lost, nothing happens twice, and what was away takes part again.
#include "tests/integration/faulty_cluster.hpp"
#include "tests/support/await.hpp"

namespace cairn::test {
namespace {

using ClusterFaults = FaultyCluster;

// Reads that show that they go on, while nothing is committed.
constexpr std::size_t reads_meanwhile = 200;
// What was on its way when the majority went may be answered this long after.
constexpr double last_answers_seconds = 1;

TEST_F(ClusterFaults, ALeaderThatIsKilledIsReplacedAndReturns) {
  begin();
  for (int round = 0; round < 3; ++round) {
    const auto leader = cluster->leader();
    cluster->kill(leader);
    expect_progress("without " + leader);
    EXPECT_NE(cluster->leader(), leader);
    cluster->start(leader);
    cluster->await_full();
  }
  cluster->await_event("won the election");
  expect_whole();
}

TEST_F(ClusterFaults, AFollowerThatIsKilledIsNotMissed) {
  begin();
  const auto follower = cluster->follower();
  const auto leader = cluster->leader();
  const auto killed = seconds_now();
  cluster->kill(follower);
  expect_progress("without a follower");
  EXPECT_EQ(cluster->leader(), leader);
  cluster->start(follower);
  cluster->await_full();
  expect_progress("with it again");
  const auto now = seconds_now();
  EXPECT_TRUE(load->writes_after(now));
  EXPECT_LT(longest_pause(load->writes().sorted(), killed, now), 5);
  expect_whole();
}

TEST_F(ClusterFaults, ALeaderThatIsStoppedIsReplacedAndKnowsWhenItWakes) {
  begin();
  const auto leader = cluster->leader();
  cluster->freeze(leader);
  expect_progress("while the leader is stopped");
  EXPECT_NE(cluster->leader(), leader);
  cluster->thaw(leader);
  cluster->await_full();
  expect_progress("after it woke");
  expect_whole();
}

TEST_F(ClusterFaults, AFollowerThatIsStoppedIsNotWaitedFor) {
  begin();
  const auto follower = cluster->follower();
  cluster->freeze(follower);
  expect_progress("while a follower is stopped");
  cluster->thaw(follower);
  cluster->await_full();
  expect_whole();
}

TEST_F(ClusterFaults, ALeaderThatIsCutOffIsReplacedAndReturns) {
  if (!begin_on_a_network()) return;
  const auto leader = cluster->leader();
  cluster->cut(leader);
  expect_progress("while the leader is cut off");
  cluster->heal(leader);
  cluster->await_full();
  expect_progress("after the cut");
  expect_whole();
}

TEST_F(ClusterFaults, AFollowerThatIsCutOffIsNotMissed) {
  if (!begin_on_a_network()) return;
  const auto follower = cluster->follower();
  cluster->cut(follower);
  expect_progress("while a follower is cut off");
  cluster->heal(follower);
  cluster->await_full();
  expect_whole();
}

TEST_F(ClusterFaults, WithoutAMajorityWritesWaitAndReadsGoOn) {
  if (!begin_on_a_network()) return;
  const auto away = cluster->others({cluster->follower()});
  for (const auto& name : away) cluster->cut(name);
  const auto quiet_from = seconds_now() + last_answers_seconds;
  ASSERT_TRUE(load->reads_after(quiet_from)) << "reads go on at the replica that is left";
  const auto reads = load->reads().count(), writes = load->writes().count();
  EXPECT_TRUE(comes_true(ProcessCluster::patience, [&] { return load->reads().count() > reads + reads_meanwhile; }));
  EXPECT_EQ(load->writes().count(), writes) << "nothing may be acknowledged by one of three";
  for (const auto& name : away) cluster->heal(name);
  expect_progress("after the cut");
  cluster->await_full();
  expect_whole();
}

TEST_F(ClusterFaults, OneIsKilledAndOneStoppedAtOnce) {
  begin();
  const auto leader = cluster->leader();
  const auto stopped = cluster->others({leader})[0];
  cluster->freeze(stopped);
  cluster->kill(leader);
  // The last commits may be acknowledged and not yet known as such by the one that is left: who has seen them waits.
  cluster->launch(leader);
  expect_progress("with two again");
  cluster->thaw(stopped);
  cluster->await_full();
  expect_whole();
}

TEST_F(ClusterFaults, AllAreKilledAtOnceAndReturn) {
  begin();
  for (const auto& name : cluster->founders()) cluster->kill(name);
  for (const auto& name : cluster->founders()) cluster->launch(name);
  cluster->await_full();
  expect_progress("after all were killed");
  expect_whole();
}

TEST_F(ClusterFaults, TheFrontNodeIsKilledAndReturns) {
  begin();
  cluster->kill(ProcessCluster::front);
  cluster->start(ProcessCluster::front);
  expect_progress("through the front node that was killed");
  expect_whole();
}

TEST_F(ClusterFaults, ANodeThatIsLostForGoodIsReplaced) {
  begin();
  cluster->set_setting("dead-after-millis", "1000");
  cluster->set_setting("grace-millis", "0");
  cluster->add("node-4");
  cluster->start("node-4");
  const auto lost = cluster->leader();
  cluster->kill(lost);
  const auto replaced = [&] {
    const auto known = cluster->directory();
    if (!known) return false;
    for (const auto& shard : known->shards)
      for (const auto& placed : shard.placed)
        if (placed.node == lost) return false;
    return cluster->full();
  };
  EXPECT_TRUE(comes_true(std::chrono::seconds(60), replaced));
  cluster->await_event("node " + lost + " is dead");
  expect_progress("with another node in its place");
  expect_whole();
}

}  // namespace
}  // namespace cairn::test
