// Folders and moves: making, renaming, and cycles that are refused.
#include <algorithm>

#include "protocol/limits.hpp"
#include "tests/cluster/metadata_shard.hpp"

namespace cairn::cluster {
namespace {

using testing::Test;

class TreeChanges : public Test {
 protected:
  TreeChanges() { shard.make_account("ada"); }
  void TearDown() override { shard.expect_sound(); }
  Shard shard;
};

TEST_F(TreeChanges, RootIsThereFromTheStart) {
  const auto root = shard.stat({});
  EXPECT_EQ(root.id, root_entry);
  EXPECT_EQ(root.parent, EntryId{0});
  EXPECT_EQ(root.name, "");
  EXPECT_EQ(root.kind, EntryKind::folder);
  EXPECT_EQ(root.committed_at, Timestamp{Shard::start_millis});
  EXPECT_TRUE(shard.names().empty());
}

TEST_F(TreeChanges, MakesFoldersThatCanBeFoundByIdAndPath) {
  const auto a = shard.folder("a");
  const auto b = shard.folder("b", {a, ""});
  const auto c = shard.folder("c", {root_entry, "a/b"});
  EXPECT_EQ(shard.stat({root_entry, "a/b/c"}).id, c);
  EXPECT_EQ(shard.stat({root_entry, "/a/b/c"}).id, c);
  EXPECT_EQ(shard.stat({a, "b/c"}).id, c);
  EXPECT_EQ(shard.stat({c, ""}).parent, b);
  EXPECT_EQ(shard.stat({c, ""}).changed, Cursor{3});
  EXPECT_EQ(shard.usage().entries, 3u);
}

TEST_F(TreeChanges, TakenNameAnswersWhatIsThere) {
  const auto a = shard.folder("a");
  const auto again = shard.change(MakeFolder{{}, "a", {}});
  EXPECT_EQ(error_code(again), Errc::already_exists);
  EXPECT_EQ(again.entry, a);
  EXPECT_EQ(shard.usage().entries, 1u);
}

TEST_F(TreeChanges, NamesAreStoredInNfc) {
  const auto made = shard.change(MakeFolder{{}, "e\xcc\x81t\xc3\xa9", {}});
  EXPECT_EQ(made.name, "\xc3\xa9t\xc3\xa9");
  EXPECT_EQ(shard.stat({root_entry, "e\xcc\x81te\xcc\x81"}).id, made.entry);
  EXPECT_EQ(error_code(shard.change(MakeFolder{{}, "\xc3\xa9te\xcc\x81", {}})),
            Errc::already_exists);
}

TEST_F(TreeChanges, RefusesWhatIsNoName) {
  for (const auto& name : {std::string(), std::string("."), std::string(".."), std::string("a/b"),
                           std::string("a\0b", 3), std::string("\xff"), std::string(256, 'x')})
    EXPECT_EQ(error_code(shard.change(MakeFolder{{}, name, {}})), Errc::invalid_name) << name;
  EXPECT_EQ(error_code(shard.change(MakeFolder{{root_entry, "a//b"}, "x", {}})),
            Errc::invalid_name);
  EXPECT_EQ(error_code(shard.change(MakeFolder{{root_entry, "../x"}, "x", {}})),
            Errc::invalid_name);
  EXPECT_EQ(error_code(shard.change(MakeFolder{{}, "x", {010000, 0}})), Errc::invalid_argument);
  EXPECT_EQ(shard.usage().entries, 0u);
}

TEST_F(TreeChanges, RefusesParentsThatAreNone) {
  const auto file = shard.file("file");
  EXPECT_EQ(error_code(shard.change(MakeFolder{{EntryId{0}, ""}, "x", {}})),
            Errc::invalid_argument);
  EXPECT_EQ(error_code(shard.change(MakeFolder{{EntryId{99}, ""}, "x", {}})), Errc::not_found);
  EXPECT_EQ(error_code(shard.change(MakeFolder{{root_entry, "none"}, "x", {}})), Errc::not_found);
  EXPECT_EQ(error_code(shard.change(MakeFolder{{file, ""}, "x", {}})), Errc::not_a_folder);
  EXPECT_EQ(error_code(shard.change(MakeFolder{{root_entry, "file/x"}, "x", {}})),
            Errc::not_a_folder);
}

TEST_F(TreeChanges, AttributesChangeInPlace) {
  const auto file = shard.file("file");
  const auto changed = shard.change(SetAttributes{{file, ""}, {0600, -5}});
  EXPECT_EQ(changed.outcome, Outcome::updated);
  EXPECT_EQ(changed.version, VersionNumber{1});
  EXPECT_EQ(shard.stat({file, ""}).attributes, (Attributes{0600, -5}));
  EXPECT_EQ(shard.stat({file, ""}).changed, Cursor{2});
  EXPECT_EQ(shard.change(SetAttributes{{file, ""}, {0600, -5}}).outcome, Outcome::unchanged);
  EXPECT_EQ(shard.stat({file, ""}).changed, Cursor{2});
  EXPECT_EQ(shard.change(SetAttributes{{}, {0700, 3}}).outcome, Outcome::updated);
  EXPECT_EQ(shard.stat({}).attributes, (Attributes{0700, 3}));
}

TEST_F(TreeChanges, MovesAndRenames) {
  const auto a = shard.folder("a");
  const auto b = shard.folder("b");
  const auto file = shard.file("file");
  EXPECT_EQ(shard.change(Move{{root_entry, "file"}, {a, ""}, "renamed"}).outcome, Outcome::moved);
  EXPECT_EQ(shard.stat({root_entry, "a/renamed"}).id, file);
  EXPECT_EQ(shard.stat_error({root_entry, "file"}), Errc::not_found);
  EXPECT_EQ(shard.change(Move{{a, ""}, {b, ""}, "a"}).outcome, Outcome::moved);
  EXPECT_EQ(shard.stat({root_entry, "b/a/renamed"}).id, file);
  EXPECT_EQ(shard.change(Move{{a, ""}, {b, ""}, "a"}).outcome, Outcome::unchanged);
  EXPECT_EQ(shard.names(), std::vector<std::string>{"b"});
}

TEST_F(TreeChanges, MoveRefusals) {
  const auto a = shard.folder("a");
  const auto b = shard.folder("b", {a, ""});
  const auto file = shard.file("file");
  EXPECT_EQ(error_code(shard.change(Move{{}, {a, ""}, "root"})), Errc::invalid_argument);
  EXPECT_EQ(error_code(shard.change(Move{{a, ""}, {a, ""}, "x"})), Errc::would_cycle);
  EXPECT_EQ(error_code(shard.change(Move{{a, ""}, {b, ""}, "x"})), Errc::would_cycle);
  EXPECT_EQ(error_code(shard.change(Move{{a, ""}, {root_entry, "a/b"}, "x"})), Errc::would_cycle);
  const auto taken = shard.change(Move{{a, ""}, {}, "file"});
  EXPECT_EQ(error_code(taken), Errc::already_exists);
  EXPECT_EQ(taken.entry, file);
  EXPECT_EQ(error_code(shard.change(Move{{a, ""}, {file, ""}, "x"})), Errc::not_a_folder);
  EXPECT_EQ(error_code(shard.change(Move{{a, ""}, {}, "x/y"})), Errc::invalid_name);
  EXPECT_EQ(error_code(shard.change(Move{{EntryId{50}, ""}, {}, "x"})), Errc::not_found);
}

TEST_F(TreeChanges, NothingIsDeeperThanTheLimit) {
  EntryId deepest = root_entry;
  for (std::size_t i = 0; i < limits::max_path_depth; ++i)
    deepest = shard.folder("d", {deepest, ""});
  EXPECT_EQ(error_code(shard.change(MakeFolder{{deepest, ""}, "d", {}})), Errc::too_large);
  EXPECT_EQ(error_code(shard.change(PutFile{{deepest, ""}, "f", EntryKind::file, {}, {}, {}})),
            Errc::too_large);
  // A tree of height 2 fits under what is at 254, and not under what is at 255.
  const auto a = shard.folder("a");
  shard.file("f", "x", {a, ""});
  const auto at_255 = shard.stat({deepest, ""}).parent;
  const auto at_254 = shard.stat({at_255, ""}).parent;
  EXPECT_EQ(error_code(shard.change(Move{{a, ""}, {at_255, ""}, "a"})), Errc::too_large);
  EXPECT_EQ(shard.change(Move{{a, ""}, {at_254, ""}, "a"}).outcome, Outcome::moved);
}

TEST_F(TreeChanges, LaterChangesOfABatchSeeEarlierOnes) {
  const auto result = shard.commit({
      MakeFolder{{}, "a", {}},
      MakeFolder{{root_entry, "a"}, "b", {}},
      MakeFolder{{root_entry, "none"}, "c", {}},
      PutFile{{root_entry, "a/b"}, "f", EntryKind::file, {}, inline_content("hello"), {}},
      Move{{root_entry, "a/b/f"}, {}, "g"},
      Remove{{root_entry, "a"}, {}},
      PutFile{{root_entry, "a/b"}, "f", EntryKind::file, {}, inline_content("hello"), {}},
  });
  ASSERT_EQ(result.results.size(), 7u);
  EXPECT_EQ(result.results[0].outcome, Outcome::created);
  EXPECT_EQ(result.results[1].outcome, Outcome::created);
  EXPECT_EQ(error_code(result.results[2]), Errc::not_found);
  EXPECT_EQ(result.results[3].outcome, Outcome::created);
  EXPECT_EQ(result.results[4].outcome, Outcome::moved);
  EXPECT_EQ(result.results[5].outcome, Outcome::removed);
  EXPECT_EQ(error_code(result.results[6]), Errc::not_found);
  EXPECT_EQ(result.cursor, Cursor{5});
  EXPECT_EQ(shard.names(), std::vector<std::string>{"g"});
  EXPECT_EQ(shard.applied.changed, shard.account);
  EXPECT_EQ(shard.applied.cursor, Cursor{5});
}

TEST_F(TreeChanges, ListsInPagesByTheBytesOfNames) {
  std::vector<std::string> expected;
  for (const std::string name : {"a", "B", "a b", "\xc3\xa9", "z", "0", "a.b"}) {
    shard.folder(name);
    expected.push_back(name);
  }
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(shard.names(), expected);
  std::vector<std::string> paged;
  std::string after;
  do {
    const auto page = shard.get<EntryPage>(List{shard.account, {}, after, 2});
    EXPECT_LE(page.entries.size(), 2u);
    for (const auto& entry : page.entries) paged.push_back(entry.name);
    after = page.next;
  } while (!after.empty());
  EXPECT_EQ(paged, expected);
  EXPECT_EQ(shard.get<EntryPage>(List{shard.account, {}, "", 7}).next, "");
}

TEST_F(TreeChanges, ListRefusals) {
  const auto file = shard.file("file");
  EXPECT_EQ(shard.error_of(List{shard.account, {file, ""}, "", 0}), Errc::not_a_folder);
  EXPECT_EQ(shard.error_of(List{shard.account, {root_entry, "none"}, "", 0}), Errc::not_found);
  EXPECT_EQ(shard.error_of(List{shard.account, {}, std::string(256, 'x'), 0}),
            Errc::invalid_argument);
  EXPECT_EQ(shard.error_of(List{AccountId{12345}, {}, "", 0}), Errc::not_found);
}

TEST_F(TreeChanges, DrivesAreApart) {
  const auto ada = shard.account;
  const auto id = shard.folder("secret");
  const auto bob = shard.make_account("bob");
  EXPECT_NE(ada, bob);
  EXPECT_TRUE(shard.names().empty());
  EXPECT_EQ(shard.stat_error({id, ""}), Errc::not_found);
  EXPECT_EQ(error_code(shard.change(MakeFolder{{id, ""}, "x", {}})), Errc::not_found);
}

}  // namespace
}  // namespace cairn::cluster
