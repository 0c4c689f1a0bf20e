// Two machines of one account and their synced folders.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/integration/cluster_of_one.hpp"
#include "tests/integration/local_tree.hpp"

namespace cairn::test {
namespace {

namespace fs = std::filesystem;

class SyncTest : public testing::Test {
 protected:
  void SetUp() override {
    for (auto* user : {&desk_, &lap_}) user->sign_in();
    fs::create_directory(desk_folder_);
    fs::create_directory(lap_folder_);
  }

  /// Brings both folders together: whatever one has the other gets.
  void sync_both() {
    sync(desk_, desk_folder_);
    sync(lap_, lap_folder_);
    sync(desk_, desk_folder_);
  }

  static void sync(User& user, const std::string& folder) {
    const auto ran = user.cairn({"sync", folder, "/work"}, 120s);
    EXPECT_TRUE(ran.code == 0 || ran.code == 1) << ran.code << ran.err;
  }

  TempDir folder_;
  std::string desk_folder_ = folder_ / "desk";
  std::string lap_folder_ = folder_ / "lap";
  Server server_;
  User desk_{server_};
  User lap_{server_};
};

TEST_F(SyncTest, ATreeReachesTheOtherMachine) {
  make_odd_tree(desk_folder_ + "/odd");
  make_random_tree(desk_folder_ + "/random", 4, 200, 1);
  sync_both();
  EXPECT_EQ(difference(desk_folder_ + "/odd", lap_folder_ + "/odd"), "");
  EXPECT_EQ(difference(desk_folder_ + "/random", lap_folder_ + "/random"), "");
  const auto quiet = desk_.ok({"sync", desk_folder_, "/work", "--dry-run"});
  EXPECT_EQ(quiet.find("would"), quiet.npos) << quiet;
}

TEST_F(SyncTest, ChangesOfBothSidesMeet) {
  for (const std::string name : {"keep", "edited-here", "edited-there", "removed-here", "renamed-there"})
    write_file(desk_folder_ + "/" + name, "first " + name);
  sync_both();
  write_file(desk_folder_ + "/edited-here", "second, by the desk");
  write_file(lap_folder_ + "/edited-there", "second, by the lap");
  fs::remove(desk_folder_ + "/removed-here");
  fs::rename(lap_folder_ + "/renamed-there", lap_folder_ + "/new-name");
  write_file(lap_folder_ + "/fresh", "only there");
  sync_both();
  EXPECT_EQ(difference(desk_folder_, lap_folder_, true), "");
  EXPECT_EQ(read_file(desk_folder_ + "/edited-there"), "second, by the lap");
  EXPECT_EQ(read_file(lap_folder_ + "/edited-here"), "second, by the desk");
  EXPECT_FALSE(fs::exists(lap_folder_ + "/removed-here"));
  EXPECT_FALSE(fs::exists(desk_folder_ + "/renamed-there"));
  EXPECT_EQ(read_file(desk_folder_ + "/new-name"), "first renamed-there");
}

TEST_F(SyncTest, AConflictKeepsBothUnderClearNames) {
  write_file(desk_folder_ + "/report.txt", "first");
  sync_both();
  write_file(desk_folder_ + "/report.txt", "the desk's");
  write_file(lap_folder_ + "/report.txt", "the lap's version");
  sync_both();
  sync_both();
  EXPECT_EQ(difference(desk_folder_, lap_folder_, true), "");
  std::vector<std::string> contents;
  for (const auto& entry : fs::directory_iterator(lap_folder_)) {
    if (entry.path().filename() == ".cairn") continue;
    contents.push_back(read_file(entry.path().string()));
    const auto name = entry.path().filename().string();
    EXPECT_TRUE(name == "report.txt" || name.find("conflict") != name.npos) << name;
  }
  EXPECT_THAT(contents, testing::UnorderedElementsAre("the desk's", "the lap's version"));
}

TEST_F(SyncTest, SurvivesKillsOfTheServer) {
  make_random_tree(desk_folder_, 11, 600, 3);
  Random random(11);
  const auto syncing = desk_.begin({"sync", desk_folder_, "/work", "--patience", "120"});
  for (int kills = 0; kills < 10 && !syncing->wait(std::chrono::milliseconds(random.between(20, 300))); ++kills) {
    server_.kill();
    server_.start();
  }
  ASSERT_EQ(syncing->wait(240s), 0) << syncing->err();
  sync(lap_, lap_folder_);
  EXPECT_EQ(difference(desk_folder_, lap_folder_, true), "");
}

TEST_F(SyncTest, WatchingKeepsGoing) {
  const auto watching = lap_.begin({"sync", "--watch", lap_folder_, "/work"});
  const auto waited_for = [&](const std::string& path, const std::string& text) {
    // Its own output tells when a run that did something is over.
    for (int round = 0; round < 600 && watching->running(); ++round) {
      if (fs::exists(path) && read_file(path) == text) return true;
      watching->wait(100ms);
    }
    return false;
  };
  write_file(desk_folder_ + "/one", "1");
  sync(desk_, desk_folder_);
  EXPECT_TRUE(waited_for(lap_folder_ + "/one", "1")) << watching->out() << watching->err();
  write_file(lap_folder_ + "/two", "2");
  for (int round = 0; round < 100 && !fs::exists(desk_folder_ + "/two"); ++round) {
    watching->wait(100ms);
    sync(desk_, desk_folder_);
  }
  EXPECT_TRUE(fs::exists(desk_folder_ + "/two"));
  watching->signal(SIGINT);
  EXPECT_EQ(watching->wait(60s), 130) << watching->err();
}

}  // namespace
}  // namespace cairn::test
