// A stream that counts the bytes that went through it, so that a stalled connection can be told from a
// slow one. The loop's thread only.
#pragma once

#include <kj/async-io.h>

#include <cstdint>

namespace cairn::client {

class CountingStream final : public kj::AsyncIoStream {
 public:
  explicit CountingStream(kj::Own<kj::AsyncIoStream> inner) : inner_(kj::mv(inner)) {}

  /// Bytes read and written so far.
  std::uint64_t moved() const { return moved_; }

  kj::Promise<size_t> tryRead(void* buffer, size_t min_bytes, size_t max_bytes) override {
    return inner_->tryRead(buffer, min_bytes, max_bytes).then([this](size_t count) {
      moved_ += count;
      return count;
    });
  }
  kj::Promise<void> write(const void* buffer, size_t size) override {
    return inner_->write(buffer, size).then([this, size] { moved_ += size; });
  }
  kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) override {
    std::uint64_t size = 0;
    for (const auto piece : pieces) size += piece.size();
    return inner_->write(pieces).then([this, size] { moved_ += size; });
  }
  kj::Promise<void> whenWriteDisconnected() override { return inner_->whenWriteDisconnected(); }
  void shutdownWrite() override { inner_->shutdownWrite(); }
  void abortRead() override { inner_->abortRead(); }

 private:
  kj::Own<kj::AsyncIoStream> inner_;
  std::uint64_t moved_ = 0;
};

}  // namespace cairn::client
