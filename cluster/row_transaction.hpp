// The rows as one command sees them: what it has changed so far, over the changes of earlier
// commands of the same batch, over what is stored. Nothing reaches the batch before commit(), so a
// command that meets a bad row leaves no trace. One thread.
#pragma once

#include "storage/row_walk.hpp"
#include "storage/table.hpp"

namespace cairn::cluster {

class RowTransaction final : public storage::RowReader {
 public:
  using Visit = storage::VisitRow;

  RowTransaction(storage::RowReader& stored, storage::WriteBatch& batch)
      : stored_(stored), batch_(batch) {}

  Result<std::optional<Bytes>> get(BytesView key) override;
  /// `visit` must not change rows.
  Result<void> scan(BytesView from, BytesView to, const Visit& visit) override;
  Result<void> scan_back(BytesView from, BytesView to, const Visit& visit) override;

  void put(BytesView key, BytesView value) { own_.put(key, value); }
  void erase(BytesView key) { own_.erase(key); }
  /// Moves the changes into the batch.
  void commit();

 private:
  Result<void> scan(BytesView from, BytesView to, const Visit& visit, storage::Direction direction);

  storage::RowReader& stored_;
  storage::WriteBatch& batch_;
  storage::WriteBatch own_;
};

}  // namespace cairn::cluster
