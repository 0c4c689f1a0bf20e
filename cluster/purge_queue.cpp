#include "cluster/purge_queue.hpp"

namespace cairn::cluster {

Result<rows::PurgeEnds> PurgeQueue::ends() {
  auto row = rows::read<rows::PurgeEnds>(rows_, rows::purge_ends_key());
  if (!row.ok()) return row.error();
  return row->value_or(rows::PurgeEnds{});
}

Result<void> PurgeQueue::push(const rows::PurgeRow& row) {
  auto at = ends();
  if (!at.ok()) return at.error();
  rows_.put(rows::purge_key(at->next++), encode(row));
  rows_.put(rows::purge_ends_key(), encode(*at));
  return {};
}

Result<std::optional<rows::PurgeRow>> PurgeQueue::front() {
  auto at = ends();
  if (!at.ok()) return at.error();
  if (at->first == at->next) return std::optional<rows::PurgeRow>();
  auto row = rows::read<rows::PurgeRow>(rows_, rows::purge_key(at->first));
  if (row.ok() && !*row) return rows::corrupt_row(rows::purge_key(at->first));
  return row;
}

Result<void> PurgeQueue::set_front(const rows::PurgeRow& row) {
  auto at = ends();
  if (!at.ok()) return at.error();
  rows_.put(rows::purge_key(at->first), encode(row));
  return {};
}

Result<void> PurgeQueue::pop() {
  auto at = ends();
  if (!at.ok()) return at.error();
  rows_.erase(rows::purge_key(at->first++));
  rows_.put(rows::purge_ends_key(), encode(*at));
  return {};
}

}  // namespace cairn::cluster
