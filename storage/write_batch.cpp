#include "storage/write_batch.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "protocol/codec.hpp"
#include "protocol/digest.hpp"
#include "storage/key_words.hpp"

namespace cairn::storage {
namespace {

// So few are found faster by looking at each; most commands change fewer.
constexpr std::size_t rows_without_slots = 12;
constexpr std::size_t first_slots = 64;
// So many are put in order at once, so that whoever walks them never waits long.
constexpr std::size_t max_unordered_rows = 4'096;
// A run is put together with the next once it is not this many times larger: a row moves few times, and runs are few.
constexpr std::size_t run_growth = 4;
// What the slots, the runs and what lists the rows take for each.
constexpr std::uint64_t listing_bytes = 100;
// The first is about what a command needs; each is twice the one before.
constexpr std::size_t first_piece_bytes = 2u << 10;
constexpr std::size_t max_piece_bytes = 64u << 10;
// What is larger gets a piece of its own, so that little is lost at the end of the others.
constexpr std::size_t large_bytes = max_piece_bytes / 4;
constexpr std::size_t alignment = alignof(WriteBatch::Row);

std::uint64_t mixed(std::uint64_t a, std::uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

std::uint64_t word(const char* from, std::size_t size) {
  std::uint64_t out = 0;
  std::memcpy(&out, from, size);
  return out;
}

// From other bits than those that choose the slot.
std::uint8_t tag_of(std::uint64_t hash) { return static_cast<std::uint8_t>(hash >> 57 | 0x80); }

constexpr std::size_t aligned(std::size_t size) { return (size + alignment - 1) / alignment * alignment; }

}  // namespace

// Rows.

char* WriteBatch::Memory::take(std::size_t size) {
  taken_ += size;
  if (size > left_) {
    if (size > large_bytes) return pieces_.emplace_back(std::make_unique_for_overwrite<char[]>(size)).get();
    taken_ += left_;
    const auto doubled = first_piece_bytes << std::min<std::size_t>(pieces_.size(), 16);
    left_ = std::max(size, std::min(doubled, max_piece_bytes));
    next_ = pieces_.emplace_back(std::make_unique_for_overwrite<char[]>(left_)).get();
  }
  left_ -= size;
  return std::exchange(next_, next_ + size);
}

WriteBatch::Row::Row(BytesView key, std::uint64_t hash, std::uint32_t room)
    : hash_(hash), key_size_(static_cast<std::uint32_t>(key.size())), room_(room) {
  std::memcpy(text(), key.data(), key.size());
}

WriteBatch::Row* WriteBatch::Row::make(Memory& memory, BytesView key, std::uint64_t hash,
                                       std::optional<BytesView> value) {
  const auto used = sizeof(Row) + key.size();
  const auto size = aligned(used + (value ? value->size() : 0));
  auto* row = new (memory.take(size)) Row(key, hash, static_cast<std::uint32_t>(size - used));
  row->set(memory, value);
  return row;
}

void WriteBatch::Row::set(Memory& memory, std::optional<BytesView> value) {
  erased_ = !value;
  value_size_ = value ? static_cast<std::uint32_t>(value->size()) : 0;
  if (value_size_ == 0) return;
  // The new value may be a part of the old one.
  if (value_size_ <= room_) {
    std::memmove(larger_ ? larger_ : text() + key_size_, value->data(), value_size_);
    return;
  }
  // What it had is lost until the batch ends, so one that grows and grows is given more each time.
  const auto room = aligned(std::max<std::size_t>(value_size_, std::min<std::size_t>(2 * room_, max_piece_bytes)));
  auto* larger = memory.take(room);
  std::memcpy(larger, value->data(), value_size_);
  larger_ = larger;
  room_ = static_cast<std::uint32_t>(room);
}

// Finding.

WriteBatch& WriteBatch::operator=(WriteBatch&& other) noexcept {
  memory_ = std::exchange(other.memory_, {});
  rows_ = std::exchange(other.rows_, {});
  tags_ = std::exchange(other.tags_, {});
  slots_ = std::exchange(other.slots_, {});
  runs_ = std::exchange(other.runs_, {});
  ordered_ = std::exchange(other.ordered_, 0);
  return *this;
}

void WriteBatch::take_in(WriteBatch&& newer) {
  if (empty())
    *this = std::move(newer);
  else
    set_all(newer.rows_);
  newer.clear();
}

// Their places among the slots are fetched while others are put in theirs.
void WriteBatch::set_all(const std::vector<Row*>& rows) {
  constexpr std::size_t ahead = 8;
  for (std::size_t i = 0; i < rows.size() + ahead; ++i) {
    if (i < rows.size()) fetch_slot(rows[i]->hash_);
    if (i >= ahead) set(rows[i - ahead]->key(), rows[i - ahead]->hash_, rows[i - ahead]->value());
  }
}

std::uint64_t WriteBatch::bytes() const { return memory_.taken() + listing_bytes * rows_.size(); }

// Keys hold names that clients choose: with a secret of this process nobody can choose such as meet in one slot.
std::uint64_t WriteBatch::hash_of(BytesView key) {
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

const WriteBatch::Row* WriteBatch::find(BytesView key, std::uint64_t hash) const { return row_of(key, hash); }

WriteBatch::Row* WriteBatch::row_of(BytesView key, std::uint64_t hash) const {
  if (slots_.empty()) {
    for (auto* row : rows_)
      if (row->hash_ == hash && row->key() == key) return row;
    return nullptr;
  }
  const auto mask = slots_.size() - 1;
  const auto tag = tag_of(hash);
  for (auto at = hash & mask; tags_[at]; at = (at + 1) & mask)
    if (tags_[at] == tag && slots_[at]->hash_ == hash && slots_[at]->key() == key) return slots_[at];
  return nullptr;
}

void WriteBatch::set(BytesView key, std::uint64_t hash, std::optional<BytesView> value) {
  if (key.empty() || key.front() == '\0') std::abort();
  if (auto* there = row_of(key, hash)) return there->set(memory_, value);
  if (rows_.empty()) rows_.reserve(rows_without_slots);
  rows_.push_back(Row::make(memory_, key, hash, value));
  if (slots_.empty() ? rows_.size() > rows_without_slots : rows_.size() > slots_.size() / 2) {
    slots_.resize(std::max(first_slots, 2 * slots_.size()));
    tags_.assign(slots_.size(), 0);
    for (auto* each : rows_) put_in_slot(*each);
  } else if (!slots_.empty()) {
    put_in_slot(*rows_.back());
  }
  if (rows_.size() - ordered_ >= max_unordered_rows) order();
}

void WriteBatch::fetch_slot(std::uint64_t hash) const {
  if (slots_.empty()) return;
  const auto at = hash & (slots_.size() - 1);
  __builtin_prefetch(&tags_[at]);
  __builtin_prefetch(&slots_[at]);
}

void WriteBatch::put_in_slot(Row& row) {
  const auto mask = slots_.size() - 1;
  auto at = row.hash_ & mask;
  while (tags_[at]) at = (at + 1) & mask;
  tags_[at] = tag_of(row.hash_);
  slots_[at] = &row;
}

// Order.

bool WriteBatch::Before::by_key(const Place& a, const Place& b) { return a.row->key() < b.row->key(); }

const std::vector<std::shared_ptr<const WriteBatch::Run>>& WriteBatch::runs() const {
  order();
  return runs_;
}

// Whoever walks a run keeps it as it is.
void WriteBatch::order() const {
  if (ordered_ == rows_.size()) return;
  Run fresh;
  fresh.reserve(rows_.size() - ordered_);
  for (; ordered_ < rows_.size(); ++ordered_) {
    const auto* row = rows_[ordered_];
    fresh.push_back({key_words<3>(row->key()), row});
  }
  std::sort(fresh.begin(), fresh.end(), Before());
  while (!runs_.empty() && runs_.back()->size() < run_growth * fresh.size()) {
    Run both(runs_.back()->size() + fresh.size());
    std::merge(runs_.back()->begin(), runs_.back()->end(), fresh.begin(), fresh.end(), both.begin(), Before());
    fresh = std::move(both);
    runs_.pop_back();
  }
  runs_.push_back(std::make_shared<const Run>(std::move(fresh)));
}

}  // namespace cairn::storage
