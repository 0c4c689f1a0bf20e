// A peer of links that does whatever a test wants. Blocks, with a bound. One thread.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "actors/link_frames.hpp"
#include "actors/link_tls.hpp"

namespace cairn::actors::test {

/// A connection that speaks TLS with any certificate and says what it is told.
class RawPeer {
 public:
  /// Without TLS if `tls` is null.
  RawPeer(const std::string& address, std::shared_ptr<const TlsContext> tls);
  ~RawPeer();
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;

  bool shake_hands();
  void send_raw(BytesView bytes);
  void say(ChunkKind kind, std::uint8_t channel, BytesView payload);
  void send_plain(BytesView bytes);
  /// The next control chunk, heartbeats left out; an Error once the connection ended.
  Result<std::pair<ChunkKind, Bytes>> hear();
  /// Waits for the end of the connection; false if it did not come in time.
  bool ended();

 private:
  bool receive();

  int socket_ = -1;
  std::unique_ptr<TlsSession> tls_;
  FrameReader reader_;
  Bytes received_;
  std::vector<std::pair<ChunkKind, Bytes>> heard_;
};

}  // namespace cairn::actors::test
