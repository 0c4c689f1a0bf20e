#include "storage/overlay.hpp"

#include <cstring>

#include "protocol/codec.hpp"
#include "protocol/digest.hpp"

namespace cairn::storage {
namespace {

constexpr std::size_t first_slots = 64;
// What a map's node, two strings and the row's share of the slots take beside the bytes themselves.
constexpr std::uint64_t row_bytes = 160;

std::uint64_t cost(const Overlay::Row& row) {
  return row_bytes + row.first.size() + (row.second ? row.second->size() : 0);
}

std::uint64_t mixed(std::uint64_t a, std::uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

std::uint64_t word(const char* from, std::size_t size) {
  std::uint64_t out = 0;
  std::memcpy(&out, from, size);
  return out;
}

// Keys hold names that clients choose: with a secret of this process nobody can choose such as meet in one slot.
std::uint64_t hash_of(BytesView key) {
  static const struct Secret {
    std::uint64_t a, b;
  } secret = [] {
    const auto bytes = random_bytes(16);
    Reader in(bytes);
    const auto a = in.u64();
    return Secret{a, in.u64() | 1};
  }();
  auto hash = secret.a ^ key.size();
  for (; key.size() > 8; key.remove_prefix(8)) hash = mixed(hash ^ word(key.data(), 8), secret.b);
  hash = mixed(hash ^ word(key.data(), key.size()), secret.b);
  return mixed(hash, secret.a | 1);
}

}  // namespace

// The slot of the key, or the free one where it belongs.
std::size_t Overlay::place_of(BytesView key, std::uint64_t hash) const {
  const auto mask = slots_.size() - 1;
  auto at = hash & mask;
  while (slots_[at].row && (slots_[at].hash != hash || slots_[at].row->first != key)) at = (at + 1) & mask;
  return at;
}

const Overlay::Row* Overlay::find(BytesView key) const {
  return slots_.empty() ? nullptr : slots_[place_of(key, hash_of(key))].row;
}

void Overlay::put(Rows&& newer) {
  while (!newer.empty()) {
    auto node = newer.extract(newer.begin());
    if (rows_.size() >= slots_.size() / 2) grow();
    const auto hash = hash_of(node.key());
    auto& slot = slots_[place_of(node.key(), hash)];
    if (slot.row) {
      bytes_ -= cost(*slot.row);
      slot.row->second = std::move(node.mapped());
    } else {
      slot = {hash, &*rows_.insert(std::move(node)).position};
    }
    bytes_ += cost(*slot.row);
  }
}

void Overlay::grow() {
  const auto old = std::exchange(slots_, std::vector<Slot>(std::max(first_slots, 2 * slots_.size()), Slot{0, nullptr}));
  const auto mask = slots_.size() - 1;
  for (const auto& slot : old) {
    if (!slot.row) continue;
    auto at = slot.hash & mask;
    while (slots_[at].row) at = (at + 1) & mask;
    slots_[at] = slot;
  }
}

}  // namespace cairn::storage
