// The shard's queue of what was deleted and waits to be worked off, first in, first out: rows under
// dense numbers, so that neither end is ever searched for. One thread.
#pragma once

#include <optional>

#include "cluster/row_transaction.hpp"
#include "cluster/rows.hpp"

namespace cairn::cluster {

class PurgeQueue {
 public:
  explicit PurgeQueue(RowTransaction& rows) : rows_(rows) {}
  Result<void> push(const rows::PurgeRow& row);
  /// The first one, nothing if the queue is empty.
  Result<std::optional<rows::PurgeRow>> front();
  /// Replaces the first one. Only after front() gave one.
  Result<void> set_front(const rows::PurgeRow& row);
  Result<void> pop();

 private:
  Result<rows::PurgeEnds> ends();
  RowTransaction& rows_;
};

}  // namespace cairn::cluster
