// Keys as numbers, which are compared faster than texts.
#pragma once

#include <endian.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "protocol/bytes.hpp"

namespace cairn::storage {

/// The first 8·N bytes of a key as big-endian words, zeros behind a shorter one: where the words of two keys differ,
/// the keys have that order.
template <std::size_t N>
std::array<std::uint64_t, N> key_words(BytesView key) {
  std::array<char, 8 * N> bytes{};
  key.copy(bytes.data(), bytes.size());
  std::array<std::uint64_t, N> words;
  std::memcpy(words.data(), bytes.data(), bytes.size());
  for (auto& word : words) word = be64toh(word);
  return words;
}

}  // namespace cairn::storage
