// The bytes of the directory's commands, queries, answers and rows; what is cut, longer or random is refused.
#include "cluster/directory_commands.hpp"
#include "cluster/directory_rows.hpp"
#include "tests/cluster/golden.hpp"
#include "tests/support/random.hpp"

namespace cairn::cluster::directory {
namespace {

NodeName name(const char* text) { return *NodeName::parse(text); }

NodeIdentity identity() { return {name("n1"), 300, "h:1", "h:2", "z", Roles{9}, DataId{5}}; }

Shard shard() {
  Shard out;
  out.id = ShardId{300};
  out.slots = {{0, 99}, {200, 16'383}};
  out.replicas = {{ReplicaId{1}, name("n1"), ReplicaKind::voter}, {ReplicaId{300}, name("n2"), ReplicaKind::leaving}};
  out.leader = ReplicaId{1};
  out.leader_term = 4;
  out.wanted = 3;
  out.changed = Epoch{7};
  return out;
}

Node node() { return {identity(), NodeState::draining, Epoch{300}}; }

std::vector<CommandBody> all_commands() {
  return {
      Bootstrap{ClusterId{300}, {identity()}},
      RegisterNode{identity()},
      SetNodeState{name("n1"), NodeState::dead, Epoch{300}, "why"},
      MakeShard{{{0, 99}, {200, 300}}, {name("n1"), name("n2")}, 3, "why"},
      AssignSlots{ShardId{1}, ShardId{2}, {{0, 9}}, Epoch{3}, Epoch{4}, "why"},
      SetWanted{ShardId{1}, 5, Epoch{3}, "why"},
      AddReplica{ShardId{1}, name("n1"), Epoch{3}, "why"},
      PromoteReplica{ShardId{1}, ReplicaId{300}, Epoch{3}, "why"},
      RemoveReplica{ShardId{1}, ReplicaId{300}, Epoch{3}, "why"},
      ForgetReplica{ShardId{1}, ReplicaId{300}, Epoch{3}, "why"},
      LeaderChanged{ShardId{1}, ReplicaId{300}, 6},
      SetSetting{"a", "5", "why"},
      RecordEvent{"what", "why"},
  };
}

std::vector<CommandResult> all_results() {
  return {Error{Errc::conflict, "no"}, Done{Epoch{300}}, ShardMade{Epoch{3}, ShardId{4}, {ReplicaId{300}}},
          ReplicaAdded{Epoch{3}, ReplicaId{300}}};
}

std::vector<Query> all_queries() {
  return {GetMap{Epoch{300}}, GetNodes{name("n1"), 10}, GetNode{name("n1")}, GetShard{ShardId{300}}, GetEvents{300, 10},
          GetSettings{},      GetState{Epoch{300}}};
}

std::vector<QueryResult> all_answers() {
  return {Error{Errc::not_found, "none"},
          SlotMap{Epoch{300}, {shard()}, {{name("n1"), 300, "h:1", "h:2"}}},
          Nodes{{node()}, true},
          ShardFound{Epoch{300}, shard()},
          Events{{{300, Timestamp{-1}, "what", "why"}}, true},
          SettingsFound{Epoch{300}, {{"a", "5"}}},
          StateChanges{ClusterId{300}, Epoch{2}, {node()}, {shard()}, {{"a", "5"}, {"b", "6"}}}};
}

template <class T>
void expect_all(const std::vector<T>& values, const std::vector<std::string>& golden) {
  ASSERT_EQ(values.size(), golden.size());
  for (std::size_t i = 0; i < golden.size(); ++i) expect_golden(encode(values[i]), golden[i]);
}

TEST(DirectoryFormat, Commands) {
  std::vector<Command> commands;
  for (const auto& body : all_commands()) commands.push_back({Timestamp{1'000}, body});
  expect_all(commands, {
                           "d00f01ac0201026e31ac0203683a3103683a32017a0905",
                           "d00f02026e31ac0203683a3103683a32017a0905",
                           "d00f03026e3102ac0203776879",
                           "d00f04020063c801ac0202026e31026e320303776879",
                           "d00f050102010009030403776879",
                           "d00f0601050303776879",
                           "d00f0701026e310303776879",
                           "d00f0801ac020303776879",
                           "d00f0901ac020303776879",
                           "d00f0a01ac020303776879",
                           "d00f0b01ac0206",
                           "d00f0c0161013503776879",
                           "d00f0d047768617403776879",
                       });
}

TEST(DirectoryFormat, CommandResults) {
  expect_all(all_results(), {
                                "0108026e6f",
                                "02ac02",
                                "03030401ac02",
                                "0403ac02",
                            });
}

TEST(DirectoryFormat, Queries) {
  expect_all(all_queries(), {
                                "01ac02",
                                "02026e310a",
                                "03026e31",
                                "04ac02",
                                "05ac020a",
                                "06",
                                "07ac02",
                            });
}

TEST(DirectoryFormat, QueryResults) {
  expect_all(all_answers(),
             {
                 "0103046e6f6e65",
                 "02ac0201ac02020063c801ff7f0201026e3100ac02026e32020104030701026e31ac0203683a3103683a32",
                 "0301026e31ac0203683a3103683a32017a090503ac0201",
                 "04ac02ac02020063c801ff7f0201026e3100ac02026e320201040307",
                 "0501ac020104776861740377687901",
                 "06ac020101610135",
                 "07ac0202 01026e31ac0203683a3103683a32017a090503ac02"
                 "01ac02020063c801ff7f0201026e3100ac02026e320201040307 02016101350162 0136",
             });
}

TEST(DirectoryFormat, Rows) {
  const std::vector<std::pair<Bytes, Bytes>> rows = {
      {head_key(), encode_row(Head{ClusterId{300}, Epoch{2}, Timestamp{1'000}, 3, 4, 5, 6})},
      {node_key(name("n1")), encode_row(node())},
      {shard_key(ShardId{300}), encode_row(shard())},
      {setting_key("a"), "5"},
      {event_key(300), encode_row(Event{300, Timestamp{1'000}, "what", "why"})},
  };
  const std::vector<std::pair<std::string, std::string>> golden = {
      {"d001", "ac0202d00f03040506"},
      {"d0026e31", "026e31ac0203683a3103683a32017a090503ac02"},
      {"d0030000012c", "ac02020063c801ff7f0201026e3100ac02026e320201040307"},
      {"d00461", "35"},
      {"d005000000000000012c", "ac02d00f047768617403776879"},
  };
  ASSERT_EQ(rows.size(), golden.size());
  for (std::size_t i = 0; i < golden.size(); ++i) {
    expect_golden(rows[i].first, golden[i].first);
    expect_golden(rows[i].second, golden[i].second);
  }
}

/// Decodes `bytes` and encodes the result; nothing if they are refused.
using Again = std::optional<Bytes> (*)(BytesView);

template <auto decode>
std::optional<Bytes> again(BytesView bytes) {
  const auto value = decode(bytes);
  if (value.ok()) return encode(*value);
  EXPECT_EQ(value.error().code, Errc::protocol);
  return std::nullopt;
}

std::vector<std::pair<Bytes, Again>> all_forms() {
  std::vector<std::pair<Bytes, Again>> out;
  for (const auto& body : all_commands()) out.emplace_back(encode(Command{Timestamp{9}, body}), again<decode_command>);
  for (const auto& result : all_results()) out.emplace_back(encode(result), again<decode_command_result>);
  for (const auto& query : all_queries()) out.emplace_back(encode(query), again<decode_query>);
  for (const auto& answer : all_answers()) out.emplace_back(encode(answer), again<decode_query_result>);
  return out;
}

TEST(DirectoryFormat, DecodeGivesBackWhatWasEncoded) {
  for (const auto& [bytes, again] : all_forms()) EXPECT_EQ(again(bytes), bytes);
}

TEST(DirectoryFormat, CutAndLongerBytesAreRefused) {
  for (const auto& [bytes, again] : all_forms()) {
    for (std::size_t size = 0; size < bytes.size(); ++size)
      EXPECT_EQ(again(BytesView(bytes).substr(0, size)), std::nullopt);
    EXPECT_EQ(again(bytes + '\0'), std::nullopt);
  }
}

TEST(DirectoryFormat, ChangedBytesAreRefusedOrMeanThemselves) {
  test::Random random(11);
  const auto forms = all_forms();
  for (int i = 0; i < 20'000; ++i) {
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

TEST(DirectoryFormat, RandomBytesNeverCrash) {
  test::Random random(12);
  for (int i = 0; i < 20'000; ++i) {
    const auto bytes = random.bytes(random.below(80));
    again<decode_command>(bytes);
    again<decode_command_result>(bytes);
    again<decode_query>(bytes);
    again<decode_query_result>(bytes);
  }
}

}  // namespace
}  // namespace cairn::cluster::directory
