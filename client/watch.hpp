// The change feed of a drive as it happens. Watches again from the last cursor when the connection was
// lost, so that nothing is missed and nothing is told twice. At most a few pages wait to be taken; then
// the server waits. next() belongs to one thread; stop() may be called from any.
#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "protocol/model.hpp"

namespace cairn::client {

class Link;

class Watch {
 public:
  Watch(std::shared_ptr<Link> link, Cursor cursor);
  ~Watch();

  /// The next page; nothing if none came in time. An error is the last answer: cursor_expired (list
  /// again and watch from a newer cursor), revoked_token, cancelled after stop().
  Result<std::optional<ChangePage>> next(std::chrono::milliseconds timeout);

  /// Makes a waiting next() return with cancelled.
  void stop();

  struct Feed;

 private:
  std::shared_ptr<Link> link_;
  std::shared_ptr<Feed> feed_;
};

}  // namespace cairn::client
