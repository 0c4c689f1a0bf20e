#include "protocol/ids.hpp"

#include "protocol/digest.hpp"

namespace cairn {
namespace {

constexpr std::string_view token_prefix = "cairn1_";
constexpr std::size_t account_digits = 16;
constexpr std::size_t secret_digits = 64;

void append_hex(std::string& out, std::uint8_t byte) {
  constexpr char digits[] = "0123456789abcdef";
  out.push_back(digits[byte >> 4]);
  out.push_back(digits[byte & 15]);
}

/// 0 to 15, or -1 for what is not a lower-case hexadecimal digit.
int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

Slot slot_of_login(BytesView login) {
  const auto hash = sha256(login);
  return Slot{static_cast<std::uint16_t>(hash.bytes[0] << 6 | hash.bytes[1] >> 2)};
}

std::string BlockId::hex() const {
  std::string out;
  out.reserve(2 * bytes.size());
  for (const auto byte : bytes) append_hex(out, byte);
  return out;
}

std::optional<BlockId> BlockId::from_bytes(BytesView raw) {
  BlockId id;
  if (raw.size() != id.bytes.size()) return std::nullopt;
  std::memcpy(id.bytes.data(), raw.data(), raw.size());
  return id;
}

std::string Token::text() const {
  std::string out(token_prefix);
  out.reserve(token_prefix.size() + account_digits + secret_digits);
  for (int shift = 56; shift >= 0; shift -= 8)
    append_hex(out, static_cast<std::uint8_t>(account.value >> shift));
  for (const auto byte : secret) append_hex(out, byte);
  return out;
}

std::optional<Token> Token::parse(std::string_view text) {
  if (text.size() != token_prefix.size() + account_digits + secret_digits) return std::nullopt;
  if (text.substr(0, token_prefix.size()) != token_prefix) return std::nullopt;
  text.remove_prefix(token_prefix.size());
  Token token;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int digit = hex_digit(text[i]);
    if (digit < 0) return std::nullopt;
    if (i < account_digits) {
      token.account.value = token.account.value << 4 | static_cast<unsigned>(digit);
    } else {
      auto& byte = token.secret[(i - account_digits) / 2];
      byte = static_cast<std::uint8_t>(byte << 4 | digit);
    }
  }
  return token;
}

}  // namespace cairn
