// A directory of files as storage sees it: the real one, or in tests one that loses, tears and reorders
// what was not synced. Nothing here retries. A write or sync that fails with anything but disk_full
// leaves the file in an unknown state: every later call on that File answers io.
// One thread at a time may change a File, while any thread may read() it; a Disk may be shared.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "protocol/bytes.hpp"
#include "protocol/error.hpp"

namespace cairn::storage {

/// One open file, positioned access only.
class File {
 public:
  virtual ~File() = default;
  /// Reads up to `count` bytes at `offset`; shorter only at the end of the file.
  virtual Result<Bytes> read(std::uint64_t offset, std::size_t count) = 0;
  /// Writes all parts one after the other at `offset`. Not durable until sync(). disk_full only when
  /// nothing that was there before is harmed.
  virtual Result<void> write(std::uint64_t offset, const std::vector<BytesView>& parts) = 0;
  /// fdatasync: what was written is durable, and so is the size.
  virtual Result<void> sync() = 0;
  virtual Result<std::uint64_t> size() = 0;
  /// Cuts or extends with zeros; durable after sync().
  virtual Result<void> resize(std::uint64_t size) = 0;
  /// Extends the file to `size` with written zeros, so that later writes inside need no new space and
  /// no change of metadata. Durable when it returns. disk_full leaves the size as it was.
  virtual Result<void> fill(std::uint64_t size) = 0;
  /// Extends the file to `size` with room that reads as zeros: cheaper than fill(), but the first sync
  /// of every part written has more to record. disk_full leaves the size as it was.
  virtual Result<void> reserve(std::uint64_t size) = 0;
};

class Disk {
 public:
  virtual ~Disk() = default;
  /// Opens `name` for reading and writing; not_found if it is absent and `create` is false.
  virtual Result<std::unique_ptr<File>> open(const std::string& name, bool create) = 0;
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  virtual Result<void> remove(const std::string& name) = 0;
  /// Plain file names, sorted.
  virtual Result<std::vector<std::string>> list() = 0;
  /// Makes creations, renames and removals durable.
  virtual Result<void> sync_names() = 0;
  /// Room that is left for this directory, in bytes.
  virtual Result<std::uint64_t> free_bytes() = 0;
};

/// The directory `path`, made (mode 0700) if it is absent.
Result<std::unique_ptr<Disk>> open_directory(const std::string& path);

}  // namespace cairn::storage
