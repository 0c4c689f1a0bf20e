// The life of a link: up, down, silent, cut, healed, replaced, stopped.
#include <algorithm>
#include <thread>

#include "tests/actors/link_fixture.hpp"

namespace cairn::actors::test {
namespace {

using testing::HasSubstr;

constexpr std::uint8_t channel = 7;

LinkOptions quick(LinkOptions options) {
  options.heartbeat_interval = 40ms;
  options.silence_timeout = 400ms;
  return options;
}

TEST_F(LinkTest, ComesUpOnBothEndsAndTheSmallerNameDials) {
  auto a = start("a", 11);
  auto b = start("b", 22);
  connect(a, "a", b, "b");
  EXPECT_EQ(a.seen->last(LinkEvent::up).peer, "b");
  EXPECT_EQ(a.seen->last(LinkEvent::up).incarnation, 22u);
  EXPECT_EQ(b.seen->last(LinkEvent::up).peer, "a");
  EXPECT_EQ(b.seen->last(LinkEvent::up).incarnation, 11u);
  ASSERT_TRUE(a.links->send("b", channel, "to b"));
  ASSERT_TRUE(b.links->send("a", channel + 1, "to a"));
  ASSERT_TRUE(a.seen->frames.wait_count(1) && b.seen->frames.wait_count(1));
  EXPECT_EQ(b.seen->frames.all()[0].frame, "to b");
  EXPECT_EQ(b.seen->frames.all()[0].channel, channel);
  EXPECT_EQ(a.seen->frames.all()[0].frame, "to a");
  EXPECT_EQ(a.seen->frames.all()[0].channel, channel + 1);
  const auto status = a.status();
  EXPECT_EQ(status.peer, "b");
  EXPECT_EQ(status.state, LinkState::up);
  EXPECT_TRUE(status.dials);
  EXPECT_FALSE(b.status().dials);
  EXPECT_EQ(status.incarnation, 22u);
  EXPECT_EQ(status.times_up, 1u);
  EXPECT_EQ(status.bytes_sent, 4u);
  EXPECT_EQ(status.frames_received, 1u);
}

TEST_F(LinkTest, TheListenerMaySendAsSoonAsThePeerIsUp) {
  auto a = start("a");
  auto b = start("b");
  a.seen->on_up = [&](const NodeName& peer) { EXPECT_TRUE(a.links->send(peer, channel, "first")); };
  connect(a, "a", b, "b");
  EXPECT_TRUE(b.seen->frames.wait_count(1));
}

TEST_F(LinkTest, WithoutALinkSendingIsUnavailable) {
  auto a = start("a");
  EXPECT_EQ(a.links->send("b", channel, "x").error().code, Errc::unavailable);
  ASSERT_TRUE(a.links->set_peers({{"b", {"127.0.0.1:1"}}}));
  EXPECT_EQ(a.links->send("b", channel, "x").error().code, Errc::unavailable);
}

TEST_F(LinkTest, APeerThatStopsIsDownAtOnce) {
  auto a = start("a");
  auto b = start("b");
  connect(a, "a", b, "b");
  b.links->stop();
  EXPECT_EQ(b.seen->last(LinkEvent::down).code, Errc::cancelled);
  ASSERT_TRUE(a.seen->wait(LinkEvent::down));
  EXPECT_EQ(a.seen->last(LinkEvent::down).code, Errc::unavailable);
  EXPECT_EQ(a.links->send("b", channel, "x").error().code, Errc::unavailable);
  EXPECT_EQ(b.links->send("a", channel, "x").error().code, Errc::unavailable);
  EXPECT_FALSE(a.status().last_error.empty());
}

TEST_F(LinkTest, HeartbeatsKeepAnIdleLinkUp) {
  auto a = start(quick(options("a")));
  auto b = start(quick(options("b")));
  connect(a, "a", b, "b");
  // The only frame arrives three times the silence later.
  a.links->inject("b", {false, false, 1'200ms, 0});
  ASSERT_TRUE(a.links->send("b", channel, "late"));
  ASSERT_TRUE(b.seen->frames.wait_count(1));
  EXPECT_TRUE(a.seen->of(LinkEvent::down).empty() && b.seen->of(LinkEvent::down).empty());
}

TEST_F(LinkTest, ASilentPeerIsDownOnBothEndsAndUpAgainOnceTheCutHeals) {
  auto a = start(quick(options("a")));
  auto b = start(quick(options("b")));
  connect(a, "a", b, "b");
  const auto cut_at = std::chrono::steady_clock::now();
  a.links->inject("b", {true, true, {}, 0});
  b.links->inject("a", {true, true, {}, 0});
  ASSERT_TRUE(a.seen->wait(LinkEvent::down) && b.seen->wait(LinkEvent::down));
  // The silence of 400 ms, and time for a slow machine; far from the bound of any other timeout.
  EXPECT_LT(std::chrono::steady_clock::now() - cut_at, 5s);
  EXPECT_EQ(a.seen->last(LinkEvent::down).code, Errc::timed_out);
  EXPECT_EQ(b.seen->last(LinkEvent::down).code, Errc::timed_out);
  a.links->inject("b", {});
  b.links->inject("a", {});
  ASSERT_TRUE(a.seen->wait(LinkEvent::up, 2) && b.seen->wait(LinkEvent::up, 2));
  ASSERT_TRUE(b.links->send("a", channel, "healed"));
  EXPECT_TRUE(a.seen->frames.wait_count(1));
}

TEST_F(LinkTest, ACutOfOneDirectionIsNoticedByWhoHearsNothing) {
  auto a = start(quick(options("a")));
  auto b = start(quick(options("b")));
  connect(a, "a", b, "b");
  a.links->inject("b", {true, false, {}, 0});
  ASSERT_TRUE(b.seen->wait(LinkEvent::down) && a.seen->wait(LinkEvent::down));
  EXPECT_EQ(b.seen->last(LinkEvent::down).code, Errc::timed_out);
  EXPECT_EQ(a.seen->last(LinkEvent::down).code, Errc::unavailable) << "b hangs up, and a hears it";
  a.links->inject("b", {});
  EXPECT_TRUE(a.seen->wait(LinkEvent::up, 2));
}

TEST_F(LinkTest, LossAndDelayAreOfFramesSentAndKeepTheirOrder) {
  auto a = start("a");
  auto b = start("b");
  connect(a, "a", b, "b");
  a.links->inject("b", {false, false, {}, 1.0});
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(a.links->send("b", channel, "lost"));
  a.links->inject("b", {false, false, 50ms, 0});
  ASSERT_TRUE(a.links->send("b", channel, "1"));
  a.links->inject("b", {});
  ASSERT_TRUE(a.links->send("b", channel, "2"));
  ASSERT_TRUE(b.seen->frames.wait_count(2));
  EXPECT_EQ(b.seen->frames.all()[0].frame, "1");
  EXPECT_EQ(b.seen->frames.all()[1].frame, "2");
}

TEST_F(LinkTest, ANewerIncarnationTakesThePlaceAndAnOlderIsRefused) {
  auto b = start("b");
  auto old_a = start("a", 5);
  connect(old_a, "a", b, "b");
  auto new_a = start("a", 6);
  ASSERT_TRUE(new_a.links->set_peers({{"b", {b.links->address()}}}));
  ASSERT_TRUE(new_a.seen->wait(LinkEvent::up));
  ASSERT_TRUE(b.seen->wait(LinkEvent::up, 2));
  EXPECT_EQ(b.seen->last(LinkEvent::down).code, Errc::conflict);
  EXPECT_EQ(b.seen->last(LinkEvent::up).incarnation, 6u);
  // The older one lost its link, dials again, and learns why it is not let in.
  ASSERT_TRUE(old_a.seen->wait(LinkEvent::down));
  ASSERT_TRUE(old_a.seen->wait(LinkEvent::warning));
  EXPECT_THAT(old_a.seen->last(LinkEvent::warning).text, HasSubstr("incarnation 5, older than the one seen, 6"));
  EXPECT_EQ(b.seen->of(LinkEvent::up).size(), 2u);
  EXPECT_EQ(new_a.status().state, LinkState::up);
  // Also once the newer one is gone.
  new_a.links->stop();
  ASSERT_TRUE(b.seen->wait(LinkEvent::down, 2));
  auto stale_a = start("a", 4);
  ASSERT_TRUE(stale_a.links->set_peers({{"b", {b.links->address()}}}));
  ASSERT_TRUE(stale_a.seen->wait(LinkEvent::warning));
  EXPECT_EQ(b.seen->of(LinkEvent::up).size(), 2u);
}

TEST_F(LinkTest, WhoIsDialledMayStartAgainElsewhere) {
  auto a = start("a");
  auto b = start("b", 1);
  connect(a, "a", b, "b");
  b.links->stop();
  ASSERT_TRUE(a.seen->wait(LinkEvent::down));
  auto new_b = start("b", 2);
  ASSERT_TRUE(new_b.links->set_peers({{"a", {a.links->address(), false}}}));
  ASSERT_TRUE(a.links->set_peers({{"b", {new_b.links->address()}}}));
  ASSERT_TRUE(a.seen->wait(LinkEvent::up, 2));
  EXPECT_EQ(a.seen->last(LinkEvent::up).incarnation, 2u);
  new_b.links->stop();
  auto old_b = start("b", 1);
  ASSERT_TRUE(old_b.links->set_peers({{"a", {a.links->address(), false}}}));
  ASSERT_TRUE(a.links->set_peers({{"b", {old_b.links->address()}}}));
  ASSERT_TRUE(a.seen->wait(LinkEvent::warning));
  EXPECT_THAT(a.seen->last(LinkEvent::warning).text, HasSubstr("older than the one seen"));
  EXPECT_TRUE(old_b.seen->of(LinkEvent::up).empty());
}

TEST_F(LinkTest, ARestartAtTheSameAddressIsFoundByDialling) {
  auto a = start("a");
  auto b = start("b", 1);
  connect(a, "a", b, "b");
  auto again = options("b", 2);
  again.listen = b.links->address();
  b.links.reset();
  b = start(again);
  ASSERT_TRUE(b.links->set_peers({{"a", {a.links->address(), false}}}));
  ASSERT_TRUE(a.seen->wait(LinkEvent::up, 2));
  EXPECT_EQ(a.seen->last(LinkEvent::up).incarnation, 2u);
}

TEST_F(LinkTest, WhoIsNoLongerKnownLosesItsLinkAndReturnsAsAGuest) {
  auto a = start("a");
  auto b = start("b");
  connect(a, "a", b, "b");
  ASSERT_TRUE(b.links->set_peers({}));
  ASSERT_TRUE(b.seen->wait(LinkEvent::down));
  EXPECT_EQ(b.seen->last(LinkEvent::down).code, Errc::not_found);
  ASSERT_TRUE(a.seen->wait(LinkEvent::up, 2)) << "a still dials";
  ASSERT_TRUE(b.seen->wait(LinkEvent::up, 2));
  ASSERT_TRUE(b.links->send("a", 1, "hello"));
  EXPECT_TRUE(a.seen->frames.wait_count(1));
}

TEST_F(LinkTest, AGuestIsForgottenWithItsLink) {
  auto a = start("a");
  auto b = start("b");
  ASSERT_TRUE(b.links->set_peers({{"a", {a.links->address()}}})) << "the larger name dials, since a does not know it";
  ASSERT_TRUE(a.seen->wait(LinkEvent::up) && b.seen->wait(LinkEvent::up));
  EXPECT_EQ(a.links->status().size(), 1u);
  ASSERT_TRUE(a.links->set_peers({{"b", {b.links->address()}}})) << "a guest that becomes known keeps its link";
  ASSERT_TRUE(a.links->send("b", 1, "hello"));
  ASSERT_TRUE(b.seen->frames.wait_count(1));
  EXPECT_EQ(a.seen->of(LinkEvent::down).size(), 0u);
  auto c = start("c");
  ASSERT_TRUE(c.links->set_peers({{"a", {a.links->address()}}}));
  ASSERT_TRUE(a.seen->wait(LinkEvent::up, 2));
  c.links.reset();
  ASSERT_TRUE(a.seen->wait(LinkEvent::down));
  // It is forgotten a little after its end is told.
  const auto until = std::chrono::steady_clock::now() + patience;
  while (a.links->status().size() > 1 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  EXPECT_EQ(a.links->status().size(), 1u) << "of c nothing is kept";
}

TEST_F(LinkTest, WhoShouldBeDialledDialsAfterAWhile) {
  auto a = start("a");
  auto options = this->options("b");
  options.dial_patience = 30ms;
  auto b = start(options);
  ASSERT_TRUE(b.links->set_peers({{"a", {a.links->address(), false}}})) << "a does not know b";
  ASSERT_TRUE(a.seen->wait(LinkEvent::up) && b.seen->wait(LinkEvent::up));
  EXPECT_FALSE(b.status().dials);
  a.links->stop();
  ASSERT_TRUE(b.seen->wait(LinkEvent::down));
  auto new_a = start("a", 2);
  ASSERT_TRUE(b.links->set_peers({{"a", {new_a.links->address(), false}}}));
  ASSERT_TRUE(b.seen->wait(LinkEvent::up, 2)) << "and again when the link broke";
}

TEST_F(LinkTest, OfTwoConnectionsThatCrossOneStays) {
  for (int round = 0; round < 20; ++round) {
    auto a = start("a");
    auto b = start("b");
    // Whichever stays, what is sent over it when it is up arrives.
    a.seen->on_up = [&](const NodeName& peer) { (void)a.links->send(peer, 1, "hello"); };
    b.seen->on_up = [&](const NodeName& peer) { (void)b.links->send(peer, 1, "hello"); };
    ASSERT_TRUE(a.links->set_peers({{"b", {b.links->address()}}}));
    ASSERT_TRUE(b.links->set_peers({{"a", {a.links->address()}}}));
    EXPECT_TRUE(a.seen->frames.wait_count(1));
    EXPECT_TRUE(b.seen->frames.wait_count(1));
  }
}

TEST_F(LinkTest, PeersAreCheckedBeforeAnythingChanges) {
  auto a = start("a");
  EXPECT_EQ(a.links->set_peers({{"B", {"127.0.0.1:1", false}}}).error().code, Errc::invalid_name);
  for (const auto* bad : {"", "host", "host:", ":1", "host:x", "host:65536", "::1:5", "[::1]", "host:-1"})
    EXPECT_EQ(a.links->set_peers({{"b", {bad}}}).error().code, Errc::invalid_argument) << bad;
  EXPECT_TRUE(a.links->set_peers({{"b", {"[::1]:1"}}, {"c", {"localhost:1"}}, {"a", {"itself", false}}}));
}

TEST_F(LinkTest, FindsPeersByName) {
  auto a = start("a");
  auto b = start("b");
  const auto port = b.links->address().substr(b.links->address().rfind(':'));
  ASSERT_TRUE(b.links->set_peers({{"a", {a.links->address(), false}}}));
  ASSERT_TRUE(a.links->set_peers({{"b", {"localhost" + port}}}));
  EXPECT_TRUE(a.seen->wait(LinkEvent::up)) << a.status().last_error;
}

TEST_F(LinkTest, WhatCannotStartSaysWhy) {
  const auto expect = [&](const LinkOptions& options, Errc code, const std::string& word) {
    const auto links = Links::start(options, std::make_shared<Recorder>());
    ASSERT_FALSE(links);
    EXPECT_EQ(links.error().code, code);
    EXPECT_THAT(links.error().message, HasSubstr(word));
  };
  auto b = options("b");
  auto wrong = options("a");
  wrong.certificate = b.certificate;
  wrong.key = b.key;
  expect(wrong, Errc::bad_config, "is the certificate of b, not of a");
  wrong = options("a");
  wrong.key = b.key;
  expect(wrong, Errc::bad_config, "b.key");
  wrong = options("a");
  wrong.authority = folder_ / "none.pem";
  expect(wrong, Errc::bad_config, "none.pem");
  wrong = options("a");
  wrong.authority = b.certificate;
  expect(wrong, Errc::bad_config, "is not good under");
  wrong = options("a");
  wrong.listen = "localhost:0";
  expect(wrong, Errc::bad_config, "localhost");
  wrong = options("a");
  wrong.silence_timeout = wrong.heartbeat_interval;
  expect(wrong, Errc::bad_config, "silence_timeout");
  auto taken = start("b");
  wrong = options("a");
  wrong.listen = taken.links->address();
  expect(wrong, Errc::io, taken.links->address());
}

TEST_F(LinkTest, NothingIsCalledAfterAStopUnderTraffic) {
  auto a = start("a");
  auto b = start("b");
  std::atomic<bool> stop{false};
  const auto ignore = [](const NodeName&, std::uint8_t, Bytes) {};
  a.seen->on_frame = b.seen->on_frame = ignore;
  connect(a, "a", b, "b");
  const auto send = [&stop](Links& from, const NodeName& to) {
    for (int i = 0; !stop; ++i)
      if (!from.send(to, i % 10 ? channel : first_bulk_channel, Bytes(i % 10 ? 100 : 100'000, 'x')))
        std::this_thread::yield();
  };
  std::thread from_a([&] { send(*a.links, "b"); });
  std::thread from_b([&] { send(*b.links, "a"); });
  const bool flowed = a.seen->events.wait([&](const auto&) { return true; });
  while (flowed && (a.seen->calls < 1'000 || b.seen->calls < 1'000)) std::this_thread::yield();
  a.links->stop();
  const auto calls = a.seen->calls.load();
  EXPECT_EQ(a.seen->last(LinkEvent::down).code, Errc::cancelled);
  EXPECT_TRUE(b.seen->wait(LinkEvent::down));
  stop = true;
  from_a.join();
  from_b.join();
  EXPECT_EQ(a.seen->calls.load(), calls);
  EXPECT_EQ(a.seen->of(LinkEvent::down).size(), 1u);
  a.links->stop();
}

}  // namespace
}  // namespace cairn::actors::test
