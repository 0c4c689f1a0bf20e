// The bytes of every key and row, as storage/disk_format.md says them.
#include <bit>

#include "cluster/block_counts.hpp"
#include "cluster/rows.hpp"
#include "tests/cluster/golden.hpp"
#include "tests/support/random.hpp"

namespace cairn::cluster::rows {
namespace {

constexpr AccountId account = make_account_id(Slot{0x1234}, 5);
constexpr Timestamp at{1'793'491'200'000 + 300};  // 300 ms after the rows' own epoch

BlockRef block(char fill, std::uint32_t bytes) {
  BlockRef out;
  out.id.bytes.fill(static_cast<std::uint8_t>(fill));
  out.bytes = bytes;
  return out;
}

/// Golden bytes that decode to what they were encoded from; none of their beginnings does.
template <class Row>
Row expect_row(const Bytes& bytes, const std::string& expected) {
  expect_golden(bytes, expected);
  Row row;
  EXPECT_TRUE(decode(bytes, row));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    Row cut;
    EXPECT_FALSE(decode(BytesView(bytes).substr(0, size), cut)) << size;
  }
  Row longer;
  EXPECT_FALSE(decode(bytes + '\0', longer));
  return row;
}

EntryRow expect_entry(const EntryRow& from, const std::string& expected) {
  const EntryId id{300};
  const auto bytes = encode(id, from);
  expect_golden(bytes, expected);
  EntryRow row;
  EXPECT_TRUE(decode(id, bytes, row));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EntryRow cut;
    EXPECT_FALSE(decode(id, BytesView(bytes).substr(0, size), cut)) << size;
  }
  EntryHead head;
  EXPECT_TRUE(decode(bytes, head));
  EXPECT_EQ(head.parent, from.parent);
  EXPECT_EQ(head.trashed, from.trashed);
  EXPECT_EQ(head.purged, from.purged);
  EXPECT_EQ(head.shape, from.content.shape);
  EXPECT_EQ(row.name, from.name);
  EXPECT_EQ(row.attributes, from.attributes);
  EXPECT_EQ(row.committed_at, from.committed_at);
  EXPECT_EQ(row.changed, from.changed);
  EXPECT_EQ(row.height, from.height);
  EXPECT_EQ(row.version, from.version);
  EXPECT_EQ(row.oldest, from.oldest);
  EXPECT_EQ(row.device, from.device);
  EXPECT_EQ(row.content, from.content);
  return row;
}

TEST(RowsFormat, Keys) {
  const AccountKeys keys(account);
  expect_golden(keys.account(), "52340510");
  expect_golden(keys.drive(), "52340520");
  expect_golden(keys.token(ClientId{0x0102030405060708}), "523405300102030405060708");
  expect_golden(keys.token_secret("secret"), "52340540736563726574");
  expect_golden(keys.client(ClientId{1}), "523405500000000000000001");
  expect_golden(keys.result(ClientId{1}, 2), "5234056000000000000000010000000000000002");
  expect_golden(keys.device_name(3), "5234057103");
  expect_golden(keys.device_number("pc"), "523405807063");
  expect_golden(keys.entry(EntryId{1}), "5234059101");
  expect_golden(keys.entry(EntryId{0x0123}), "523405920123");
  expect_golden(keys.version(EntryId{2}, VersionNumber{3}), "523405a1020103");
  expect_golden(keys.chunk(EntryId{2}, VersionNumber{3}, 0), "523405b102010300");
  expect_golden(keys.chunk(EntryId{2}, VersionNumber{3}, 300), "523405b102010302012c");
  expect_golden(keys.name(EntryId{2}, "file"), "523405c10266696c65");
  expect_golden(keys.trash(Cursor{9}), "523405d109");
  expect_golden(keys.journal(Cursor{65}), "523405e141");
  expect_golden(keys.blocks(0), "523405f0");
  expect_golden(AccountKeys(make_account_id(Slot{0}, 239)).drive(), "4000ef20");
  expect_golden(AccountKeys(make_account_id(Slot{0}, 240)).drive(), "4000f1f020");
  expect_golden(AccountKeys(make_account_id(Slot{0x3fff}, 0xffffffff)).drive(), "7ffff4ffffffff20");
  expect_golden(login_key(Slot{1}, "ada"), "40010010616461");
  expect_golden(counter_key(Slot{1}), "40010020");
  expect_golden(purge_ends_key(), "8001");
  expect_golden(purge_key(7), "80020000000000000007");
  expect_golden(trash_expiry_key(at, account, EntryId{2}),
                "8003000001a19467e92c00001234000000050000000000000002");
  expect_golden(version_expiry_key(at, account, EntryId{2}, VersionNumber{3}),
                "8004000001a19467e92c0000123400000005000000000000000200000003");
}

