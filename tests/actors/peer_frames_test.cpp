// Frames between nodes: calls and answers, several to a frame, and bytes that are none.
#include "actors/peer_frames.hpp"

#include <gtest/gtest.h>

#include "tests/support/random.hpp"

namespace cairn::actors {
namespace {

const ShardRequest proposal = Propose{{9, 5}, "command"};
const ShardRequest read = Ask{{9, whole_shard}, "query", true, 300};

Bytes calls() {
  Writer frame;
  append_call(frame, 7, proposal, cluster::directory::ShardId{2}, false);
  append_call(frame, 300, read, cluster::directory::ShardId{2}, false);
  return frame.take();
}

Bytes answers() {
  Writer frame;
  append_answer(frame, 7, {"done", Served::done, 300, 0});
  append_answer(frame, 8, {"", Served::not_leader, 0, 3});
  return frame.take();
}

TEST(PeerFrames, KeepTheirForm) {
  EXPECT_EQ(calls(), Bytes("\x07\x01\x02\x00\x05\x07" "command"
                           "\xac\x02\x02\x02\xff\xff\x01\xac\x02\x05query", 28));
  EXPECT_EQ(answers(), Bytes("\x07\x00\xac\x02\x00\x04" "done" "\x08\x01\x00\x03\x00", 15));
}

TEST(PeerFrames, AreReadBackInTheirOrder) {
  const auto called = decode_calls(calls()).value();
  ASSERT_EQ(called.size(), 2u);
  EXPECT_EQ(called[0].number, 7u);
  const auto propose = std::get<Propose>(called[0].request);
  EXPECT_EQ(propose.target.shard, 2u) << "the one that was chosen, not the one that was asked for";
  EXPECT_EQ(propose.target.slot, 5u);
  EXPECT_EQ(propose.command, "command");
  EXPECT_EQ(called[1].number, 300u);
  const auto ask = std::get<Ask>(called[1].request);
  EXPECT_EQ(ask.target.slot, whole_shard);
  EXPECT_EQ(ask.query, "query");
  EXPECT_TRUE(ask.linearizable);
  EXPECT_EQ(ask.floor, 300u);

  const auto answered = decode_answers(answers()).value();
  ASSERT_EQ(answered.size(), 2u);
  EXPECT_EQ(answered[0].number, 7u);
  EXPECT_EQ(answered[0].answer.result, "done");
  EXPECT_EQ(answered[0].answer.index, 300u);
  EXPECT_EQ(answered[1].number, 8u);
  EXPECT_EQ(answered[1].answer.served, Served::not_leader);
  EXPECT_EQ(answered[1].answer.leader, 3u);
}

TEST(PeerFrames, TellWhatIsToBeRelayed) {
  Writer frame;
  append_call(frame, 7, proposal, cluster::directory::ShardId{2}, true);
  append_call(frame, 8, read, cluster::directory::ShardId{2}, true);
  append_call(frame, 9, read, cluster::directory::ShardId{2}, false);
  const auto called = decode_calls(frame.view()).value();
  ASSERT_EQ(called.size(), 3u);
  EXPECT_TRUE(called[0].relay);
  EXPECT_EQ(std::get<Propose>(called[0].request).command, "command");
  EXPECT_TRUE(called[1].relay);
  EXPECT_EQ(std::get<Ask>(called[1].request).query, "query");
  EXPECT_FALSE(called[2].relay);
}

// Where one call ends, a frame may end.
TEST(PeerFrames, CutOnesAreRefused) {
  Writer first_call, first_answer;
  append_call(first_call, 7, proposal, cluster::directory::ShardId{2}, false);
  append_answer(first_answer, 7, {"done", Served::done, 300, 0});
  for (std::size_t cut = 0; cut < calls().size(); ++cut) {
    const auto read = decode_calls(BytesView(calls()).substr(0, cut));
    EXPECT_EQ(read.ok(), cut == first_call.view().size()) << cut;
    if (!read) {
      EXPECT_EQ(read.error().code, Errc::protocol);
    }
  }
  for (std::size_t cut = 0; cut < answers().size(); ++cut)
    EXPECT_EQ(decode_answers(BytesView(answers()).substr(0, cut)).ok(), cut == first_answer.view().size()) << cut;
}

TEST(PeerFrames, WhatMakesNoSenseIsRefused) {
  EXPECT_FALSE(decode_calls(Bytes("\x07\x05\x02\x00\x05\x00", 6))) << "no such kind";
  EXPECT_FALSE(decode_calls(Bytes("\x07\x02\x02\x00\x05\x02\x00\x00", 8))) << "a flag is 0 or 1";
  EXPECT_FALSE(decode_calls(Bytes("\x07\x01\xff\xff\xff\xff\x7f\x00\x05\x00", 10))) << "a shard has 32 bits";
  EXPECT_FALSE(decode_calls(Bytes("\x07\x01\x02\x00\x05\xff\xff\xff\xff\x0f", 10))) << "longer than the frame";
  EXPECT_FALSE(decode_answers(Bytes("\x07\x06\x00\x00\x00", 5))) << "no way to be served";
}

TEST(PeerFrames, OfTooManyCallsAreRefused) {
  Writer frame, answered;
  for (std::size_t i = 0; i < max_calls_in_frame; ++i) {
    append_call(frame, i, Propose{}, cluster::directory::ShardId{2}, false);
    append_answer(answered, i, {});
  }
  EXPECT_GT(frame.view().size(), limits::call_frame_bytes) << "no frame of those that share one has so many";
  EXPECT_TRUE(decode_calls(frame.view()).ok());
  EXPECT_TRUE(decode_answers(answered.view()).ok());
  append_call(frame, 1, Propose{}, cluster::directory::ShardId{2}, false);
  append_answer(answered, 1, {});
  EXPECT_FALSE(decode_calls(frame.view()).ok());
  EXPECT_FALSE(decode_answers(answered.view()).ok());
}

TEST(PeerFrames, NoBytesHarmTheReader) {
  ::cairn::test::Random random(7);
  for (int i = 0; i < 20'000; ++i) {
    auto bytes = random.one_in(2) ? calls() : answers();
    for (auto changes = random.between(1, 4); changes > 0; --changes)
      bytes[random.below(bytes.size())] = static_cast<char>(random.next());
    (void)decode_calls(bytes);
    (void)decode_answers(bytes);
  }
}

}  // namespace
}  // namespace cairn::actors
