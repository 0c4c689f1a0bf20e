// PostgreSQL as a peer, where it is installed: one server, or a primary with two synchronous standbys, on Unix sockets
// only. Main thread; blocks. What goes wrong ends the benchmark.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/bench/support/process.hpp"
#include "tests/bench/support/raw_lmdb.hpp"

namespace cairn::bench {

struct PostgresFigure {
  double per_second = 0;
  double p50_ms = 0;
  double p99_ms = 0;
};

/// PostgreSQL's programs, run in and on a folder, as a user that it accepts.
class PostgresTools {
 public:
  /// Makes `folder`. Nothing if PostgreSQL is not installed or may not run; `why` says so.
  static std::optional<PostgresTools> find(const std::string& folder, std::string& why);

  /// Makes the data folder `name`; `settings` go into its configuration.
  void init(const std::string& name, const std::string& settings);
  /// A server on the data folder `name`, ready for connections. Its number tells its socket from others.
  std::unique_ptr<Program> serve(const std::string& name, unsigned number);
  /// Runs a program of PostgreSQL; what it wrote.
  std::string run(const std::string& name, const std::vector<std::string>& arguments, double seconds);
  std::string ask(unsigned number, const std::string& sql, double seconds);
  /// The transaction `script` from `clients` connections.
  PostgresFigure bench(unsigned number, const std::string& script, unsigned clients, unsigned seconds);
  const std::string& folder() const { return folder_; }

 private:
  std::string programs_;
  std::string folder_;
  std::string user_;
  int outputs_ = 0;
};

/// One server, with rows in it.
class Postgres {
 public:
  /// As PostgresTools::find().
  static std::unique_ptr<Postgres> start(const std::string& folder, std::uint64_t rows, RowSize row, std::string& why);
  ~Postgres();

  /// Upserts of one random row, each a transaction of its own, by `clients` for `seconds`.
  PostgresFigure upserts(unsigned clients, unsigned seconds);
  const std::string& version() const { return version_; }

 private:
  explicit Postgres(PostgresTools tools) : tools_(std::move(tools)) {}

  PostgresTools tools_;
  std::string version_;
  std::uint64_t rows_ = 0;
  RowSize row_;
  std::unique_ptr<Program> server_;
};

/// A primary and two standbys that stream from it; a commit is durable here and at those that `synchronous` says.
class PostgresCluster {
 public:
  static constexpr const char* majority = "ANY 1 (s1, s2)";
  static constexpr const char* all = "FIRST 2 (s1, s2)";

  /// As PostgresTools::find().
  static std::unique_ptr<PostgresCluster> start(const std::string& folder, std::string& why);
  ~PostgresCluster();

  void set_synchronous(const std::string& names);
  /// Inserts of a row of 256 bytes under a random key, each a transaction of its own.
  PostgresFigure inserts(unsigned clients, unsigned seconds);
  const std::string& version() const { return version_; }

 private:
  explicit PostgresCluster(PostgresTools tools) : tools_(std::move(tools)) {}
  void wait_for(const std::string& sql, const std::string& answer);

  PostgresTools tools_;
  std::string version_;
  std::vector<std::unique_ptr<Program>> servers_;  ///< the primary first
};

}  // namespace cairn::bench