TEST(RowsFormat, Entries) {
  EntryRow folder;
  folder.parent = root_entry;
  folder.name = "dir";
  folder.attributes = {0755, -1};
  folder.committed_at = at;
  folder.changed = Cursor{299};
  folder.height = 2;
  expect_entry(folder, "01ed0103646972ffffffffffffffffac020102");
  folder.trashed = true;
  expect_entry(folder, "81ed0103646972ffffffffffffffffac020102");
  folder.purged = true;
  expect_entry(folder, "f1ed000103646972ffffffffffffffffac020102");

  EntryRow file;
  file.parent = EntryId{200};
  file.name = "f";
  file.attributes = {0644, 1};
  file.committed_at = at;
  file.changed = Cursor{310};
  file.version = file.oldest = VersionNumber{1};
  file.device = 2;
  file.content = {Shape::inline_file, 5, "hello", {}, 0};
  expect_entry(file, "11a4c80101660000000000000001ac0214040568656c6c6f");
  file.content = {Shape::symlink, 2, "to", {}, 0};
  expect_entry(file, "51a4c80101660000000000000001ac02140402746f");
  file.content = {Shape::one_block, 500'000, "", {block('a', 500'000)}, 0};
  expect_entry(file,
               "21a4c80101660000000000000001ac02140461616161616161616161616161616161616161616161616"
               "16161616161616161a0c21e");
  file.version = VersionNumber{9};
  file.oldest = VersionNumber{7};
  file.content = {Shape::few_blocks, 3, "", {block('a', 1), block('b', 2)}, 0};
  expect_entry(
      file,
      "31a4c80101660000000000000001ac02140509020261616161616161616161616161616161616161616161616161"
      "6161616161616101626262626262626262626262626262626262626262626262626262626262626202");
  file.content = {Shape::chunks, 1'000'000, "", {}, 600};
  expect_entry(file, "41a4c80101660000000000000001ac0214050902c0843dd804");
}

TEST(RowsFormat, TimesBeforeTheEpoch) {
  for (const auto millis : {std::int64_t{0}, std::int64_t{1'793'491'199'999}, last_millis}) {
    TrashRow row;
    EXPECT_TRUE(decode(encode(TrashRow{EntryId{1}, Timestamp{millis}}), row));
    EXPECT_EQ(row.removed_at.millis, millis);
  }
}

TEST(RowsFormat, Versions) {
  const VersionRow row{
      {0644, 1}, at, Timestamp{at.millis + 1}, 2, {Shape::inline_file, 2, "hi", {}, 0}};
  const auto back = expect_row<VersionRow>(encode(row), "11a40000000000000001ac02ad0202026869");
  EXPECT_EQ(back.superseded_at, row.superseded_at);
  EXPECT_EQ(back.content, row.content);
}

TEST(RowsFormat, Chunks) {
  const BlockRef blocks[] = {block('a', 1), block('b', 4'194'304)};
  const auto bytes = encode_chunk(blocks, 2);
  expect_golden(bytes,
                "6161616161616161616161616161616161616161616161616161616161616161016262626262626262"
                "62626262626262626262626262626262626262626262626280808002");
  ChunkRow row;
  EXPECT_TRUE(decode(bytes, row));
  EXPECT_EQ(row.blocks, std::vector<BlockRef>(std::begin(blocks), std::end(blocks)));
  const std::vector<BlockRef> most(limits::manifest_blocks_per_chunk + 1, blocks[0]);
  ChunkRow other;
  EXPECT_FALSE(decode(encode_chunk(most.data(), most.size()), other));
  ChunkRow none;
  EXPECT_FALSE(decode("", none));
}

TEST(RowsFormat, AccountsAndTokens) {
  const auto account_row =
      expect_row<AccountRow>(encode(AccountRow{"ada", "$hash", at}), "03616461052468617368ac02");
  EXPECT_EQ(account_row.password_hash, "$hash");
  const auto token = expect_row<TokenRow>(
      encode(TokenRow{std::string(32, 's'), "pc", at, true}),
      "207373737373737373737373737373737373737373737373737373737373737373027063ac0201");
  EXPECT_TRUE(token.revoked);
}

