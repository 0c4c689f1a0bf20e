// Frames: whole, in order, bounded, and small ones ahead of bulk.
#include <algorithm>
#include <array>
#include <future>
#include <thread>

#include "protocol/codec.hpp"
#include "protocol/limits.hpp"
#include "tests/actors/link_fixture.hpp"
#include "tests/support/random.hpp"

namespace cairn::actors::test {
namespace {

constexpr std::uint8_t channel = 3;
constexpr std::uint8_t bulk_channel = first_bulk_channel + 3;

TEST_F(LinkTest, FramesOfEverySizeArriveWholeAndInOrder) {
  auto a = start("a");
  auto b = start("b");
  connect(a, "a", b, "b");
  constexpr auto chunk = limits::link_chunk_bytes;
  cairn::test::Random random(1);
  std::vector<Bytes> sent;
  for (const std::size_t size : {std::size_t{1}, std::size_t{0}, std::size_t{2}, std::size_t{100}, chunk - 1, chunk,
                                 chunk + 1, 3 * chunk, std::size_t{1'000'000}})
    sent.push_back(random.bytes(size));
  for (const auto to : {channel, bulk_channel}) {
    for (const auto& frame : sent) ASSERT_TRUE(a.links->send("b", to, frame));
    ASSERT_TRUE(b.seen->frames.wait_count((to == channel ? 1 : 2) * sent.size()));
  }
  const auto got = b.seen->frames.all();
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].channel, i < sent.size() ? channel : bulk_channel);
    EXPECT_TRUE(got[i].frame == sent[i % sent.size()]) << "frame " << i;
  }
}

TEST_F(LinkTest, TheLargestFrameArrivesAndALargerIsRefused) {
  auto a = start("a");
  auto b = start("b");
  connect(a, "a", b, "b");
  Bytes largest(limits::max_link_frame_bytes, 'x');
  largest.back() = 'y';
  ASSERT_TRUE(a.links->send("b", bulk_channel, largest));
  EXPECT_EQ(a.links->send("b", bulk_channel, largest + "z").error().code, Errc::too_large);
  ASSERT_TRUE(b.seen->frames.wait_count(1));
  EXPECT_TRUE(b.seen->frames.all()[0].frame == largest);
}

/// Counts up the numbers in the frames of one peer.
struct Numbers {
  explicit Numbers(std::uint64_t last) : last(last) {}
  void operator()(const Bytes& frame) {
    Reader in(frame);
    if (in.u64() != next) in_order = false;
    if (++next == last) done.set_value();
  }
  bool wait() { return finished.wait_for(patience) == std::future_status::ready; }

  const std::uint64_t last;
  std::uint64_t next = 0;
  bool in_order = true;
  std::promise<void> done;
  std::future<void> finished = done.get_future();
};

void send_numbers(Links& from, const NodeName& to, std::uint64_t count, std::size_t bytes) {
  for (std::uint64_t i = 0; i < count;) {
    const auto sent = from.send(to, channel, Writer().u64(i).raw(Bytes(bytes - 8, 'n')).take());
    if (sent) ++i;
    else if (sent.error().code == Errc::busy) std::this_thread::yield();
    else return;
  }
}

TEST_F(LinkTest, ManySmallFramesGoBothWaysAtOnce) {
  constexpr std::uint64_t count = 30'000;
  auto small = options("a");
  small.max_buffered_bytes = 256u << 10;
  auto a = start(small);
  auto b = start("b");
  Numbers at_a(count), at_b(count);
  a.seen->on_frame = [&](const NodeName&, std::uint8_t, Bytes frame) { at_a(frame); };
  b.seen->on_frame = [&](const NodeName&, std::uint8_t, Bytes frame) { at_b(frame); };
  connect(a, "a", b, "b");
  std::thread from_a([&] { send_numbers(*a.links, "b", count, 100); });
  send_numbers(*b.links, "a", count, 100);
  from_a.join();
  EXPECT_TRUE(at_a.wait() && at_b.wait());
  EXPECT_TRUE(at_a.in_order && at_b.in_order);
}

