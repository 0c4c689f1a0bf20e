#include "actors/link_tls.hpp"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "protocol/certificates.hpp"
#include "protocol/limits.hpp"

namespace cairn::actors {

/// OpenSSL's view of a session's bytes: reads what was given, writes to what goes out.
struct SessionBytes {
  static int read(BIO* bio, char* into, int size) {
    BIO_clear_retry_flags(bio);
    auto& in = static_cast<TlsSession*>(BIO_get_data(bio))->in_;
    if (in.empty()) {
      BIO_set_retry_read(bio);
      return -1;
    }
    const auto count = in.copy(into, static_cast<std::size_t>(size));
    in.remove_prefix(count);
    return static_cast<int>(count);
  }
  static int write(BIO* bio, const char* from, int size) {
    static_cast<TlsSession*>(BIO_get_data(bio))->out_.append(from, static_cast<std::size_t>(size));
    return size;
  }
  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  static BIO* make(TlsSession* session) {
    static BIO_METHOD* const method = [] {
      auto* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "cairn link");
      if (!made) std::abort();
      BIO_meth_set_read(made, &SessionBytes::read);
      BIO_meth_set_write(made, &SessionBytes::write);
      BIO_meth_set_ctrl(made, &SessionBytes::control);
      return made;
    }();
    auto* bio = BIO_new(method);
    if (!bio) std::abort();
    BIO_set_data(bio, session);
    BIO_set_init(bio, 1);
    return bio;
  }
};

namespace {

std::optional<std::string> name_in(X509* certificate) {
  auto* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0) return std::nullopt;
  const auto* words = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
  std::string name(reinterpret_cast<const char*>(ASN1_STRING_get0_data(words)),
                   static_cast<std::size_t>(ASN1_STRING_length(words)));
  if (!check_node_name(name)) return std::nullopt;
  return name;
}

Error bad_file(const std::string& path, const char* what) {
  const auto code = ERR_get_error();
  const char* reason = code ? ERR_reason_error_string(code) : nullptr;
  ERR_clear_error();
  return {Errc::bad_config, path + " " + what + (reason ? std::string(": ") + reason : "")};
}

}  // namespace

Result<std::shared_ptr<const TlsContext>> TlsContext::open(const std::string& node, const std::string& certificate,
                                                           const std::string& key, const std::string& authority) {
  ERR_clear_error();
  auto* raw = SSL_CTX_new(TLS_method());
  if (!raw) std::abort();
  auto context = std::make_shared<const TlsContext>(raw);
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_num_tickets(raw, 0);
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_max_cert_list(raw, static_cast<long>(limits::max_link_handshake_bytes / 4));
  SSL_CTX_set_verify(raw, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_verify_depth(raw, 1);
  // AES-GCM in TLS 1.2 too; TLS 1.3 has nothing weaker.
  SSL_CTX_set_cipher_list(raw, "ECDHE+AESGCM:ECDHE+CHACHA20");
  if (SSL_CTX_load_verify_file(raw, authority.c_str()) != 1)
    return bad_file(authority, "cannot be read as the authority's certificate");
  if (SSL_CTX_use_certificate_file(raw, certificate.c_str(), SSL_FILETYPE_PEM) != 1)
    return bad_file(certificate, "cannot be read as a certificate");
  if (SSL_CTX_use_PrivateKey_file(raw, key.c_str(), SSL_FILETYPE_PEM) != 1)
    return bad_file(key, "cannot be read as the certificate's key");
  auto* own = SSL_CTX_get0_certificate(raw);
  const auto named = name_in(own);
  if (named != node)
    return Error{Errc::bad_config, certificate + " is the certificate of " + named.value_or("no node") + ", not of " +
                                       node};
  auto* check = X509_STORE_CTX_new();
  const bool ours = check && X509_STORE_CTX_init(check, SSL_CTX_get_cert_store(raw), own, nullptr) == 1 &&
                    X509_verify_cert(check) == 1;
  const auto* why = check ? X509_verify_cert_error_string(X509_STORE_CTX_get_error(check)) : "out of memory";
  const std::string reason = why;
  X509_STORE_CTX_free(check);
  ERR_clear_error();
  if (!ours) return Error{Errc::bad_config, certificate + " is not good under " + authority + ": " + reason};
  return context;
}

TlsSession::TlsSession(std::shared_ptr<const TlsContext> context, Side side)
    : context_(std::move(context)), ssl_(SSL_new(context_->raw())) {
  if (!ssl_) std::abort();
  auto* bytes = SessionBytes::make(this);
  SSL_set_bio(ssl_, bytes, bytes);
  if (side == Side::dials) SSL_set_connect_state(ssl_);
  else SSL_set_accept_state(ssl_);
}

Error TlsSession::failed(int result, const char* doing) const {
  if (result == SSL_ERROR_ZERO_RETURN) return {Errc::unavailable, "the peer closed the connection"};
  const auto code = ERR_peek_error();
  const char* reason = code ? ERR_reason_error_string(code) : nullptr;
  const long verified = SSL_get_verify_result(ssl_);
  ERR_clear_error();
  if (verified != X509_V_OK)
    return {Errc::permission_denied,
            std::string("the peer's certificate is refused: ") + X509_verify_cert_error_string(verified)};
  // Alerts by which the peer refuses our certificate: bad_certificate to access_denied, certificate_required.
  const int alert = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) - SSL_AD_REASON_OFFSET : 0;
  if ((alert >= SSL_AD_BAD_CERTIFICATE && alert <= SSL_AD_ACCESS_DENIED) || alert == SSL_AD_CERTIFICATE_REQUIRED)
    return {Errc::permission_denied, std::string("the peer refused: ") + (reason ? reason : "TLS alert")};
  return {Errc::protocol, std::string(doing) + ": " + (reason ? reason : "broken TLS")};
}

Result<bool> TlsSession::shake_hands() {
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl_);
  if (done == 1) return true;
  const int why = SSL_get_error(ssl_, done);
  if (why == SSL_ERROR_WANT_READ) return false;
  return failed(why, "TLS handshake");
}

Result<std::size_t> TlsSession::read(char* into, std::size_t size) {
  ERR_clear_error();
  std::size_t count = 0;
  const int done = SSL_read_ex(ssl_, into, size, &count);
  if (done == 1) return count;
  const int why = SSL_get_error(ssl_, done);
  if (why == SSL_ERROR_WANT_READ) return std::size_t{0};
  return failed(why, "TLS");
}

Result<void> TlsSession::write(BytesView plain) {
  if (plain.empty()) return {};
  ERR_clear_error();
  std::size_t count = 0;
  const int done = SSL_write_ex(ssl_, plain.data(), plain.size(), &count);
  if (done == 1 && count == plain.size()) return {};
  return failed(SSL_get_error(ssl_, done), "TLS");
}

void TlsSession::close() {
  ERR_clear_error();
  if (SSL_is_init_finished(ssl_)) SSL_shutdown(ssl_);
  ERR_clear_error();
}

std::optional<std::string> TlsSession::peer_name() const {
  auto* certificate = SSL_get0_peer_certificate(ssl_);
  return certificate ? name_in(certificate) : std::nullopt;
}

}  // namespace cairn::actors