TEST(RowsFormat, Drive) {
  const DriveRow row{at, 1'000, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  const auto back = expect_row<DriveRow>(encode(row), "ac02e80702030405060708090a0b0c");
  EXPECT_EQ(back.quota_bytes, 1'000u);
  EXPECT_EQ(back.client_count, 12u);
}

TEST(RowsFormat, Client) {
  const auto row = expect_row<ClientRow>(encode(ClientRow{at, 4, 1, "pc", {5, 6, 300}}),
                                         "ac020401027063030101a602");
  EXPECT_EQ(row.kept, (std::vector<std::uint64_t>{5, 6, 300}));
}

TEST(RowsFormat, TrashNumbersAndQueue) {
  EXPECT_EQ(expect_row<TrashRow>(encode(TrashRow{EntryId{300}, at}), "ac02ac02").entry,
            EntryId{300});
  EXPECT_EQ(expect_row<NumberRow>(encode(NumberRow{300}), "ac02").number, 300u);
  EXPECT_EQ(expect_row<PurgeEnds>(encode(PurgeEnds{3, 300}), "03ac02").next, 300u);
  const auto purge = encode(PurgeRow{AccountId{300}, EntryId{2}, VersionNumber{3}, "f"});
  expect_golden(purge, "ac02020366");
  PurgeRow row;
  EXPECT_TRUE(decode(purge, row));
  EXPECT_EQ(row.after, "f");
}

TEST(RowsFormat, Journal) {
  Bytes bytes;
  append(bytes, {EntryId{2}, ChangeKind::created}, EntryId{0});
  append(bytes, {EntryId{3}, ChangeKind::updated}, EntryId{2});
  append(bytes, {EntryId{1}, ChangeKind::purged}, EntryId{3});
  expect_golden(bytes, "20111e");
  std::vector<JournalChange> changes;
  EXPECT_TRUE(decode(bytes, changes));
  ASSERT_EQ(changes.size(), 3u);
  EXPECT_EQ(changes[2].entry, EntryId{1});
  EXPECT_EQ(changes[2].kind, ChangeKind::purged);
  EXPECT_EQ(journal_row_of(Cursor{1}), Cursor{1});
  EXPECT_EQ(journal_row_of(Cursor{64}), Cursor{1});
  EXPECT_EQ(journal_row_of(Cursor{65}), Cursor{65});
}

TEST(RowsFormat, BlockCounts) {
  BucketRow row;
  for (const auto& [fill, count] : {std::pair{'a', 1}, std::pair{'b', 3}}) {
    auto& counted = row.blocks.emplace_back();
    counted.prefix.fill(fill);
    counted.bytes = 500'000;
    counted.count = static_cast<std::uint64_t>(count);
  }
  const auto bytes = encode(row);
  expect_golden(bytes, "616161616161616161616161be843d626262626262626262626262bf843d03");
  BucketRow back;
  EXPECT_TRUE(decode(bytes, back));
  ASSERT_EQ(back.blocks.size(), 2u);
  EXPECT_EQ(back.blocks[1].count, 3u);
  EXPECT_EQ(back.blocks[1].bytes, 500'000u);
}

TEST(RowsFormat, BucketsSplitOneAtATime) {
  const auto bucket = [](std::uint32_t hash, std::uint32_t count) {
    return bucket_of(Writer().u32(hash).view(), count);
  };
  EXPECT_EQ(bucket(0xffffffff, 1), 0u);
  EXPECT_EQ(bucket(0xffffffff, 2), 1u);
  EXPECT_EQ(bucket(0xffffffff, 3), 1u);  // bucket 3 is not there yet
  EXPECT_EQ(bucket(0xffffffff, 4), 3u);
  test::Random random(1);
  for (std::uint32_t count = 1; count < 100; ++count) {
    for (int i = 0; i < 100; ++i) {
      const auto hash = static_cast<std::uint32_t>(random.next());
      const auto before = bucket(hash, count);
      const auto after = bucket(hash, count + 1);
      EXPECT_LT(before, count);
      // What moves, moves to the new bucket, and all from one.
      if (before != after) {
        EXPECT_EQ(after, count);
        EXPECT_EQ(before, count - std::bit_floor(count));
      }
    }
  }
}

TEST(RowsFormat, KeysLieInOrder) {
  std::vector<Key> ordered;
  for (const std::uint32_t ordinal : {1u, 239u, 240u, 255u, 256u, 65'536u, 0xffffffffu}) {
    const AccountKeys keys(make_account_id(Slot{7}, ordinal));
    ordered.push_back(keys.account());
    for (const std::uint64_t id : {1u, 255u, 256u, 70'000u})
      ordered.push_back(keys.entry(EntryId{id}));
    for (const std::uint32_t version : {1u, 2u, 300u})
      ordered.push_back(keys.version(EntryId{9}, VersionNumber{version}));
    ordered.push_back(keys.name(EntryId{3}, "b"));
    ordered.push_back(keys.name(EntryId{300}, "a"));
    ordered.push_back(keys.blocks(0));
    ordered.push_back(keys.blocks(70'000));
  }
  ordered.push_back(login_key(Slot{8}, "ada"));
  ordered.push_back(AccountKeys(make_account_id(Slot{8}, 1)).account());
  ordered.push_back(AccountKeys(make_account_id(Slot{0x3fff}, 1)).account());
  ordered.push_back(purge_ends_key());
  for (std::size_t i = 1; i < ordered.size(); ++i)
    EXPECT_LT(ordered[i - 1].view(), ordered[i].view()) << i;
  for (const auto& key : ordered) EXPECT_NE(key.view().front(), '\0');
}

TEST(RowsFormat, RangesHoldTheirKeysOnly) {
  const auto holds = [](const Range& range, const Key& key) {
    return range.from.view() <= key.view() && key.view() < range.to.view();
  };
  for (const std::uint32_t ordinal : {1u, 239u, 240u, 0xffffffffu}) {
    const auto one = make_account_id(Slot{7}, ordinal);
    const AccountKeys keys(one);
    EXPECT_TRUE(holds(keys.all(), keys.blocks(0xffffffff)));
    EXPECT_TRUE(holds(keys.all(), keys.account()));
    EXPECT_FALSE(holds(keys.all(), AccountKeys(AccountId{one.value + 1}).account()));
    EXPECT_TRUE(holds(keys.all_of(Kind::blocks), keys.blocks(0xffffffff)));
    EXPECT_FALSE(holds(keys.all_of(Kind::trash), keys.journal(Cursor{1})));
    EXPECT_TRUE(
        holds(keys.names_of(EntryId{255}), keys.name(EntryId{255}, std::string(255, '\xff'))));
    EXPECT_FALSE(holds(keys.names_of(EntryId{255}), keys.name(EntryId{256}, "")));
    EXPECT_TRUE(holds(keys.versions_of(EntryId{255}),
                      keys.version(EntryId{255}, VersionNumber{0xffffffff})));
    EXPECT_FALSE(
        holds(keys.versions_of(EntryId{255}), keys.version(EntryId{256}, VersionNumber{1})));
  }
}

TEST(RowsFormat, KeysAreReadBack) {
  const AccountKeys keys(account);
  ParsedKey parsed;
  const auto name = keys.name(EntryId{300}, "f");  // `parsed` borrows from it
  ASSERT_TRUE(parse(name, parsed));
  EXPECT_EQ(parsed.account, account);
  EXPECT_EQ(parsed.kind, static_cast<int>(Kind::name));
  EXPECT_EQ(parsed.id, 300u);
  EXPECT_EQ(parsed.rest, "f");
  ASSERT_TRUE(parse(AccountKeys(make_account_id(Slot{1}, 70'000)).drive(), parsed));
  EXPECT_EQ(parsed.account, make_account_id(Slot{1}, 70'000));
  EXPECT_FALSE(parse(purge_ends_key(), parsed));
  EXPECT_FALSE(parse("", parsed));
  EXPECT_FALSE(parse("\x40", parsed));
  Expiry expiry;
  ASSERT_TRUE(parse(version_expiry_key(at, account, EntryId{2}, VersionNumber{3}),
                    ShardKind::version_expiry, expiry));
  EXPECT_EQ(expiry.since, at);
  EXPECT_EQ(expiry.account, account);
  EXPECT_EQ(expiry.entry, EntryId{2});
  EXPECT_EQ(expiry.version, VersionNumber{3});
  EXPECT_FALSE(parse(version_expiry_key(at, account, EntryId{2}, VersionNumber{3}),
                     ShardKind::trash_expiry, expiry));
}

TEST(RowsFormat, AnyBytesDecodeOrAreRefused) {
  test::Random random(3);
  for (int i = 0; i < 20'000; ++i) {
    const auto bytes = random.bytes(random.below(60));
    EntryRow entry;
    if (decode(EntryId{random.next()}, bytes, entry) && !entry.is_folder()) {
      EXPECT_GE(entry.version.value, entry.oldest.value);
    }
    EntryHead head;
    VersionRow version;
    ChunkRow chunk;
    AccountRow account_row;
    DriveRow drive;
    TokenRow token;
    ClientRow client;
    TrashRow trash;
    NumberRow number;
    PurgeEnds ends;
    PurgeRow purge;
    std::vector<JournalChange> journal;
    BucketRow bucket;
    ParsedKey key;
    Expiry expiry;
    decode(bytes, head);
    decode(bytes, version);
    decode(bytes, chunk);
    decode(bytes, account_row);
    decode(bytes, drive);
    decode(bytes, token);
    decode(bytes, client);
    decode(bytes, trash);
    decode(bytes, number);
    decode(bytes, ends);
    decode(bytes, purge);
    decode(bytes, journal);
    decode(bytes, bucket);
    parse(bytes, key);
    parse(bytes, ShardKind::trash_expiry, expiry);
    EXPECT_LE(journal.size(), limits::journal_changes_per_row);
    EXPECT_LE(chunk.blocks.size(), limits::manifest_blocks_per_chunk);
  }
}

}  // namespace
}  // namespace cairn::cluster::rows
