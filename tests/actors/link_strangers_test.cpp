// Who is not let in, what that costs, and what a peer may not say.
#include <sys/resource.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "protocol/codec.hpp"
#include "protocol/limits.hpp"
#include "tests/actors/link_fixture.hpp"
#include "tests/support/random.hpp"

namespace cairn::actors::test {
namespace {

using testing::HasSubstr;

/// "b", which knows "a" and "c"; tests play those.
class LinkStrangersTest : public LinkTest {
 protected:
  LinkStrangersTest() { EXPECT_TRUE(b_.links->set_peers({{"a", {"127.0.0.1:1", false}}, {"c", {"127.0.0.1:1"}}})); }

  /// What b answers to a hello, which is to be a refusal.
  Error refusal(const NodeName& certificate, const LinkHello& hello) {
    RawPeer peer(b_.links->address(), tls(certificate));
    EXPECT_TRUE(peer.shake_hands());
    peer.say(ChunkKind::hello, 0, encode(hello));
    const auto heard = peer.hear();
    EXPECT_TRUE(peer.ended());
    if (!heard) return heard.error();
    EXPECT_EQ(heard->first, ChunkKind::refuse);
    return decode_refusal(heard->second);
  }
  /// A peer "a" whose link is up.
  std::unique_ptr<RawPeer> linked() {
    auto peer = std::make_unique<RawPeer>(b_.links->address(), tls("a"));
    EXPECT_TRUE(peer->shake_hands());
    peer->say(ChunkKind::hello, 0, encode(hello("a", ++incarnation_)));
    const auto heard = peer->hear();
    EXPECT_TRUE(heard && heard->first == ChunkKind::hello);
    peer->say(ChunkKind::accept, 0, "");
    EXPECT_TRUE(b_.seen->wait(LinkEvent::up, incarnation_));
    return peer;
  }
  /// The link to `peer` goes down by what it said.
  void expect_down(RawPeer& peer, Errc code) {
    EXPECT_TRUE(b_.seen->wait(LinkEvent::down, incarnation_));
    EXPECT_EQ(b_.seen->last(LinkEvent::down).code, code) << b_.seen->last(LinkEvent::down).text;
    EXPECT_TRUE(peer.ended());
  }
  bool wait_strangers(std::uint64_t count) {
    const auto until = std::chrono::steady_clock::now() + patience;
    while (b_.links->strangers() < count && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    return b_.links->strangers() >= count;
  }

  End b_ = start("b");
  std::uint64_t incarnation_ = 0;
};

TEST_F(LinkStrangersTest, AnotherAuthorityIsRefusedByBoth) {
  ASSERT_TRUE(make_cluster_authority(folder_ / "other"));
  ASSERT_TRUE(issue_node_certificate("a", folder_ / "other", folder_ / "others"));
  auto other = options("a");
  other.certificate = folder_ / "others/a.pem";
  other.key = folder_ / "others/a.key";
  other.authority = folder_ / "other/ca.pem";
  auto a = start(other);
  ASSERT_TRUE(a.links->set_peers({{"b", {b_.links->address()}}}));
  ASSERT_TRUE(a.seen->wait(LinkEvent::warning));
  EXPECT_THAT(a.seen->last(LinkEvent::warning).text, HasSubstr("certificate is refused"));
  EXPECT_TRUE(wait_strangers(1));
  // One that trusts b, and is not trusted by it.
  auto context = TlsContext::open("a", other.certificate, other.key, other.authority);
  ASSERT_TRUE(context);
  X509_STORE_load_file(SSL_CTX_get_cert_store((*context)->raw()), (folder_ / "ca/ca.pem").c_str());
  RawPeer peer(b_.links->address(), *context);
  if (peer.shake_hands()) {
    const auto heard = peer.hear();
    ASSERT_FALSE(heard);
    EXPECT_EQ(heard.error().code, Errc::permission_denied) << heard.error().message;
  }
  EXPECT_TRUE(b_.seen->events.all().empty());
}

TEST_F(LinkStrangersTest, AnotherClusterIdIsRefused) {
  auto other = options("a");
  other.cluster_id = "another";
  auto a = start(other);
  ASSERT_TRUE(a.links->set_peers({{"b", {b_.links->address()}}}));
  ASSERT_TRUE(a.seen->wait(LinkEvent::warning) && b_.seen->wait(LinkEvent::warning));
  EXPECT_THAT(a.seen->last(LinkEvent::warning).text, HasSubstr("another cluster"));
  EXPECT_THAT(b_.seen->last(LinkEvent::warning).text, HasSubstr("another cluster"));
  EXPECT_TRUE(a.seen->of(LinkEvent::up).empty() && b_.seen->of(LinkEvent::up).empty());
}

TEST_F(LinkStrangersTest, ANodeThatDoesNotStartSaysWhy) {
  const Error why{Errc::conflict, "node.data: it is a copy"};
  tell_why_not(options("a"), {{"a", {"127.0.0.1:1"}}, {"b", {b_.links->address()}}}, why);
  ASSERT_TRUE(b_.seen->wait(LinkEvent::warning));
  EXPECT_EQ(b_.seen->last(LinkEvent::warning).peer, "a");
  EXPECT_THAT(b_.seen->last(LinkEvent::warning).text, HasSubstr("refused by the peer: node.data: it is a copy"));
  tell_why_not(options("a"), {}, why);
  tell_why_not(options("a"), {{"gone", {"127.0.0.1:1"}}}, why);
  EXPECT_TRUE(b_.seen->of(LinkEvent::up).empty());
}

TEST_F(LinkStrangersTest, WrongHellosAreRefusedWithAReason) {
  auto other_version = hello("a");
  other_version.version = link_version + 1;
  const auto version = refusal("a", other_version);
  EXPECT_EQ(version.code, Errc::protocol);
  EXPECT_THAT(version.message, HasSubstr("versions differ"));
  const auto name = refusal("a", hello("c"));
  EXPECT_EQ(name.code, Errc::permission_denied);
  EXPECT_THAT(name.message, HasSubstr("with the certificate of a"));
  EXPECT_THAT(refusal("b", hello("b")).message, HasSubstr("own name"));
  EXPECT_TRUE(b_.seen->of(LinkEvent::up).empty());
}

TEST_F(LinkStrangersTest, AnythingButAHelloComesOutOfTurn) {
  const std::pair<ChunkKind, Bytes> firsts[] = {{ChunkKind::accept, ""},     {ChunkKind::last, "frame"},
                                                {ChunkKind::heartbeat, ""},  {ChunkKind::hello, "nonsense"},
                                                {ChunkKind::hello, Bytes()}, {static_cast<ChunkKind>(99), ""}};
  for (const auto& [kind, payload] : firsts) {
    RawPeer peer(b_.links->address(), tls("a"));
    ASSERT_TRUE(peer.shake_hands());
    peer.say(kind, 0, payload);
    const auto heard = peer.hear();
    ASSERT_TRUE(heard) << heard.error().message;
    EXPECT_EQ(heard->first, ChunkKind::refuse);
    EXPECT_EQ(decode_refusal(heard->second).code, Errc::protocol);
    EXPECT_TRUE(peer.ended());
  }
}

TEST_F(LinkStrangersTest, AClockThatIsWrongIsWarnedOfAndLetIn) {
  RawPeer peer(b_.links->address(), tls("a"));
  ASSERT_TRUE(peer.shake_hands());
  auto late = hello("a");
  late.clock_millis -= 60'000;
  peer.say(ChunkKind::hello, 0, encode(late));
  ASSERT_TRUE(peer.hear());
  peer.say(ChunkKind::accept, 0, "");
  ASSERT_TRUE(b_.seen->wait(LinkEvent::up) && b_.seen->wait(LinkEvent::warning));
  EXPECT_THAT(b_.seen->last(LinkEvent::warning).text, HasSubstr("clock of a is behind"));
  EXPECT_LT(b_.status().clock_skew, -50s);
}

TEST_F(LinkStrangersTest, BadFramesEndTheLink) {
  auto peer = linked();
  peer->send_plain(Bytes("\x06\x01\x00\x01\x00\x01", 6));  // a chunk of 64 KiB and one byte
  expect_down(*peer, Errc::protocol);
  peer = linked();
  peer->send_plain(Bytes("\x06\x01\xff\xff\xff\xff", 6));
  expect_down(*peer, Errc::protocol);
  peer = linked();
  peer->say(ChunkKind::more, 1, "short");
  expect_down(*peer, Errc::protocol);
  peer = linked();
  peer->say(ChunkKind::more, 1, Bytes(limits::link_chunk_bytes, 'x'));
  peer->say(ChunkKind::last, 2, "of another channel");
  expect_down(*peer, Errc::protocol);
  peer = linked();
  peer->say(ChunkKind::hello, 0, encode(hello("a")));
  expect_down(*peer, Errc::protocol);
  peer = linked();
  peer->send_raw(Bytes(100, 'x'));  // not TLS
  expect_down(*peer, Errc::protocol);
  EXPECT_EQ(b_.seen->frames.all().size(), 0u);
}

TEST_F(LinkStrangersTest, AFrameOverTheBoundEndsTheLink) {
  auto peer = linked();
  const Bytes chunk(limits::link_chunk_bytes, 'x');
  for (std::size_t sent = 0; sent <= limits::max_link_frame_bytes; sent += chunk.size())
    peer->say(ChunkKind::more, 1, chunk);
  expect_down(*peer, Errc::too_large);
}

TEST_F(LinkStrangersTest, RandomBytesAreNoHandshake) {
  cairn::test::Random random(7);
  for (const std::size_t size : {std::size_t{1}, std::size_t{64}, std::size_t{4'096}, std::size_t{1} << 20}) {
    RawPeer peer(b_.links->address(), nullptr);
    auto bytes = random.bytes(size);
    bytes[0] = 'x';
    peer.send_raw(bytes + Bytes(64, 'y'));
    EXPECT_TRUE(peer.ended()) << size;
  }
  EXPECT_TRUE(wait_strangers(4));
}

TEST_F(LinkStrangersTest, AnEndlessHandshakeIsCutOff) {
  RawPeer peer(b_.links->address(), nullptr);
  // A client's hello that claims 100,000 bytes, in records of 16,000.
  Bytes message("\x01\x01\x86\xa0", 4);
  message.resize(100'004, '\x03');
  for (std::size_t at = 0; at < message.size(); at += 16'000) {
    const auto part = message.substr(at, 16'000);
    peer.send_raw(Writer().u8(22).u16(0x0301).u16(static_cast<std::uint16_t>(part.size())).raw(part).take());
  }
  EXPECT_TRUE(peer.ended());
  EXPECT_TRUE(wait_strangers(1));
}

TEST_F(LinkTest, AHandshakeThatDoesNotGoOnTimesOut) {
  auto impatient = options("b");
  impatient.handshake_timeout = 200ms;
  auto b = start(impatient);
  ASSERT_TRUE(b.links->set_peers({{"a", {"127.0.0.1:1", false}}}));
  RawPeer mute(b.links->address(), nullptr);
  RawPeer begun(b.links->address(), nullptr);
  begun.send_raw(BytesView("\x16\x03\x01\x02", 4));
  RawPeer known(b.links->address(), tls("a"));
  ASSERT_TRUE(known.shake_hands());
  EXPECT_TRUE(mute.ended() && begun.ended() && known.ended());
}

TEST_F(LinkTest, AThousandHalfOpenHandshakesStopNobody) {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  const auto before = files;
  files.rlim_cur = std::min<rlim_t>(files.rlim_max, 4'096);
  setrlimit(RLIMIT_NOFILE, &files);
  auto a = start("a");
  auto b = start("b");
  constexpr std::size_t count = 1'000;
  std::vector<std::unique_ptr<RawPeer>> open;
  for (std::size_t i = 0; i < count; ++i) {
    open.push_back(std::make_unique<RawPeer>(b.links->address(), nullptr));
    open.back()->send_raw(BytesView("\x16\x03\x01\x02\x00", 5));
  }
  connect(a, "a", b, "b");
  EXPECT_GE(b.links->strangers(), count - limits::max_link_handshakes);
  EXPECT_TRUE(open.front()->ended()) << "the oldest goes first";
  open.clear();
  setrlimit(RLIMIT_NOFILE, &before);
}

}  // namespace
}  // namespace cairn::actors::test
