// A group that changes: learners that join, voters that go, snapshots for those that the log no longer reaches.
#include "tests/actors/replica_group.hpp"

#include <filesystem>

namespace cairn::actors::test {
namespace {

constexpr std::size_t row_bytes = 900;

class ReplicaMembers : public ReplicaGroupTest {
 protected:
  // Checkpoints come soon, little of the log is kept, and snapshots travel in many parts.
  void forget_soon() {
    options_.metadata.tick_interval = std::chrono::milliseconds(5);
    options_.metadata.checkpoint_interval = std::chrono::milliseconds(10);
    options_.log_entries_kept = 20;
    options_.raft.snapshot_chunk_bytes = 2u << 10;
  }
  std::uint64_t fill(std::uint64_t id, int from, int to) {
    std::uint64_t last = 0;
    for (int i = from; i < to; ++i) last = propose(id, create_account("user-" + std::to_string(i), row_bytes)).index;
    return last;
  }
  // Waits until the log of `id` no longer reaches back to what `other` lacks.
  bool forgets(std::uint64_t id, std::uint64_t index) {
    return becomes(id, [=](const ReplicaStatus& status) { return status.checkpointed >= index; });
  }
};

TEST_F(ReplicaMembers, ALearnerJoinsIsPromotedAndTheOldOneGoes) {
  found({1, 2, 3});
  const auto leads = leader();
  const auto old = follower(leads);
  for (int i = 0; i < 20; ++i) make_account("user-" + std::to_string(i));
  ASSERT_TRUE(start(4, true).ok());
  EXPECT_EQ(ask(4, cluster::FindLogin{"user-1"}, false).served, Served::behind) << "it has no rows yet";
  EXPECT_EQ(propose(4, create_account("x")).served, Served::not_leader);
  ASSERT_TRUE(change_when_possible(GroupChange::take_in, 4).ok());
  ASSERT_TRUE(change_when_possible(GroupChange::promote, 4).ok());
  ASSERT_TRUE(change_when_possible(GroupChange::remove, old).ok());
  ASSERT_TRUE(becomes(leader(), [&](const ReplicaStatus& status) {
    const auto& report = status.report;
    return report.settled && report.configuration.has_voter(ReplicaId{4}) &&
           !report.configuration.contains(ReplicaId{old}) && report.lag.contains(ReplicaId{4});
  }));
  kill(old);
  const auto last = make_account("later");
  EXPECT_TRUE(reaches(4, last));
  // What it is told is so already is done.
  EXPECT_TRUE(change_when_possible(GroupChange::remove, old).ok());
  EXPECT_TRUE(change_when_possible(GroupChange::promote, 4).ok());
  // The new one counts: without another of the old ones there is still a majority.
  const auto second = leader();
  for (const auto id : {1u, 2u, 3u}) {
    if (id == second || id == old) continue;
    kill(id);
    EXPECT_GT(make_account("with two"), last);
    break;
  }
}

TEST_F(ReplicaMembers, AGroupOfOneGrowsToThree) {
  found({1});
  fill(leader(), 0, 30);
  for (const auto id : {2u, 3u}) {
    ASSERT_TRUE(start(id, true).ok());
    ASSERT_TRUE(change_when_possible(GroupChange::take_in, id).ok());
    ASSERT_TRUE(change_when_possible(GroupChange::promote, id).ok());
  }
  const auto last = make_account("all");
  for (const auto id : {1u, 2u, 3u}) EXPECT_TRUE(reaches(id, last)) << id;
  // A log that begins in a group of one and goes on in one of three.
  kill_all();
  for (const auto id : {1u, 2u, 3u}) ASSERT_TRUE(start(id, id != 1).ok());
  EXPECT_TRUE(has_account(leader(), "all", true));
  EXPECT_TRUE(has_account(leader(), "user-29", true));
}

TEST_F(ReplicaMembers, AReplicaStartsAgainWithTheGroupThatItBeganWith) {
  found({1, 2, 3});
  const auto again = follower(leader());
  ASSERT_TRUE(reaches(again, make_account("anna")));
  kill(again);
  ASSERT_TRUE(start(again, true).ok()) << "what the map says by now is not what its log goes on from";
  const auto last = make_account("bert");
  ASSERT_TRUE(reaches(again, last));
  ASSERT_TRUE(change_when_possible(GroupChange::transfer, again).ok());
  EXPECT_TRUE(becomes(again, [](const ReplicaStatus& status) { return status.report.role == cluster::Role::leader; }));
}

TEST_F(ReplicaMembers, OnlyTheLeaderChangesTheGroup) {
  found({1, 2, 3});
  const auto leads = leader();
  const auto refused = change(follower(leads), GroupChange::take_in, 4);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::unavailable);
  const auto stranger = change(leads, GroupChange::transfer, 9);
  ASSERT_FALSE(stranger.ok());
  EXPECT_EQ(stranger.error().code, Errc::invalid_argument);
}

TEST_F(ReplicaMembers, AChangeThatWouldLoseTheMajorityIsRefused) {
  found({1, 2, 3});
  const auto leads = leader();
  make_account("anna");
  const auto dead = follower(leads);
  const auto alive = 6 - leads - dead;
  kill(dead);
  ASSERT_TRUE(becomes(leads, [&](const ReplicaStatus& s) { return !s.report.lag.contains(ReplicaId{dead}); }));
  const auto refused = change(leads, GroupChange::remove, alive);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::conflict);
  EXPECT_EQ(status(leads).report.configuration.voters.size(), 3u);
  EXPECT_TRUE(change_when_possible(GroupChange::remove, dead).ok());
  EXPECT_GT(make_account("bert"), 0u);
}

