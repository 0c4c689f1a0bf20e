// The bytes of control frames; what is cut, longer, too large or random is refused.
#include "cluster/control.hpp"

#include "protocol/codec.hpp"
#include "tests/cluster/golden.hpp"
#include "tests/support/random.hpp"

namespace cairn::cluster::directory {
namespace {

NodeName name(const std::string& text) { return *NodeName::parse(text); }

Shard shard(std::uint32_t id = 300) {
  Shard out;
  out.id = ShardId{id};
  out.slots = {{0, 99}, {200, 16'383}};
  out.replicas = {{ReplicaId{1}, name("n1"), ReplicaKind::voter}, {ReplicaId{300}, name("n2"), ReplicaKind::leaving}};
  out.leader = ReplicaId{1};
  out.leader_term = 4;
  out.changed = Epoch{7};
  return out;
}

Shard directory() {
  auto out = shard(1);
  out.slots = {};
  return out;
}

NodeReport report() {
  ReplicaReport leader;
  leader.shard = ShardId{300};
  leader.replica = ReplicaId{1};
  leader.epoch = Epoch{300};
  leader.role = Role::leader;
  leader.term = 4;
  leader.settled = true;
  leader.configuration = {{ReplicaId{1}, ReplicaId{2}}, {ReplicaId{300}}};
  leader.lag = {{ReplicaId{2}, 0}, {ReplicaId{300}, 300}};
  ReplicaReport follower;
  follower.shard = ShardId{2};
  follower.replica = ReplicaId{5};
  follower.epoch = Epoch{7};
  follower.term = 6;
  follower.withdrawn = true;
  return {name("n1"), {leader, follower}};
}

std::vector<ControlFrame> all_frames() {
  return {
      MapRequest{Epoch{300}},
      MapAnswer{{Epoch{300}, {directory(), shard()}, {{name("n1"), 300, "h:1", "h:2"}}}, {name("n1")}},
      Report{report()},
      ReportAnswer{true, ReplicaId{3}, Epoch{300}},
      Order{ShardId{300}, GroupChange::transfer, ReplicaId{300}},
      Note{300, "what", "why"},
      NoteAnswer{300},
  };
}

TEST(ControlFrames, HaveTheirForm) {
  const std::vector<std::string> golden = {
      "01ac02",
      "02ac02 02 01000201026e3100ac02026e320201040307"
      "ac02020063c801ff7f0201026e3100ac02026e320201040307 01026e31ac0203683a3103683a32 01026e31",
      "03026e31 02 ac0201ac02030400 01 020102 01ac02 020200ac02ac02 020507000601",
      "040103ac02",
      "05ac0204ac02",
      "06ac02 047768617403776879",
      "07ac02",
  };
  const auto frames = all_frames();
  ASSERT_EQ(frames.size(), golden.size());
  for (std::size_t i = 0; i < golden.size(); ++i) expect_golden(encode(frames[i]), golden[i]);
}

/// Decoded and encoded again; nothing if it is refused.
std::optional<Bytes> again(BytesView bytes) {
  const auto frame = decode_control_frame(bytes);
  if (frame.ok()) return encode(*frame);
  EXPECT_EQ(frame.error().code, Errc::protocol);
  return std::nullopt;
}

TEST(ControlFrames, AreReadAsTheyWereWritten) {
  for (const auto& frame : all_frames()) EXPECT_EQ(again(encode(frame)), encode(frame));
  const auto read = decode_control_frame(encode(ControlFrame(Report{report()})));
  ASSERT_TRUE(read.ok());
  const auto& back = std::get<Report>(*read).report;
  EXPECT_EQ(back.node, name("n1"));
  EXPECT_EQ(back.replicas[0].configuration, report().replicas[0].configuration);
  EXPECT_EQ(back.replicas[0].lag, report().replicas[0].lag);
  EXPECT_TRUE(back.replicas[1].withdrawn);
}

TEST(ControlFrames, AreRefusedCutLongerOrOfNoKind) {
  for (const auto& frame : all_frames()) {
    const auto bytes = encode(frame);
    for (std::size_t size = 0; size < bytes.size(); ++size)
      EXPECT_EQ(again(BytesView(bytes).substr(0, size)), std::nullopt);
    EXPECT_EQ(again(bytes + '\0'), std::nullopt);
  }
  EXPECT_EQ(again(std::string("\x00", 1)), std::nullopt);
  EXPECT_EQ(again("\x08"), std::nullopt);
}

TEST(ControlFrames, AreRefusedWhenLargerThanAClusterCanBe) {
  const auto refused = [](const ControlFrame& frame) { EXPECT_EQ(again(encode(frame)), std::nullopt); };
  EXPECT_EQ(again(std::string(limits::max_control_frame_bytes + 1, '\x01')), std::nullopt);
  refused(Note{1, std::string(limits::max_event_text_bytes + 1, 'x'), "why"});
  auto crowded = shard();
  for (std::uint64_t id = 301; crowded.replicas.size() <= limits::max_replicas_per_shard; ++id)
    crowded.replicas.push_back({ReplicaId{id}, name("m" + std::to_string(id)), ReplicaKind::voter});
  refused(MapAnswer{{Epoch{1}, {crowded}, {}}, {}});
  auto far = NodeAddress{name("n1"), 1, std::string(limits::max_address_bytes + 1, 'x'), ""};
  refused(MapAnswer{{Epoch{1}, {}, {far}}, {}});
  auto many = report();
  many.replicas.resize(limits::max_shards + 1);
  refused(Report{many});
  auto broad = report();
  for (std::uint64_t id = 400; broad.replicas[0].lag.size() <= limits::max_replicas_per_shard; ++id)
    broad.replicas[0].lag[ReplicaId{id}] = 1;
  refused(Report{broad});
}

TEST(ControlFrames, AreRefusedWhenTheyBreakTheirOrder) {
  const auto refused = [](const ControlFrame& frame) { EXPECT_EQ(again(encode(frame)), std::nullopt); };
  refused(MapAnswer{{Epoch{1}, {shard(3), shard(2)}, {}}, {}});
  refused(MapAnswer{{Epoch{1}, {shard(2), shard(2)}, {}}, {}});
  refused(MapAnswer{{Epoch{1}, {}, {{name("b"), 1, "h:1", ""}, {name("a"), 1, "h:1", ""}}}, {}});
  auto outside = shard();
  outside.slots = {{0, 16'384}};
  refused(MapAnswer{{Epoch{1}, {outside}, {}}, {}});
  auto twice = report();
  twice.replicas[0].configuration.learners = {ReplicaId{1}};
  refused(Report{twice});
  auto nobody = report();
  nobody.node = {};
  refused(Report{nobody});
}

TEST(ControlFrames, RandomAndChangedBytesNeverCrash) {
  test::Random random(13);
  for (int i = 0; i < 20'000; ++i) {
    again(random.bytes(random.below(80)));
    auto bytes = encode(all_frames()[random.below(6)]);
    for (auto flips = random.between(1, 3); flips > 0; --flips)
      bytes[random.below(bytes.size())] = static_cast<char>(random.next());
    if (const auto back = again(bytes)) {
      EXPECT_EQ(*back, bytes);
    }
  }
}

TEST(ControlFrames, AMapIsAnsweredFromAnotherMap) {
  auto old_shard = shard(2);
  old_shard.changed = Epoch{3};
  const SlotMap map{Epoch{9}, {old_shard, shard(3)}, {{name("n1"), 1, "h:1", ""}}};
  EXPECT_EQ(map_since(map, Epoch{0}), map);
  const auto news = map_since(map, Epoch{3});
  EXPECT_EQ(news.shards.size(), 1u);
  EXPECT_EQ(news.nodes.size(), 1u);
  SlotMap mine{Epoch{3}, {old_shard}, {}};
  mine.merge(news);
  EXPECT_EQ(mine, map);
  for (const auto since : {9, 10}) {
    EXPECT_TRUE(map_since(map, Epoch(since)).shards.empty());
    mine.merge(map_since(map, Epoch(since)));
    EXPECT_EQ(mine, map);
  }
}

}  // namespace
}  // namespace cairn::cluster::directory
