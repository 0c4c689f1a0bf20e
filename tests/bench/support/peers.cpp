#include "tests/bench/support/peers.hpp"

#include <lmdb.h>
#include <pwd.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "tests/bench/support/measure.hpp"
#include "tests/support/random.hpp"

namespace cairn::bench {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr double load_seconds = 300;
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

std::string programs_of_postgres() {
  std::vector<std::string> found;
  std::error_code ignored;
  for (const auto& version : fs::directory_iterator("/usr/lib/postgresql", ignored))
    if (fs::exists(version.path() / "bin/pgbench") && fs::exists(version.path() / "bin/initdb"))
      found.push_back(version.path() / "bin");
  return found.empty() ? "" : *std::ranges::max_element(found);
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

std::unique_ptr<Postgres> Postgres::start(const std::string& folder, std::uint64_t rows, RowSize row,
                                          std::string& why) {
  const auto programs = programs_of_postgres();
  if (programs.empty()) {
    why = "PostgreSQL is not installed (scripts/bench --install-peers installs it): not measured";
    return nullptr;
  }
  std::unique_ptr<Postgres> peer(new Postgres);
  peer->programs_ = programs;
  peer->folder_ = folder;
  peer->rows_ = rows;
  peer->row_ = row;
  fs::create_directory(folder);
  if (::geteuid() == 0) {
    peer->user_ = getpwnam("postgres") ? "postgres" : "nobody";
    const auto* user = getpwnam(peer->user_.c_str());
    if (!user || ::chown(folder.c_str(), user->pw_uid, user->pw_gid) != 0) {
      why = "PostgreSQL does not run as root, and there is no user for it: not measured";
      return nullptr;
    }
  }
  peer->tool(
      {programs + "/initdb", "-D", folder + "/data", "-A", "trust", "-U", "bench", "-N", "-E", "UTF8", "--locale=C"},
      120);
  std::ofstream(folder + "/data/postgresql.conf", std::ios::app)
      << "listen_addresses = ''\nunix_socket_directories = '" << folder
      << "'\nsynchronous_commit = on\nfsync = on\nmax_wal_size = 4GB\nshared_buffers = 512MB\n";
  peer->server_ = std::make_unique<Program>(std::vector<std::string>{programs + "/postgres", "-D", folder + "/data"},
                                            ProgramOptions{folder + ".log", peer->user_, folder});
  const auto deadline = seconds_now() + 60;
  while (!fs::exists(folder + "/.s.PGSQL.5432") && seconds_now() < deadline && peer->server_->running())
    std::this_thread::sleep_for(20ms);
  peer->version_ = peer->ask("show server_version", 60);
  const auto hex = std::to_string(2 * row.key_bytes), filling = std::to_string(row.value_bytes);
  peer->ask("create table f (k bytea primary key, v bytea not null)", 60);
  peer->ask("insert into f select decode(lpad(to_hex(i), " + hex + ", '0'), 'hex'), convert_to(repeat('v', " + filling +
                "), 'UTF8') from generate_series(1, " + std::to_string(rows) + ") i",
            load_seconds);
  peer->ask("vacuum analyze f", load_seconds);
  peer->ask("checkpoint", load_seconds);
  return peer;
}

Postgres::~Postgres() {
  if (server_) server_->stop(SIGINT, 60);
}

std::string Postgres::tool(std::vector<std::string> command, double seconds) {
  const auto output = folder_ + "." + std::to_string(++outputs_) + ".out";
  const auto name = fs::path(command[0]).filename().string();
  Program program(std::move(command), {output, user_, folder_});
  const auto code = program.wait(seconds);
  auto said = content_of(output);
  if (code != 0)
    give_up("PostgreSQL's " + name + " ended with " + std::to_string(code) + ":\n" + said.substr(0, 1'000));
  return said;
}

std::string Postgres::ask(const std::string& sql, double seconds) {
  auto said = tool({programs_ + "/psql", "-X", "-h", folder_, "-U", "bench", "-Atc", sql, "postgres"}, seconds);
  while (!said.empty() && said.back() == '\n') said.pop_back();
  return said;
}

Postgres::Figure Postgres::upserts(unsigned clients, unsigned seconds) {
  const auto script = folder_ + ".sql";
  const auto hex = std::to_string(2 * row_.key_bytes), filling = std::to_string(row_.value_bytes);
  std::ofstream(script) << "\\set i random(1, " << rows_ << ")\n"
                        << "insert into f values (decode(lpad(to_hex(:i::bigint), " << hex
                        << ", '0'), 'hex'), convert_to(repeat('w', " << filling
                        << "), 'UTF8')) on conflict (k) do update set v = excluded.v;\n";
  fs::permissions(script, fs::perms::others_read, fs::perm_options::add);
  const auto said = tool({programs_ + "/pgbench", "-n", "-h", folder_, "-U", "bench", "-M", "prepared", "-f", script,
                          "-c", std::to_string(clients), "-j", std::to_string(std::min(2u, clients)), "-T",
                          std::to_string(seconds), "-l", "--log-prefix=" + folder_ + "/latency", "postgres"},
                         seconds + 60);
  Figure figure;
  if (const auto at = said.find("tps = "); at != said.npos)
    figure.per_second = std::strtod(said.c_str() + at + 6, nullptr);
  std::vector<double> micros;
  for (const auto& file : fs::directory_iterator(folder_)) {
    if (!file.path().filename().string().starts_with("latency.")) continue;
    std::istringstream lines(content_of(file.path()));
    // client, transaction, microseconds, …
    for (std::string line; std::getline(lines, line);) {
      std::istringstream fields(line);
      double client = 0, transaction = 0, taken = 0;
      if (fields >> client >> transaction >> taken) micros.push_back(taken);
    }
    fs::remove(file.path());
  }
  if (figure.per_second <= 0 || micros.empty()) give_up("pgbench gave no figure:\n" + said);
  figure.p50_ms = percentile(micros, 0.5) / 1e3;
  figure.p99_ms = percentile(micros, 0.99) / 1e3;
  return figure;
}

}  // namespace cairn::bench
