// A compact binary form for rows, log records and actor messages: varints, fixed big-endian numbers,
// length-prefixed bytes. Every value has one form only. A Reader never reads outside its input: after
// the first bad byte it is failed() and answers zeros, so a decoder checks once, at its end. Plain
// values, any thread.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

#include "protocol/bytes.hpp"

namespace cairn {

class Writer {
 public:
  Writer& u8(std::uint8_t n) {
    *room(1) = static_cast<char>(n);
    ++size_;
    return *this;
  }
  Writer& u16(std::uint16_t n) { return fixed(n); }  ///< big-endian
  Writer& u32(std::uint32_t n) { return fixed(n); }  ///< big-endian
  Writer& u64(std::uint64_t n) { return fixed(n); }  ///< big-endian
  /// LEB128, 1 to 10 bytes.
  Writer& varint(std::uint64_t n) {
    constexpr std::size_t most = 10;
    auto* const first = room(most);
    auto* at = first;
    for (; n >= 0x80; n >>= 7) *at++ = static_cast<char>(n | 0x80);
    *at++ = static_cast<char>(n);
    size_ += static_cast<std::size_t>(at - first);
    return *this;
  }
  /// Zigzag LEB128.
  Writer& svarint(std::int64_t n) {
    return varint(static_cast<std::uint64_t>(n) << 1 ^ static_cast<std::uint64_t>(n >> 63));
  }
  /// A byte string whose order equals the order of `n`: a byte with the count, then big-endian bytes.
  Writer& ordered(std::uint64_t n);
  Writer& raw(BytesView bytes) {
    if (bytes.empty()) return *this;
    std::memcpy(room(bytes.size()), bytes.data(), bytes.size());
    size_ += bytes.size();
    return *this;
  }
  /// varint length, then the bytes.
  Writer& bytes(BytesView bytes) { return varint(bytes.size()).raw(bytes); }

  /// Until the next call.
  BytesView view() const { return {large_.empty() ? small_ : large_.data(), size_}; }
  Bytes take();

 private:
  template <class Number>
  Writer& fixed(Number n) {
    auto* const digits = room(sizeof n);
    for (std::size_t i = sizeof n; i-- > 0; n = static_cast<Number>(n >> 8)) digits[i] = static_cast<char>(n);
    size_ += sizeof n;
    return *this;
  }
  /// For so many bytes more, which are to be counted when they are there.
  char* room(std::size_t count) {
    if (capacity_ - size_ < count) grow(count);
    return (large_.empty() ? small_ : large_.data()) + size_;
  }
  void grow(std::size_t count);

  // Most of what is written is a row of some ten to two hundred bytes: one allocation when it is taken is all it needs.
  char small_[256];
  Bytes large_;  // not empty: what was written is here
  std::size_t size_ = 0;
  std::size_t capacity_ = sizeof small_;
};

class Reader {
 public:
  explicit Reader(BytesView in) : in_(in) {}

  std::uint8_t u8() { return fixed<std::uint8_t>(); }
  std::uint16_t u16() { return fixed<std::uint16_t>(); }
  std::uint32_t u32() { return fixed<std::uint32_t>(); }
  std::uint64_t u64() { return fixed<std::uint64_t>(); }
  /// Refuses what the Writer would not have written: over 64 bits, or longer than needed.
  std::uint64_t varint() {
    if (!in_.empty() && static_cast<std::uint8_t>(in_[0]) < 0x80) {
      const auto n = static_cast<std::uint8_t>(in_[0]);
      in_.remove_prefix(1);
      return n;
    }
    return long_varint();
  }
  std::int64_t svarint() {
    const auto n = varint();
    return static_cast<std::int64_t>(n >> 1 ^ (~(n & 1) + 1));
  }
  std::uint64_t ordered();
  BytesView raw(std::size_t count) {
    if (count > in_.size()) {
      fail();
      return {};
    }
    const auto out = in_.substr(0, count);
    in_.remove_prefix(count);
    return out;
  }
  BytesView bytes() {
    const auto count = varint();
    return raw(count);
  }
  BytesView rest() { return raw(in_.size()); }

  bool failed() const { return failed_; }
  /// Everything was read and nothing was bad.
  bool finished() const { return !failed_ && in_.empty(); }
  std::size_t remaining() const { return in_.size(); }
  /// For a decoder that meets a value it must refuse.
  void fail() {
    failed_ = true;
    in_ = {};
  }

 private:
  template <class Number>
  Number fixed() {
    const auto digits = raw(sizeof(Number));
    std::uint64_t n = 0;
    for (const char digit : digits) n = n << 8 | static_cast<std::uint8_t>(digit);
    return static_cast<Number>(n);
  }
  std::uint64_t long_varint();

  BytesView in_;
  bool failed_ = false;
};

}  // namespace cairn
