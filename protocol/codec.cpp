#include "protocol/codec.hpp"

#include <endian.h>

#include <algorithm>
#include <bit>

namespace cairn {
namespace {

constexpr std::size_t most_digits = 10;  // of a varint

/// The lower seven bits of each of eight bytes, side by side.
std::uint64_t packed(std::uint64_t bytes) {
  bytes = (bytes & 0x7f007f007f007f00) >> 1 | (bytes & 0x007f007f007f007f);
  bytes = (bytes & 0x3fff00003fff0000) >> 2 | (bytes & 0x00003fff00003fff);
  return (bytes & 0x0fffffff00000000) >> 4 | (bytes & 0x000000000fffffff);
}

}  // namespace

Bytes Writer::take() {
  auto out = large_.empty() ? Bytes(small_, size_) : std::exchange(large_, {});
  out.resize(std::exchange(size_, 0));
  capacity_ = sizeof small_;
  return out;
}

void Writer::grow(std::size_t count) {
  const auto wanted = std::max(size_ + count, 2 * capacity_);
  if (large_.empty()) {
    large_.reserve(wanted);
    large_.assign(small_, size_);
  }
  large_.resize(wanted);
  capacity_ = wanted;
}

Writer& Writer::ordered(std::uint64_t n) {
  const int count = (std::bit_width(n) + 7) / 8;
  u8(static_cast<std::uint8_t>(count));
  for (int i = count; i-- > 0;) u8(static_cast<std::uint8_t>(n >> (8 * i)));
  return *this;
}

std::uint64_t Reader::ordered() {
  const auto count = u8();
  if (count > 8) {
    fail();
    return 0;
  }
  const auto digits = raw(count);
  if (!digits.empty() && digits[0] == 0) {
    fail();
    return 0;
  }
  std::uint64_t n = 0;
  for (const char digit : digits) n = n << 8 | static_cast<std::uint8_t>(digit);
  return n;
}

// Most numbers of a row are long and lie before others, so eight digits are looked at together.
std::uint64_t Reader::long_varint() {
  if (in_.size() >= most_digits) {
    std::uint64_t word = 0;
    std::memcpy(&word, in_.data(), sizeof word);
    word = le64toh(word);
    if (const auto ends = ~word & 0x8080808080808080) {
      const auto digits = static_cast<std::size_t>(std::countr_zero(ends)) / 8 + 1;
      const auto n = packed(word & (ends ^ (ends - 1)));
      if (n >> (7 * (digits - 1)) > 0) {
        in_.remove_prefix(digits);
        return n;
      }
      fail();
      return 0;
    }
  }
  std::uint64_t n = 0;
  for (std::size_t i = 0; i < in_.size() && i < most_digits; ++i) {
    const auto digit = static_cast<std::uint8_t>(in_[i]);
    n |= std::uint64_t{digit & 0x7fu} << (7 * i);
    if (digit >= 0x80) continue;
    const bool over_64_bits = i == 9 && digit > 1;
    const bool longer_than_needed = i > 0 && digit == 0;
    if (over_64_bits || longer_than_needed) break;
    in_.remove_prefix(i + 1);
    return n;
  }
  fail();
  return 0;
}

}  // namespace cairn
