// Replicas whose disks rot or run full, among others that have what they lose.
#include "tests/actors/replica_group.hpp"

#include <filesystem>
#include <fstream>

namespace cairn::actors::test {
namespace {

class ReplicaRot : public ReplicaGroupTest {
 protected:
  std::uint64_t fill(std::uint64_t id, int count) {
    std::uint64_t last = 0;
    for (int i = 0; i < count; ++i) last = propose(id, create_account("user-" + std::to_string(i), 700)).index;
    return last;
  }
  void checkpoint_soon() {
    options_.metadata.tick_interval = std::chrono::milliseconds(5);
    options_.metadata.checkpoint_interval = std::chrono::milliseconds(10);
  }
  // Flips a bit in each place of the file where `text` is.
  static int rot(const std::string& path, const std::string& text) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    const std::string all((std::istreambuf_iterator<char>(file)), {});
    int places = 0;
    for (auto at = all.find(text); at != std::string::npos; at = all.find(text, at + text.size())) {
      file.seekp(static_cast<std::streamoff>(at + text.size() / 2));
      file.put(static_cast<char>(all[at + text.size() / 2] ^ 1));
      ++places;
    }
    return places;
  }
  std::string first_segment(std::uint64_t id) const {
    std::string first;
    for (const auto& entry : std::filesystem::directory_iterator(folder(id) + "/log"))
      if (entry.path().extension() == ".seg" && (first.empty() || entry.path().string() < first))
        first = entry.path().string();
    return first;
  }
  void give_office_to(std::uint64_t id) {
    ASSERT_TRUE(becomes(id, [](const ReplicaStatus& status) { return status.leader != cluster::no_replica; }));
    ASSERT_TRUE(change_when_possible(GroupChange::transfer, id).ok());
    ASSERT_TRUE(told(id).changes.wait([](const auto& all) { return !all.empty() && all.back().settled; }));
  }
  void expect_withdrawn(std::uint64_t id) {
    ASSERT_TRUE(told(id).withdrawals.wait_count(1));
    EXPECT_EQ(told(id).withdrawals.all()[0].replica.value, id);
    EXPECT_FALSE(told(id).withdrawals.all()[0].why.empty());
    caf::scoped_actor self(system_);
    self->monitor(actor(id));
    self->receive([](const caf::down_msg& down) { EXPECT_FALSE(down.reason) << "it ends as it should"; },
                  caf::after(patience) >> [] { ADD_FAILURE() << "it does not end"; });
    kill(id);
    const auto again = start(id);
    ASSERT_FALSE(again.ok());
    EXPECT_EQ(again.error().code, Errc::corrupt);
    EXPECT_NE(again.error().message.find("withdrawn"), std::string::npos) << again.error().message;
  }

  // Founds three with rows up to `last_`; `bad_` is a follower that stopped then and whose rows are damaged.
  void rot_rows_of_a_follower() {
    checkpoint_soon();
    found({1, 2, 3});
    last_ = fill(leader(), 60);
    bad_ = follower(leader());
    ASSERT_TRUE(becomes(bad_, [this](const ReplicaStatus& s) { return s.checkpointed >= last_; }));
    kill(bad_);
    ASSERT_GT(rot(folder(bad_) + "/rows/data.mdb", std::string(600, 'h')), 0);
  }

