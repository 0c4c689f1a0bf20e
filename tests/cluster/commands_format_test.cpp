// The bytes of commands, queries and their answers; what is cut, longer or random is refused.
#include "cluster/commands.hpp"
#include "cluster/queries.hpp"
#include "tests/cluster/golden.hpp"
#include "tests/support/random.hpp"

namespace cairn::cluster {
namespace {

BlockRef block(char fill, std::uint32_t bytes) {
  BlockRef out;
  out.id.bytes.fill(static_cast<std::uint8_t>(fill));
  out.bytes = bytes;
  return out;
}

const AccountId account{0x102030405};
const EntryRef ref{EntryId{300}, "a/b"};
const Attributes attributes{0644, -2};

/// Everything that can change a drive, with fields that tell themselves apart.
std::vector<Change> all_changes() {
  return {
      MakeFolder{ref, "n", attributes},
      PutFile{ref,
              "n",
              EntryKind::file,
              {EntryId{5}, VersionNumber{6}},
              Content{3, "xyz", {}},
              attributes},
      PutFile{ref, "n", EntryKind::symlink, {}, Content{2, "", {block('a', 2)}}, attributes},
      SetAttributes{ref, attributes},
      Move{ref, {root_entry, ""}, "n"},
      Remove{ref, VersionNumber{7}},
      Restore{EntryId{8}},
      Revert{ref, VersionNumber{9}},
      Purge{EntryId{10}},
  };
}

std::vector<CommandBody> all_commands() {
  return {
      CreateAccount{"ada", "$hash", 1'000},
      IssueToken{account, ClientId{300}, "pc", "secret"},
      RevokeToken{account, ClientId{300}},
      SetPassword{account, "$hash", ClientId{300}, "$old"},
      SetQuota{account, 1'000},
      CommitChanges{account, {ClientId{300}, 4}, 3, "pc", all_changes(), {block('b', 500'000)}},
      Tick{1'000, 2'000},
  };
}

std::vector<CommandResult> all_results() {
  ChangeResult good{std::nullopt, Outcome::conflicted, EntryId{300}, VersionNumber{2}, "n 2"};
  ChangeResult bad;
  bad.error = Error{Errc::already_exists, "taken"};
  bad.entry = EntryId{7};
  return {Error{Errc::quota_exceeded, "full"}, Done{}, AccountCreated{account},
          CommitResult{{good, bad}, Cursor{300}}, TickDone{true}};
}

std::vector<Query> all_queries() {
  return {
      FindLogin{"ada"},
      CheckToken{account, "hash"},
      ListDevices{account},
      Stat{account, ref},
      List{account, ref, "after", 10},
      ListTrash{account, "9", 10},
      GetContent{account, ref, VersionNumber{2}},
      ListVersions{account, ref, VersionNumber{3}, 10},
      FindMissing{account, {block('a', 1).id}},
      ReadChanges{account, Cursor{300}, 10},
      GetUsage{account},
      ListReferences{"key", 10},
  };
}

std::vector<QueryResult> all_answers() {
  const Entry entry{EntryId{2}, root_entry, "n",           EntryKind::file, VersionNumber{3},
                    500,        attributes, Timestamp{-1}, Cursor{300},     true};
  return {
      Error{Errc::not_found, "none"},
      LoginFound{account, "$hash"},
      TokenFound{ClientId{300}, "pc", "ada"},
      Devices{{{ClientId{300}, "pc", Timestamp{5}, true}}},
      entry,
      EntryPage{{entry}, "n"},
      ContentFound{entry, VersionNumber{3}, Content{2, "", {block('a', 2)}}},
      Versions{{{VersionNumber{3}, 500, attributes, Timestamp{5}, "pc"}}},
      Missing{{0, 300}},
      ChangePage{
          {{Cursor{4}, EntryId{2}, entry}, {Cursor{5}, EntryId{3}, std::nullopt}}, Cursor{5}, true},
      Usage{1, 2, 3},
      References{{block('a', 1).id}, "key"},
  };
}

TEST(CommandsFormat, Commands) {
  const std::vector<std::string> golden = {
      "d00f0103616461052468617368e807",
      "d00f0285888c9010ac0202706306736563726574",
      "d00f0385888c9010ac02",
      "d00f0485888c9010052468617368ac0204246f6c64",
      "d00f0585888c9010e807",
      "d00f0685888c9010ac0204030270630901ac0203612f62016ea4030302ac0203612f62016e020506030378797a00"
      "a4030302ac0203612f62016e03000002000161616161616161616161616161616161616161616161616161616161"
      "6161616102a4030303ac0203612f62a4030304ac0203612f620100016e05ac0203612f6207060807ac0203612f62"
      "09080a016262626262626262626262626262626262626262626262626262626262626262a0c21e",
      "d00f07d00fa01f",
  };
  const auto commands = all_commands();
  ASSERT_EQ(commands.size(), golden.size());
  for (std::size_t i = 0; i < golden.size(); ++i)
    expect_golden(encode(Command{Timestamp{1'000}, commands[i]}), golden[i]);
}

TEST(CommandsFormat, CommandResults) {
  const std::vector<std::string> golden = {
      "01230466756c6c", "02", "0385888c9010", "04020004ac0202036e203201040574616b656e03070000ac02",
      "0501",
  };
  const auto results = all_results();
  ASSERT_EQ(results.size(), golden.size());
  for (std::size_t i = 0; i < golden.size(); ++i) expect_golden(encode(results[i]), golden[i]);
}

TEST(CommandsFormat, Queries) {
  const std::vector<std::string> golden = {
      "0103616461",
      "0285888c90100468617368",
      "0385888c9010",
      "0485888c9010ac0203612f62",
      "0585888c9010ac0203612f620561667465720a",
      "0685888c901001390a",
      "0785888c9010ac0203612f6202",
      "0885888c9010ac0203612f62030a",
      "0985888c9010016161616161616161616161616161616161616161616161616161616161616161",
      "0a85888c9010ac020a",
      "0b85888c9010",
      "0c036b65790a",
  };
  const auto queries = all_queries();
  ASSERT_EQ(queries.size(), golden.size());
  for (std::size_t i = 0; i < golden.size(); ++i) expect_golden(encode(queries[i]), golden[i]);
}

TEST(CommandsFormat, QueryResults) {
  const std::vector<std::string> golden = {
      "0103046e6f6e65",
      "0285888c9010052468617368",
      "03ac0202706303616461",
      "0401ac020270630a01",
      "050201016e0203f403a4030301ac0201",
      "06010201016e0203f403a4030301ac0201016e",
      "070201016e0203f403a4030301ac0201030200016161616161616161616161616161616161616161616161616161"
      "61616161616102",
      "080103f403a403030a027063",
      "090200ac02",
      "0a020402010201016e0203f403a4030301ac02010503000501",
      "0b010203",
      "0c016161616161616161616161616161616161616161616161616161616161616161036b6579",
  };
  const auto answers = all_answers();
  ASSERT_EQ(answers.size(), golden.size());
  for (std::size_t i = 0; i < golden.size(); ++i) expect_golden(encode(answers[i]), golden[i]);
}

/// Decodes `bytes` and encodes the result; nothing if they are refused.
using Again = std::optional<Bytes> (*)(BytesView);

template <class Decode>
std::optional<Bytes> again(Decode decode, BytesView bytes) {
  const auto value = decode(bytes);
  if (!value.ok()) {
    EXPECT_EQ(value.error().code, Errc::protocol);
    return std::nullopt;
  }
  return encode(*value);
}

std::optional<Bytes> command_again(BytesView bytes) { return again(decode_command, bytes); }
std::optional<Bytes> result_again(BytesView bytes) { return again(decode_command_result, bytes); }
std::optional<Bytes> query_again(BytesView bytes) { return again(decode_query, bytes); }
std::optional<Bytes> answer_again(BytesView bytes) { return again(decode_query_result, bytes); }

std::vector<std::pair<Bytes, Again>> all_forms() {
  std::vector<std::pair<Bytes, Again>> out;
  for (const auto& body : all_commands())
    out.emplace_back(encode(Command{Timestamp{1'000}, body}), command_again);
  for (const auto& result : all_results()) out.emplace_back(encode(result), result_again);
  for (const auto& query : all_queries()) out.emplace_back(encode(query), query_again);
  for (const auto& answer : all_answers()) out.emplace_back(encode(answer), answer_again);
  return out;
}

TEST(CommandsFormat, DecodeGivesBackWhatWasEncoded) {
  for (const auto& [bytes, again] : all_forms()) EXPECT_EQ(again(bytes), bytes);
}

TEST(CommandsFormat, CutAndLongerBytesAreRefused) {
  for (const auto& [bytes, again] : all_forms()) {
    for (std::size_t size = 0; size < bytes.size(); ++size)
      EXPECT_EQ(again(BytesView(bytes).substr(0, size)), std::nullopt);
    EXPECT_EQ(again(bytes + '\0'), std::nullopt);
  }
}

TEST(CommandsFormat, ChangedBytesAreRefusedOrMeanThemselves) {
  test::Random random(11);
  const auto forms = all_forms();
  for (int i = 0; i < 50'000; ++i) {
    auto [bytes, again] = forms[random.below(forms.size())];
    for (auto flips = random.between(1, 3); flips > 0; --flips)
      bytes[random.below(bytes.size())] = static_cast<char>(random.next());
    const auto back = again(bytes);
    // Only unknown error numbers are changed on the way, to the one for bugs.
    if (back && *back != bytes) {
      EXPECT_EQ(again(*back), back);
    }
  }
}

TEST(CommandsFormat, RandomBytesNeverCrash) {
  test::Random random(12);
  for (int i = 0; i < 50'000; ++i) {
    const auto bytes = random.bytes(random.below(80));
    for (const auto again : {command_again, result_again, query_again, answer_again}) again(bytes);
  }
  // A list that claims more than there is, is refused before room is made for it.
  const Bytes huge = Bytes("\x01\x06\x05\x01\x01\x00\x00", 7) +
                     Bytes("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10);
  EXPECT_EQ(command_again(huge), std::nullopt);
}

}  // namespace
}  // namespace cairn::cluster