// Whoever finds the link idle sends by itself, and whoever does not leaves it to the links' thread.
TEST_F(LinkTest, ManySendersEachKeepTheirOrder) {
  constexpr std::uint64_t rounds = 300, burst = 20;
  auto a = start("a");
  auto b = start("b");
  std::array<Events<std::uint64_t>, 4> echoes;
  b.seen->on_frame = [&](const NodeName& from, std::uint8_t on, Bytes frame) {
    EXPECT_TRUE(b.links->send(from, on, std::move(frame)));
  };
  a.seen->on_frame = [&](const NodeName&, std::uint8_t on, Bytes frame) {
    echoes[on - channel].add(Reader(frame).u64());
  };
  connect(a, "a", b, "b");
  std::vector<std::thread> senders;
  for (std::uint8_t sender = 0; sender < echoes.size(); ++sender)
    senders.emplace_back([&, sender] {
      std::uint64_t sent = 0;
      for (std::uint64_t round = 0; round < rounds; ++round) {
        for (auto left = round % 10 == 0 ? burst : 1; left > 0; --left)
          EXPECT_TRUE(a.links->send("b", channel + sender, Writer().u64(sent++).take()));
        if (!echoes[sender].wait_count(sent)) return ADD_FAILURE() << "frame " << sent << " did not come back";
      }
    });
  for (auto& sender : senders) sender.join();
  for (const auto& echo : echoes) {
    const auto numbers = echo.all();
    EXPECT_EQ(numbers.size(), rounds + rounds / 10 * (burst - 1));
    EXPECT_TRUE(std::ranges::is_sorted(numbers));
  }
}

TEST_F(LinkTest, AFullBufferIsBusyAndWhatWasAcceptedArrives) {
  auto bounded = options("a");
  bounded.max_buffered_bytes = 1u << 20;
  auto a = start(bounded);
  auto b = start("b");
  std::promise<void> go_on;
  const auto gate = go_on.get_future().share();
  std::uint64_t expected = 0;
  bool in_order = true;
  Events<std::uint64_t> came;
  b.seen->on_frame = [&](const NodeName&, std::uint8_t, Bytes frame) {
    gate.wait();
    in_order = in_order && Reader(frame).u64() == expected++;
    came.add(frame.size());
  };
  connect(a, "a", b, "b");
  EXPECT_EQ(a.links->send("b", channel, Bytes(1u << 20, 'x')).error().code, Errc::too_large) << "never fits";
  // The peer takes nothing, so the kernel's buffers fill up, then this one.
  std::uint64_t sent = 0;
  Result<void> put;
  while ((put = a.links->send("b", channel, Writer().u64(sent).raw(Bytes(20'000, 'x')).take()))) ++sent;
  EXPECT_EQ(put.error().code, Errc::busy);
  EXPECT_LE(a.status().buffered_bytes, 1u << 20);
  go_on.set_value();
  EXPECT_TRUE(came.wait_count(sent));
  EXPECT_TRUE(in_order);
  EXPECT_TRUE(a.seen->of(LinkEvent::down).empty());
  EXPECT_EQ(a.status().frames_sent, sent);
  EXPECT_TRUE(a.links->send("b", channel, Writer().u64(sent).take()));
  EXPECT_TRUE(came.wait_count(sent + 1));
  EXPECT_EQ(a.status().buffered_bytes, 0u);
}

TEST_F(LinkTest, ASmallFrameOvertakesBulk) {
  auto a = start("a");
  auto b = start("b");
  // Sent by the links' thread itself, so that bulk is surely not yet on its way.
  a.seen->on_up = [&](const NodeName& peer) {
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(a.links->send(peer, bulk_channel, Bytes(4u << 20, 'b')));
    EXPECT_TRUE(a.links->send(peer, channel, "small"));
  };
  connect(a, "a", b, "b");
  ASSERT_TRUE(b.seen->frames.wait_count(5));
  EXPECT_EQ(b.seen->frames.all()[0].frame, "small");
}

TEST_F(LinkTest, SmallFramesGetThroughWhileBulkFlows) {
  constexpr int pings = 20;
  auto a = start("a");
  auto b = start("b");
  std::atomic<bool> stop{false};
  std::promise<void> done;
  std::atomic<int> answered{0};
  b.seen->on_frame = [&](const NodeName& from, std::uint8_t on, Bytes frame) {
    if (on != channel) return;
    EXPECT_TRUE(b.links->send(from, channel, std::move(frame)));
  };
  a.seen->on_frame = [&](const NodeName& from, std::uint8_t, Bytes frame) {
    if (++answered == pings) return done.set_value();
    EXPECT_TRUE(a.links->send(from, channel, std::move(frame)));
  };
  connect(a, "a", b, "b");
  std::thread bulk([&] {
    while (!stop)
      if (!a.links->send("b", bulk_channel, Bytes(1u << 20, 'b'))) std::this_thread::yield();
  });
  ASSERT_TRUE(a.links->send("b", channel, "ping"));
  EXPECT_EQ(done.get_future().wait_for(patience), std::future_status::ready) << answered;
  stop = true;
  bulk.join();
}

}  // namespace
}  // namespace cairn::actors::test
