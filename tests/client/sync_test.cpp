// Two folders synced with one drive: they end up the same, nothing is lost, only what changed travels,
// and a sync that is killed goes on.
#include "client/sync.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <mutex>
#include <random>
#include <thread>

#include "tests/client/folders.hpp"
#include "tests/client/memory_server.hpp"

namespace cairn::client {
namespace {

namespace fs = std::filesystem;

SyncOptions sync_options(const std::string& device) {
  SyncOptions options;
  options.device = device;
  options.transfer.bounds = {8'192, 16'384, 65'536};
  options.transfer.threads = 2;
  return options;
}

class SyncTest : public testing::Test {
 protected:
  SyncTest() {
    server_.start();
    in_ = sign_in(server_);
    fs::create_directory(a_);
    fs::create_directory(b_);
  }

  std::unique_ptr<Sync> open(const std::string& folder, const SyncOptions& options) {
    auto sync = Sync::open(*in_.drive, {"ana", AccountId{1}}, folder, "synced", options);
    EXPECT_TRUE(sync.ok()) << sync.error().message;
    return sync.ok() ? std::move(*sync) : nullptr;
  }
  SyncReport run(const std::string& folder, bool may_fail = false) {
    auto report = open(folder, sync_options(folder.substr(folder.size() - 1)))->run();
    EXPECT_TRUE(report.ok()) << report.error().message;
    if (!report.ok()) return {};
    if (!may_fail) {
      for (const auto& note : report->failed) ADD_FAILURE() << note.path << ": " << note.reason;
    }
    return *report;
  }
  /// Both are run until nothing is left to do, and are the same then.
  void settle() {
    for (int i = 0; i < 6; ++i) {
      const bool quiet_a = run(a_).quiet();
      const bool quiet_b = run(b_).quiet();
      if (quiet_a && quiet_b) break;
      ASSERT_LT(i, 5) << "does not come to rest";
    }
    EXPECT_EQ(without_folder_times(a_), without_folder_times(b_));
    compare_with_drive(a_);
  }
  /// Folders' times change by what is made in them.
  static std::map<std::string, std::string> without_folder_times(const std::string& folder) {
    auto with = contents(folder);
    for (auto& [path, text] : with)
      if (text.rfind("folder", 0) == 0) text = text.substr(0, text.rfind(' '));
    return with;
  }
  void compare_with_drive(const std::string& folder) {
    std::map<std::string, Bytes> local;
    for (const auto& [path, text] : contents(folder)) {
      const auto whole = folder + "/" + path;
      if (fs::is_symlink(whole)) local[path] = "-> " + fs::read_symlink(whole).string();
      else if (fs::is_directory(whole)) local[path + "/"] = "";
      else local[path] = readable(read_file(whole));
    }
    std::map<std::string, Bytes> remote;
    for (auto& [path, bytes] : server_.drive.files())
      if (path.rfind("synced/", 0) == 0 && path != "synced/") remote[path.substr(7)] = readable(bytes);
    EXPECT_EQ(local, remote);
  }

  MemoryServer server_;
  SignedIn in_;
  TemporaryFolder top_;
  const std::string a_ = top_ / "a";
  const std::string b_ = top_ / "b";
};

TEST_F(SyncTest, ATreeTravels) {
  write_file(a_ + "/one", "1");
  write_file(a_ + "/d/e/large", pseudo_random(300'000, 1), 0600);
  write_file(a_ + "/caf\xc3\xa9/empty", "");
  make_link(a_ + "/link", "d/e");
  make_folder(a_ + "/read only", 0555);
  const auto sent = run(a_);
  EXPECT_EQ(sent.uploaded, 4u);
  const auto got = run(b_);
  EXPECT_EQ(got.downloaded, 4u);
  EXPECT_EQ(contents(a_), contents(b_));
  settle();
  EXPECT_TRUE(run(a_).quiet());
}

TEST_F(SyncTest, ChangesRemovalsAndAttributesTravelBothWays) {
  for (const auto* name : {"/keep", "/change a", "/change b", "/remove a", "/remove b", "/mode a", "/d/x", "/d/y"})
    write_file(a_ + name, name);
  settle();
  write_file(a_ + "/change a", "changed in a");
  write_file(b_ + "/change b", "changed in b");
  fs::remove(a_ + "/remove a");
  fs::remove(b_ + "/remove b");
  chmod((a_ + "/mode a").c_str(), 0400);
  chmod((b_ + "/d").c_str(), 0700);
  fs::remove(b_ + "/d/x");
  settle();
  EXPECT_EQ(read_file(b_ + "/change a"), "changed in a");
  EXPECT_EQ(read_file(a_ + "/change b"), "changed in b");
  EXPECT_FALSE(exists(b_ + "/remove a"));
  EXPECT_FALSE(exists(a_ + "/remove b"));
  EXPECT_FALSE(exists(a_ + "/d/x"));
  struct stat found;
  stat((b_ + "/mode a").c_str(), &found);
  EXPECT_EQ(found.st_mode & 07777, 0400u);
  stat((a_ + "/d").c_str(), &found);
  EXPECT_EQ(found.st_mode & 07777, 0700u);
}

TEST_F(SyncTest, AConflictKeepsBoth) {
  write_file(a_ + "/f.txt", "base");
  settle();
  write_file(a_ + "/f.txt", "from a", 0644, 11);
  write_file(b_ + "/f.txt", "from the other", 0644, 12);
  run(a_);
  const auto report = run(b_);
  ASSERT_EQ(report.conflicts.size(), 1u);
  const auto& name = report.conflicts[0].reason;
  EXPECT_EQ(name.rfind("f (conflict, b, ", 0), 0u) << name;
  EXPECT_EQ(name.substr(name.size() - 5), ").txt");
  settle();
  EXPECT_EQ(read_file(a_ + "/f.txt"), "from a");
  EXPECT_EQ(read_file(a_ + "/" + name), "from the other");
  // The same size, and new on both sides.
  write_file(a_ + "/n", "11111", 0644, 21);
  write_file(b_ + "/n", "22222", 0644, 22);
  write_file(a_ + "/equal", "equal", 0644, 31);
  write_file(b_ + "/equal", "equal", 0600, 32);
  run(a_);
  EXPECT_EQ(run(b_).conflicts.size(), 1u);
  settle();
  EXPECT_EQ(read_file(b_ + "/n"), "11111");
  EXPECT_EQ(contents(b_).size(), 5u);
}

TEST_F(SyncTest, AModificationOutlivesARemoval) {
  write_file(a_ + "/d/f", "base");
  write_file(a_ + "/d/g", "base");
  settle();
  fs::remove_all(a_ + "/d");
  write_file(b_ + "/d/f", "modified");
  run(a_);
  settle();
  EXPECT_EQ(read_file(a_ + "/d/f"), "modified");
  EXPECT_FALSE(exists(a_ + "/d/g"));
}

TEST_F(SyncTest, MovesMoveAndSendNothing) {
  write_file(a_ + "/d/large", pseudo_random(500'000, 2));
  write_file(a_ + "/d/e/small", "small");
  write_file(a_ + "/f", pseudo_random(100'000, 3));
  settle();
  const auto entry = in_.drive->stat({root_entry, "synced/d/large"})->id;
  fs::rename(a_ + "/d", a_ + "/moved");
  fs::create_directories(a_ + "/new/deep");
  fs::rename(a_ + "/f", a_ + "/new/deep/g");
  const auto sent = run(a_);
  EXPECT_EQ(sent.moved, 2u);
  EXPECT_EQ(sent.bytes_sent, 0u);
  EXPECT_EQ(sent.removed, 0u);
  const auto got = run(b_);
  EXPECT_EQ(got.moved, 2u);
  EXPECT_EQ(got.bytes_received, 0u);
  EXPECT_EQ(in_.drive->stat({root_entry, "synced/moved/large"})->id, entry);
  settle();
  // A folder moved here while one was renamed inside it there.
  fs::rename(a_ + "/moved", a_ + "/again");
  fs::rename(b_ + "/moved/e", b_ + "/moved/ee");
  settle();
  EXPECT_EQ(read_file(b_ + "/again/ee/small"), "small");
}

TEST_F(SyncTest, OnlyChangedBlocksTravel) {
  auto bytes = pseudo_random(2'000'000, 4);
  write_file(a_ + "/f", bytes);
  settle();
  bytes.insert(1'000'000, "inserted");
  write_file(a_ + "/f", bytes);
  const auto sent = run(a_);
  EXPECT_LE(sent.bytes_sent, 200'000u);
  EXPECT_GT(sent.bytes_sent, 0u);
  const auto got = run(b_);
  EXPECT_LE(got.bytes_received, 200'000u);
  EXPECT_GE(got.bytes_reused, 1'800'000u);
  EXPECT_EQ(read_file(b_ + "/f"), bytes);
}

TEST_F(SyncTest, WhatWasRestoredOrMovedInComesWithAllInIt) {
  write_file(a_ + "/d/e/f", "f");
  settle();
  ASSERT_TRUE(in_.drive->commit_one(Remove{{root_entry, "synced/d"}, {}}).ok());
  settle();
  EXPECT_FALSE(exists(a_ + "/d"));
  const auto trashed = in_.drive->trash();
  ASSERT_TRUE(in_.drive->commit_one(Restore{trashed->at(0).id}).ok());
  settle();
  EXPECT_EQ(read_file(a_ + "/d/e/f"), "f");
  ASSERT_TRUE(in_.drive->commit_one(MakeFolder{{}, "outside", {}}).ok());
  ASSERT_TRUE(in_.drive->commit_one(Move{{root_entry, "synced/d"}, {root_entry, "outside"}, "d"}).ok());
  settle();
  EXPECT_FALSE(exists(b_ + "/d"));
  ASSERT_TRUE(in_.drive->commit_one(Move{{root_entry, "outside/d"}, {root_entry, "synced"}, "back"}).ok());
  settle();
  EXPECT_EQ(read_file(b_ + "/back/e/f"), "f");
}

TEST_F(SyncTest, AnExpiredCursorListsAgain) {
  write_file(a_ + "/f", "f");
  settle();
  ASSERT_TRUE(in_.drive->commit_one(Remove{{root_entry, "synced/f"}, {}}).ok());
  ASSERT_TRUE(in_.drive->commit_one(MakeFolder{{root_entry, "synced"}, "d", {.mode = 0755}}).ok());
  server_.drive.expire_journal();
  settle();
  EXPECT_FALSE(exists(a_ + "/f"));
  EXPECT_TRUE(exists(a_ + "/d"));
}

TEST_F(SyncTest, AFileAgainstAFolderLosesNeither) {
  write_file(a_ + "/x", "file");
  settle();
  fs::remove(a_ + "/x");
  write_file(a_ + "/x/inside", "folder");
  settle();
  EXPECT_EQ(read_file(b_ + "/x/inside"), "folder");
  fs::remove_all(a_ + "/x");
  write_file(a_ + "/x", "file again");
  write_file(b_ + "/x/other", "new inside");
  run(a_);
  settle();
  Bytes all;
  for (const auto& [path, text] : contents(a_)) all += text + "\n";
  EXPECT_NE(all.find("file again"), Bytes::npos);
  EXPECT_NE(all.find("new inside"), Bytes::npos);
}

TEST_F(SyncTest, WhatCannotBeSyncedIsNamedAndLeftAlone) {
  write_file(a_ + "/ok", "ok");
  write_file(a_ + "/bad \xff", "x");
  mkfifo((a_ + "/pipe").c_str(), 0600);
  write_file(a_ + "/cafe\xcc\x81/f", "decomposed");
  const auto report = run(a_);
  EXPECT_EQ(report.skipped.size(), 2u);
  run(b_);
  EXPECT_EQ(read_file(b_ + "/caf\xc3\xa9/f"), "decomposed");
  write_file(b_ + "/caf\xc3\xa9/f", "changed");
  write_file(b_ + "/caf\xc3\xa9/g", "new");
  run(b_);
  run(a_);
  EXPECT_EQ(read_file(a_ + "/cafe\xcc\x81/f"), "changed");
  EXPECT_EQ(read_file(a_ + "/cafe\xcc\x81/g"), "new");
  EXPECT_FALSE(exists(a_ + "/caf\xc3\xa9"));
  EXPECT_TRUE(run(a_).quiet());
}

TEST_F(SyncTest, ADryRunChangesNothing) {
  write_file(a_ + "/f", "f");
  auto options = sync_options("a");
  options.dry_run = true;
  const auto report = open(a_, options)->run();
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->planned, std::vector<std::string>{"upload f"});
  EXPECT_FALSE(in_.drive->stat({root_entry, "synced/f"}).ok());
}

TEST_F(SyncTest, AFolderIsHeldByOneSyncAndBelongsToOneDriveFolder) {
  auto held = open(a_, sync_options("a"));
  EXPECT_EQ(Sync::open(*in_.drive, {"ana", AccountId{1}}, a_, "synced", {}).error().code, Errc::busy);
  held.reset();
  EXPECT_EQ(Sync::open(*in_.drive, {"ana", AccountId{1}}, a_, "elsewhere", {}).error().code, Errc::invalid_argument);
  EXPECT_EQ(Sync::open(*in_.drive, {"bob", AccountId{2}}, a_, "synced", {}).error().code, Errc::invalid_argument);
  EXPECT_EQ(Sync::open(*in_.drive, {"ana", AccountId{1}}, a_ + "/no", "synced", {}).error().code, Errc::not_found);
  write_file(b_ + "/.cairn/state.db", "this is no database, but long enough to look like a file of one");
  EXPECT_EQ(Sync::open(*in_.drive, {"ana", AccountId{1}}, b_, "synced", {}).error().code, Errc::corrupt);
}

TEST_F(SyncTest, WithoutItsDriveFolderNothingIsRemovedHere) {
  write_file(a_ + "/f", "f");
  run(a_);
  ASSERT_TRUE(in_.drive->commit_one(Remove{{root_entry, "synced"}, {}}).ok());
  auto sync = Sync::open(*in_.drive, {"ana", AccountId{1}}, a_, "synced", {});
  EXPECT_FALSE(sync.ok() && (*sync)->run().ok());
  EXPECT_EQ(read_file(a_ + "/f"), "f");
}

TEST_F(SyncTest, FollowCarriesWhatHappensOnBothSides) {
  write_file(a_ + "/f", "before");
  auto sync = open(a_, sync_options("a"));
  std::mutex mutex;
  std::condition_variable changed;
  int runs = 0;
  auto following = std::async(std::launch::async, [&] {
    return sync->follow([&](const SyncReport&) {
      const std::lock_guard lock(mutex);
      ++runs;
      changed.notify_all();
    });
  });
  const auto wait_for = [&](const std::function<bool()>& condition) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, 20s, condition);
  };
  EXPECT_TRUE(wait_for([&] { return in_.drive->stat({root_entry, "synced/f"}).ok(); }));
  write_file(a_ + "/new/deep/g", "made while following");
  EXPECT_TRUE(wait_for([&] { return in_.drive->stat({root_entry, "synced/new/deep/g"}).ok(); }));
  server_.drop_connections();
  ASSERT_TRUE(
      in_.drive->commit_one(PutFile{{root_entry, "synced"}, "h", EntryKind::file, {}, {3, "far", {}}, {0644, 5}}).ok());
  EXPECT_TRUE(wait_for([&] { return exists(a_ + "/h"); }));
  sync->stop();
  EXPECT_TRUE(following.get().ok());
  EXPECT_GE(runs, 3);
  compare_with_drive(a_);
}

/// Random work on both sides, with syncs in between.
TEST_F(SyncTest, RandomWorkConvergesAndLosesNothing) {
  std::mt19937_64 random(5);
  std::uint64_t stamp = 1'000;
  for (int round = 0; round < 12; ++round) {
    std::set<Bytes> written;
    for (const auto& folder : {a_, b_}) {
      for (int step = 0; step < 12; ++step) {
        std::vector<fs::path> files;
        std::vector<fs::path> folders{folder};
        for (const auto& item : fs::recursive_directory_iterator(folder)) {
          if (item.path().string().find("/.cairn") != std::string::npos) continue;
          (item.is_directory() ? folders : files).push_back(item.path());
        }
        const auto some_folder = folders[random() % folders.size()];
        const auto name = std::string(1, static_cast<char>('a' + random() % 6));
        const auto kind = random() % 10;
        std::error_code ignored;
        if (kind < 4) {
          const auto path = some_folder / name;
          if (fs::is_directory(path)) continue;
          const Bytes bytes = "content " + std::to_string(++stamp);
          // What this round wrote and is written over by the same device is no loss.
          if (fs::exists(path)) written.erase(read_file(path));
          write_file(path, bytes, 0644, static_cast<std::int64_t>(stamp));
          written.insert(bytes);
        } else if (kind < 6) {
          fs::create_directory(some_folder / name, ignored);
        } else if (kind < 8 && !files.empty()) {
          const auto target = some_folder / name;
          if (!fs::exists(target)) fs::rename(files[random() % files.size()], target, ignored);
        } else if (kind == 8 && folders.size() > 1) {
          const auto moved = folders[1 + random() % (folders.size() - 1)];
          const auto target = some_folder / name;
          if (!fs::exists(target)) fs::rename(moved, target, ignored);
        } else if (!files.empty()) {
          const auto file = files[random() % files.size()];
          written.erase(read_file(file));
          fs::remove(file, ignored);
        }
      }
    }
    settle();
    std::set<Bytes> present;
    for (const auto& [path, bytes] : server_.drive.files()) present.insert(bytes);
    for (const auto& bytes : written) EXPECT_TRUE(present.contains(bytes)) << bytes << " in round " << round;
    if (HasFailure()) break;
  }
}

/// A process that syncs is killed at random moments; what is left goes on and ends up right.
TEST_F(SyncTest, AKilledSyncGoesOn) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 8; ++round) {
    for (int i = 0; i < 30; ++i) {
      const auto n = random();
      write_file((n % 2 ? a_ : b_) + "/" + std::to_string(n % 5) + "/" + std::to_string(n % 17),
                 pseudo_random(n % 60'000, n));
    }
    if (fs::exists(a_ + "/1")) fs::rename(a_ + "/1", a_ + "/moved " + std::to_string(round));
    for (int death = 0; death < 4; ++death) {
      const auto& folder = death % 2 ? a_ : b_;
      const auto target = server_.calls + 3 + random() % 40;
      const auto child = fork();
      if (child == 0) {
        auto in = sign_in(server_);
        auto sync = Sync::open(*in.drive, {"ana", AccountId{1}}, folder, "synced", sync_options("killed"));
        if (sync.ok()) (void)(*sync)->run().ok();
        _exit(0);
      }
      int status = 0;
      // Forked beside the server's threads it may stand still in a lock that one of them held: it dies as well.
      const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(5);
      while (server_.calls < target && waitpid(child, &status, WNOHANG) == 0 &&
             std::chrono::steady_clock::now() < until)
        std::this_thread::yield();
      kill(child, SIGKILL);
      waitpid(child, &status, 0);
    }
    settle();
    if (HasFailure()) break;
  }
}

}  // namespace
}  // namespace cairn::client
