// The bytes of a link: golden ones, every way of cutting them, and what is refused.
#include "actors/link_frames.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "actors/link_address.hpp"
#include "actors/link_outbox.hpp"
#include "protocol/limits.hpp"

namespace cairn::actors::test {
namespace {

using testing::ElementsAre;

struct Told final : FrameReader::Sink {
  bool control(ChunkKind kind, BytesView payload) override {
    words.push_back(std::to_string(static_cast<int>(kind)) + ":" + Bytes(payload));
    return words.size() < most;
  }
  bool frame(std::uint8_t channel, Bytes frame) override {
    words.push_back("frame " + std::to_string(channel) + ":" + (frame.size() > 99 ? "long" : frame));
    return words.size() < most;
  }
  std::vector<std::string> words;
  std::size_t most = 100;
};

Bytes chunk(ChunkKind kind, std::uint8_t channel, BytesView payload) {
  Bytes out;
  append_chunk(out, kind, channel, payload);
  return out;
}

TEST(LinkFrames, GoldenBytes) {
  EXPECT_EQ(chunk(ChunkKind::last, 0x81, "abc"), Bytes("\x06\x81\x00\x00\x00\x03"
                                                       "abc", 9));
  const auto hello = encode(LinkHello{2, "c", "node", 2, 3});
  EXPECT_EQ(hello, Bytes("CALK\0\2\1c\4node\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\3", 29));
  const auto read = decode_hello(hello);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->cluster_id, "c");
  EXPECT_EQ(read->node, "node");
  EXPECT_EQ(read->incarnation, 2u);
  EXPECT_EQ(read->clock_millis, 3u);
}

TEST(LinkFrames, AHelloIsReadWholeOrNotAtAll) {
  const auto hello = encode(LinkHello{2, "c", "node", 2, 3});
  for (std::size_t size = 0; size < hello.size(); ++size)
    EXPECT_EQ(decode_hello(hello.substr(0, size)).error().code, Errc::protocol) << size;
  EXPECT_FALSE(decode_hello(hello + "x"));
  EXPECT_EQ(decode_hello("CALK\x7f\xffwhatever")->version, 0x7fff) << "of another version only that is known";
}

TEST(LinkFrames, RefusalsCarryCodeAndSentence) {
  const auto why = decode_refusal(encode_refusal({Errc::conflict, "older\n"}));
  EXPECT_EQ(why.code, Errc::conflict);
  EXPECT_EQ(why.message, "refused by the peer: older\\x0a");
  EXPECT_LE(encode_refusal({Errc::conflict, Bytes(10'000, 'x')}).size(), limits::max_link_control_bytes);
  EXPECT_EQ(decode_refusal("").code, Errc::protocol);
}

TEST(LinkFrames, HoweverTheStreamIsCut) {
  const auto stream = chunk(ChunkKind::heartbeat, 0, "") + chunk(ChunkKind::last, 1, "") +
                      chunk(ChunkKind::hello, 0, "hi") + chunk(ChunkKind::last, 200, "bulk") +
                      chunk(ChunkKind::last, 2, "x");
  for (std::size_t step = 1; step <= stream.size(); ++step) {
    FrameReader reader;
    Told told;
    for (std::size_t at = 0; at < stream.size(); at += step)
      ASSERT_TRUE(reader.read(BytesView(stream).substr(at, step), told));
    EXPECT_THAT(told.words, ElementsAre("4:", "frame 1:", "1:hi", "frame 200:bulk", "frame 2:x")) << step;
  }
}

TEST(LinkFrames, SmallFramesStandBetweenThePartsOfBulk) {
  const Bytes full(limits::link_chunk_bytes, 'b');
  FrameReader reader;
  Told told;
  ASSERT_TRUE(reader.read(chunk(ChunkKind::more, 0x80, full) + chunk(ChunkKind::last, 1, "small") +
                              chunk(ChunkKind::heartbeat, 0, "") + chunk(ChunkKind::last, 0x80, "end"),
                          told));
  EXPECT_THAT(told.words, ElementsAre("frame 1:small", "4:", "frame 128:long"));
}

TEST(LinkFrames, ASinkThatHasEnoughIsToldNoMore) {
  FrameReader reader;
  Told told;
  told.most = 1;
  ASSERT_TRUE(reader.read(chunk(ChunkKind::last, 1, "a") + chunk(ChunkKind::last, 1, "b"), told));
  EXPECT_THAT(told.words, ElementsAre("frame 1:a"));
}

TEST(LinkFrames, WrongChunksAreRefusedByTheirHeader) {
  const auto code = [](BytesView bytes) {
    FrameReader reader;
    Told told;
    const auto read = reader.read(bytes, told);
    return read ? Errc::internal : read.error().code;
  };
  EXPECT_EQ(code(BytesView("\x00\x00\x00\x00\x00\x00", 6)), Errc::protocol);
  EXPECT_EQ(code(BytesView("\x07\x00\x00\x00\x00\x00", 6)), Errc::protocol);
  EXPECT_EQ(code(BytesView("\x06\x00\x00\x01\x00\x01", 6)), Errc::protocol) << "over a chunk";
  EXPECT_EQ(code(BytesView("\x05\x00\x00\x00\xff\xff", 6)), Errc::protocol) << "a part that is not full";
  EXPECT_EQ(code(BytesView("\x01\x00\x00\x00\x04\x01", 6)), Errc::protocol) << "a hello of 1,025 bytes";
}

TEST(LinkFrames, TheOutboxIsBounded) {
  LinkOutbox outbox(1'000);
  EXPECT_EQ(outbox.put(1, Bytes(1'000, 'x')).error().code, Errc::too_large);
  EXPECT_TRUE(*outbox.put(1, Bytes(400, 'x'))) << "wake";
  EXPECT_FALSE(*outbox.put(1, Bytes(400, 'x'))) << "woken already";
  EXPECT_EQ(outbox.put(1, Bytes(400, 'x')).error().code, Errc::busy);
  auto frames = outbox.take();
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_EQ(outbox.put(1, Bytes(400, 'x')).error().code, Errc::busy) << "taken is not yet sent";
  outbox.done(frames[0]);
  EXPECT_TRUE(*outbox.put(1, Bytes(400, 'x')));
  outbox.close();
  EXPECT_EQ(outbox.put(1, "x").error().code, Errc::unavailable);
  EXPECT_EQ(outbox.bytes(), 0u);
  for (LinkOutbox empty(100); empty.put(1, "");) ASSERT_LE(empty.bytes(), 100u) << "empty frames count too";
}

TEST(LinkAddress, ReadsAndWrites) {
  EXPECT_EQ(split_address("[::1]:7421")->host, "::1");
  EXPECT_EQ(split_address("node-1.example:7421")->port, 7421);
  EXPECT_EQ(join_address({"::1", 5}), "[::1]:5");
  EXPECT_EQ(join_address({"host", 5}), "host:5");
}

}  // namespace
}  // namespace cairn::actors::test