  std::uint64_t last_ = 0;
  std::uint64_t bad_ = 0;
};

TEST_F(ReplicaRot, AReplicaWithRottenRowsWithdrawsAndTheOthersGoOn) {
  ASSERT_NO_FATAL_FAILURE(rot_rows_of_a_follower());
  ASSERT_TRUE(start(bad_).ok()) << "rot in a row that nobody read yet";
  ASSERT_TRUE(reaches(bad_, last_));
  EXPECT_EQ(ask(bad_, cluster::FindLogin{"user-3"}, false, last_).served, Served::not_here);
  expect_withdrawn(bad_);
  EXPECT_GT(make_account("later"), last_);
}

TEST_F(ReplicaRot, ALeaderThatFindsRotHandsItsOfficeOn) {
  ASSERT_NO_FATAL_FAILURE(rot_rows_of_a_follower());
  ASSERT_TRUE(start(bad_).ok());
  give_office_to(bad_);
  EXPECT_EQ(ask(bad_, cluster::FindLogin{"user-3"}, true).served, Served::not_here);
  EXPECT_EQ(propose(bad_, create_account("x")).served, Served::not_here);
  const auto follows = [](const auto& changes) { return changes.back().role == cluster::Role::follower; };
  EXPECT_TRUE(told(bad_).changes.wait(follows))
      << "its own node would take it for the leader";
  expect_withdrawn(bad_);
  EXPECT_TRUE(has_account(leader_but(bad_), "user-3", true));
}

TEST_F(ReplicaRot, ASourceOfASnapshotThatFindsRotWithdraws) {
  checkpoint_soon();
  options_.log_entries_kept = 5;
  found({1, 2, 3});
  const auto last = fill(leader(), 60);
  for (const auto id : {1u, 2u, 3u})
    ASSERT_TRUE(becomes(id, [=](const ReplicaStatus& s) { return s.checkpointed >= last; }));
  const auto bad = follower(leader());
  kill(bad);
  ASSERT_GT(rot(folder(bad) + "/rows/data.mdb", std::string(600, 'h')), 0);
  ASSERT_TRUE(start(bad).ok());
  give_office_to(bad);
  ASSERT_TRUE(start(4, true).ok());
  ASSERT_TRUE(change_when_possible(GroupChange::take_in, 4).ok());
  expect_withdrawn(bad);
  leader_but(bad);
  EXPECT_TRUE(reaches(4, last)) << "the next leader's rows are sound";
}

TEST_F(ReplicaRot, ALogThatRotsBelowItsEndIsNotStartedFrom) {
  found({1, 2, 3});
  const auto last = fill(leader(), 60);
  const auto bad = follower(leader());
  ASSERT_TRUE(reaches(bad, last));
  kill(bad);
  ASSERT_GT(rot(first_segment(bad), std::string(600, 'h')), 0);
  const auto started = start(bad);
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(started.error().code, Errc::corrupt);
  EXPECT_GT(make_account("later"), last);
}

TEST_F(ReplicaRot, ALeaderWhoseLogRotsWithdrawsWhenAFollowerNeedsIt) {
  options_.raft.cache_bytes = 1'000;
  found({1, 2, 3});
  const auto bad = leader();
  const auto away = follower(bad);
  network_->cut(ReplicaId{away});
  const auto last = fill(bad, 60);
  ASSERT_GT(rot(first_segment(bad), std::string(600, 'h')), 0);
  network_->heal();
  expect_withdrawn(bad);
  leader_but(bad);
  EXPECT_TRUE(reaches(away, last));
}

TEST_F(ReplicaRot, AFullDiskOfAFollowerHoldsNobodyUp) {
  found({1, 2, 3});
  const auto first = leader();
  const auto full = follower(first);
  disk(full).full = true;
  const auto last = fill(first, 30);
  ASSERT_GT(last, 0u);
  EXPECT_TRUE(reaches(first, last));
  disk(full).full = false;
  EXPECT_TRUE(reaches(full, last));
}

TEST_F(ReplicaRot, ALeaderWhoseDiskIsFullHandsItsOfficeOn) {
  found({1, 2, 3});
  const auto first = leader();
  make_account("anna");
  disk(first).full = true;
  // The replica looks at its disk now and then only.
  std::vector<std::string> done;
  Served served = Served::done;
  for (int i = 0; served == Served::done && i < 100'000; ++i) {
    const auto login = "user-" + std::to_string(i);
    served = propose(first, create_account(login)).served;
    if (served == Served::done) done.push_back(login);
  }
  EXPECT_TRUE(served == Served::not_leader || served == Served::unknown);
  const auto second = leader_but(first);
  EXPECT_GT(make_account("carl"), 0u);
  EXPECT_TRUE(has_account(second, "anna", true));
  for (const auto& login : done) EXPECT_TRUE(has_account(second, login, true)) << login;
  disk(first).full = false;
  EXPECT_TRUE(reaches(first, make_account("dora")));
}

TEST_F(ReplicaRot, AReplicaThatIsAloneSaysThatItsDiskIsFull) {
  found({1});
  leader();
  make_account("anna");
  disk(1).full = true;
  const auto until = std::chrono::steady_clock::now() + patience;
  Errc code{};
  while (code != Errc::disk_full && std::chrono::steady_clock::now() < until) {
    const auto answer = propose(1, create_account("bert"));
    ASSERT_EQ(answer.served, Served::done);
    const auto result = cluster::decode_command_result(answer.result);
    if (const auto* error = std::get_if<Error>(&*result)) code = error->code;
  }
  EXPECT_EQ(code, Errc::disk_full);
  EXPECT_TRUE(has_account(1, "anna", true)) << "reading goes on";
}

TEST_F(ReplicaRot, AReplicaThatIsAloneDoesNotStartOnRottenRows) {
  checkpoint_soon();
  found({1});
  const auto last = fill(leader(), 30);
  ASSERT_TRUE(becomes(1, [=](const ReplicaStatus& s) { return s.checkpointed >= last; }));
  kill(1);
  rot(folder(1) + "/rows/data.mdb", "\x01position");
  const auto started = start(1);
  ASSERT_FALSE(started.ok());
  EXPECT_FALSE(std::filesystem::exists(folder(1) + "/withdrawn"));
}

}  // namespace
}  // namespace cairn::actors::test
