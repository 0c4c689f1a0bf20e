#include "storage/write_batch.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "protocol/codec.hpp"
#include "protocol/digest.hpp"

namespace cairn::storage {
namespace {

// So few are found faster by looking at each.
constexpr std::size_t rows_without_slots = 8;
constexpr std::size_t first_slots = 64;
// So many are put in order at once, so that whoever walks them never waits long.
constexpr std::size_t max_unordered_rows = 4'096;
// What a row, its two strings and its share of the slots take beside the bytes themselves.
constexpr std::uint64_t row_bytes = 180;

std::uint64_t cost(const WriteBatch::Row& row) {
  return row_bytes + row.key.size() + (row.value ? row.value->size() : 0);
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

void WriteBatch::take_in(WriteBatch&& newer) {
  if (empty()) std::swap(*this, newer);
  for (auto& row : newer.rows_) {
    if (auto* there = find(row->key, row->hash)) {
      bytes_ += cost(*row) - cost(*there);
      there->value = std::move(row->value);
    } else {
      add(std::move(row));
    }
  }
  newer.clear();
}

const WriteBatch::Row* WriteBatch::find(BytesView key) const { return empty() ? nullptr : find(key, hash_of(key)); }

WriteBatch::Row* WriteBatch::find(BytesView key, std::uint64_t hash) const {
  if (slots_.empty()) {
    for (const auto& row : rows_)
      if (row->hash == hash && row->key == key) return row.get();
    return nullptr;
  }
  const auto mask = slots_.size() - 1;
  for (auto at = hash & mask; slots_[at].row; at = (at + 1) & mask)
    if (slots_[at].hash == hash && slots_[at].row->key == key) return slots_[at].row;
  return nullptr;
}

void WriteBatch::set(BytesView key, std::optional<BytesView> value) {
  if (key.empty() || key.front() == '\0') std::abort();
  const auto hash = hash_of(key);
  auto owned = value ? std::optional<Bytes>(*value) : std::nullopt;
  auto* there = find(key, hash);
  if (!there) return add(std::make_unique<Row>(Row{Bytes(key), std::move(owned), hash}));
  bytes_ -= cost(*there);
  there->value = std::move(owned);
  bytes_ += cost(*there);
}

void WriteBatch::add(std::unique_ptr<Row> row) {
  bytes_ += cost(*row);
  rows_.push_back(std::move(row));
  if (slots_.empty() ? rows_.size() > rows_without_slots : rows_.size() > slots_.size() / 2) {
    slots_.assign(std::max(first_slots, 2 * slots_.size()), {});
    for (const auto& each : rows_) put_in_slot(*each);
  } else if (!slots_.empty()) {
    put_in_slot(*rows_.back());
  }
  if (rows_.size() - ordered_.size() >= max_unordered_rows) order();
}

void WriteBatch::put_in_slot(Row& row) {
  const auto mask = slots_.size() - 1;
  auto at = row.hash & mask;
  while (slots_[at].row) at = (at + 1) & mask;
  slots_[at] = {row.hash, &row};
}

const WriteBatch::Changes& WriteBatch::changes() const {
  order();
  return ordered_;
}

// Rows of one account and kind mostly come one after the other, so that sorted ones find their place near the last.
void WriteBatch::order() const {
  if (ordered_.size() == rows_.size()) return;
  std::vector<const Row*> fresh;
  fresh.reserve(rows_.size() - ordered_.size());
  for (auto at = ordered_.size(); at < rows_.size(); ++at) fresh.push_back(rows_[at].get());
  std::sort(fresh.begin(), fresh.end(), Before());
  auto near = ordered_.end();
  for (const auto* row : fresh) near = std::next(ordered_.insert(near, row));
}

}  // namespace cairn::storage
