// A disk in memory that remembers what was not synced, and makes the images that a crash could
// leave: any subset of the unsynced sectors, sizes and names. Also runs full, fails and rots on
// demand. Does the same thing for the same calls every time. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/disk.hpp"
#include "tests/support/random.hpp"

namespace cairn::test {

class SimDisk : public storage::Disk {
 public:
  explicit SimDisk(std::uint64_t capacity_bytes = std::uint64_t{1} << 40);
  ~SimDisk() override;

  // What a crash would leave. A piece is one sector of a write, one change of a size or one change
  // of a name; pieces are numbered from 0 in the order in which they were made.

  /// Pieces that a crash now could lose.
  std::size_t unsynced_pieces() const;
  /// The disk after a crash now in which exactly the pieces that `survives` picks were not lost.
  std::shared_ptr<SimDisk> image(const std::function<bool(std::size_t)>& survives) const;
  /// The same, of the first `count` pieces.
  std::shared_ptr<SimDisk> image_of_first(std::size_t count) const;
  /// The same, of pieces chosen in one of many ways, the extremes included.
  std::shared_ptr<SimDisk> image(Random& random) const;
  /// Called within every operation that changes something, when its pieces are made and nothing of
  /// it is durable yet: the moments at which a crash can be told apart.
  void observe(std::function<void()> observer);

  // Faults.

  /// Files that need more room than this in all get disk_full.
  void set_capacity(std::uint64_t bytes);
  /// The operation after `count` more changing ones fails with `code`: with disk_full nothing
  /// happens, otherwise a write is done in part, and what a sync should have saved no later sync
  /// saves either.
  void fail_after(std::uint64_t count, Errc code);
  /// Changing operations so far.
  std::uint64_t operations() const;
  /// Flips one bit of what is stored; false if the file is not that long.
  bool rot(const std::string& name, std::uint64_t offset, unsigned bit);
  /// What is stored under `name` at this time, synced or not; "" if nothing.
  Bytes content(const std::string& name) const;

  Result<std::unique_ptr<storage::File>> open(const std::string& name, bool create) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& name) override;
  Result<std::vector<std::string>> list() override;
  Result<void> sync_names() override;
  Result<std::uint64_t> free_bytes() override;

 private:
  friend class SimFile;
  struct State;
  std::shared_ptr<State> state_;  // open files hold it too
};

}  // namespace cairn::test
