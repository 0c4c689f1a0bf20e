// The trash: removing, restoring, purging, and what Ticks work off.
#include "protocol/limits.hpp"
#include "tests/cluster/metadata_shard.hpp"

namespace cairn::cluster {
namespace {

class TrashChanges : public testing::Test {
 protected:
  TrashChanges() { shard.make_account("ada"); }
  void TearDown() override { shard.expect_sound(); }
  ChangeResult remove(EntryId id) { return shard.change(Remove{{id, ""}, {}}); }
  Shard shard;
};

TEST_F(TrashChanges, RemovedEntriesAreOnlyInTheTrash) {
  const auto a = shard.folder("a");
  const auto f = shard.file("f", "x", {a, ""});
  const auto removed = remove(a);
  EXPECT_EQ(removed.outcome, Outcome::removed);
  EXPECT_EQ(removed.entry, a);
  EXPECT_TRUE(shard.names().empty());
  EXPECT_EQ(shard.trash(), std::vector<EntryId>{a});
  EXPECT_TRUE(shard.get<EntryPage>(ListTrash{shard.account, "", 0}).entries[0].trashed);
  EXPECT_EQ(shard.stat_error({a, ""}), Errc::trashed);
  EXPECT_EQ(shard.stat_error({f, ""}), Errc::trashed);
  EXPECT_EQ(shard.stat_error({root_entry, "a"}), Errc::not_found);
  EXPECT_EQ(shard.error_of(GetContent{shard.account, {f, ""}, {}}), Errc::trashed);
  EXPECT_EQ(shard.error_of(List{shard.account, {a, ""}, "", 0}), Errc::trashed);
  EXPECT_EQ(error_code(shard.change(MakeFolder{{a, ""}, "x", {}})), Errc::trashed);
  EXPECT_EQ(error_code(shard.change(SetAttributes{{f, ""}, {}})), Errc::trashed);
  EXPECT_EQ(error_code(shard.change(Move{{f, ""}, {}, "f"})), Errc::trashed);
  EXPECT_EQ(error_code(shard.change(Revert{{f, ""}, VersionNumber{1}})), Errc::trashed);
  EXPECT_EQ(error_code(remove(a)), Errc::trashed);
  EXPECT_EQ(error_code(remove(f)), Errc::trashed);
  EXPECT_EQ(shard.usage().used_bytes, 1u);
  EXPECT_EQ(shard.usage().entries, 2u);
}

TEST_F(TrashChanges, RemoveChecksItsBase) {
  const auto f = shard.file("f");
  EXPECT_EQ(error_code(shard.change(Remove{{f, ""}, VersionNumber{2}})), Errc::conflict);
  EXPECT_EQ(shard.change(Remove{{f, ""}, VersionNumber{1}}).outcome, Outcome::removed);
  EXPECT_EQ(error_code(shard.change(Remove{{}, {}})), Errc::invalid_argument);
  EXPECT_EQ(error_code(shard.change(Remove{{EntryId{99}, ""}, {}})), Errc::not_found);
}

TEST_F(TrashChanges, RestoreBringsBackWhatWasThere) {
  const auto a = shard.folder("a");
  const auto f = shard.file("f", "hello", {a, ""});
  remove(a);
  EXPECT_EQ(error_code(shard.change(Restore{f})), Errc::trashed);
  const auto restored = shard.change(Restore{a});
  EXPECT_EQ(restored.outcome, Outcome::restored);
  EXPECT_EQ(restored.name, "");
  EXPECT_EQ(shard.stat({root_entry, "a/f"}).id, f);
  EXPECT_TRUE(shard.trash().empty());
  EXPECT_EQ(error_code(shard.change(Restore{a})), Errc::invalid_argument);
  EXPECT_EQ(error_code(shard.change(Restore{EntryId{99}})), Errc::not_found);
}

TEST_F(TrashChanges, RestoreFindsAnotherNameOrPlace) {
  const auto a = shard.folder("a");
  const auto f = shard.file("f.txt", "1", {a, ""});
  remove(f);
  shard.file("f.txt", "2", {a, ""});
  EXPECT_EQ(shard.change(Restore{f}).name, "f (restored).txt");
  remove(f);
  shard.file("f (restored).txt", "3", {a, ""});
  // Its own name is the new one by now.
  EXPECT_EQ(shard.change(Restore{f}).name, "f (restored) (restored).txt");
  remove(f);
  remove(a);
  const auto to_root = shard.change(Restore{f});
  EXPECT_EQ(to_root.outcome, Outcome::restored);
  EXPECT_EQ(shard.stat({f, ""}).parent, root_entry);
  remove(f);
  shard.change(Purge{a});
  shard.tick();
  EXPECT_EQ(shard.change(Restore{f}).outcome, Outcome::restored);
}

TEST_F(TrashChanges, TrashComesNewestFirstInPages) {
  std::vector<EntryId> expected;
  for (int i = 0; i < 7; ++i) {
    const auto id = shard.file("f");
    shard.now += 10;
    remove(id);
    expected.insert(expected.begin(), id);
  }
  EXPECT_EQ(shard.trash(), expected);
  std::vector<EntryId> paged;
  std::string after;
  do {
    const auto page = shard.get<EntryPage>(ListTrash{shard.account, after, 3});
    for (const auto& entry : page.entries) paged.push_back(entry.id);
    after = page.next;
  } while (!after.empty());
  EXPECT_EQ(paged, expected);
  EXPECT_EQ(shard.error_of(ListTrash{shard.account, "x", 0}), Errc::invalid_argument);
  EXPECT_EQ(shard.error_of(ListTrash{shard.account, "1x", 0}), Errc::invalid_argument);
  EXPECT_TRUE(shard.get<EntryPage>(ListTrash{shard.account, "0", 0}).entries.empty());
}

TEST_F(TrashChanges, PurgedEntriesAreGoneAtOnceAndTheirBytesLater) {
  const auto a = shard.folder("a");
  const auto b = shard.folder("b", {a, ""});
  const auto f = shard.file("f", "hello", {b, ""});
  EXPECT_EQ(error_code(shard.change(Purge{a})), Errc::invalid_argument);
  remove(a);
  EXPECT_EQ(error_code(shard.change(Purge{f})), Errc::trashed);
  EXPECT_EQ(shard.change(Purge{a}).outcome, Outcome::purged);
  EXPECT_TRUE(shard.trash().empty());
  for (const auto id : {a, b, f}) {
    EXPECT_EQ(shard.stat_error({id, ""}), Errc::not_found);
    EXPECT_EQ(error_code(shard.change(Purge{id})), Errc::not_found);
    EXPECT_EQ(error_code(shard.change(Restore{id})), Errc::not_found);
  }
  EXPECT_EQ(shard.usage().used_bytes, 5u);
  shard.expect_sound();
  EXPECT_TRUE(MetadataMachine(shard.rows)
                  .tick_due(Timestamp{shard.now}, Tick{Shard::day_millis, Shard::day_millis}));
  shard.tick();
  EXPECT_EQ(shard.usage().used_bytes, 0u);
  EXPECT_EQ(shard.usage().entries, 0u);
  EXPECT_FALSE(MetadataMachine(shard.rows)
                   .tick_due(Timestamp{shard.now}, Tick{Shard::day_millis, Shard::day_millis}));
}

TEST_F(TrashChanges, PurgeOfTheWholeTrash) {
  EXPECT_EQ(shard.change(Purge{}).outcome, Outcome::unchanged);
  std::vector<EntryId> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(shard.file("f" + std::to_string(i)));
  for (const auto id : ids) remove(id);
  EXPECT_EQ(shard.change(Purge{}).outcome, Outcome::purged);
  EXPECT_TRUE(shard.trash().empty());
  for (const auto id : ids) {
    EXPECT_EQ(shard.stat_error({id, ""}), Errc::not_found);
    EXPECT_EQ(error_code(shard.change(Restore{id})), Errc::not_found);
  }
  const auto later = shard.file("later");
  remove(later);
  EXPECT_EQ(shard.trash(), std::vector<EntryId>{later});
  shard.tick();
  EXPECT_EQ(shard.trash(), std::vector<EntryId>{later});
  EXPECT_EQ(shard.usage().entries, 1u);
  const auto page = shard.get<ChangePage>(ReadChanges{shard.account, {}, 0});
  for (const auto& event : page.events) EXPECT_EQ(event.now.has_value(), event.entry == later);
}

TEST_F(TrashChanges, TrashExpires) {
  const auto old = shard.file("old");
  const auto young = shard.file("young");
  remove(old);
  shard.now += 600;
  remove(young);
  const Tick tick{1'000, 1'000};
  shard.now += 399;
  EXPECT_FALSE(MetadataMachine(shard.rows).tick_due(Timestamp{shard.now}, tick));
  shard.now += 1;
  EXPECT_TRUE(MetadataMachine(shard.rows).tick_due(Timestamp{shard.now}, tick));
  const auto end = shard.get<ChangePage>(ReadChanges{shard.account, {}, 0}).cursor;
  const auto result = shard.run(tick);
  EXPECT_EQ(shard.applied.changed, shard.account);
  EXPECT_EQ(shard.applied.cursor.value, end.value + 1);
  EXPECT_FALSE(std::get<TickDone>(result).more);
  EXPECT_EQ(shard.trash(), std::vector<EntryId>{young});
  const auto page = shard.get<ChangePage>(ReadChanges{shard.account, end, 0});
  ASSERT_EQ(page.events.size(), 1u);
  EXPECT_EQ(page.events[0].entry, old);
  EXPECT_FALSE(page.events[0].now);
}

TEST_F(TrashChanges, OneTickGrowsOneJournal) {
  std::vector<AccountId> accounts{shard.account};
  remove(shard.file("f"));
  for (const std::string login : {"bob", "eve"}) {
    accounts.push_back(shard.make_account(login));
    remove(shard.file("f"));
    shard.change(Purge{});
  }
  std::map<AccountId, Cursor> grown;
  for (bool more = true; more;) {
    more = std::get<TickDone>(shard.run(Tick{0, 0})).more;
    if (shard.applied.changed.value) grown[shard.applied.changed] = shard.applied.cursor;
    ASSERT_LE(grown.size(), 3u);
  }
  EXPECT_EQ(grown.size(), 3u);
  for (const auto account : accounts) EXPECT_EQ(shard.get<Usage>(GetUsage{account}).entries, 0u);
}

TEST_F(TrashChanges, ClockGoingBackExpiresNothing) {
  remove(shard.file("f"));
  const auto now = shard.now;
  shard.now -= 100 * Shard::day_millis;
  shard.tick(Shard::day_millis, Shard::day_millis);
  EXPECT_EQ(shard.trash().size(), 1u);
  // What is made meanwhile is stamped no earlier than what was.
  EXPECT_EQ(shard.stat({shard.file("g"), ""}).committed_at, Timestamp{now});
  for (const auto wild :
       {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}) {
    shard.now = wild;
    shard.file("h" + std::to_string(wild < 0));
    shard.run(Tick{wild, wild});
  }
}

/// A tree of `files` files in folders of `width`, each in a folder of its own chain of `depth`.
TEST_F(TrashChanges, LargeTreesAreWorkedOffInBoundedSteps) {
  const auto top = shard.folder("top");
  auto at = top;
  for (int depth = 0; depth < 200; ++depth) {
    std::vector<Change> changes{MakeFolder{{at, ""}, "down", {}}};
    for (int i = 0; i < 20; ++i)
      changes.push_back(PutFile{{at, ""},
                                "f" + std::to_string(i),
                                EntryKind::file,
                                {},
                                block_content({block(static_cast<std::uint64_t>(i))}),
                                {}});
    std::vector<BlockRef> proven;
    for (std::uint64_t i = 0; i < 20; ++i) proven.push_back(block(i));
    at = shard.commit(changes, proven).results[0].entry;
  }
  std::vector<Change> wide;
  for (int i = 0; i < 1'000; ++i)
    wide.push_back(PutFile{{top, ""}, "w" + std::to_string(i), EntryKind::file, {}, {}, {}});
  shard.commit(wide);
  std::vector<BlockRef> many;
  for (std::uint64_t n = 0; n < 5'000; ++n) many.push_back(block(1'000 + n));
  shard.change(PutFile{{top, ""}, "long", EntryKind::file, {}, block_content(many), {}}, many);

  remove(top);
  shard.change(Purge{top});
  int ticks = 0;
  for (bool more = true; more; ++ticks) {
    storage::WriteBatch batch;
    const auto result = shard.run_in(Tick{Shard::day_millis, Shard::day_millis}, batch).result;
    // A row of work changes at most a name, an entry, its queue row and its block counts.
    EXPECT_LE(batch.size(), 5 * limits::max_purge_per_tick);
    shard.rows.apply(batch);
    more = std::get<TickDone>(result).more;
    if (ticks % 4 == 0) shard.expect_sound();
    ASSERT_LT(ticks, 100);
  }
  EXPECT_GT(ticks, 8);
  EXPECT_EQ(shard.usage().used_bytes, 0u);
  EXPECT_EQ(shard.usage().entries, 0u);
}

TEST_F(TrashChanges, PurgeOfManyLongVersionsStopsAnywhere) {
  const auto made = shard.file("f");
  for (std::uint32_t v = 1; v <= 5; ++v) {
    std::vector<BlockRef> many;
    for (std::uint64_t n = 0; n < 1'700; ++n) many.push_back(block(v * 500 + n, 2));
    shard.update("f", block_content(many), many);
  }
  remove(made);
  shard.change(Purge{made});
  // Versions expire while the entry is being worked off.
  shard.now += 10;
  int ticks = 0;
  for (bool more = true; more; ++ticks) {
    more = std::get<TickDone>(shard.run(Tick{Shard::day_millis, ticks < 3 ? Shard::day_millis : 5}))
               .more;
    shard.expect_sound();
    ASSERT_LT(ticks, 100);
  }
  EXPECT_GT(ticks, 5);
  EXPECT_EQ(shard.usage().used_bytes, 0u);
}

TEST_F(TrashChanges, TrashedInsideATrashedFolderIsItsOwn) {
  const auto a = shard.folder("a");
  const auto f = shard.file("f", "x", {a, ""});
  remove(f);
  remove(a);
  EXPECT_EQ(shard.trash(), (std::vector<EntryId>{a, f}));
  shard.change(Purge{a});
  shard.tick();
  EXPECT_EQ(shard.trash(), std::vector<EntryId>{f});
  shard.expect_sound();
  EXPECT_EQ(shard.change(Restore{f}).outcome, Outcome::restored);
  EXPECT_EQ(shard.names(), std::vector<std::string>{"f"});
}

}  // namespace
}  // namespace cairn::cluster
