#include "storage/seal.hpp"

#include <openssl/evp.h>
#include <zstd.h>

#include <array>
#include <cstdlib>
#include <cstring>

#include "protocol/codec.hpp"
#include "protocol/digest.hpp"
#include "protocol/limits.hpp"

namespace cairn::storage {
namespace {

constexpr std::uint8_t form_version = 1;
enum Codec : std::uint8_t { raw = 0, zstd = 1 };

constexpr std::size_t nonce_bytes = 12;
constexpr std::size_t tag_bytes = 16;
constexpr std::size_t header_bytes = 1 + 1 + 4 + nonce_bytes + 4;
static_assert(header_bytes + tag_bytes == sealed_overhead_bytes);

constexpr int zstd_level = 1;
/// Compression is kept if it saves at least one part in 16.
constexpr std::size_t least_saving = 16;
constexpr std::size_t sample_bytes = 16u << 10;
constexpr std::size_t samples = 3;

struct Header {
  std::uint8_t version = form_version;
  std::uint8_t codec = Codec::raw;
  std::uint32_t key_version = 0;
  BytesView nonce;
  std::uint32_t plain_bytes = 0;
};

unsigned char* bytes_of(char* p) { return reinterpret_cast<unsigned char*>(p); }
const unsigned char* bytes_of(BytesView v) { return reinterpret_cast<const unsigned char*>(v.data()); }

/// What OpenSSL can only refuse because of a bug or for want of memory.
void must(int result) {
  if (result != 1) std::abort();
}

/// Room for compressed or still compressed bytes, kept between blocks. It grows without a copy.
class Scratch {
 public:
  char* room(std::size_t count) {
    if (count > size_) {
      bytes_.reset(new char[count]);
      size_ = count;
    }
    return bytes_.get();
  }

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t size_ = 0;
};

}  // namespace

struct Sealer::State {
  explicit State(std::shared_ptr<const KeyRing> ring)
      : keys(std::move(ring)),
        algorithm(EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr)),
        cipher(EVP_CIPHER_CTX_new()),
        compressor(ZSTD_createCCtx()),
        decompressor(ZSTD_createDCtx()) {
    if (!algorithm || !cipher || !compressor || !decompressor) std::abort();
  }
  ~State() {
    ZSTD_freeDCtx(decompressor);
    ZSTD_freeCCtx(compressor);
    EVP_CIPHER_CTX_free(cipher);
    EVP_CIPHER_free(algorithm);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  /// A key for this block alone, so that however many blocks one key of the file seals, a nonce could
  /// only repeat among seals of the same block.
  std::optional<Bytes> block_key(std::uint32_t version, const BlockId& id) const {
    const auto key = keys->sealing_key(version);
    if (key.empty()) return std::nullopt;
    Writer message;
    message.raw("cairn block key 1").u8(0).raw(id.view());
    return hmac_sha256(key, message.view());
  }

  /// Readies `cipher` and feeds it what the tag covers beside the content: header and id.
  void start(int encrypt, const Bytes& key, BytesView nonce, BytesView header, const BlockId& id) {
    must(EVP_CipherInit_ex2(cipher, algorithm, bytes_of(key), bytes_of(nonce), encrypt, nullptr));
    int done = 0;
    must(EVP_CipherUpdate(cipher, nullptr, &done, bytes_of(header), header_bytes));
    must(EVP_CipherUpdate(cipher, nullptr, &done, id.bytes.data(), static_cast<int>(id.bytes.size())));
  }

  bool looks_compressible(BytesView plain);
  /// The compressed form, in `scratch`, or nothing if it does not pay.
  std::optional<BytesView> compress(BytesView plain);

  std::shared_ptr<const KeyRing> keys;
  EVP_CIPHER* algorithm;
  EVP_CIPHER_CTX* cipher;
  ZSTD_CCtx* compressor;
  ZSTD_DCtx* decompressor;
  Scratch scratch;
};

bool Sealer::State::looks_compressible(BytesView plain) {
  if (plain.size() <= samples * sample_bytes) return true;
  const std::size_t bound = ZSTD_compressBound(sample_bytes);
  char* const room = scratch.room(bound);
  std::size_t total = 0;
  for (std::size_t i = 0; i < samples; ++i) {
    const auto piece = plain.substr((plain.size() - sample_bytes) / (samples - 1) * i, sample_bytes);
    const auto size =
        ZSTD_compressCCtx(compressor, room, bound, piece.data(), piece.size(), zstd_level);
    if (ZSTD_isError(size)) return false;
    total += size;
  }
  return total <= samples * sample_bytes / least_saving * (least_saving - 1);
}

std::optional<BytesView> Sealer::State::compress(BytesView plain) {
  const std::size_t most = plain.size() - plain.size() / least_saving;
  if (plain.size() < least_saving || !looks_compressible(plain)) return std::nullopt;
  char* const room = scratch.room(most);
  const auto size = ZSTD_compressCCtx(compressor, room, most, plain.data(), plain.size(), zstd_level);
  if (ZSTD_isError(size)) return std::nullopt;
  return BytesView(room, size);
}

Sealer::Sealer(std::shared_ptr<const KeyRing> keys) : state_(std::make_unique<State>(std::move(keys))) {}
Sealer::~Sealer() = default;
Sealer::Sealer(Sealer&&) noexcept = default;

Bytes Sealer::seal(const BlockId& id, BytesView plain) {
  if (plain.size() > limits::max_block_bytes) std::abort();
  const auto compressed = state_->compress(plain);
  const auto content = compressed.value_or(plain);
  const auto key_version = state_->keys->newest_version();
  auto key = state_->block_key(key_version, id);
  if (!key) std::abort();
  const auto nonce = random_bytes(nonce_bytes);

  Writer header;
  header.u8(form_version).u8(compressed ? Codec::zstd : Codec::raw).u32(key_version).raw(nonce);
  header.u32(static_cast<std::uint32_t>(plain.size()));

  Bytes out;
  out.reserve(header_bytes + content.size() + tag_bytes);
  out += header.view();
  out.resize(header_bytes + content.size() + tag_bytes);
  state_->start(1, *key, nonce, header.view(), id);
  explicit_bzero(key->data(), key->size());
  int done = 0;
  must(EVP_CipherUpdate(state_->cipher, bytes_of(out.data()) + header_bytes, &done, bytes_of(content),
                        static_cast<int>(content.size())));
  char* const tag = out.data() + header_bytes + content.size();
  must(EVP_CipherFinal_ex(state_->cipher, bytes_of(tag), &done));
  must(EVP_CIPHER_CTX_ctrl(state_->cipher, EVP_CTRL_AEAD_GET_TAG, tag_bytes, tag));
  return out;
}

Result<Bytes> Sealer::open(const BlockId& id, BytesView sealed) {
  const auto corrupt = [&](const char* why) {
    return Error{Errc::corrupt, "block " + id.hex() + ": " + why};
  };
  Reader in(sealed);
  Header header;
  header.version = in.u8();
  header.codec = in.u8();
  header.key_version = in.u32();
  header.nonce = in.raw(nonce_bytes);
  header.plain_bytes = in.u32();
  if (in.failed() || in.remaining() < tag_bytes) return corrupt("its sealed form is cut short");
  const auto content = in.raw(in.remaining() - tag_bytes);
  const auto tag = in.rest();
  if (header.version != form_version) return corrupt("its sealed form has an unknown version");
  if (header.codec != Codec::raw && header.codec != Codec::zstd)
    return corrupt("it names an unknown codec");
  // Checked before anything is allocated: the stated size is what bounds decompression.
  if (header.plain_bytes > limits::max_block_bytes) return corrupt("its size is over the limit");
  const bool packed = header.codec == Codec::zstd;
  if (packed ? content.size() >= header.plain_bytes : content.size() != header.plain_bytes)
    return corrupt("its size is not that of its content");
  auto key = state_->block_key(header.key_version, id);
  if (!key)
    return Error{Errc::unavailable, "block " + id.hex() + ": sealing key " +
                                        std::to_string(header.key_version) + " is not in the key file"};

  state_->start(0, *key, header.nonce, sealed.substr(0, header_bytes), id);
  explicit_bzero(key->data(), key->size());
  Bytes out(header.plain_bytes, '\0');
  char* const opened = packed ? state_->scratch.room(content.size()) : out.data();
  int done = 0;
  must(EVP_CipherUpdate(state_->cipher, bytes_of(opened), &done, bytes_of(content),
                        static_cast<int>(content.size())));
  must(EVP_CIPHER_CTX_ctrl(state_->cipher, EVP_CTRL_AEAD_SET_TAG, tag_bytes,
                           const_cast<char*>(tag.data())));
  std::array<unsigned char, 16> nothing;
  if (EVP_CipherFinal_ex(state_->cipher, nothing.data(), &done) != 1)
    return corrupt("its seal does not hold");
  if (packed) {
    const auto size =
        ZSTD_decompressDCtx(state_->decompressor, out.data(), out.size(), opened, content.size());
    if (ZSTD_isError(size) || size != out.size()) return corrupt("it does not decompress to its size");
  }
  if (sha256(out) != id) return corrupt("its bytes do not hash to its id");
  return out;
}

}  // namespace cairn::storage
