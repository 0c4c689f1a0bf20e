#include "cluster/block_counts.hpp"

#include <bit>
#include <cstring>

namespace cairn::cluster {
namespace {

// Buckets split when they hold this many blocks on average: few enough that rewriting a row is
// cheap, many enough that the row's own overhead does not count.
constexpr std::uint64_t blocks_per_bucket = 12;

BytesView prefix_of(const BlockId& id) { return id.view().substr(0, rows::block_prefix_bytes); }

rows::BlockCount* find(rows::BucketRow& row, BytesView prefix) {
  for (auto& block : row.blocks)
    if (std::memcmp(block.prefix.data(), prefix.data(), prefix.size()) == 0) return &block;
  return nullptr;
}

}  // namespace

std::uint32_t bucket_of(BytesView prefix, std::uint32_t bucket_count) {
  const auto hash = Reader(prefix).u32();
  const auto half = std::bit_floor(bucket_count);
  const auto number = hash & (half * 2 - 1);
  return number < bucket_count ? number : hash & (half - 1);
}

Result<BlockCounts::Bucket*> BlockCounts::bucket(std::uint32_t number) {
  const auto known = buckets_.find(number);
  if (known != buckets_.end()) return &known->second;
  auto row = rows::read<rows::BucketRow>(rows_, keys_.blocks(number));
  if (!row.ok()) return row.error();
  auto& bucket = buckets_[number];
  if (*row) bucket.row = std::move(**row);
  return &bucket;
}

Result<std::uint32_t> BlockCounts::held_bytes(const BlockId& id) {
  const auto prefix = prefix_of(id);
  auto in = bucket(bucket_of(prefix, drive_.bucket_count));
  if (!in.ok()) return in.error();
  const auto* block = find((*in)->row, prefix);
  return block ? block->bytes : 0;
}

Result<void> BlockCounts::add(const BlockRef& block) {
  const auto prefix = prefix_of(block.id);
  auto in = bucket(bucket_of(prefix, drive_.bucket_count));
  if (!in.ok()) return in.error();
  (*in)->changed = true;
  if (auto* known = find((*in)->row, prefix)) {
    ++known->count;
    return {};
  }
  auto& added = (*in)->row.blocks.emplace_back();
  std::memcpy(added.prefix.data(), prefix.data(), prefix.size());
  added.bytes = block.bytes;
  added.count = 1;
  ++drive_.block_count;
  return drive_.block_count > drive_.bucket_count * blocks_per_bucket ? split() : Result<void>();
}

Result<void> BlockCounts::split() {
  const auto added = drive_.bucket_count;
  auto from = bucket(added - std::bit_floor(added));
  if (!from.ok()) return from.error();
  auto to = bucket(added);
  if (!to.ok()) return to.error();
  ++drive_.bucket_count;
  rows::BucketRow stay;
  for (const auto& block : (*from)->row.blocks) {
    const bool moves =
        bucket_of({block.prefix.data(), block.prefix.size()}, drive_.bucket_count) == added;
    (moves ? (*to)->row : stay).blocks.push_back(block);
  }
  (*from)->row = std::move(stay);
  (*from)->changed = (*to)->changed = true;
  return {};
}

Result<void> BlockCounts::remove(const BlockRef& block) {
  const auto prefix = prefix_of(block.id);
  const auto number = bucket_of(prefix, drive_.bucket_count);
  auto in = bucket(number);
  if (!in.ok()) return in.error();
  auto* known = find((*in)->row, prefix);
  if (!known) return rows::corrupt_row(keys_.blocks(number));
  (*in)->changed = true;
  if (--known->count > 0) return {};
  *known = (*in)->row.blocks.back();
  (*in)->row.blocks.pop_back();
  --drive_.block_count;
  return {};
}

void BlockCounts::flush(RowTransaction& rows) {
  for (auto& [number, bucket] : buckets_) {
    if (!bucket.changed) continue;
    bucket.changed = false;
    if (bucket.row.blocks.empty())
      rows.erase(keys_.blocks(number));
    else
      rows.put(keys_.blocks(number), encode(bucket.row));
  }
}

}  // namespace cairn::cluster
