// The systems beside which metadata is measured, with the same rows and the same durability: raw LMDB,
// and PostgreSQL where it is installed. Main thread; blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/support/process.hpp"

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

/// A PostgreSQL cluster of its own, on a Unix socket only.
class Postgres {
 public:
  /// Nothing if it is not installed; `why` says so.
  static std::unique_ptr<Postgres> start(const std::string& folder, std::uint64_t rows, RowSize row, std::string& why);
  ~Postgres();

  struct Figure {
    double per_second = 0;
    double p50_ms = 0;
    double p99_ms = 0;
  };
  /// Upserts of one random row, each a transaction of its own, by `clients` for `seconds`.
  Figure upserts(unsigned clients, unsigned seconds);
  const std::string& version() const { return version_; }

 private:
  Postgres() = default;
  std::string ask(const std::string& sql, double seconds);
  std::string tool(std::vector<std::string> command, double seconds);

  std::string programs_;
  std::string folder_;
  std::string user_;
  std::string version_;
  std::uint64_t rows_ = 0;
  RowSize row_;
  int outputs_ = 0;
  std::unique_ptr<Program> server_;
};

}  // namespace cairn::bench
