// TLS for links, without sockets: bytes in, bytes out. TLS 1.2 or newer, both ends by certificates of the
// cluster's authority, no resumption, no renegotiation. A TlsContext may be shared by threads; a TlsSession
// belongs to one.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <optional>
#include <string>

#include "protocol/bytes.hpp"
#include "protocol/error.hpp"

namespace cairn::actors {

class TlsContext {
 public:
  /// Reads PEM files. The certificate must be the authority's and name `node`. Errors: bad_config, which names the
  /// file.
  static Result<std::shared_ptr<const TlsContext>> open(const std::string& node, const std::string& certificate,
                                                        const std::string& key, const std::string& authority);
  explicit TlsContext(SSL_CTX* context) : context_(context) {}
  ~TlsContext() { SSL_CTX_free(context_); }
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  SSL_CTX* raw() const { return context_; }

 private:
  SSL_CTX* context_;
};

class TlsSession {
 public:
  enum class Side { dials, listens };

  TlsSession(std::shared_ptr<const TlsContext> context, Side side);
  ~TlsSession() { SSL_free(ssl_); }
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  /// Gives bytes from the socket; all are used up before the next are given.
  void give(BytesView received) { in_ = received; }
  /// Goes on with the handshake; true once it is done. Errors: permission_denied (the peer's certificate or ours was
  /// refused), protocol.
  Result<bool> shake_hands();
  /// Fills up to `size` bytes; 0 when more must be given. Errors: unavailable (the peer closed), protocol.
  Result<std::size_t> read(char* into, std::size_t size);
  /// Encrypts all of `plain` into outgoing(). Only after the handshake.
  Result<void> write(BytesView plain);
  /// Says goodbye, into outgoing().
  void close();
  /// What is to be written to the socket, appended to by every other call. The caller clears it.
  Bytes& outgoing() { return out_; }
  /// The one common name in the peer's certificate, which is a node name. After the handshake; nothing if it has none.
  std::optional<std::string> peer_name() const;

 private:
  friend struct SessionBytes;
  Error failed(int result, const char* doing) const;

  std::shared_ptr<const TlsContext> context_;
  SSL* ssl_;
  BytesView in_;
  Bytes out_;
};

}  // namespace cairn::actors
