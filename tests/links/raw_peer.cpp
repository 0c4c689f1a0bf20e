#include "tests/links/raw_peer.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/events.hpp"

namespace cairn::actors::test {

using cairn::test::patience;

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

}  // namespace cairn::actors::test
