// Long runs of random commands, held against a plain model of drives: every result, and at
// intervals everything that can be asked.
#include "tests/cluster/drive_model.hpp"

#include "protocol/limits.hpp"
#include "storage/memory_store.hpp"
#include "tests/cluster/metadata_shard.hpp"
#include "tests/support/random.hpp"

namespace cairn::cluster {
namespace {

/// Makes commands about what a drive holds, a few of them about what it does not.
class Generator {
 public:
  Generator(test::Random& random, const DriveModel& model) : random_(random), model_(model) {}

  std::vector<Change> changes() {
    std::vector<Change> out;
    const auto count = random_.between(1, 5);
    for (std::uint64_t i = 0; i < count; ++i) out.push_back(change());
    return out;
  }

  std::vector<BlockRef> proven() {
    std::vector<BlockRef> out;
    for (std::uint64_t n = 0; n < 40; ++n)
      if (random_.percent(60)) out.push_back(block(n, block_bytes(n)));
    if (random_.one_in(20))
      for (std::uint64_t n = 0; n < long_manifest; ++n) out.push_back(block(1'000 + n % 300, 10));
    return out;
  }

 private:
  static constexpr std::uint64_t long_manifest = 1'100;

  static std::uint32_t block_bytes(std::uint64_t n) { return static_cast<std::uint32_t>(100 + n); }

  Change change() {
    switch (random_.below(16)) {
      case 0:
      case 1:
      case 2:
        return MakeFolder{folder(), name(), attributes()};
      case 3:
      case 4:
      case 5:
      case 6:
        return put_file();
      case 7:
        return SetAttributes{ref(), attributes()};
      case 8:
      case 9:
      case 10:
        return Move{ref(), folder(), name()};
      case 11:
      case 12:
        return Remove{ref(),
                      random_.percent(70)
                          ? VersionNumber{}
                          : VersionNumber{static_cast<std::uint32_t>(random_.between(1, 3))}};
      case 13:
        return Restore{trashed()};
      case 14:
        return Revert{ref(), VersionNumber{static_cast<std::uint32_t>(random_.between(0, 4))}};
      default:
        return Purge{random_.one_in(12) ? EntryId{0} : trashed()};
    }
  }

  Change put_file() {
    const auto parent = folder();
    PutFile out{parent, name(), random_.one_in(6) ? EntryKind::symlink : EntryKind::file,
                {},     {},     attributes()};
    out.content = out.kind == EntryKind::symlink
                      ? inline_content("target " + std::to_string(random_.below(3)))
                      : content();
    if (random_.percent(80)) {
      const auto there =
          model_.gone(parent.base.value) ? 0 : model_.child(parent.base.value, out.name);
      if (there) out.base = {EntryId{there}, model_.entry(there).version};
      if (there && random_.one_in(5)) out.base.version.value -= 1;
    }
    return out;
  }

  Content content() {
    if (random_.one_in(60)) {
      std::vector<BlockRef> blocks;
      for (std::uint64_t n = 0; n < long_manifest; ++n)
        blocks.push_back(block(1'000 + n % 300, 10));
      return block_content(std::move(blocks));
    }
    if (random_.one_in(3)) return inline_content(std::string(random_.below(4), 'i'));
    std::vector<BlockRef> blocks;
    const auto count = random_.between(1, 7);
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto n = random_.below(40);
      blocks.push_back(block(n, block_bytes(n)));
    }
    return block_content(std::move(blocks));
  }

  Attributes attributes() {
    return {static_cast<std::uint32_t>(random_.below(2) ? 0644 : 0755),
            static_cast<std::int64_t>(random_.below(3))};
  }
  std::string name() {
    static const char* const names[] = {"a", "b.txt", "c", ".d", "e.tar.gz", "f g"};
    return names[random_.below(6)];
  }

  EntryId any() {
    if (random_.one_in(25)) return EntryId{random_.below(4) * 1'000};
    auto at = model_.entries().begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random_.below(model_.entries().size())));
    return EntryId{at->first};
  }
  EntryRef folder() {
    for (int tries = 0; tries < 4; ++tries) {
      const auto id = any();
      const auto found = model_.entries().find(id.value);
      if (found != model_.entries().end() && found->second.kind == EntryKind::folder)
        return {id, ""};
    }
    return {any(), random_.one_in(3) ? name() : ""};
  }
  EntryRef ref() {
    if (random_.one_in(5)) return {root_entry, name() + "/" + name()};
    return {any(), random_.one_in(4) ? name() : ""};
  }
  EntryId trashed() {
    std::vector<std::uint64_t> ids;
    for (const auto& [id, entry] : model_.entries())
      if (entry.trashed) ids.push_back(id);
    return ids.empty() || random_.one_in(6) ? any() : EntryId{ids[random_.below(ids.size())]};
  }

  test::Random& random_;
  const DriveModel& model_;
};

/// Holds everything that can be asked of a drive against its model.
class Comparison {
 public:
  Comparison(Shard& shard, const DriveModel& model) : shard_(shard), model_(model) {}

  void all() {
    usage();
    folder(1);
    trash();
    changes(0);
    for (const auto& [id, entry] : model_.entries()) one(id);
  }
  void usage() {
    const auto usage = shard_.usage();
    EXPECT_EQ(usage.used_bytes, model_.used());
    EXPECT_EQ(usage.entries, model_.entries().size() - 1);
  }
  void changes(std::uint64_t after) {
    std::map<std::uint64_t, std::uint64_t> last;
    for (auto i = after; i < model_.end(); ++i) last[model_.journal()[i]] = i + 1;
    std::map<std::uint64_t, std::uint64_t> seen;
    for (bool more = true; more;) {
      const auto page = shard_.get<ChangePage>(ReadChanges{shard_.account, Cursor{after}, 50});
      for (const auto& event : page.events) {
        seen[event.entry.value] = event.cursor.value;
        EXPECT_EQ(event.now.has_value(), !model_.gone_for_good(event.entry.value))
            << event.entry.value;
        if (event.now && !model_.gone_for_good(event.entry.value)) {
          EXPECT_EQ(*event.now, model_.entry(event.entry.value));
        }
      }
      after = page.cursor.value;
      more = page.more;
    }
    EXPECT_EQ(after, model_.end());
    EXPECT_EQ(seen, last);
  }

 private:
  void folder(std::uint64_t id) {
    std::vector<Entry> expected;
    for (const auto& [name, child] : model_.children(id)) expected.push_back(model_.entry(child));
    EXPECT_EQ(shard_.get<EntryPage>(List{shard_.account, {EntryId{id}, ""}, "", 0}).entries,
              expected);
    for (const auto& entry : expected)
      if (entry.kind == EntryKind::folder) folder(entry.id.value);
  }
  void trash() {
    std::vector<Entry> expected;
    for (const auto id : model_.trash()) expected.push_back(model_.entry(id));
    EXPECT_EQ(shard_.get<EntryPage>(ListTrash{shard_.account, "", 0}).entries, expected);
  }
  void one(std::uint64_t id) {
    EXPECT_EQ(shard_.stat_error({EntryId{id}, ""}), model_.gone(id));
    if (model_.gone(id)) return;
    EXPECT_EQ(shard_.stat({EntryId{id}, ""}), model_.entry(id));
    const auto& entry = model_.entries().at(id);
    if (entry.kind == EntryKind::folder) return;
    const auto versions =
        shard_.get<Versions>(ListVersions{shard_.account, {EntryId{id}, ""}, {}, 0}).versions;
    ASSERT_EQ(versions.size(), entry.versions.size());
    auto at = entry.versions.rbegin();
    for (const auto& version : versions) {
      EXPECT_EQ(version.number.value, at->first);
      EXPECT_EQ(version.size, at->second.content.size);
      EXPECT_EQ(version.committed_at.millis, at->second.committed);
      EXPECT_EQ(shard_.content({EntryId{id}, ""}, at->first), at->second.content);
      ++at;
    }
  }

  Shard& shard_;
  const DriveModel& model_;
};

void expect_same(const CommitResult& got, const CommitResult& expected) {
  EXPECT_EQ(got.cursor, expected.cursor);
  ASSERT_EQ(got.results.size(), expected.results.size());
  for (std::size_t i = 0; i < got.results.size(); ++i) {
    auto one = got.results[i];
    if (one.error) {
      EXPECT_FALSE(one.error->message.empty());
      one.error->message.clear();
    }
    EXPECT_EQ(one, expected.results[i])
        << "change " << i << (got.results[i].error ? got.results[i].error->message : "");
  }
}

/// Random commands for two accounts; each run is one seed. Keeps the commands for others to replay.
class ModelRun {
 public:
  explicit ModelRun(std::uint64_t seed) : random_(seed) {
    constexpr std::uint64_t quotas[] = {12'000, 1'000'000};
    for (int i = 0; i < 2; ++i) {
      log_.push_back(encode(Command{
          Timestamp{shard_.now}, CreateAccount{"user " + std::to_string(i), "hash", quotas[i]}}));
      accounts_.push_back(shard_.make_account("user " + std::to_string(i), quotas[i]));
      models_.emplace_back(quotas[i], shard_.now);
    }
  }

  void steps(int count) {
    for (int i = 0; i < count && !testing::Test::HasFailure(); ++i) {
      shard_.now += static_cast<std::int64_t>(random_.below(Shard::day_millis / 10)) - 1'000;
      if (random_.one_in(25))
        tick();
      else
        commit(random_.below(2));
      if (i % 50 == 0) compare();
    }
    compare();
  }

  const std::vector<Bytes>& log() const { return log_; }
  Shard& shard() { return shard_; }

 private:
  void commit(std::size_t who) {
    auto& model = models_[who];
    Generator generator(random_, model);
    CommitChanges command;
    command.account = accounts_[who];
    command.request = {ClientId{random_.between(1, 3)}, ++sequence_};
    command.acknowledged = sequence_ > 40 ? sequence_ - 40 : 0;
    command.device = "device " + std::to_string(command.request.client.value);
    command.changes = generator.changes();
    command.proven = generator.proven();
    shard_.account = accounts_[who];
    const auto result = run(command);
    ASSERT_TRUE(std::holds_alternative<CommitResult>(result));
    expect_same(std::get<CommitResult>(result), model.commit(command, shard_.now));
    Comparison(shard_, model).usage();
    sent_.emplace_back(command, encode(result));
    if (random_.one_in(4)) retry();
  }

  /// A recent request again: the same answer, and no row changes.
  void retry() {
    const auto& [command, answer] =
        sent_[sent_.size() - 1 - random_.below(std::min<std::size_t>(sent_.size(), 10))];
    const auto before = shard_.rows.rows;
    EXPECT_EQ(encode(run(command)), answer);
    EXPECT_EQ(shard_.applied.changed, AccountId{});
    EXPECT_EQ(shard_.rows.rows, before);
  }

  void tick() {
    const Tick tick{5 * Shard::day_millis, 7 * Shard::day_millis};
    for (bool more = true; more;) {
      const auto result = run(tick);
      ASSERT_TRUE(std::holds_alternative<TickDone>(result));
      more = std::get<TickDone>(result).more;
    }
    EXPECT_FALSE(MetadataMachine(shard_.rows).tick_due(Timestamp{shard_.now}, tick));
    for (auto& model : models_) model.tick(tick, shard_.now);
  }

  CommandResult run(CommandBody body) {
    log_.push_back(encode(Command{Timestamp{shard_.now}, body}));
    return shard_.run(std::move(body));
  }

  void compare() {
    shard_.expect_sound();
    for (std::size_t who = 0; who < models_.size(); ++who) {
      shard_.account = accounts_[who];
      Comparison comparison(shard_, models_[who]);
      comparison.all();
      comparison.changes(random_.below(models_[who].end() + 1));
    }
  }

  test::Random random_;
  Shard shard_;
  std::vector<AccountId> accounts_;
  std::vector<DriveModel> models_;
  std::uint64_t sequence_ = 0;
  std::vector<std::pair<CommitChanges, Bytes>> sent_;
  std::vector<Bytes> log_;
};

class MetadataModel : public testing::TestWithParam<std::uint64_t> {};

TEST_P(MetadataModel, AgreesWithThePlainModel) {
  ModelRun run(GetParam());
  run.steps(600);
}

INSTANTIATE_TEST_SUITE_P(Seeds, MetadataModel, testing::Range<std::uint64_t>(1, 13));

class MetadataReplay : public testing::TestWithParam<std::uint64_t> {
 protected:
  MetadataReplay() : run_(GetParam()), random_(GetParam()) { run_.steps(250); }

  /// Applies the log's commands [from, to) in one batch; their encoded results.
  std::vector<Bytes> apply(storage::RowReader& rows, storage::WriteBatch& batch, std::size_t from,
                           std::size_t to) {
    std::vector<Bytes> results;
    MetadataMachine machine(rows);
    for (auto i = from; i < to; ++i) {
      const auto command = decode_command(run_.log()[i]);
      EXPECT_TRUE(command.ok());
      const auto applied = machine.apply(*command, batch);
      EXPECT_TRUE(applied.ok()) << applied.error().message;
      if (!command.ok() || !applied.ok()) return results;
      results.push_back(encode(applied->result));
    }
    return results;
  }

  std::vector<Bytes> one_by_one() {
    MapRows rows;
    std::vector<Bytes> results;
    for (std::size_t i = 0; i < run_.log().size(); ++i) {
      storage::WriteBatch batch;
      results.push_back(apply(rows, batch, i, i + 1).at(0));
      rows.apply(batch);
    }
    EXPECT_EQ(rows.rows, run_.shard().rows.rows);
    return results;
  }

  ModelRun run_;
  test::Random random_;
};

TEST_P(MetadataReplay, BatchesOfAnySizeGiveTheSameRowsAndResults) {
  const auto expected = one_by_one();
  for (const std::size_t most : {2, 7, 64, 1'000}) {
    MapRows rows;
    std::vector<Bytes> results;
    for (std::size_t at = 0; at < run_.log().size();) {
      const auto to = std::min<std::size_t>(run_.log().size(), at + random_.between(1, most));
      storage::WriteBatch batch;
      for (auto& result : apply(rows, batch, at, to)) results.push_back(std::move(result));
      rows.apply(batch);
      at = to;
    }
    EXPECT_EQ(results, expected);
    EXPECT_EQ(rows.rows, run_.shard().rows.rows);
  }
}

/// A store that outlives the table over it.
class KeptStore : public storage::OrderedStore {
 public:
  explicit KeptStore(storage::OrderedStore& kept) : kept_(kept) {}
  Result<std::unique_ptr<storage::StoreSnapshot>> snapshot() override { return kept_.snapshot(); }
  Result<std::unique_ptr<storage::StoreTransaction>> begin() override { return kept_.begin(); }
  std::size_t max_key_bytes() const override { return kept_.max_key_bytes(); }
  Result<std::uint64_t> used_bytes() override { return kept_.used_bytes(); }

 private:
  storage::OrderedStore& kept_;
};

TEST_P(MetadataReplay, RestartsAnywhereChangeNothing) {
  const auto expected = one_by_one();
  const auto store = storage::make_memory_store();
  auto table = storage::Table::open(std::make_unique<KeptStore>(*store));
  ASSERT_TRUE(table.ok());
  while ((*table)->applied() < run_.log().size()) {
    const auto at = (*table)->applied();
    const auto to = std::min<std::uint64_t>(run_.log().size(), at + random_.between(1, 20));
    storage::WriteBatch batch;
    const auto results = apply(**table, batch, at, to);
    for (std::size_t i = 0; i < results.size(); ++i) EXPECT_EQ(results[i], expected[at + i]);
    (*table)->apply(std::move(batch), to);
    if (random_.one_in(3)) {
      const auto checkpoint = (*table)->begin_checkpoint();
      ASSERT_TRUE(checkpoint && checkpoint->write().ok() && (*table)->finish_checkpoint().ok());
    }
    if (random_.one_in(4)) {
      table = storage::Table::open(std::make_unique<KeptStore>(*store));
      ASSERT_TRUE(table.ok());
    }
  }
  std::map<Bytes, Bytes, std::less<>> rows;
  ASSERT_TRUE((*table)
                  ->scan("", "",
                         [&](BytesView key, BytesView value) {
                           rows[Bytes(key)] = value;
                           return true;
                         })
                  .ok());
  EXPECT_EQ(rows, run_.shard().rows.rows);
}

INSTANTIATE_TEST_SUITE_P(Seeds, MetadataReplay, testing::Range<std::uint64_t>(100, 104));

}  // namespace
}  // namespace cairn::cluster
