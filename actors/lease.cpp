#include "actors/lease.hpp"

#include <chrono>

namespace cairn::actors {
namespace {

// A write to a slow disk may have to end first.
constexpr std::chrono::seconds release_timeout{30};

}  // namespace

Result<std::shared_ptr<const void>> Lease::take() {
  if (released_.valid() && released_.wait_for(release_timeout) != std::future_status::ready)
    return Error{Errc::busy, "what was open before is still at work"};
  auto promise = std::make_shared<std::promise<void>>();
  released_ = promise->get_future();
  return std::shared_ptr<const void>(promise.get(), [promise](const void*) { promise->set_value(); });
}

}  // namespace cairn::actors
