// An OrderedStore in memory, for tests and simulation: commits are atomic and outlive the object (see
// reopen), can be made to fail, and a value can be made to rot. Any thread.
#pragma once

#include <memory>
#include <optional>

#include "storage/ordered_store.hpp"

namespace cairn::storage {

class MemoryStore : public OrderedStore {
 public:
  /// Flips one bit of the stored value of `key`; false if there is no such row or it is empty.
  virtual bool rot(BytesView key) = 0;
  /// Makes the next commits fail with `code` until called with nothing.
  virtual void fail_commits(std::optional<Errc> code) = 0;
  /// Another store over the same committed rows, as a restarted node would open it. The old one and its
  /// transactions must not be used to write any more.
  virtual std::unique_ptr<MemoryStore> reopen() = 0;
};

std::unique_ptr<MemoryStore> make_memory_store();

}  // namespace cairn::storage
