// Watch frames: their bytes, and bytes that are none.
#include "actors/watch_frames.hpp"

#include <gtest/gtest.h>

#include "protocol/limits.hpp"
#include "tests/support/random.hpp"

namespace cairn::actors {
namespace {

using namespace std::chrono_literals;

const WatchFrame interest = Interest{10s, true, false};
const WatchFrame leads = Leads{cluster::directory::ShardId{2}, cluster::ReplicaId{300}, 7, 1'000};
const WatchFrame growths = Growths{{{1, 2, 3, 4, true}, {1'000, 0, 9, 5, true}}};

TEST(WatchFrames, KeepTheirForm) {
  EXPECT_EQ(encode(interest), Bytes("\x01\x90\x4e\x01\x00", 5));
  EXPECT_EQ(encode(leads), Bytes("\x02\x02\xac\x02\x07\xe8\x07", 7));
  EXPECT_EQ(encode(growths), Bytes("\x03\x02\x01\x02\x03\x04\xe8\x07\x00\x09\x05", 11));
}

TEST(WatchFrames, AreReadBack) {
  const auto read = std::get<Interest>(decode_watch_frame(encode(interest)).value());
  EXPECT_EQ(read.lease, 10s);
  EXPECT_TRUE(read.growth);
  EXPECT_FALSE(read.fresh);
  const auto announced = std::get<Leads>(decode_watch_frame(encode(leads)).value());
  EXPECT_EQ(announced.shard.value, 2u);
  EXPECT_EQ(announced.replica.value, 300u);
  EXPECT_EQ(announced.term, 7u);
  EXPECT_EQ(announced.index, 1'000u);
  const auto grown = std::get<Growths>(decode_watch_frame(encode(growths)).value()).growths;
  ASSERT_EQ(grown.size(), 2u);
  EXPECT_EQ(grown[1].account, 1'000u);
  EXPECT_EQ(grown[1].shard, 9u);
  EXPECT_TRUE(grown[0].leads);
}

TEST(WatchFrames, CutOrLongerOnesAreRefused) {
  for (const auto& frame : {interest, leads, growths}) {
    const auto bytes = encode(frame);
    for (std::size_t cut = 0; cut < bytes.size(); ++cut)
      EXPECT_EQ(decode_watch_frame(BytesView(bytes).substr(0, cut)).error().code, Errc::protocol);
    EXPECT_EQ(decode_watch_frame(bytes + "x").error().code, Errc::protocol);
  }
  EXPECT_FALSE(decode_watch_frame(Bytes("\x04", 1)));
  EXPECT_FALSE(decode_watch_frame(Bytes("\x01\x01\x02\x00", 4))) << "a flag is 0 or 1";
  EXPECT_FALSE(decode_watch_frame(Bytes("\x02\xff\xff\xff\xff\x7f\x01\x01\x01", 9))) << "a shard has 32 bits";
}

TEST(WatchFrames, OfTooManyGrowthsAreRefused) {
  EXPECT_TRUE(decode_watch_frame(encode(Growths{std::vector<JournalGrew>(limits::max_growths_per_frame)})));
  EXPECT_FALSE(decode_watch_frame(encode(Growths{std::vector<JournalGrew>(limits::max_growths_per_frame + 1)})));
  EXPECT_FALSE(decode_watch_frame(Bytes("\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11)));
}

TEST(WatchFrames, NoBytesHarmTheReader) {
  ::cairn::test::Random random(7);
  for (int i = 0; i < 20'000; ++i) {
    auto bytes = random.bytes(random.below(40));
    if (!bytes.empty()) bytes[0] = static_cast<char>(1 + random.below(3));
    const auto frame = decode_watch_frame(bytes);
    if (frame) {
      EXPECT_EQ(encode(*frame), bytes) << "one form each";
    }
  }
}

}  // namespace
}  // namespace cairn::actors
