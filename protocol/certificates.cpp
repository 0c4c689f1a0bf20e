#include "protocol/certificates.hpp"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include "protocol/digest.hpp"
#include "protocol/limits.hpp"
#include "protocol/names.hpp"

namespace cairn {
namespace {

template <auto free>
struct Freed {
  template <class T>
  void operator()(T* thing) const { free(thing); }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Memory = std::unique_ptr<BIO, Freed<BIO_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>>;

constexpr long certificate_seconds = 10L * 365 * 24 * 3600 + 2L * 24 * 3600;
/// Nodes whose clocks are behind must not find a new certificate not yet valid.
constexpr long clocks_behind_seconds = 24L * 3600;

Error openssl_failed(const std::string& what) {
  char words[256] = "unknown reason";
  if (const auto code = ERR_get_error()) ERR_error_string_n(code, words, sizeof words);
  ERR_clear_error();
  return {Errc::internal, what + ": " + words};
}

Error io_failed(const std::string& path, int code) {
  return {code == EEXIST ? Errc::already_exists : Errc::io,
          code == EEXIST ? path + " is there already and is not overwritten" : path + ": " + std::strerror(code)};
}

Result<Bytes> read_whole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Error{Errc::not_found, path + ": " + std::strerror(errno)};
  return Bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

Result<void> make_folder(const std::string& folder) {
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed) return Error{Errc::io, folder + ": " + failed.message()};
  return {};
}

/// Writes a file that must not be there yet, durably. What could not be finished is removed.
Result<void> write_new(const std::string& path, BytesView content, unsigned mode) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (file < 0) return io_failed(path, errno);
  int failed = ::fchmod(file, mode) == 0 ? 0 : errno;
  while (!failed && !content.empty()) {
    const auto written = ::write(file, content.data(), content.size());
    if (written >= 0) content.remove_prefix(static_cast<std::size_t>(written));
    else if (errno != EINTR) failed = errno;
  }
  if (!failed && ::fsync(file) != 0) failed = errno;
  if (::close(file) != 0 && !failed) failed = errno;
  if (!failed) return {};
  ::unlink(path.c_str());
  return io_failed(path, failed);
}

/// The key first: a certificate without its key is of no use and would be in the way of a second try.
Result<void> write_pair(const CertificateFiles& files, BytesView certificate, BytesView key) {
  for (const auto& path : {files.certificate, files.key})
    if (std::filesystem::exists(path)) return io_failed(path, EEXIST);
  CAIRN_TRY(write_new(files.key, key, 0600));
  const auto written = write_new(files.certificate, certificate, 0644);
  if (!written) ::unlink(files.key.c_str());
  return written;
}

Bytes text_of(BIO* memory) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);
  return {data, static_cast<std::size_t>(size)};
}

Bytes pem_of(X509* certificate) {
  const Memory memory(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(memory.get(), certificate);
  return text_of(memory.get());
}

Bytes pem_of(EVP_PKEY* key) {
  const Memory memory(BIO_new(BIO_s_mem()));
  PEM_write_bio_PKCS8PrivateKey(memory.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return text_of(memory.get());
}

Result<Certificate> read_certificate(const std::string& path) {
  const auto text = read_whole(path);
  if (!text) return text.error();
  const Memory memory(BIO_new_mem_buf(text->data(), static_cast<int>(text->size())));
  Certificate certificate(PEM_read_bio_X509(memory.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  if (!certificate) return Error{Errc::corrupt, path + " holds no certificate in PEM"};
  return certificate;
}

/// Without a terminal's help: a key with a passphrase is refused, not asked for.
int no_passphrase(char*, int, int, void*) { return -1; }

Result<Key> read_key(const std::string& path) {
  const auto text = read_whole(path);
  if (!text) return text.error();
  const Memory memory(BIO_new_mem_buf(text->data(), static_cast<int>(text->size())));
  Key key(PEM_read_bio_PrivateKey(memory.get(), nullptr, no_passphrase, nullptr));
  ERR_clear_error();
  if (!key) return Error{Errc::corrupt, path + " holds no unencrypted private key in PEM"};
  return key;
}

bool add_words(X509_NAME* name, const char* field, const std::string& words) {
  return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(words.data()),
                                    static_cast<int>(words.size()), -1, 0) == 1;
}

bool add_extension(X509* certificate, X509* issuer, int kind, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, kind, value));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

/// A certificate for `key`, all but its extensions, signature and issuer.
Certificate blank(EVP_PKEY* key, const std::string& cluster_id, const std::string& common_name) {
  Certificate certificate(X509_new());
  auto serial = random_bytes(16);
  serial[0] = static_cast<char>((serial[0] & 0x7f) | 0x40);  // positive, and of one length
  const std::unique_ptr<BIGNUM, Freed<BN_free>> number(
      BN_bin2bn(reinterpret_cast<const unsigned char*>(serial.data()), static_cast<int>(serial.size()), nullptr));
  auto* name = X509_get_subject_name(certificate.get());
  const bool good = number && X509_set_version(certificate.get(), X509_VERSION_3) == 1 &&
                    BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate.get())) &&
                    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -clocks_behind_seconds) &&
                    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), certificate_seconds) &&
                    add_words(name, "O", cluster_id) && add_words(name, "CN", common_name) &&
                    X509_set_pubkey(certificate.get(), key) == 1;
  return good ? std::move(certificate) : nullptr;
}

