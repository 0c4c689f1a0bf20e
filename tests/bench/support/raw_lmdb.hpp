// What metadata is measured beside in the benchmark's own process: raw LMDB with the same rows and the same
// durability. Main thread; blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

struct MDB_env;

namespace cairn::bench {

/// A row as a commit writes it.
struct RowSize {
  std::size_t key_bytes = 0;
  std::size_t value_bytes = 0;
};

/// LMDB as it comes: synced transactions, one writer.
class RawLmdb {
 public:
  /// Loads `rows` rows of `main` size under random keys.
  RawLmdb(const std::string& folder, std::uint64_t rows, RowSize main);
  ~RawLmdb();
  RawLmdb(const RawLmdb&) = delete;
  RawLmdb& operator=(const RawLmdb&) = delete;

  /// Commits a second when each commit puts one random loaded row and the `others` (of one of `owners`
  /// that each have their own), `commits_per_transaction` together, for `seconds`.
  double commits_per_second(const std::vector<RowSize>& others, unsigned owners, unsigned commits_per_transaction,
                            double seconds);

 private:
  MDB_env* env_ = nullptr;
  unsigned table_ = 0;
  std::uint64_t rows_;
  RowSize main_;
  std::uint64_t random_ = 1;
};

}  // namespace cairn::bench
