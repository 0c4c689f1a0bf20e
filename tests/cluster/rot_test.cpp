// Bad rows: whatever row cannot be read, somebody notices, nobody gets a wrong answer, and a
// command that meets it leaves no trace. Rows that pass their checksum and are nonsense never crash
// the machine.
#include "cluster/raft_types.hpp"
#include "cluster/rows.hpp"
#include "storage/table.hpp"
#include "tests/cluster/metadata_shard.hpp"
#include "tests/support/random.hpp"

namespace cairn::cluster {
namespace {

/// A shard with a row of every kind.
Shard rich_shard() {
  Shard shard;
  shard.make_account("ada");
  shard.run(IssueToken{shard.account, ClientId{7}, "laptop", std::string(32, 's')});
  const auto a = shard.folder("a");
  shard.file("inline", "hello", {a, ""});
  std::vector<BlockRef> many;
  for (std::uint64_t n = 0; n < 1'100; ++n) many.push_back(block(n));
  shard.change(PutFile{{}, "many", EntryKind::file, {}, block_content(many), {}}, many);
  shard.change(
      PutFile{{a, ""}, "few", EntryKind::file, {}, block_content({block(1), block(2)}), {}});
  shard.update("many", inline_content("short"));
  shard.update("many", block_content({block(3)}));
  shard.change(Remove{{shard.folder("trashed"), ""}, {}});
  const auto purged = shard.folder("purged");
  shard.file("f", "x", {purged, ""});
  shard.change(Remove{{purged, ""}, {}});
  shard.change(Purge{purged});
  return shard;
}

/// Asks and does everything that there is; counts what was answered as corrupt.
class Sweep {
 public:
  explicit Sweep(const Shard& shard) : shard_(shard) {}

  int run() {
    queries();
    commands();
    return corrupt_;
  }

  Shard shard_;

 private:
  void ask(Query query) {
    const auto result = shard_.ask(std::move(query));
    if (const auto* error = std::get_if<Error>(&result)) note(error->code);
  }
  void note(Errc code) {
    if (code == Errc::corrupt) ++corrupt_;
  }

  void queries() {
    const auto account = shard_.account;
    ask(FindLogin{"ada"});
    ask(CheckToken{account, std::string(32, 's')});
    ask(ListDevices{account});
    ask(GetUsage{account});
    ask(ListTrash{account, "", 0});
    ask(ReadChanges{account, {}, 0});
    ask(ListReferences{});
    std::vector<BlockId> ids;
    for (std::uint64_t n = 0; n < 1'100; ++n) ids.push_back(block_id(n));
    ask(FindMissing{account, ids});
    for (std::uint64_t id = 1; id < 12; ++id) {
      const EntryRef ref{EntryId{id}, ""};
      ask(Stat{account, ref});
      ask(List{account, ref, "", 0});
      ask(ListVersions{account, ref, {}, 0});
      for (std::uint32_t version = 0; version < 4; ++version)
        ask(GetContent{account, ref, VersionNumber{version}});
    }
    for (const std::string path : {"a/inline", "a/few", "many"})
      ask(Stat{account, {root_entry, path}});
  }

  void apply(CommandBody body) {
    storage::WriteBatch batch;
    const auto applied =
        MetadataMachine(shard_.rows).apply(Command{Timestamp{shard_.now}, std::move(body)}, batch);
    if (applied.ok()) return shard_.rows.apply(batch);
    note(applied.error().code);
    EXPECT_TRUE(batch.empty());
  }

  void commit(std::uint64_t client, std::uint64_t sequence, std::vector<Change> changes) {
    apply(CommitChanges{
        shard_.account, {ClientId{client}, sequence}, 0, "laptop", std::move(changes), {}});
  }

  void commands() {
    const auto account = shard_.account;
    apply(CreateAccount{"ada", "hash", 1});
    apply(CreateAccount{same_slot_login(), "hash", 1});
    commit(7, shard_.sequence, {MakeFolder{{}, "again", {}}});
    commit(8, 1,
           {MakeFolder{{}, "new", {}},
            PutFile{{}, "b", EntryKind::file, {}, block_content({block(3)}), {}}});
    apply(IssueToken{account, ClientId{9}, "d", std::string(32, 't')});
    apply(SetPassword{account, "hash", ClientId{0}});
    for (std::uint64_t id = 1; id < 12; ++id) {
      const EntryRef ref{EntryId{id}, ""};
      commit(
          10, id,
          {SetAttributes{ref, {0, static_cast<std::int64_t>(id)}}, Revert{ref, VersionNumber{1}},
           Move{ref, {}, "moved"}, Move{ref, {}, "back"}, Restore{EntryId{id}}, Remove{ref, {}}});
    }
    commit(11, 1, {Purge{}});
    for (int i = 0; i < 12; ++i) apply(Tick{0, 0});
  }

  /// Another login whose account goes to the same slot.
  static std::string same_slot_login() {
    static const std::string found = [] {
      for (int i = 0;; ++i)
        if (slot_of_login("x" + std::to_string(i)) == slot_of_login("ada"))
          return "x" + std::to_string(i);
    }();
    return found;
  }

  int corrupt_ = 0;
};

TEST(Rot, EveryRowThatCannotBeReadIsNoticed) {
  const auto shard = rich_shard();
  EXPECT_EQ(Sweep(shard).run(), 0);
  for (const auto& [key, value] : shard.rows.rows) {
    Sweep sweep(shard);
    sweep.shard_.rows.rot(key);
    EXPECT_GT(sweep.run(), 0) << rows::corrupt_row(key).message;
  }
}

TEST(Rot, EveryRowThatDoesNotDecodeIsNoticed) {
  const auto shard = rich_shard();
  for (const auto& [key, value] : shard.rows.rows) {
    // A device's name is any text, and rows of the expiry queues are empty.
    if (value.empty() || value == "laptop") continue;
    Sweep sweep(shard);
    sweep.shard_.rows.rows[key].pop_back();
    EXPECT_FALSE(check_invariants(sweep.shard_.rows).empty()) << rows::corrupt_row(key).message;
    EXPECT_GT(sweep.run(), 0) << rows::corrupt_row(key).message;
  }
}

TEST(Rot, TheReplicasOwnRowIsNone) {
  auto shard = rich_shard();
  shard.rows.rows[Bytes(position_key)] = "of its replica";
  EXPECT_TRUE(check_invariants(shard.rows).empty());
}

TEST(Rot, FlippedBitInAStoredRowIsFoundByItsChecksum) {
  auto shard = rich_shard();
  for (const auto& [key, value] : shard.rows.rows) {
    auto store = storage::make_memory_store();
    auto* kept = store.get();
    auto table = storage::Table::open(std::move(store));
    ASSERT_TRUE(table.ok());
    storage::WriteBatch batch;
    for (const auto& [other, bytes] : shard.rows.rows) batch.put(other, bytes);
    (*table)->apply(std::move(batch), 1);
    ASSERT_TRUE((*table)->begin_checkpoint()->write().ok() && (*table)->finish_checkpoint().ok());
    ASSERT_TRUE(kept->rot(key));
    (*table)->release_snapshot();
    EXPECT_EQ((*table)->get(key).error().code, Errc::corrupt);
    EXPECT_FALSE(check_invariants(**table).empty());
  }
}

TEST(Rot, NonsenseThatPassesItsChecksumNeverCrashes) {
  const auto shard = rich_shard();
  test::Random random(5);
  for (int round = 0; round < 400; ++round) {
    Sweep sweep(shard);
    auto& rows = sweep.shard_.rows.rows;
    auto row = rows.begin();
    std::advance(row, static_cast<std::ptrdiff_t>(random.below(rows.size())));
    auto& value = row->second;
    switch (random.below(4)) {
      case 0:
        value = random.bytes(random.below(40));
        break;
      case 1:
        value.resize(random.below(value.size() + 1));
        break;
      case 2:
        rows.erase(row);
        break;
      default:
        if (!value.empty()) value[random.below(value.size())] = static_cast<char>(random.next());
    }
    sweep.run();
    check_invariants(sweep.shard_.rows);
  }
}

}  // namespace
}  // namespace cairn::cluster