Result<std::string> organisation(X509* certificate, const std::string& path) {
  char words[128] = {};
  const int size = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_organizationName, words,
                                             sizeof words);
  if (size != 32 || std::string_view(words).find_first_not_of("0123456789abcdef") != std::string_view::npos)
    return Error{Errc::corrupt, path + " is no certificate of a cluster's authority: it names no cluster id"};
  return std::string(words, 32);
}

std::string hex(BytesView bytes) {
  constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<std::uint8_t>(c);
    out += {digits[byte >> 4], digits[byte & 15]};
  }
  return out;
}

}  // namespace

Result<void> check_node_name(std::string_view name) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  bool good = !name.empty() && name.size() <= limits::max_node_name_bytes && plain(name.front()) && plain(name.back());
  for (const char c : name) good = good && (plain(c) || c == '-' || c == '.');
  if (good) return {};
  return Error{Errc::invalid_name, "\"" + printable(name, 80) + "\" is no node name: 1 to " +
                                       std::to_string(limits::max_node_name_bytes) +
                                       " of a-z, 0-9, - and ., with a letter or digit at both ends"};
}

Result<ClusterAuthority> make_cluster_authority(const std::string& folder) {
  CAIRN_TRY(make_folder(folder));
  const Key key(EVP_EC_gen("P-256"));
  if (!key) return openssl_failed("making a key");
  ClusterAuthority authority{hex(random_bytes(16)), {folder + "/ca.pem", folder + "/ca.key"}};
  const auto certificate = blank(key.get(), authority.cluster_id, "Cairn cluster authority");
  auto* raw = certificate.get();
  const bool good = certificate && X509_set_issuer_name(raw, X509_get_subject_name(raw)) == 1 &&
                    add_extension(raw, raw, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
                    add_extension(raw, raw, NID_key_usage, "critical,keyCertSign,cRLSign") &&
                    add_extension(raw, raw, NID_subject_key_identifier, "hash") &&
                    X509_sign(raw, key.get(), EVP_sha256()) > 0;
  if (!good) return openssl_failed("making the authority's certificate");
  CAIRN_TRY(write_pair(authority.files, pem_of(raw), pem_of(key.get())));
  return authority;
}

Result<CertificateFiles> issue_node_certificate(const std::string& node, const std::string& ca_folder,
                                                const std::string& out_folder) {
  CAIRN_TRY(check_node_name(node));
  // It would stand where an authority's own files do.
  if (node == "ca") return Error{Errc::invalid_name, "a node cannot be called ca: its files would be the authority's"};
  const auto ca_path = ca_folder + "/ca.pem";
  const auto ca = read_certificate(ca_path);
  if (!ca) return ca.error();
  const auto ca_key = read_key(ca_folder + "/ca.key");
  if (!ca_key) return ca_key.error();
  const auto cluster_id = organisation(ca->get(), ca_path);
  if (!cluster_id) return cluster_id.error();
  if (X509_check_private_key(ca->get(), ca_key->get()) != 1) {
    ERR_clear_error();
    return Error{Errc::corrupt, ca_folder + "/ca.key is not the key of " + ca_path};
  }
  CAIRN_TRY(make_folder(out_folder));
  const Key key(EVP_EC_gen("P-256"));
  if (!key) return openssl_failed("making a key");
  const auto certificate = blank(key.get(), *cluster_id, node);
  auto* raw = certificate.get();
  const bool outlives = certificate && ASN1_TIME_compare(X509_get0_notAfter(raw), X509_get0_notAfter(ca->get())) > 0;
  const bool good = certificate && X509_set_issuer_name(raw, X509_get_subject_name(ca->get())) == 1 &&
                    (!outlives || X509_set1_notAfter(raw, X509_get0_notAfter(ca->get())) == 1) &&
                    add_extension(raw, ca->get(), NID_basic_constraints, "critical,CA:FALSE") &&
                    add_extension(raw, ca->get(), NID_key_usage, "critical,digitalSignature") &&
                    add_extension(raw, ca->get(), NID_ext_key_usage, "serverAuth,clientAuth") &&
                    add_extension(raw, ca->get(), NID_subject_alt_name, ("DNS:" + node).c_str()) &&
                    add_extension(raw, ca->get(), NID_authority_key_identifier, "keyid") &&
                    X509_sign(raw, ca_key->get(), EVP_sha256()) > 0;
  if (!good) return openssl_failed("making the certificate of " + node);
  CertificateFiles files{out_folder + "/" + node + ".pem", out_folder + "/" + node + ".key"};
  CAIRN_TRY(write_pair(files, pem_of(raw), pem_of(key.get())));
  return files;
}

Result<std::string> cluster_id_of(const std::string& ca_certificate) {
  const auto certificate = read_certificate(ca_certificate);
  if (!certificate) return certificate.error();
  return organisation(certificate->get(), ca_certificate);
}

}  // namespace cairn
