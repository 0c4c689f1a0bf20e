// Storing files: versions, conflicts, quota, and content that cannot be right.
#include "protocol/limits.hpp"
#include "tests/cluster/metadata_shard.hpp"

namespace cairn::cluster {
namespace {

class FileChanges : public testing::Test {
 protected:
  FileChanges() { shard.make_account("ada"); }
  void TearDown() override { shard.expect_sound(); }

  ChangeResult put(const std::string& name, Content content, Base base = {},
                   std::vector<BlockRef> proven = {}, EntryKind kind = EntryKind::file) {
    return shard.change(PutFile{{}, name, kind, base, std::move(content), {0644, 1}},
                        std::move(proven));
  }
  ChangeResult put_blocks(const std::string& name, const std::vector<BlockRef>& blocks,
                          Base base = {}) {
    return put(name, block_content(blocks), base, blocks);
  }

  Shard shard;
};

TEST_F(FileChanges, StoresInlineAndBlocks) {
  const auto small = put("small", inline_content("hello"));
  EXPECT_EQ(small.outcome, Outcome::created);
  EXPECT_EQ(small.version, VersionNumber{1});
  const auto entry = shard.stat({small.entry, ""});
  EXPECT_EQ(entry.size, 5u);
  EXPECT_EQ(entry.kind, EntryKind::file);
  EXPECT_EQ(entry.attributes, (Attributes{0644, 1}));
  EXPECT_EQ(entry.committed_at.millis, shard.now);
  EXPECT_EQ(shard.content({small.entry, ""}), inline_content("hello"));

  const std::vector<BlockRef> one{block(1)};
  const std::vector<BlockRef> four{block(1), block(2), block(1), block(3, 5)};
  std::vector<BlockRef> many;
  for (std::uint64_t n = 0; n < 1'500; ++n) many.push_back(block(n, 7));
  EXPECT_EQ(put_blocks("one", one).outcome, Outcome::created);
  EXPECT_EQ(put_blocks("four", four).outcome, Outcome::created);
  EXPECT_EQ(error_code(put_blocks("many", many)),
            Errc::size_mismatch);  // blocks 1 to 3 have other sizes
  for (auto& ref : many) ref.id = sha256(ref.id.view());
  EXPECT_EQ(put_blocks("many", many).outcome, Outcome::created);
  EXPECT_EQ(shard.content({root_entry, "one"}), block_content(one));
  EXPECT_EQ(shard.content({root_entry, "four"}), block_content(four));
  EXPECT_EQ(shard.content({root_entry, "many"}), block_content(many));
  EXPECT_EQ(shard.usage().used_bytes, 5u + 1'000 + 3'005 + 1'500 * 7);
}

TEST_F(FileChanges, StoresEmptyFilesAndSymbolicLinks) {
  EXPECT_EQ(put("empty", {}).outcome, Outcome::created);
  EXPECT_EQ(shard.content({root_entry, "empty"}), Content{});
  EXPECT_EQ(put("link", inline_content("../target"), {}, {}, EntryKind::symlink).outcome,
            Outcome::created);
  EXPECT_EQ(shard.stat({root_entry, "link"}).kind, EntryKind::symlink);
  EXPECT_EQ(shard.content({root_entry, "link"}), inline_content("../target"));
}

TEST_F(FileChanges, RefusesContentThatCannotBeRight) {
  const auto code = [&](Content content, EntryKind kind = EntryKind::file) {
    return error_code(put("f", std::move(content), {}, {block(1), block(2)}, kind));
  };
  EXPECT_EQ(code(Content{6, "hello", {}}), Errc::size_mismatch);
  EXPECT_EQ(code(Content{4, "hello", {}}), Errc::size_mismatch);
  EXPECT_EQ(code(Content{1, "", {}}), Errc::size_mismatch);
  EXPECT_EQ(code(Content{std::uint64_t{1} << 63, "", {block(1)}}), Errc::size_mismatch);
  EXPECT_EQ(code(Content{~std::uint64_t{0}, "", {block(1)}}), Errc::size_mismatch);
  EXPECT_EQ(code(Content{999, "", {block(1)}}), Errc::size_mismatch);
  EXPECT_EQ(code(Content{1'005, "hello", {block(1)}}), Errc::invalid_argument);
  EXPECT_EQ(code(inline_content(std::string(limits::max_inline_bytes + 1, 'x'))), Errc::too_large);
  EXPECT_EQ(code(Content{0, "", {block(1, 0)}}), Errc::invalid_argument);
  EXPECT_EQ(code(block_content({block(1, limits::max_block_bytes + 1)})), Errc::too_large);
  EXPECT_EQ(code(block_content(std::vector<BlockRef>(limits::max_manifest_blocks + 1, block(1)))),
            Errc::too_large);
  EXPECT_EQ(code(inline_content("x"), EntryKind::folder), Errc::invalid_argument);
  EXPECT_EQ(code(Content{}, EntryKind::symlink), Errc::invalid_argument);
  EXPECT_EQ(code(inline_content(std::string("a\0b", 3)), EntryKind::symlink),
            Errc::invalid_argument);
  EXPECT_EQ(code(inline_content(std::string(4'096, 'x')), EntryKind::symlink), Errc::too_large);
  EXPECT_EQ(code(block_content({block(1)}), EntryKind::symlink), Errc::invalid_argument);
  EXPECT_EQ(shard.usage().entries, 0u);
  EXPECT_EQ(code(inline_content(std::string(limits::max_inline_bytes, 'x'))), std::nullopt);
  EXPECT_EQ(
      error_code(put("l", inline_content(std::string(4'095, 'x')), {}, {}, EntryKind::symlink)),
      std::nullopt);
}

TEST_F(FileChanges, BlocksMustBeHeldOrProven) {
  EXPECT_EQ(error_code(put("f", block_content({block(1)}))), Errc::block_missing);
  EXPECT_EQ(error_code(put("f", block_content({block(1), block(2)}), {}, {block(1)})),
            Errc::block_missing);
  EXPECT_EQ(error_code(put("f", block_content({block(1)}), {}, {block(1, 999)})),
            Errc::size_mismatch);
  EXPECT_EQ(put_blocks("f", {block(1)}).outcome, Outcome::created);
  EXPECT_EQ(put("g", block_content({block(1)})).outcome, Outcome::created);  // held by now
  EXPECT_EQ(error_code(put("h", block_content({block(1, 999)}))), Errc::size_mismatch);
  // A receipt for another size does not make a held block larger.
  EXPECT_EQ(error_code(put("h", block_content({block(1, 2'000)}), {}, {block(1, 2'000)})),
            Errc::size_mismatch);

  const auto bob = shard.make_account("bob");
  EXPECT_EQ(error_code(put("f", block_content({block(1)}))), Errc::block_missing);
  const auto missing = shard.get<Missing>(FindMissing{bob, {block_id(1)}});
  EXPECT_EQ(missing.indexes, std::vector<std::uint32_t>{0});
}

TEST_F(FileChanges, MissingBlocksAreTold) {
  put_blocks("f", {block(1), block(2), block(3)});
  const auto missing = shard.get<Missing>(FindMissing{
      shard.account, {block_id(9), block_id(1), block_id(8), block_id(3), block_id(9)}});
  EXPECT_EQ(missing.indexes, (std::vector<std::uint32_t>{0, 2, 4}));
  EXPECT_EQ(
      shard.error_of(FindMissing{shard.account, std::vector<BlockId>(limits::max_missing_ids + 1)}),
      Errc::too_large);
  EXPECT_EQ(shard.error_of(FindMissing{AccountId{1}, {}}), Errc::not_found);
}

TEST_F(FileChanges, BlockCountsKeepUpWithManyBlocks) {
  std::vector<BlockRef> blocks;
  for (std::uint64_t n = 0; n < 3'000; ++n) blocks.push_back(block(n));
  put_blocks("a", blocks);
  put_blocks("b", {blocks.begin() + 1'000, blocks.end()});
  shard.expect_sound();
  shard.change(Remove{{root_entry, "a"}, {}});
  shard.change(Purge{});
  shard.tick();
  std::vector<BlockId> ids;
  for (const auto& ref : blocks) ids.push_back(ref.id);
  EXPECT_EQ(shard.get<Missing>(FindMissing{shard.account, ids}).indexes.size(), 1'000u);
}

TEST_F(FileChanges, NewVersionsKeepTheOldOnes) {
  const auto made = put("f", inline_content("one"));
  shard.now += 1'000;
  shard.device = "phone";
  const auto updated = put_blocks("f", {block(1)}, {made.entry, made.version});
  EXPECT_EQ(updated.outcome, Outcome::updated);
  EXPECT_EQ(updated.entry, made.entry);
  EXPECT_EQ(updated.version, VersionNumber{2});
  EXPECT_EQ(shard.content({made.entry, ""}), block_content({block(1)}));
  EXPECT_EQ(shard.content({made.entry, ""}, 1), inline_content("one"));
  EXPECT_EQ(shard.content({made.entry, ""}, 2), block_content({block(1)}));
  EXPECT_EQ(shard.error_of(GetContent{shard.account, {made.entry, ""}, VersionNumber{3}}),
            Errc::not_found);
  EXPECT_EQ(shard.usage().used_bytes, 1'003u);
  const auto versions =
      shard.get<Versions>(ListVersions{shard.account, {made.entry, ""}, {}, 0}).versions;
  ASSERT_EQ(versions.size(), 2u);
  EXPECT_EQ(versions[0],
            (Version{VersionNumber{2}, 1'000, {0644, 1}, Timestamp{shard.now}, "phone"}));
  EXPECT_EQ(versions[1],
            (Version{VersionNumber{1}, 3, {0644, 1}, Timestamp{shard.now - 1'000}, "laptop"}));
}

TEST_F(FileChanges, VersionsComeInPages) {
  auto base = Base{put("f", inline_content("0")).entry, VersionNumber{1}};
  for (int i = 1; i < 10; ++i)
    base.version = put("f", inline_content(std::to_string(i)), base).version;
  std::vector<std::uint32_t> seen;
  VersionNumber before;
  for (;;) {
    const auto page =
        shard.get<Versions>(ListVersions{shard.account, {base.entry, ""}, before, 3}).versions;
    if (page.empty()) break;
    EXPECT_LE(page.size(), 3u);
    for (const auto& version : page) seen.push_back(version.number.value);
    before = page.back().number;
  }
  EXPECT_EQ(seen, (std::vector<std::uint32_t>{10, 9, 8, 7, 6, 5, 4, 3, 2, 1}));
  const auto folder = shard.folder("d");
  EXPECT_EQ(shard.error_of(ListVersions{shard.account, {folder, ""}, {}, 0}), Errc::not_a_file);
  EXPECT_EQ(shard.error_of(GetContent{shard.account, {folder, ""}, {}}), Errc::not_a_file);
}

TEST_F(FileChanges, SameContentAgainIsUnchanged) {
  const auto made = put_blocks("f", {block(1), block(2)});
  EXPECT_EQ(put("f", block_content({block(1), block(2)})).outcome, Outcome::unchanged);
  const auto based = put("f", block_content({block(1), block(2)}), {made.entry, made.version});
  EXPECT_EQ(based.outcome, Outcome::unchanged);
  EXPECT_EQ(based.entry, made.entry);
  EXPECT_EQ(based.version, VersionNumber{1});
  EXPECT_EQ(shard.usage().used_bytes, 2'000u);
  // Other attributes are another version.
  const auto other = shard.change(PutFile{{},
                                          "f",
                                          EntryKind::file,
                                          {made.entry, made.version},
                                          block_content({block(1), block(2)}),
                                          {0600, 1}});
  EXPECT_EQ(other.outcome, Outcome::updated);

  std::vector<BlockRef> many;
  for (std::uint64_t n = 0; n < 1'100; ++n) many.push_back(block(n));
  put_blocks("many", many);
  EXPECT_EQ(put_blocks("many", many).outcome, Outcome::unchanged);
  std::swap(many[700], many[701]);
  EXPECT_EQ(put_blocks("many", many).outcome, Outcome::conflicted);
}

TEST_F(FileChanges, StaleBaseKeepsBoth) {
  const auto made = put("notes.txt", inline_content("one"));
  put("notes.txt", inline_content("two"), {made.entry, VersionNumber{1}});
  shard.device = "phone";
  const auto late = put("notes.txt", inline_content("three"), {made.entry, VersionNumber{1}});
  EXPECT_EQ(late.outcome, Outcome::conflicted);
  EXPECT_EQ(late.name, "notes (conflict, phone, 2026-09-21).txt");
  EXPECT_NE(late.entry, made.entry);
  EXPECT_EQ(put("notes.txt", inline_content("four")).name,
            "notes (conflict, phone, 2026-09-21) 2.txt");
  EXPECT_EQ(put("notes.txt", inline_content("five"), {EntryId{99}, VersionNumber{2}}).name,
            "notes (conflict, phone, 2026-09-21) 3.txt");
  EXPECT_EQ(shard.content({root_entry, "notes.txt"}), inline_content("two"));
  EXPECT_EQ(shard.content({late.entry, ""}), inline_content("three"));
}

TEST_F(FileChanges, FoldersAndOtherKindsAreNeverReplaced) {
  const auto folder = shard.folder("d");
  const auto beside = put("d", inline_content("x"), {folder, {}});
  EXPECT_EQ(beside.outcome, Outcome::conflicted);
  const auto file = put("f", inline_content("x"));
  EXPECT_EQ(
      put("f", inline_content("x"), {file.entry, file.version}, {}, EntryKind::symlink).outcome,
      Outcome::conflicted);
  EXPECT_EQ(shard.names().size(), 4u);
}

TEST_F(FileChanges, BaseThatMovedAwayLeavesTheNameFree) {
  const auto made = put("f", inline_content("one"));
  shard.change(Move{{made.entry, ""}, {}, "g"});
  const auto again = put("f", inline_content("two"), {made.entry, made.version});
  EXPECT_EQ(again.outcome, Outcome::created);
  EXPECT_NE(again.entry, made.entry);
  EXPECT_EQ(shard.content({root_entry, "g"}), inline_content("one"));
}

TEST_F(FileChanges, ConflictNamesStayWithinTheLimit) {
  const auto name = std::string(125, 'a') + "\xc3\xa9" + std::string(124, 'b') + ".txt";
  put(name, inline_content("one"));
  for (int i = 0; i < 12; ++i) {
    const auto result = put(name, inline_content(std::to_string(i)));
    EXPECT_EQ(result.outcome, Outcome::conflicted);
    EXPECT_LE(result.name.size(), limits::max_name_bytes);
  }
  EXPECT_EQ(shard.names().size(), 13u);
}

TEST_F(FileChanges, ManyConflictsOfOneNameTakeBoundedWork) {
  put("f", inline_content("base"));
  std::vector<Change> changes;
  for (int i = 0; i < 300; ++i)
    changes.push_back(PutFile{{}, "f", EntryKind::file, {}, inline_content(std::to_string(i)), {}});
  for (const auto& result : shard.commit(changes).results)
    EXPECT_EQ(result.outcome, Outcome::conflicted);
  EXPECT_EQ(shard.names().size(), 301u);
}

TEST_F(FileChanges, RevertMakesANewVersion) {
  const auto made = put_blocks("f", {block(1)});
  shard.update("f", inline_content("two"));
  const auto reverted = shard.change(Revert{{made.entry, ""}, VersionNumber{1}});
  EXPECT_EQ(reverted.outcome, Outcome::updated);
  EXPECT_EQ(reverted.version, VersionNumber{3});
  EXPECT_EQ(shard.content({made.entry, ""}), block_content({block(1)}));
  EXPECT_EQ(shard.usage().used_bytes, 2'003u);
  EXPECT_EQ(shard.change(Revert{{made.entry, ""}, VersionNumber{3}}).outcome, Outcome::unchanged);
  EXPECT_EQ(error_code(shard.change(Revert{{made.entry, ""}, VersionNumber{4}})), Errc::not_found);
  EXPECT_EQ(error_code(shard.change(Revert{{made.entry, ""}, VersionNumber{0}})), Errc::not_found);
  EXPECT_EQ(error_code(shard.change(Revert{{}, VersionNumber{1}})), Errc::not_a_file);
}

TEST_F(FileChanges, RevertToALongManifest) {
  std::vector<BlockRef> many;
  for (std::uint64_t n = 0; n < 1'100; ++n) many.push_back(block(n, 3));
  put_blocks("f", many);
  shard.update("f", inline_content("two"));
  EXPECT_EQ(shard.change(Revert{{root_entry, "f"}, VersionNumber{1}}).outcome, Outcome::updated);
  EXPECT_EQ(shard.content({root_entry, "f"}), block_content(many));
  EXPECT_EQ(shard.content({root_entry, "f"}, 1), block_content(many));
}

TEST_F(FileChanges, OldestVersionsGoBeyondTheLimit) {
  auto base = Base{put_blocks("f", {block(1)}).entry, VersionNumber{1}};
  std::vector<Change> changes;
  for (std::uint32_t i = 1; i <= limits::max_versions_per_entry; ++i)
    changes.push_back(PutFile{{},
                              "f",
                              EntryKind::file,
                              {base.entry, VersionNumber{i}},
                              inline_content(std::to_string(i % 2)),
                              {}});
  for (const auto& result : shard.commit(changes).results)
    EXPECT_EQ(result.outcome, Outcome::updated);
  EXPECT_EQ(shard.usage().used_bytes, limits::max_versions_per_entry);
  EXPECT_EQ(
      shard.get<Versions>(ListVersions{shard.account, {base.entry, ""}, {}, 0}).versions.size(),
      limits::max_versions_per_entry);
  EXPECT_EQ(shard.error_of(GetContent{shard.account, {base.entry, ""}, VersionNumber{1}}),
            Errc::not_found);
  EXPECT_EQ(shard.get<Missing>(FindMissing{shard.account, {block_id(1)}}).indexes.size(), 1u);
}

TEST_F(FileChanges, VersionsGoByTheirRetention) {
  std::vector<BlockRef> many;
  for (std::uint64_t n = 0; n < 2'100; ++n) many.push_back(block(n, 3));
  put_blocks("f", many);
  shard.now += 1'000;
  shard.update("f", inline_content("two"));
  shard.now += 1'000;
  shard.update("f", inline_content("three"));
  // Ages count from when a version was superseded.
  shard.now += 9'500;
  shard.tick(Shard::day_millis, 10'000);
  EXPECT_EQ(shard.error_of(GetContent{shard.account, {root_entry, "f"}, VersionNumber{1}}),
            Errc::not_found);
  EXPECT_EQ(shard.content({root_entry, "f"}, 2), inline_content("two"));
  EXPECT_EQ(shard.usage().used_bytes, 8u);
  EXPECT_EQ(shard.get<Missing>(FindMissing{shard.account, {block_id(1)}}).indexes.size(), 1u);
  shard.now += 500;
  shard.tick(Shard::day_millis, 10'000);
  EXPECT_EQ(shard.usage().used_bytes, 5u);
  EXPECT_EQ(shard.content({root_entry, "f"}), inline_content("three"));
  EXPECT_FALSE(MetadataMachine(shard.rows).tick_due(Timestamp{shard.now * 2}, Tick{0, 0}));
}

TEST_F(FileChanges, QuotaIsNeverOvershot) {
  constexpr std::uint64_t quota = 100'000;
  shard.make_account("bob", quota);
  // As from a thousand writers at once: all in one batch of the log, none seeing the others
  // answered.
  storage::WriteBatch batch;
  std::uint64_t stored = 0;
  int refused = 0;
  for (int i = 0; i < 1'000; ++i) {
    CommitChanges command{
        shard.account,
        {ClientId{static_cast<std::uint64_t>(i % 200 + 1)}, static_cast<std::uint64_t>(i + 1)},
        0,
        "d",
        {},
        {}};
    command.changes.push_back(PutFile{{},
                                      "f" + std::to_string(i),
                                      EntryKind::file,
                                      {},
                                      inline_content(std::string(333, 'x')),
                                      {}});
    const auto result = std::get<CommitResult>(shard.run_in(command, batch).result).results[0];
    if (result.error)
      ++refused;
    else
      stored += 333;
    EXPECT_TRUE(!result.error || result.error->code == Errc::quota_exceeded);
  }
  shard.rows.apply(batch);
  EXPECT_EQ(shard.usage().used_bytes, stored);
  EXPECT_EQ(stored, quota / 333 * 333);
  EXPECT_EQ(refused, 1'000 - 300);
  // To the byte.
  EXPECT_EQ(error_code(put("rest", inline_content(std::string(101, 'x')))), Errc::quota_exceeded);
  EXPECT_EQ(put("rest", inline_content(std::string(100, 'x'))).outcome, Outcome::created);
  EXPECT_EQ(error_code(put("more", inline_content("x"))), Errc::quota_exceeded);
  EXPECT_EQ(put("empty", {}).outcome, Outcome::created);
  EXPECT_EQ(shard.usage().used_bytes, quota);
  EXPECT_EQ(error_code(shard.update("rest", inline_content("x"))), Errc::quota_exceeded);
}

TEST_F(FileChanges, LoweredQuotaRefusesUntilThereIsRoom) {
  put("f", inline_content("12345"));
  EXPECT_TRUE(std::holds_alternative<Done>(shard.run(SetQuota{shard.account, 3})));
  EXPECT_EQ(shard.usage().quota_bytes, 3u);
  EXPECT_EQ(error_code(put("g", inline_content("x"))), Errc::quota_exceeded);
  EXPECT_EQ(shard.folder("d").value, 3u);
  shard.change(Remove{{root_entry, "f"}, {}});
  EXPECT_EQ(error_code(put("g", inline_content("x"))), Errc::quota_exceeded);
  shard.change(Purge{});
  shard.tick();
  EXPECT_EQ(put("g", inline_content("x")).outcome, Outcome::created);
}

}  // namespace
}  // namespace cairn::cluster
