#include "tests/actors/link_fixture.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

namespace cairn::actors::test {

void Recorder::link_up(const NodeName& peer, std::uint64_t incarnation) {
  ++calls;
  EXPECT_FALSE(std::exchange(up_[peer], true)) << peer << " is up twice";
  if (on_up) on_up(peer);
  events.add({LinkEvent::up, peer, incarnation, {}, {}});
}

void Recorder::link_down(const NodeName& peer, const Error& why) {
  ++calls;
  EXPECT_TRUE(std::exchange(up_[peer], false)) << peer << " is down twice";
  events.add({LinkEvent::down, peer, 0, why.code, why.message});
}

void Recorder::received(const NodeName& from, std::uint8_t channel, Bytes frame) {
  ++calls;
  EXPECT_TRUE(up_[from]) << "a frame of " << from << ", which is down";
  if (on_frame) return on_frame(from, channel, std::move(frame));
  frames.add({from, channel, std::move(frame)});
}

void Recorder::warned(const NodeName& peer, const std::string& sentence) {
  ++calls;
  events.add({LinkEvent::warning, peer, 0, {}, sentence});
}

bool Recorder::wait(LinkEvent::Kind kind, std::size_t count) {
  return events.wait([&](const auto& all) {
    return static_cast<std::size_t>(std::ranges::count(all, kind, &LinkEvent::kind)) >= count;
  });
}

std::vector<LinkEvent> Recorder::of(LinkEvent::Kind kind) const {
  auto all = events.all();
  std::erase_if(all, [&](const auto& event) { return event.kind != kind; });
  return all;
}

LinkEvent Recorder::last(LinkEvent::Kind kind) const {
  const auto all = of(kind);
  if (all.empty()) {
    ADD_FAILURE() << "there is no such event";
    return {};
  }
  return all.back();
}

LinkStatus End::status() const {
  const auto all = links->status();
  return all.empty() ? LinkStatus{} : all.front();
}

RawPeer::RawPeer(const std::string& address, std::shared_ptr<const TlsContext> tls) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  const auto colon = address.rfind(':');
  to.sin_port = htons(static_cast<std::uint16_t>(std::stoul(address.substr(colon + 1))));
  inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) ADD_FAILURE() << "cannot connect";
  if (tls) tls_ = std::make_unique<TlsSession>(std::move(tls), TlsSession::Side::dials);
}

RawPeer::~RawPeer() { ::close(socket_); }

void RawPeer::send_raw(BytesView bytes) {
  while (!bytes.empty()) {
    const auto count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return;  // the other side closed; the test will see
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

void RawPeer::send_plain(BytesView bytes) {
  EXPECT_TRUE(tls_->write(bytes));
  send_raw(std::exchange(tls_->outgoing(), {}));
}

void RawPeer::say(ChunkKind kind, std::uint8_t channel, BytesView payload) {
  Bytes chunk;
  append_chunk(chunk, kind, channel, payload);
  send_plain(chunk);
}

/// False at the end of the connection, or when nothing came in time.
bool RawPeer::receive() {
  pollfd ready{socket_, POLLIN, 0};
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(patience).count();
  if (::poll(&ready, 1, static_cast<int>(millis)) <= 0) return false;
  received_.resize(64u << 10);
  const auto count = ::recv(socket_, received_.data(), received_.size(), 0);
  received_.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  return count > 0;
}

bool RawPeer::shake_hands() {
  while (true) {
    const auto done = tls_->shake_hands();
    send_raw(std::exchange(tls_->outgoing(), {}));
    if (!done) return false;
    if (*done) return true;
    if (!receive()) return false;
    tls_->give(received_);
  }
}

Result<std::pair<ChunkKind, Bytes>> RawPeer::hear() {
  struct Heard final : FrameReader::Sink {
    explicit Heard(std::vector<std::pair<ChunkKind, Bytes>>& to) : to(to) {}
    bool control(ChunkKind kind, BytesView payload) override {
      if (kind != ChunkKind::heartbeat) to.emplace_back(kind, payload);
      return true;
    }
    bool frame(std::uint8_t, Bytes) override { return true; }
    std::vector<std::pair<ChunkKind, Bytes>>& to;
  } sink(heard_);
  while (heard_.empty()) {
    char plain[16'384];
    const auto count = tls_->read(plain, sizeof plain);
    if (!count) return count.error();
    if (*count > 0) {
      CAIRN_TRY(reader_.read({plain, *count}, sink));
      continue;
    }
    if (!receive()) return Error{Errc::unavailable, "the connection ended"};
    tls_->give(received_);
  }
  const auto first = heard_.front();
  heard_.erase(heard_.begin());
  return first;
}

bool RawPeer::ended() {
  pollfd ready{socket_, POLLIN, 0};
  const auto millis = static_cast<int>(std::chrono::milliseconds(patience).count());
  char bytes[4'096];
  while (::poll(&ready, 1, millis) > 0)
    if (::recv(socket_, bytes, sizeof bytes, 0) <= 0) return true;
  return false;
}

LinkTest::LinkTest() {
  const auto authority = make_cluster_authority(folder_ / "ca");
  if (!authority) ADD_FAILURE() << authority.error().message;
  else cluster_id_ = authority->cluster_id;
}

LinkOptions LinkTest::options(const NodeName& node, std::uint64_t incarnation) {
  if (!std::filesystem::exists(folder_ / (node + ".pem"))) {
    const auto issued = issue_node_certificate(node, folder_ / "ca", folder_.path());
    if (!issued) ADD_FAILURE() << issued.error().message;
  }
  LinkOptions out;
  out.self = node;
  out.cluster_id = cluster_id_;
  out.incarnation = incarnation;
  out.certificate = folder_ / (node + ".pem");
  out.key = folder_ / (node + ".key");
  out.authority = folder_ / "ca" + "/ca.pem";
  out.heartbeat_interval = 1s;
  out.silence_timeout = patience;
  out.handshake_timeout = patience;
  out.redial_first = 1ms;
  out.redial_most = 20ms;
  return out;
}

End LinkTest::start(const LinkOptions& options) {
  End end{std::make_shared<Recorder>(), nullptr};
  auto links = Links::start(options, end.seen);
  if (!links) ADD_FAILURE() << links.error().message;
  else end.links = std::move(*links);
  return end;
}

void LinkTest::connect(End& a, const NodeName& a_name, End& b, const NodeName& b_name) {
  EXPECT_TRUE(b.links->set_peers({{a_name, {a.links->address(), false}}}));
  EXPECT_TRUE(a.links->set_peers({{b_name, {b.links->address()}}}));
  EXPECT_TRUE(a.seen->wait(LinkEvent::up)) << a.status().last_error;
  EXPECT_TRUE(b.seen->wait(LinkEvent::up)) << b.status().last_error;
}

std::shared_ptr<const TlsContext> LinkTest::tls(const NodeName& node) {
  const auto own = options(node);
  auto context = TlsContext::open(node, own.certificate, own.key, own.authority);
  if (!context) ADD_FAILURE() << context.error().message;
  return context ? *context : nullptr;
}

LinkHello LinkTest::hello(const NodeName& node, std::uint64_t incarnation) const {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  return {link_version, cluster_id_, node, incarnation, static_cast<std::uint64_t>(millis)};
}

}  // namespace cairn::actors::test
