#include "tests/bench/support/raw_lmdb.hpp"

#include <lmdb.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "tests/bench/support/measure.hpp"
#include "tests/support/random.hpp"

namespace cairn::bench {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t rows_per_load_transaction = 50'000;

void ok(int code, const char* what) {
  if (code != 0) give_up(std::string("raw LMDB: ") + what + ": " + mdb_strerror(code));
}

// A key of `bytes`: the number in front, spread so that neighbours are apart, and filling.
std::string key_of(std::uint64_t number, std::size_t bytes) {
  auto spread = test::Random(number).next();
  std::string key(std::max(bytes, sizeof spread), 'k');
  std::memcpy(key.data(), &spread, sizeof spread);
  return key;
}

void put(MDB_txn* transaction, MDB_dbi table, std::uint64_t number, RowSize size, std::uint64_t content) {
  auto key = key_of(number, size.key_bytes);
  std::string value(std::max(size.value_bytes, sizeof content), 'v');
  std::memcpy(value.data(), &content, sizeof content);
  MDB_val k{key.size(), key.data()}, v{value.size(), value.data()};
  ok(mdb_put(transaction, table, &k, &v, 0), "put");
}

}  // namespace

RawLmdb::RawLmdb(const std::string& folder, std::uint64_t rows, RowSize main) : rows_(rows), main_(main) {
  fs::create_directory(folder);
  ok(mdb_env_create(&env_), "create");
  ok(mdb_env_set_mapsize(env_, std::size_t{64} << 30), "map size");
  ok(mdb_env_open(env_, folder.c_str(), 0, 0600), "open");
  for (std::uint64_t from = 0; from < rows; from += rows_per_load_transaction) {
    MDB_txn* transaction = nullptr;
    ok(mdb_txn_begin(env_, nullptr, 0, &transaction), "begin");
    ok(mdb_dbi_open(transaction, nullptr, 0, &table_), "table");
    for (auto i = from; i < std::min(rows, from + rows_per_load_transaction); ++i)
      put(transaction, table_, i, main_, i);
    ok(mdb_txn_commit(transaction), "commit");
  }
}

RawLmdb::~RawLmdb() { mdb_env_close(env_); }

double RawLmdb::commits_per_second(const std::vector<RowSize>& others, unsigned owners,
                                   unsigned commits_per_transaction, double seconds) {
  test::Random random(++random_);
  const auto started = seconds_now();
  std::uint64_t commits = 0;
  while (seconds_now() - started < seconds) {
    MDB_txn* transaction = nullptr;
    ok(mdb_txn_begin(env_, nullptr, 0, &transaction), "begin");
    for (unsigned i = 0; i < commits_per_transaction; ++i, ++commits) {
      put(transaction, table_, random.below(rows_), main_, commits);
      const auto owner = random.below(owners);
      for (std::size_t row = 0; row < others.size(); ++row)
        put(transaction, table_, rows_ + row * owners + owner, others[row], commits);
    }
    ok(mdb_txn_commit(transaction), "commit");
  }
  return static_cast<double>(commits) / (seconds_now() - started);
}

}  // namespace cairn::bench
