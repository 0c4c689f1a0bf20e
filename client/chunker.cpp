#include "client/chunker.hpp"

#include <array>
#include <bit>
#include <cstdlib>
#include <cstring>

#include "protocol/digest.hpp"
#include "protocol/limits.hpp"

namespace cairn::client {
namespace {

/// Normalised chunking: this many bits more before the average size, and fewer after it.
constexpr int normalisation_level = 2;
/// Bytes that the rolling hash still knows: older ones have been shifted out.
constexpr std::size_t hash_window = 64;

struct Gear {
  std::array<std::uint64_t, 256> one;   ///< a random number a byte value
  std::array<std::uint64_t, 256> two;   ///< the same, shifted by one more byte
};

/// SplitMix64 from the seed "cairn-cd" in ASCII. Part of what a stored block is: never changes.
constexpr Gear gear = [] {
  Gear out{};
  std::uint64_t state = 0x636169726e2d6364;
  for (std::size_t i = 0; i < 256; ++i) {
    state += 0x9e3779b97f4a7c15;
    std::uint64_t n = state;
    n = (n ^ n >> 30) * 0xbf58476d1ce4e5b9;
    n = (n ^ n >> 27) * 0x94d049bb133111eb;
    out.one[i] = n ^ n >> 31;
    out.two[i] = out.one[i] << 1;
  }
  return out;
}();

/// `bits` ones under the top bit, which stays clear so that two bytes can be taken in one step.
constexpr std::uint64_t mask_of(int bits) { return ((std::uint64_t{1} << bits) - 1) << (63 - bits); }

std::uint64_t value(char c) { return static_cast<std::uint8_t>(c); }

struct Scan {
  std::uint64_t hash;
  std::size_t at;
  bool found;
};

/// Rolls over [scan.at, end) until the hash has no bit of `mask`; `at` is then behind that byte.
Scan scan_to(const char* data, Scan scan, std::size_t end, std::uint64_t mask) {
  auto [hash, at, found] = scan;
  for (; at + 1 < end; at += 2) {
    hash = (hash << 2) + gear.two[value(data[at])];
    if ((hash & mask << 1) == 0) return {hash, at + 1, true};
    hash += gear.one[value(data[at + 1])];
    if ((hash & mask) == 0) return {hash, at + 2, true};
  }
  if (at < end) {
    hash = (hash << 1) + gear.one[value(data[at++])];
    if ((hash & mask) == 0) return {hash, at, true};
  }
  return {hash, at, false};
}

}  // namespace

std::size_t cut_point(BytesView bytes, const ChunkBounds& bounds) {
  if (bytes.size() <= bounds.min) return bytes.size();
  const int bits = std::countr_zero(bounds.average);
  const auto end = std::min(bytes.size(), bounds.max);
  const auto normal = std::min(end, bounds.average);
  Scan scan{0, bounds.min - hash_window, false};
  // The first bytes only fill the hash, so that a cut depends on what is near it and on nothing else.
  for (; scan.at < bounds.min; ++scan.at)
    scan.hash = (scan.hash << 1) + gear.one[value(bytes[scan.at])];
  scan = scan_to(bytes.data(), scan, normal, mask_of(bits + normalisation_level));
  if (!scan.found) scan = scan_to(bytes.data(), scan, end, mask_of(bits - normalisation_level));
  return scan.at;
}

Chunker::Chunker(ReadBytes read, ChunkBounds bounds) : read_(std::move(read)), bounds_(bounds) {
  const bool sound = bounds.min >= hash_window && bounds.min < bounds.average &&
                     bounds.average < bounds.max && bounds.max <= limits::max_block_bytes &&
                     std::has_single_bit(bounds.average);
  if (!sound) std::abort();
}

Result<void> Chunker::fill() {
  if (!buffer_) buffer_ = std::make_unique_for_overwrite<char[]>(2 * bounds_.max);
  if (begin_ + bounds_.max > 2 * bounds_.max) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  while (!at_end_ && end_ - begin_ < bounds_.max) {
    const auto got = read_(buffer_.get() + end_, 2 * bounds_.max - end_);
    if (!got.ok()) return got.error();
    at_end_ = *got == 0;
    end_ += *got;
  }
  return {};
}

Result<BytesView> Chunker::next() {
  if (error_) return *error_;
  if (!at_end_ && end_ - begin_ < bounds_.max) {
    if (const auto filled = fill(); !filled.ok()) {
      error_ = filled.error();
      return *error_;
    }
  }
  const BytesView left(buffer_.get() + begin_, end_ - begin_);
  const auto block = left.substr(0, cut_point(left, bounds_));
  begin_ += block.size();
  return block;
}

Content content_of(BytesView bytes, const ChunkBounds& bounds) {
  Content content{.size = bytes.size(), .inline_bytes = {}, .blocks = {}};
  if (bytes.size() <= limits::max_inline_bytes) {
    content.inline_bytes = bytes;
    return content;
  }
  while (!bytes.empty()) {
    const auto block = bytes.substr(0, cut_point(bytes, bounds));
    content.blocks.push_back({sha256(block), static_cast<std::uint32_t>(block.size())});
    bytes.remove_prefix(block.size());
  }
  return content;
}

}  // namespace cairn::client
