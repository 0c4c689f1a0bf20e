// Frames that were accepted for a peer and wait for its connection. put() is for any thread, the rest for the
// links' thread.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <utility>

#include "protocol/bytes.hpp"
#include "protocol/error.hpp"

namespace cairn::actors {

struct LinkFrame {
  std::uint8_t channel = 0;
  Bytes bytes;
  std::size_t sent = 0;  ///< of `bytes`
};

class LinkOutbox {
 public:
  /// What a frame counts beyond its bytes, so that empty ones are bounded too.
  static constexpr std::size_t frame_overhead_bytes = 64;

  explicit LinkOutbox(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  /// True if the links' thread must be woken for it. Errors: unavailable (closed), busy, too_large.
  Result<bool> put(std::uint8_t channel, Bytes frame) {
    const auto bytes = frame.size() + frame_overhead_bytes;
    if (bytes > max_bytes_)
      return Error{Errc::too_large, "a frame of " + std::to_string(frame.size()) + " bytes never fits the buffer"};
    const std::lock_guard lock(mutex_);
    if (closed_) return Error{Errc::unavailable, "the link is down"};
    if (bytes_ + bytes > max_bytes_) return Error{Errc::busy, "the peer's buffer is full"};
    bytes_ += bytes;
    frames_.push_back({channel, std::move(frame), 0});
    return !std::exchange(woken_, true);
  }

  /// All that was put since; they count until done() is called for each.
  std::deque<LinkFrame> take() {
    const std::lock_guard lock(mutex_);
    woken_ = false;
    return std::exchange(frames_, {});
  }

  void done(const LinkFrame& frame) {
    const std::lock_guard lock(mutex_);
    bytes_ -= frame.bytes.size() + frame_overhead_bytes;
  }

  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    bytes_ = 0;
    frames_.clear();
  }

  std::size_t bytes() const {
    const std::lock_guard lock(mutex_);
    return bytes_;
  }

 private:
  const std::size_t max_bytes_;
  mutable std::mutex mutex_;
  std::deque<LinkFrame> frames_;
  std::size_t bytes_ = 0;
  bool woken_ = false;
  bool closed_ = false;
};

}  // namespace cairn::actors
