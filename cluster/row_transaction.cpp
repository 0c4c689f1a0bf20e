#include "cluster/row_transaction.hpp"

namespace cairn::cluster {

using storage::Direction;
using storage::RowWalk;

Result<std::optional<Bytes>> RowTransaction::get(BytesView key) {
  const auto hash = storage::WriteBatch::hash_of(key);
  for (const auto* layer : {&own_, &batch_})
    if (const auto* change = layer->find(key, hash)) return change->value_copy();
  return stored_.get(key);
}

Result<void> RowTransaction::scan(BytesView from, BytesView to, const Visit& visit, Direction direction) {
  const auto as_it_is = [](BytesView, BytesView value) { return Result<BytesView>(value); };
  return storage::scan_rows(RowWalk({&own_, &batch_}, from, to, direction), visit, as_it_is, [&](const Visit& row) {
    return direction == Direction::forwards ? stored_.scan(from, to, row) : stored_.scan_back(from, to, row);
  });
}

Result<void> RowTransaction::scan(BytesView from, BytesView to, const Visit& visit) {
  return scan(from, to, visit, Direction::forwards);
}

Result<void> RowTransaction::scan_back(BytesView from, BytesView to, const Visit& visit) {
  return scan(from, to, visit, Direction::backwards);
}

void RowTransaction::commit() { batch_.take_in(std::move(own_)); }

}  // namespace cairn::cluster
