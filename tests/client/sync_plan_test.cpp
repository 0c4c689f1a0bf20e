// The merge, by tables: every combination of what both sides did, and what follows from it.
#include "client/sync_plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "client/sync_moves.hpp"
#include "protocol/names.hpp"

namespace cairn::client {
namespace {

LocalNode local_file(std::uint64_t inode, std::uint64_t size = 10, std::int64_t time = 100, std::uint32_t mode = 0644) {
  return {EntryKind::file, size, {mode, time}, inode};
}
RemoteNode remote_file(std::uint64_t entry, std::uint32_t version = 1, std::uint64_t size = 10,
                       std::int64_t time = 100, std::uint32_t mode = 0644) {
  return {EntryId{entry}, EntryKind::file, VersionNumber{version}, size, {mode, time}};
}
LocalNode local_folder(std::uint64_t inode, std::uint32_t mode = 0755) {
  return {EntryKind::folder, 0, {mode, 1}, inode};
}
RemoteNode remote_folder(std::uint64_t entry, std::uint32_t mode = 0755) {
  return {EntryId{entry}, EntryKind::folder, {}, 0, {mode, 2}};
}

/// The plan in words, in order.
std::vector<std::string> words(const LocalTree& local, const RemoteTree& remote, const BaseTree& base,
                               const PlanOptions& options = {}) {
  std::vector<std::string> out;
  for (const auto& action : plan(local, remote, base, options).actions) out.push_back(describe(action));
  return out;
}
using Words = std::vector<std::string>;

enum class Did { absent, same, attributes, content, gone };

/// One file under "f", as each side left it.
Words decide(Did local_did, Did remote_did, bool has_base, bool equal_sizes = false) {
  LocalTree local;
  RemoteTree remote;
  BaseTree base;
  if (has_base) base["f"] = {local_file(1), remote_file(1)};
  switch (local_did) {
    case Did::same: local["f"] = local_file(1); break;
    case Did::attributes: local["f"] = local_file(1, 10, 100, 0600); break;
    case Did::content: local["f"] = local_file(1, 11, 101); break;
    case Did::absent:
    case Did::gone: break;
  }
  switch (remote_did) {
    case Did::same: remote["f"] = remote_file(1); break;
    case Did::attributes: remote["f"] = remote_file(1, 1, 10, 100, 0755); break;
    case Did::content: remote["f"] = remote_file(1, 2, equal_sizes ? 11 : 12, 102); break;
    case Did::absent:
    case Did::gone: break;
  }
  return words(local, remote, base);
}

TEST(SyncPlan, EveryCombinationOfAKnownFile) {
  using enum Did;
  const struct {
    Did local;
    Did remote;
    Words expected;
  } table[] = {
      {same, same, {}},
      {same, attributes, {"set attributes here f"}},
      {same, content, {"download f"}},
      {same, gone, {"remove here f"}},
      {attributes, same, {"set attributes in the drive f"}},
      {attributes, attributes, {"set attributes here f"}},
      {attributes, content, {"download f"}},
      {attributes, gone, {"upload f"}},
      {content, same, {"upload f"}},
      {content, attributes, {"upload f"}},
      {content, content, {"keep under another name f", "download f"}},
      {content, gone, {"upload f"}},
      {gone, same, {"remove in the drive f"}},
      {gone, attributes, {"download f"}},
      {gone, content, {"download f"}},
      {gone, gone, {"forget f"}},
  };
  for (const auto& row : table)
    EXPECT_EQ(decide(row.local, row.remote, true), row.expected)
        << static_cast<int>(row.local) << " " << static_cast<int>(row.remote);
  EXPECT_EQ(decide(content, content, true, true), Words{"compare f"});
}

TEST(SyncPlan, EveryCombinationOfANewFile) {
  using enum Did;
  EXPECT_EQ(decide(content, absent, false), Words{"upload f"});
  EXPECT_EQ(decide(absent, content, false), Words{"download f"});
  EXPECT_EQ(decide(content, content, false), (Words{"keep under another name f", "download f"}));
  EXPECT_EQ(decide(content, content, false, true), Words{"compare f"});
  EXPECT_EQ(words({}, {}, {}), Words{});
}

TEST(SyncPlan, UploadNamesTheVersionThatItReplaces) {
  const auto changed =
      plan({{"f", local_file(1, 11)}}, {{"f", remote_file(7, 3)}}, {{"f", {local_file(1), remote_file(7, 3)}}});
  ASSERT_EQ(changed.actions.size(), 1u);
  EXPECT_EQ(std::get<Upload>(changed.actions[0]).over, (Base{EntryId{7}, VersionNumber{3}}));
}

TEST(SyncPlan, AFileThatWasReplacedByAnotherInodeIsRead) {
  EXPECT_EQ(words({{"f", local_file(2)}}, {{"f", remote_file(1)}}, {{"f", {local_file(1), remote_file(1)}}}),
            Words{"upload f"});
}

TEST(SyncPlan, FoldersAreMadeBeforeAndRemovedAfterWhatIsInThem) {
  EXPECT_EQ(
      words({{"a", local_folder(1)}, {"a.txt", local_file(4)}, {"a/b", local_folder(2)}, {"a/b/f", local_file(3)}}, {},
            {}),
      (Words{"make in the drive a", "make in the drive a/b", "upload a.txt", "upload a/b/f"}));
  EXPECT_EQ(words({}, {{"a", remote_folder(2)}, {"a/f", remote_file(3)}}, {}), (Words{"make here a", "download a/f"}));
  const BaseTree base{{"a", {local_folder(1), remote_folder(2)}},
                      {"a/b", {local_folder(5), remote_folder(6)}},
                      {"a/b/f", {local_file(3), remote_file(3)}}};
  EXPECT_EQ(words({{"a", local_folder(1)}, {"a/b", local_folder(5)}, {"a/b/f", local_file(3)}}, {}, base),
            (Words{"remove here a/b/f", "remove here a/b", "remove here a"}));
  EXPECT_EQ(words({}, {{"a", remote_folder(2)}, {"a/b", remote_folder(6)}, {"a/b/f", remote_file(3)}}, base),
            Words{"remove in the drive a"});
}

TEST(SyncPlan, AFolderStaysForWhatChangedInIt) {
  const BaseTree base{{"a", {local_folder(1), remote_folder(2)}},
                      {"a/f", {local_file(3), remote_file(3)}},
                      {"a/g", {local_file(4), remote_file(4)}}};
  // Removed in the drive, one file changed here.
  EXPECT_EQ(words({{"a", local_folder(1)}, {"a/f", local_file(3)}, {"a/g", local_file(4, 99)}}, {}, base),
            (Words{"make in the drive a", "upload a/g", "remove here a/f"}));
  // Removed here, one file changed and one made in the drive.
  EXPECT_EQ(
      words({}, {{"a", remote_folder(2)}, {"a/f", remote_file(3)}, {"a/g", remote_file(4, 2)}, {"a/h", remote_file(9)}},
            base),
      (Words{"make here a", "download a/g", "download a/h", "remove in the drive a/f"}));
}

TEST(SyncPlan, FoldersOnBothSidesAreMerged) {
  EXPECT_EQ(
      words({{"a", local_folder(1)}, {"a/f", local_file(2)}}, {{"a", remote_folder(3)}, {"a/g", remote_file(4)}}, {}),
      (Words{"compare a", "upload a/f", "download a/g"}));
  const BaseTree base{{"a", {local_folder(1), remote_folder(2)}}};
  EXPECT_EQ(words({{"a", local_folder(1, 0700)}}, {{"a", remote_folder(2)}}, base),
            Words{"set attributes in the drive a"});
  EXPECT_EQ(words({{"a", local_folder(1)}}, {{"a", remote_folder(2, 0700)}}, base), Words{"set attributes here a"});
  auto touched = local_folder(1);
  touched.attributes.modified_nanos = 77;
  EXPECT_EQ(words({{"a", touched}}, {{"a", remote_folder(2)}}, base), Words{}) << "a folder's time is not compared";
}

TEST(SyncPlan, AFileAgainstAFolder) {
  const BaseTree file_base{{"x", {local_file(1), remote_file(1)}}};
  // The drive made a folder of it: the file, unchanged here, gives way.
  EXPECT_EQ(words({{"x", local_file(1)}}, {{"x", remote_folder(5)}, {"x/y", remote_file(6)}}, file_base),
            Words{"remove here x"});
  const auto changed = plan({{"x", local_file(1, 99)}}, {{"x", remote_folder(5)}}, file_base);
  ASSERT_EQ(changed.actions.size(), 1u);
  EXPECT_TRUE(std::holds_alternative<RenameConflicting>(changed.actions[0]));
  EXPECT_TRUE(changed.again);
  // A folder here in which something is new is renamed with all in it.
  const BaseTree folder_base{{"x", {local_folder(1), remote_folder(1)}}};
  EXPECT_EQ(words({{"x", local_folder(1)}, {"x/new", local_file(9)}}, {{"x", remote_file(5)}}, folder_base),
            Words{"keep under another name x"});
  EXPECT_EQ(words({{"x", local_folder(1)}}, {{"x", remote_file(5)}}, folder_base), Words{"remove here x"});
}

TEST(SyncMoves, AFileMovedHereIsMovedInTheDrive) {
  const BaseTree base{{"f", {local_file(1), remote_file(1)}}};
  EXPECT_EQ(words({{"g", local_file(1)}}, {{"f", remote_file(1)}}, base), Words{"move in the drive f to g"});
  EXPECT_EQ(words({{"d", local_folder(5)}, {"d/e", local_folder(6)}, {"d/e/g", local_file(1)}}, {{"f", remote_file(1)}},
                  base),
            (Words{"make in the drive d", "make in the drive d/e", "move in the drive f to d/e/g"}));
  // Changed, too: no move, so that a file that got a used inode is never taken for another.
  EXPECT_EQ(words({{"g", local_file(1, 99)}}, {{"f", remote_file(1)}}, base),
            (Words{"upload g", "remove in the drive f"}));
}

TEST(SyncMoves, AFolderMovedInTheDriveIsMovedHereAlone) {
  const BaseTree base{{"a", {local_folder(1), remote_folder(1)}}, {"a/f", {local_file(2), remote_file(2)}}};
  const LocalTree local{{"a", local_folder(1)}, {"a/f", local_file(2)}};
  EXPECT_EQ(words(local, {{"b", remote_folder(1)}, {"b/f", remote_file(2)}}, base), Words{"move here a to b"});
  EXPECT_EQ(words(local, {{"n", remote_folder(9)}, {"n/b", remote_folder(1)}, {"n/b/f", remote_file(2)}}, base),
            (Words{"make here n", "move here a to n/b"}));
  // Moved and renamed within: one move a round, from the top down.
  EXPECT_EQ(words(local, {{"b", remote_folder(1)}, {"b/g", remote_file(2)}}, base), Words{"move here a to b"});
}

TEST(SyncMoves, BothMoved) {
  const BaseTree base{{"f", {local_file(1), remote_file(1)}}};
  EXPECT_EQ(words({{"g", local_file(1)}}, {{"g", remote_file(1)}}, base), Words{"note the move of f to g"});
  EXPECT_EQ(words({{"g", local_file(1)}}, {{"h", remote_file(1)}}, base), Words{"move here g to h"});
}

TEST(SyncMoves, ATakenTargetIsNoMove) {
  const BaseTree base{{"f", {local_file(1), remote_file(1)}}};
  EXPECT_EQ(words({{"g", local_file(1)}}, {{"f", remote_file(1)}, {"g", remote_file(2, 1, 50)}}, base),
            (Words{"keep under another name g", "download g", "remove in the drive f"}));
  PlanOptions without;
  without.moves = false;
  EXPECT_EQ(words({{"g", local_file(1)}}, {{"f", remote_file(1)}}, base, without),
            (Words{"upload g", "remove in the drive f"}));
}

TEST(SyncMoves, FoldersMovedIntoEachOther) {
  const BaseTree base{{"a", {local_folder(1), remote_folder(1)}}, {"b", {local_folder(2), remote_folder(2)}}};
  // Here a went into b, there b into a: never a cycle, and never nothing.
  const auto actions = words({{"b", local_folder(2)}, {"b/a", local_folder(1)}},
                             {{"a", remote_folder(1)}, {"a/b", remote_folder(2)}}, base);
  EXPECT_FALSE(actions.empty());
}

TEST(SyncPlan, IsDeterministicAndSettles) {
  // What is the same on both sides, whatever it is, gives an empty plan.
  std::mt19937_64 random(11);
  for (int round = 0; round < 200; ++round) {
    LocalTree local;
    RemoteTree remote;
    BaseTree base;
    for (int i = 0; i < 30; ++i) {
      SyncPath path;
      for (auto depth = random() % 3 + 1; depth > 0; --depth)
        path += (path.empty() ? "" : "/") + std::string(1, static_cast<char>('a' + random() % 4));
      const auto pick = random() % 8;
      if (pick & 1) local[path] = random() % 2 ? local_file(random() % 9, random() % 2) : local_folder(random() % 9);
      if (pick & 2) remote[path] = random() % 2 ? remote_file(random() % 9, random() % 2) : remote_folder(random() % 9);
      if (pick & 4) base[path] = {local_file(random() % 9, random() % 2), remote_file(random() % 9, random() % 2)};
    }
    EXPECT_EQ(words(local, remote, base), words(local, remote, base));
    BaseTree same;
    LocalTree settled_local;
    RemoteTree settled_remote;
    for (const auto& [path, node] : base) {
      settled_local[path] = node.local;
      settled_remote[path] = node.remote;
      settled_remote[path].entry = EntryId{1'000 + settled_remote.size()};
      settled_local[path].inode = 1'000 + settled_local.size();
      same[path] = {settled_local[path], settled_remote[path]};
    }
    EXPECT_EQ(words(settled_local, settled_remote, same), Words{});
  }
}

TEST(ConflictName, KeepsTheExtensionAndTheLimit) {
  const auto free = [](const std::string&) { return false; };
  EXPECT_EQ(conflict_name("report.txt", "laptop", "2024-05-01", free), "report (conflict, laptop, 2024-05-01).txt");
  EXPECT_EQ(conflict_name("README", "laptop", "2024-05-01", free), "README (conflict, laptop, 2024-05-01)");
  EXPECT_EQ(conflict_name(".profile", "laptop", "2024-05-01", free), ".profile (conflict, laptop, 2024-05-01)");
  EXPECT_EQ(conflict_name("a.tar.gz", "my/dev\n", "2024-05-01", free), "a.tar (conflict, my_dev\\x0a, 2024-05-01).gz");
  std::set<std::string> taken{"f (conflict, d, x)", "f (conflict, d, x 2)"};
  EXPECT_EQ(conflict_name("f", "d", "x", [&](const auto& name) { return taken.contains(name); }),
            "f (conflict, d, x 3)");
  std::string long_name;
  for (int i = 0; i < 127; ++i) long_name += "\xc3\xa9";
  const auto cut = conflict_name(long_name, std::string(300, 'd'), "2024-05-01", free);
  EXPECT_LE(cut.size(), 255u);
  EXPECT_TRUE(normalize_name(cut).ok());
}

}  // namespace
}  // namespace cairn::client
