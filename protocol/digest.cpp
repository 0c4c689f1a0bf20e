#include "protocol/digest.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace cairn {
namespace {

/// Fetched once: looking the algorithm up costs more than hashing a short input. Lives as long as the
/// process, so that threads may hash until the very end.
const EVP_MD* sha256_algorithm() {
  static EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  if (algorithm == nullptr) std::abort();
  return algorithm;
}

constexpr std::uint32_t castagnoli = 0x82f63b78;  // reflected

constexpr auto crc_tables = [] {
  std::array<std::array<std::uint32_t, 256>, 8> tables{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? castagnoli : 0);
    tables[0][i] = crc;
  }
  for (std::size_t t = 1; t < 8; ++t)
    for (std::size_t i = 0; i < 256; ++i)
      tables[t][i] = tables[t - 1][i] >> 8 ^ tables[0][tables[t - 1][i] & 255];
  return tables;
}();

std::uint32_t crc32c_by_table(const char* data, std::size_t size, std::uint32_t crc) {
  for (; size >= 8; data += 8, size -= 8) {
    std::uint32_t low = 0;
    std::uint32_t high = 0;
    for (int i = 3; i >= 0; --i) {
      low = low << 8 | static_cast<std::uint8_t>(data[i]);
      high = high << 8 | static_cast<std::uint8_t>(data[i + 4]);
    }
    low ^= crc;
    crc = 0;
    for (int i = 0; i < 4; ++i) {
      crc ^= crc_tables[7 - i][low >> (8 * i) & 255];
      crc ^= crc_tables[3 - i][high >> (8 * i) & 255];
    }
  }
  for (; size > 0; ++data, --size)
    crc = crc >> 8 ^ crc_tables[0][(crc ^ static_cast<std::uint8_t>(*data)) & 255];
  return crc;
}

#if defined(__x86_64__)
/// So many bytes of each of three lanes are summed side by side: the instruction answers three cycles
/// after it was asked, and can be asked in each.
constexpr std::size_t lane_bytes = 1'024;

/// What lane_bytes zero bytes make of a checksum, by its bytes: it is linear in its bits.
constexpr auto after_a_lane = [] {
  std::array<std::uint32_t, 32> of_bit{};
  for (std::size_t bit = 0; bit < 32; ++bit) {
    const auto crc = std::uint32_t{1} << bit;
    of_bit[bit] = crc >> 8 ^ crc_tables[0][crc & 255];
  }
  const auto apply = [](const std::array<std::uint32_t, 32>& bits, std::uint32_t crc) {
    std::uint32_t out = 0;
    for (std::size_t bit = 0; bit < 32; ++bit)
      if (crc >> bit & 1) out ^= bits[bit];
    return out;
  };
  for (std::size_t bytes = 1; bytes < lane_bytes; bytes *= 2) {
    auto twice = of_bit;
    for (auto& crc : twice) crc = apply(of_bit, crc);
    of_bit = twice;
  }
  std::array<std::array<std::uint32_t, 256>, 4> tables{};
  for (std::size_t t = 0; t < 4; ++t)
    for (std::uint32_t i = 0; i < 256; ++i) tables[t][i] = apply(of_bit, i << (8 * t));
  return tables;
}();

std::uint32_t skip_a_lane(std::uint64_t crc) {
  return after_a_lane[0][crc & 255] ^ after_a_lane[1][crc >> 8 & 255] ^ after_a_lane[2][crc >> 16 & 255] ^
         after_a_lane[3][crc >> 24 & 255];
}

__attribute__((target("sse4.2"))) std::uint32_t crc32c_by_instruction(const char* data,
                                                                       std::size_t size,
                                                                       std::uint32_t crc) {
  const auto word_at = [](const char* at) {
    std::uint64_t word;
    std::memcpy(&word, at, sizeof word);
    return word;
  };
  std::uint64_t wide = crc;
  for (; size >= 3 * lane_bytes; data += 3 * lane_bytes, size -= 3 * lane_bytes) {
    std::uint64_t second = 0;
    std::uint64_t third = 0;
    for (std::size_t i = 0; i < lane_bytes; i += 8) {
      wide = __builtin_ia32_crc32di(wide, word_at(data + i));
      second = __builtin_ia32_crc32di(second, word_at(data + lane_bytes + i));
      third = __builtin_ia32_crc32di(third, word_at(data + 2 * lane_bytes + i));
    }
    wide = skip_a_lane(skip_a_lane(wide) ^ second) ^ third;
  }
  for (; size >= 8; data += 8, size -= 8) wide = __builtin_ia32_crc32di(wide, word_at(data));
  auto narrow = static_cast<std::uint32_t>(wide);
  for (; size > 0; ++data, --size)
    narrow = __builtin_ia32_crc32qi(narrow, static_cast<std::uint8_t>(*data));
  return narrow;
}
#endif

using CrcFunction = std::uint32_t (*)(const char*, std::size_t, std::uint32_t);

CrcFunction choose_crc() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return crc32c_by_instruction;
#endif
  return crc32c_by_table;
}

}  // namespace

BlockId sha256(BytesView bytes) {
  BlockId id;
  unsigned size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), id.bytes.data(), &size, sha256_algorithm(), nullptr) !=
          1 ||
      size != id.bytes.size())
    std::abort();
  return id;
}

Bytes hmac_sha256(BytesView key, BytesView message) {
  Bytes out(32, '\0');
  unsigned size = 0;
  const void* key_data = key.empty() ? "" : key.data();
  if (HMAC(sha256_algorithm(), key_data, static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(message.data()), message.size(),
           reinterpret_cast<unsigned char*>(out.data()), &size) == nullptr ||
      size != out.size())
    std::abort();
  return out;
}

std::uint32_t crc32c(BytesView bytes, std::uint32_t seed) {
  static const CrcFunction function = choose_crc();
  return ~function(bytes.data(), bytes.size(), ~seed);
}

std::uint32_t crc32c_portable(BytesView bytes, std::uint32_t seed) {
  return ~crc32c_by_table(bytes.data(), bytes.size(), ~seed);
}

Bytes random_bytes(std::size_t count) {
  Bytes out(count, '\0');
  for (std::size_t done = 0; done < count;) {
    const auto got = getrandom(out.data() + done, count - done, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) std::abort();
    done += static_cast<std::size_t>(got);
  }
  return out;
}

bool equal_constant_time(BytesView a, BytesView b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace cairn
