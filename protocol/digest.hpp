// SHA-256, CRC-32C, HMAC and random bytes: what both sides of a border must compute alike. Any thread.
#pragma once

#include <cstdint>

#include "protocol/bytes.hpp"
#include "protocol/ids.hpp"

namespace cairn {

/// SHA-256 of `bytes` as a block id.
BlockId sha256(BytesView bytes);

/// HMAC-SHA-256, 32 bytes.
Bytes hmac_sha256(BytesView key, BytesView message);

/// CRC-32C (Castagnoli) of `bytes`, continuing from `seed`, the result of a former call. By the
/// processor's instruction where it has one.
std::uint32_t crc32c(BytesView bytes, std::uint32_t seed = 0);
/// The same without the instruction; for processors that lack it.
std::uint32_t crc32c_portable(BytesView bytes, std::uint32_t seed = 0);

/// `count` bytes from the operating system's generator; aborts if it cannot give them.
Bytes random_bytes(std::size_t count);

/// Compares in a time that depends on the lengths only.
bool equal_constant_time(BytesView a, BytesView b);

}  // namespace cairn
