// Keeps what is on disk from being opened again while actors of its last opening still use it: they end by
// themselves when one of them fails, but each on a thread of its own and maybe behind a slow write.
#pragma once

#include <future>
#include <memory>

#include "protocol/error.hpp"

namespace cairn::actors {

/// One thread takes leases; they are let go anywhere.
class Lease {
 public:
  /// Waits until the lease that was taken before is let go; busy if that takes too long.
  Result<std::shared_ptr<const void>> take();

 private:
  std::future<void> released_;
};

/// `object`, which holds `lease` until it is gone. The last holder destroys both.
template <class T>
std::shared_ptr<T> leased(std::shared_ptr<T> object, std::shared_ptr<const void> lease) {
  auto* raw = object.get();
  return {raw, [object = std::move(object), lease = std::move(lease)](T*) mutable {
            object.reset();
            lease.reset();
          }};
}

}  // namespace cairn::actors
