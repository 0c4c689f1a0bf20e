#include "storage/block_sweep.hpp"

#include <chrono>

#include "protocol/limits.hpp"

namespace cairn::storage {
namespace {

constexpr std::size_t blocks_per_step = 1'024;
constexpr std::int64_t grace_millis =
    std::chrono::milliseconds(limits::receipt_lifetime + limits::receipt_margin).count();

}  // namespace

std::optional<BlockIndex::Row> sweep_row(const BlockId& id, const BlockIndex::Row& row,
                                         const SweepMarks& marks, Timestamp now, SweepReport& report) {
  ++report.examined;
  auto changed = row;
  if (marks.referenced(id)) {
    ++report.referenced;
    if (row.quarantined) ++report.restored;
    changed.quarantined.reset();
    return changed;
  }
  if (row.touched.millis >= marks.marked_at.millis - grace_millis) return row;
  // A quarantine that began in the future is the work of a clock that was wrong: it begins now.
  if (!row.quarantined || *row.quarantined > now) {
    if (!row.quarantined) ++report.quarantined;
    changed.quarantined = now;
    return changed;
  }
  if (now.millis - row.quarantined->millis < marks.quarantine_millis) return row;
  ++report.deleted;
  return std::nullopt;
}

Result<SweepReport> BlockStore::sweep(const std::function<bool(const BlockId&)>& referenced,
                                      Timestamp marked_at, std::int64_t quarantine_millis,
                                      Timestamp now) {
  const SweepMarks marks{referenced, marked_at, quarantine_millis};
  SweepReport report;
  std::optional<BlockId> after;
  do {
    const auto next = sweep_some(after, blocks_per_step, marks, now, report);
    if (!next) return next.error();
    after = *next;
  } while (after);
  return report;
}

}  // namespace cairn::storage
