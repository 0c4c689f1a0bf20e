// Bytes that several hold at once: an entry of a log is on its way to the disk, to other replicas and to the rows at
// the same time.
#pragma once

#include <memory>
#include <utility>

#include "protocol/bytes.hpp"

namespace cairn::storage {

/// Never change, so that a copy is the same bytes. Any thread.
class SharedBytes {
 public:
  SharedBytes() = default;
  SharedBytes(Bytes bytes) : bytes_(bytes.empty() ? nullptr : std::make_shared<const Bytes>(std::move(bytes))) {}
  SharedBytes(const char* text) : SharedBytes(Bytes(text)) {}

  operator BytesView() const { return bytes_ ? BytesView(*bytes_) : BytesView(); }
  std::size_t size() const { return bytes_ ? bytes_->size() : 0; }
  bool empty() const { return !bytes_; }
  friend bool operator==(const SharedBytes& a, const SharedBytes& b) { return BytesView(a) == BytesView(b); }

 private:
  std::shared_ptr<const Bytes> bytes_;
};

}  // namespace cairn::storage