TEST_F(ReplicaMembers, WhoIsFarBehindGetsASnapshotWhileWritesGoOn) {
  forget_soon();
  found({1, 2, 3});
  const auto leads = leader();
  const auto away = follower(leads);
  ASSERT_TRUE(reaches(away, fill(leads, 0, 10)));
  network_->cut(ReplicaId{away});
  const auto last = fill(leads, 10, 400);
  ASSERT_TRUE(forgets(leads, last));
  network_->heal();
  // Writes go on while it receives.
  const auto later = fill(leads, 400, 500);
  ASSERT_TRUE(reaches(away, later));
  for (int i = 0; i < 500; i += 7) EXPECT_TRUE(has_account(away, "user-" + std::to_string(i), false, later)) << i;
  EXPECT_GT(network_->brought(6), 10u) << "parts of the snapshot";
  EXPECT_FALSE(std::filesystem::exists(folder(away) + "/rows.incoming"));
  EXPECT_FALSE(std::filesystem::exists(folder(away) + "/rows.old"));
  // What was received is there after a restart, and counts for a majority.
  kill(away, false);
  ASSERT_TRUE(start(away).ok());
  kill(6 - leads - away);
  EXPECT_GT(make_account("after"), later);
  EXPECT_TRUE(has_account(leader(), "user-399", true));
}

TEST_F(ReplicaMembers, ALearnerIsFilledByASnapshotThatLosesParts) {
  forget_soon();
  found({1});
  const auto last = fill(leader(), 0, 300);
  ASSERT_TRUE(forgets(1, last));
  auto count = std::make_shared<std::atomic<int>>(0);
  network_->drop([=](const cluster::Message& message) {
    return std::holds_alternative<cluster::SnapshotChunk>(message.body) && ++*count % 25 == 0;
  });
  ASSERT_TRUE(start(2, true).ok());
  ASSERT_TRUE(change_when_possible(GroupChange::take_in, 2).ok());
  ASSERT_TRUE(reaches(2, last));
  EXPECT_TRUE(has_account(2, "user-299", false));
  ASSERT_TRUE(change_when_possible(GroupChange::promote, 2).ok());
}

TEST_F(ReplicaMembers, AReplicaWithoutRoomTakesNoSnapshotUntilItHasSome) {
  forget_soon();
  found({1});
  const auto last = fill(leader(), 0, 100);
  ASSERT_TRUE(forgets(1, last));
  network_->drop([](const cluster::Message& m) { return std::holds_alternative<cluster::SnapshotChunk>(m.body); });
  ASSERT_TRUE(start(2, true).ok());
  ASSERT_TRUE(change_when_possible(GroupChange::take_in, 2).ok());
  ASSERT_TRUE(becomes(1, [&](const ReplicaStatus&) { return network_->brought(3) > 0; })) << "it has stored its term";
  disk(2).full = true;
  network_->drop({});
  ASSERT_TRUE(becomes(1, [&](const ReplicaStatus&) { return network_->brought(7) > 0; })) << "a refusal";
  EXPECT_EQ(status(2).applied, 0u);
  disk(2).full = false;
  EXPECT_TRUE(reaches(2, last));
}

TEST_F(ReplicaMembers, ACrashWithinTheExchangeOfRowsIsRecovered) {
  forget_soon();
  found({1, 2, 3});
  const auto leads = leader();
  const auto last = fill(leads, 0, 50);
  for (const auto id : {1u, 2u, 3u}) ASSERT_TRUE(forgets(id, last));
  kill_all();
  namespace fs = std::filesystem;
  const auto leftover = [&](std::uint64_t id, const std::string& name) {
    fs::copy(folder(id) + "/rows", folder(id) + "/" + name, fs::copy_options::recursive);
  };
  // One was receiving; one had moved its old rows away; one had the new ones in place.
  leftover(1, "rows.incoming");
  leftover(2, "rows.incoming");
  fs::rename(folder(2) + "/rows", folder(2) + "/rows.old");
  leftover(3, "rows.old");
  for (const auto id : {1u, 2u, 3u}) {
    ASSERT_TRUE(start(id).ok()) << id;
    EXPECT_FALSE(fs::exists(folder(id) + "/rows.incoming")) << id;
    EXPECT_FALSE(fs::exists(folder(id) + "/rows.old")) << id;
  }
  EXPECT_TRUE(has_account(leader(), "user-49", true));
}

TEST_F(ReplicaMembers, ACrashBetweenASnapshotsRowsAndItsLogIsRecovered) {
  forget_soon();
  found({1, 2, 3});
  const auto leads = leader();
  const auto behind = follower(leads);
  ASSERT_TRUE(reaches(behind, fill(leads, 0, 10)));
  kill(behind, false);
  const auto last = fill(leads, 10, 100);
  ASSERT_TRUE(forgets(leads, last));
  kill_all();
  // Its rows are the snapshot's, its log is still the old one.
  namespace fs = std::filesystem;
  fs::remove_all(folder(behind) + "/rows");
  fs::copy(folder(leads) + "/rows", folder(behind) + "/rows", fs::copy_options::recursive);
  for (const auto id : {1u, 2u, 3u}) ASSERT_TRUE(start(id).ok()) << id;
  const auto later = make_account("later");
  EXPECT_TRUE(reaches(behind, later));
  EXPECT_TRUE(has_account(behind, "user-99", false, later));
}

}  // namespace
}  // namespace cairn::actors::test
