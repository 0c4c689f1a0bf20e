// Requests that take effect once, and the journal of what they changed.
#include <set>

#include "cluster/rows.hpp"
#include "protocol/limits.hpp"
#include "tests/cluster/metadata_shard.hpp"

namespace cairn::cluster {
namespace {

class Commits : public testing::Test {
 protected:
  Commits() { shard.make_account("ada"); }
  void TearDown() override { shard.expect_sound(); }

  CommitChanges request(std::uint64_t client, std::uint64_t sequence,
                        std::uint64_t acknowledged = 0) {
    CommitChanges command{
        shard.account, {ClientId{client}, sequence}, acknowledged, "laptop", {}, {}};
    command.changes.push_back(
        MakeFolder{{}, "d" + std::to_string(client) + "-" + std::to_string(sequence), {}});
    return command;
  }

  Shard shard;
};

TEST_F(Commits, RetryAnswersTheFirstResultAndChangesNothing) {
  auto command = request(1, 1);
  command.changes.push_back(MakeFolder{{root_entry, "none"}, "x", {}});
  const auto first = shard.run(command);
  const auto rows = shard.rows.rows;
  shard.now += 5'000;
  shard.device = "other";
  EXPECT_EQ(encode(shard.run(command)), encode(first));
  EXPECT_EQ(shard.applied.changed, AccountId{});
  EXPECT_EQ(shard.rows.rows, rows);
  EXPECT_EQ(shard.usage().entries, 1u);
}

TEST_F(Commits, RetryInTheSameBatchSeesTheFirst) {
  storage::WriteBatch batch;
  const auto first = shard.run_in(request(1, 1), batch);
  const auto again = shard.run_in(request(1, 1), batch);
  EXPECT_EQ(encode(first.result), encode(again.result));
  shard.rows.apply(batch);
  EXPECT_EQ(shard.usage().entries, 1u);
}

TEST_F(Commits, AcknowledgedResultsAreForgotten) {
  for (std::uint64_t sequence = 1; sequence <= 5; ++sequence) shard.run(request(1, sequence));
  shard.run(request(1, 6, 3));
  for (std::uint64_t sequence = 1; sequence <= 3; ++sequence)
    EXPECT_EQ(error_code(shard.run(request(1, sequence))), Errc::request_forgotten) << sequence;
  for (std::uint64_t sequence = 4; sequence <= 6; ++sequence)
    EXPECT_EQ(error_code(shard.run(request(1, sequence))), std::nullopt) << sequence;
  EXPECT_EQ(shard.usage().entries, 6u);
}

TEST_F(Commits, UnacknowledgedResultsAreKeptUpToTheLimit) {
  const auto most = limits::max_results_kept_per_client;
  for (std::uint64_t sequence = 1; sequence <= most + 10; ++sequence)
    shard.run(request(1, sequence));
  const auto rows = shard.rows.rows;
  for (std::uint64_t sequence = 1; sequence <= 10; ++sequence)
    EXPECT_EQ(error_code(shard.run(request(1, sequence))), Errc::request_forgotten);
  for (std::uint64_t sequence = 11; sequence <= most + 10; ++sequence)
    EXPECT_EQ(error_code(shard.run(request(1, sequence))), std::nullopt);
  EXPECT_EQ(shard.rows.rows, rows);
}

TEST_F(Commits, SequencesMayComeOutOfOrder) {
  for (const std::uint64_t sequence : {5, 3, 9, 4})
    EXPECT_EQ(error_code(shard.run(request(1, sequence))), std::nullopt);
  EXPECT_EQ(shard.usage().entries, 4u);
  for (const std::uint64_t sequence : {3, 4, 5, 9}) shard.run(request(1, sequence));
  EXPECT_EQ(shard.usage().entries, 4u);
  // What was in flight and arrives after its acknowledgement is refused, not done.
  shard.run(request(1, 10, 9));
  EXPECT_EQ(error_code(shard.run(request(1, 8))), Errc::request_forgotten);
  EXPECT_EQ(shard.usage().entries, 5u);
}

TEST_F(Commits, AcknowledgedSequenceThatNeverArrivedIsRefused) {
  shard.run(request(1, 5, 4));
  EXPECT_EQ(error_code(shard.run(request(1, 3))), Errc::request_forgotten);
  EXPECT_EQ(shard.usage().entries, 1u);
}

TEST_F(Commits, ClientsHaveSequencesOfTheirOwn) {
  shard.run(request(1, 1));
  shard.run(request(2, 1));
  EXPECT_EQ(shard.usage().entries, 2u);
}

TEST_F(Commits, LongestUnusedClientIsForgotten) {
  for (std::uint64_t client = 1; client <= limits::max_clients_per_account; ++client) {
    shard.now += 1;
    shard.run(request(client, 1));
  }
  shard.now += 1;
  shard.run(request(1, 2));  // now client 2 is the longest unused
  shard.now += 1;
  shard.run(request(1'000, 1));
  shard.expect_sound();
  const auto rows = shard.rows.rows;
  shard.run(request(1, 1));
  shard.run(request(3, 1));
  EXPECT_EQ(shard.rows.rows, rows);
  // Client 2 is a new one to the shard; its folder is there already.
  const auto again = std::get<CommitResult>(shard.run(request(2, 1)));
  EXPECT_EQ(error_code(again.results[0]), Errc::already_exists);
}

TEST_F(Commits, WholeCommandRefusalsChangeNothing) {
  const auto rows = shard.rows.rows;
  const auto code = [&](CommitChanges command) {
    const auto result = error_code(shard.run(std::move(command)));
    EXPECT_EQ(shard.rows.rows, rows);
    return result;
  };
  EXPECT_EQ(code(request(0, 1)), Errc::invalid_argument);
  EXPECT_EQ(code(request(1, 0)), Errc::invalid_argument);
  EXPECT_EQ(code(request(1, 5, 5)), Errc::invalid_argument);
  auto command = request(1, 1);
  command.changes.clear();
  EXPECT_EQ(code(command), Errc::invalid_argument);
  command.changes.assign(limits::max_changes_per_commit + 1, MakeFolder{{}, "d", {}});
  EXPECT_EQ(code(command), Errc::too_large);
  command = request(1, 1);
  command.device = std::string(limits::max_device_bytes + 1, 'd');
  EXPECT_EQ(code(command), Errc::too_large);
  command = request(1, 1);
  command.account.value += 1;
  EXPECT_EQ(code(command), Errc::not_found);
  command.account.value = 0;
  EXPECT_EQ(code(command), Errc::not_found);
}

TEST_F(Commits, LargestCommitWorks) {
  std::vector<Change> changes;
  for (std::size_t i = 0; i < limits::max_changes_per_commit; ++i)
    changes.push_back(MakeFolder{{}, "d" + std::to_string(i), {}});
  const auto result = shard.commit(changes);
  EXPECT_EQ(result.results.size(), changes.size());
  EXPECT_EQ(result.cursor.value, changes.size());
  EXPECT_EQ(shard.names().size(), changes.size());
}

TEST_F(Commits, DevicesAreNamedByNumberUpToALimit) {
  // One entry gets a version from each of more devices than are kept by name.
  const auto f = shard.file("f");
  shard.device = "";
  shard.update("f", inline_content("no name"));
  const auto versions = shard.get<Versions>(ListVersions{shard.account, {f, ""}, {}, 0}).versions;
  EXPECT_EQ(versions[0].device, "");
  EXPECT_EQ(versions[1].device, "laptop");
  for (std::size_t i = 0; i <= limits::max_device_names_per_account; ++i) {
    shard.device = "device " + std::to_string(i);
    shard.change(SetAttributes{{f, ""}, {0, static_cast<std::int64_t>(i)}});
  }
  shard.update("f", inline_content("too many"));
  EXPECT_EQ(shard.get<Versions>(ListVersions{shard.account, {f, ""}, {}, 1}).versions[0].device,
            "");
  shard.device = "device 7";
  shard.update("f", inline_content("known"));
  EXPECT_EQ(shard.get<Versions>(ListVersions{shard.account, {f, ""}, {}, 1}).versions[0].device,
            "device 7");
}

TEST_F(Commits, ChangesAreToldFromAnyCursor) {
  const auto a = shard.folder("a");
  const auto f = shard.file("f");
  shard.change(Move{{f, ""}, {a, ""}, "g"});
  shard.change(SetAttributes{{a, ""}, {0700, 9}});
  shard.change(Remove{{f, ""}, {}});
  const auto all = shard.get<ChangePage>(ReadChanges{shard.account, {}, 0});
  EXPECT_EQ(all.cursor, Cursor{5});
  EXPECT_FALSE(all.more);
  ASSERT_EQ(all.events.size(), 2u);
  EXPECT_EQ(all.events[0].cursor, Cursor{4});
  EXPECT_EQ(all.events[0].entry, a);
  EXPECT_EQ(all.events[0].now->attributes, (Attributes{0700, 9}));
  EXPECT_EQ(all.events[1].cursor, Cursor{5});
  EXPECT_EQ(all.events[1].entry, f);
  EXPECT_TRUE(all.events[1].now->trashed);
  EXPECT_EQ(all.events[1].now->name, "g");

  const auto page = shard.get<ChangePage>(ReadChanges{shard.account, Cursor{1}, 2});
  EXPECT_EQ(page.cursor, Cursor{3});
  EXPECT_TRUE(page.more);
  ASSERT_EQ(page.events.size(), 1u);
  EXPECT_EQ(page.events[0].cursor, Cursor{3});
  const auto end = shard.get<ChangePage>(ReadChanges{shard.account, Cursor{5}, 0});
  EXPECT_TRUE(end.events.empty());
  EXPECT_EQ(end.cursor, Cursor{5});
  EXPECT_FALSE(end.more);
  EXPECT_EQ(shard.error_of(ReadChanges{shard.account, Cursor{6}, 0}), Errc::invalid_argument);
  EXPECT_EQ(shard.error_of(ReadChanges{shard.account, Cursor{~std::uint64_t{0}}, 0}),
            Errc::invalid_argument);
  EXPECT_EQ(shard.error_of(ReadChanges{AccountId{3}, {}, 0}), Errc::not_found);
}

TEST_F(Commits, WhatWentWithAPurgedFolderIsGone) {
  const auto a = shard.folder("a");
  const auto f = shard.file("f", "x", {a, ""});
  shard.change(Remove{{a, ""}, {}});
  EXPECT_TRUE(shard.get<ChangePage>(ReadChanges{shard.account, Cursor{1}, 1}).events[0].now);
  shard.change(Purge{a});
  for (int i = 0; i < 2; ++i) {
    const auto page = shard.get<ChangePage>(ReadChanges{shard.account, {}, 0});
    ASSERT_EQ(page.events.size(), 2u);
    EXPECT_EQ(page.events[0].entry, f);
    EXPECT_FALSE(page.events[0].now);
    EXPECT_EQ(page.events[1].entry, a);
    EXPECT_FALSE(page.events[1].now);
    shard.tick();
  }
}

TEST_F(Commits, JournalIsCutAtItsLimit) {
  shard.folder("d");
  // As if a journal of full length lay behind.
  const rows::AccountKeys keys(shard.account);
  rows::DriveRow drive;
  ASSERT_TRUE(decode(shard.rows.rows.find(keys.drive().view())->second, drive));
  shard.rows.rows.erase(Bytes(keys.journal(Cursor{1}).view()));
  const auto per_row = limits::journal_changes_per_row;
  for (std::uint64_t first = 1; first < limits::max_journal_changes; first += per_row) {
    Bytes row;
    for (std::uint64_t i = 0; i < per_row; ++i)
      rows::append(row, {EntryId{2}, rows::ChangeKind::moved}, EntryId{i == 0 ? 0u : 2u});
    shard.rows.rows[Bytes(keys.journal(Cursor{first}).view())] = row;
  }
  drive.journal_end = limits::max_journal_changes;
  shard.rows.rows[Bytes(keys.drive().view())] = encode(drive);
  shard.expect_sound();
  EXPECT_TRUE(shard.get<ChangePage>(ReadChanges{shard.account, {}, 0}).more);

  shard.folder("e");
  shard.expect_sound();
  EXPECT_EQ(shard.error_of(ReadChanges{shard.account, {}, 0}), Errc::cursor_expired);
  EXPECT_EQ(shard.error_of(ReadChanges{shard.account, Cursor{per_row - 1}, 0}),
            Errc::cursor_expired);
  EXPECT_EQ(shard.error_of(ReadChanges{shard.account, Cursor{per_row}, 0}), std::nullopt);
  const auto page =
      shard.get<ChangePage>(ReadChanges{shard.account, Cursor{limits::max_journal_changes}, 0});
  EXPECT_EQ(page.events.size(), 1u);
}

TEST_F(Commits, ReferencesNameEveryBlockOfEveryDrive) {
  std::set<BlockId> expected;
  for (const std::string login : {"bob", "eve", "mallory"}) {
    shard.make_account(login);
    const auto salt = static_cast<std::uint64_t>(login.size()) * 10'000;
    for (std::uint64_t i = 0; i < 30; ++i) {
      const auto one = block(salt + i);
      shard.change(
          PutFile{{}, "f" + std::to_string(i), EntryKind::file, {}, block_content({one}), {}},
          {one});
      expected.insert(one.id);
    }
    std::vector<BlockRef> many;
    for (std::uint64_t n = 0; n < 1'200; ++n) many.push_back(block(salt + 100 + n));
    const auto made =
        shard.change(PutFile{{}, "many", EntryKind::file, {}, block_content(many), {}}, many);
    for (const auto& one : many) expected.insert(one.id);
    shard.update("many", inline_content("x"));     // an old version
    shard.change(Remove{{root_entry, "f1"}, {}});  // the trash
    const auto f2 = shard.stat({root_entry, "f2"}).id;
    shard.change(Remove{{f2, ""}, {}});
    shard.change(Purge{f2});  // not yet worked off
    EXPECT_EQ(made.version, VersionNumber{1});
  }
  for (const std::uint32_t limit : {0u, 1u, 100u}) {
    std::set<BlockId> found;
    Bytes next;
    do {
      const auto page = shard.get<References>(ListReferences{next, limit});
      found.insert(page.blocks.begin(), page.blocks.end());
      if (limit) {
        EXPECT_LE(page.blocks.size(), limit + limits::manifest_blocks_per_chunk);
      }
      next = page.next;
    } while (!next.empty());
    EXPECT_EQ(found, expected) << limit;
  }
  EXPECT_TRUE(shard.get<References>(ListReferences{"\xff", 0}).blocks.empty());
}

}  // namespace
}  // namespace cairn::cluster
