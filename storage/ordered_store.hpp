// An ordered map of byte strings on disk with atomic durable transactions: the base of a table. LMDB in
// a node (lmdb.hpp), memory in simulation (memory_store.hpp). One writer at a time; any number of
// snapshots, each used by one thread at a time, none kept across a wait.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "protocol/bytes.hpp"
#include "protocol/error.hpp"

namespace cairn::storage {

struct StoredRow {
  BytesView key, value;
};

/// What a store has for a key, or else the rows around it; none where the store ends.
struct Lookup {
  std::optional<BytesView> value;
  std::optional<StoredRow> before, after;
};

/// A consistent view. Views that it returns live until the next call on it.
class StoreSnapshot {
 public:
  virtual ~StoreSnapshot() = default;
  virtual Result<std::optional<BytesView>> get(BytesView key) = 0;
  /// The same, and where that is nothing, between which rows.
  virtual Result<Lookup> look_up(BytesView key) = 0;
  /// Rows from `from` (inclusive) up to `to` (exclusive; "" is the end) in key order until `visit`
  /// answers false.
  virtual Result<void> scan(BytesView from, BytesView to, const std::function<bool(BytesView, BytesView)>& visit) = 0;
  /// The same backwards, from the last key before `to`.
  virtual Result<void> scan_back(BytesView from, BytesView to,
                                 const std::function<bool(BytesView, BytesView)>& visit) = 0;
  /// Moves the view to the newest committed state. Cheap.
  virtual Result<void> refresh() = 0;
  /// Lets go of the state, so that it can be reclaimed, until the next refresh().
  virtual void release() = 0;
};

class StoreTransaction {
 public:
  virtual ~StoreTransaction() = default;  ///< without commit(): nothing happened
  virtual Result<void> put(BytesView key, BytesView value) = 0;
  virtual Result<void> erase(BytesView key) = 0;
  /// Atomic and durable when it returns. disk_full: nothing happened; it may be tried as a new
  /// transaction when there is room. Any other error is final for the store.
  virtual Result<void> commit() = 0;
};

class OrderedStore {
 public:
  virtual ~OrderedStore() = default;
  virtual Result<std::unique_ptr<StoreSnapshot>> snapshot() = 0;
  virtual Result<std::unique_ptr<StoreTransaction>> begin() = 0;
  /// Keys at most this long.
  virtual std::size_t max_key_bytes() const = 0;
  /// Bytes of pages in use (not the file's size).
  virtual Result<std::uint64_t> used_bytes() = 0;
};

}  // namespace cairn::storage
