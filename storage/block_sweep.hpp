// The rule by which a block becomes garbage. Pure, any thread.
#pragma once

#include "storage/block_index.hpp"
#include "storage/block_store.hpp"

namespace cairn::storage {

/// What becomes of a block's row in a sweep, added up in `report`: the row as it was, or changed, or
/// nothing if the block is deleted. Never from live to deleted at once.
std::optional<BlockIndex::Row> sweep_row(const BlockId& id, const BlockIndex::Row& row,
                                         const SweepMarks& marks, Timestamp now, SweepReport& report);

}  // namespace cairn::storage
