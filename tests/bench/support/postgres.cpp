#include "tests/bench/support/postgres.hpp"

#include <pwd.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "tests/bench/support/measure.hpp"

namespace cairn::bench {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr double tool_seconds = 120;
constexpr double load_seconds = 300;
constexpr double start_seconds = 60;
constexpr double stop_seconds = 60;
constexpr unsigned first_port = 5'432;
constexpr const char* shared_settings =
    "listen_addresses = ''\nsynchronous_commit = on\nfsync = on\nmax_wal_size = 4GB\n";

std::string programs_of_postgres() {
  std::vector<std::string> found;
  std::error_code ignored;
  for (const auto& version : fs::directory_iterator("/usr/lib/postgresql", ignored))
    if (fs::exists(version.path() / "bin/pgbench") && fs::exists(version.path() / "bin/initdb"))
      found.push_back(version.path() / "bin");
  return found.empty() ? "" : *std::ranges::max_element(found);
}

std::string port_of(unsigned number) { return std::to_string(first_port + number); }

}  // namespace

std::optional<PostgresTools> PostgresTools::find(const std::string& folder, std::string& why) {
  PostgresTools tools;
  tools.programs_ = programs_of_postgres();
  if (tools.programs_.empty()) {
    why = "PostgreSQL is not installed (scripts/bench --install-peers installs it): not measured";
    return {};
  }
  tools.folder_ = folder;
  fs::create_directory(folder);
  if (::geteuid() == 0) {
    tools.user_ = getpwnam("postgres") ? "postgres" : "nobody";
    const auto* user = getpwnam(tools.user_.c_str());
    if (!user || ::chown(folder.c_str(), user->pw_uid, user->pw_gid) != 0) {
      why = "PostgreSQL does not run as root, and there is no user for it: not measured";
      return {};
    }
  }
  return tools;
}

std::string PostgresTools::run(const std::string& name, const std::vector<std::string>& arguments, double seconds) {
  const auto output = folder_ + "." + std::to_string(++outputs_) + ".out";
  std::vector<std::string> command{programs_ + "/" + name};
  command.insert(command.end(), arguments.begin(), arguments.end());
  Program program(command, {output, user_, folder_});
  const auto code = program.wait(seconds);
  auto said = content_of(output);
  if (code != 0)
    give_up("PostgreSQL's " + name + " ended with " + std::to_string(code) + ":\n" + said.substr(0, 1'000));
  return said;
}

std::string PostgresTools::ask(unsigned number, const std::string& sql, double seconds) {
  auto said =
      run("psql", {"-X", "-h", folder_, "-p", port_of(number), "-U", "bench", "-Atc", sql, "postgres"}, seconds);
  while (!said.empty() && said.back() == '\n') said.pop_back();
  return said;
}

void PostgresTools::init(const std::string& name, const std::string& settings) {
  run("initdb", {"-D", folder_ + "/" + name, "-A", "trust", "-U", "bench", "-N", "-E", "UTF8", "--locale=C"},
      tool_seconds);
  std::ofstream(folder_ + "/" + name + "/postgresql.conf", std::ios::app)
      << shared_settings << "unix_socket_directories = '" << folder_ << "'\n"
      << settings;
}

std::unique_ptr<Program> PostgresTools::serve(const std::string& name, unsigned number) {
  auto server = std::make_unique<Program>(
      std::vector<std::string>{programs_ + "/postgres", "-D", folder_ + "/" + name, "-p", port_of(number)},
      ProgramOptions{folder_ + "." + name + ".log", user_, folder_});
  const auto deadline = seconds_now() + start_seconds;
  while (Program({programs_ + "/pg_isready", "-q", "-h", folder_, "-p", port_of(number)}, {"", user_, folder_})
             .wait(start_seconds) != 0) {
    if (seconds_now() > deadline || !server->running())
      give_up("PostgreSQL did not start:\n" + content_of(folder_ + "." + name + ".log").substr(0, 1'000));
    std::this_thread::sleep_for(20ms);
  }
  return server;
}

PostgresFigure PostgresTools::bench(unsigned number, const std::string& script, unsigned clients, unsigned seconds) {
  const auto file = folder_ + ".sql";
  std::ofstream(file) << script;
  // pgbench's time counts from before it connects, although its rate does not.
  constexpr unsigned connections_a_second = 50;
  fs::permissions(file, fs::perms::others_read, fs::perm_options::add);
  const auto said = run("pgbench",
                        {"-n",
                         "-M",
                         "prepared",
                         "-f",
                         file,
                         "-c",
                         std::to_string(clients),
                         "-j",
                         std::to_string(std::min(clients, cores())),
                         "-T",
                         std::to_string(seconds + clients / connections_a_second),
                         "-h",
                         folder_,
                         "-p",
                         port_of(number),
                         "-U",
                         "bench",
                         "-l",
                         "--log-prefix=latency",
                         "postgres"},
                        seconds + 60);
  PostgresFigure figure;
  if (const auto at = said.find("tps = "); at != said.npos)
    figure.per_second = std::strtod(said.c_str() + at + 6, nullptr);
  std::vector<double> micros;
  for (const auto& log : fs::directory_iterator(folder_)) {
    if (!log.path().filename().string().starts_with("latency.")) continue;
    std::istringstream lines(content_of(log.path()));
    // client, transaction, microseconds, …
    for (std::string line; std::getline(lines, line);) {
      std::istringstream fields(line);
      double client = 0, transaction = 0, taken = 0;
      if (fields >> client >> transaction >> taken) micros.push_back(taken);
    }
    fs::remove(log.path());
  }
  if (figure.per_second <= 0 || micros.empty()) give_up("pgbench gave no figure:\n" + said);
  figure.p50_ms = percentile(micros, 0.5) / 1e3;
  figure.p99_ms = percentile(micros, 0.99) / 1e3;
  return figure;
}

std::unique_ptr<Postgres> Postgres::start(const std::string& folder, std::uint64_t rows, RowSize row,
                                          std::string& why) {
  auto tools = PostgresTools::find(folder, why);
  if (!tools) return nullptr;
  std::unique_ptr<Postgres> peer(new Postgres(std::move(*tools)));
  peer->rows_ = rows;
  peer->row_ = row;
  auto& t = peer->tools_;
  t.init("data", "shared_buffers = 512MB\n");
  peer->server_ = t.serve("data", 0);
  peer->version_ = t.ask(0, "show server_version", tool_seconds);
  const auto hex = std::to_string(2 * row.key_bytes), filling = std::to_string(row.value_bytes);
  t.ask(0, "create table f (k bytea primary key, v bytea not null)", tool_seconds);
  t.ask(0,
        "insert into f select decode(lpad(to_hex(i), " + hex + ", '0'), 'hex'), convert_to(repeat('v', " + filling +
            "), 'UTF8') from generate_series(1, " + std::to_string(rows) + ") i",
        load_seconds);
  t.ask(0, "vacuum analyze f", load_seconds);
  t.ask(0, "checkpoint", load_seconds);
  return peer;
}

Postgres::~Postgres() {
  if (server_) server_->stop(SIGINT, stop_seconds);
}

PostgresFigure Postgres::upserts(unsigned clients, unsigned seconds) {
  const auto hex = std::to_string(2 * row_.key_bytes), filling = std::to_string(row_.value_bytes);
  return tools_.bench(0,
                      "\\set i random(1, " + std::to_string(rows_) +
                          ")\ninsert into f values (decode(lpad(to_hex(:i::bigint), " + hex +
                          ", '0'), 'hex'), convert_to(repeat('w', " + filling +
                          "), 'UTF8')) on conflict (k) do update set v = excluded.v;\n",
                      clients, seconds);
}

std::unique_ptr<PostgresCluster> PostgresCluster::start(const std::string& folder, std::string& why) {
  auto tools = PostgresTools::find(folder, why);
  if (!tools) return nullptr;
  std::unique_ptr<PostgresCluster> peer(new PostgresCluster(std::move(*tools)));
  auto& t = peer->tools_;
  t.init("primary", "shared_buffers = 256MB\nmax_connections = 1200\nwal_level = replica\n");
  peer->servers_.push_back(t.serve("primary", 0));
  peer->version_ = t.ask(0, "show server_version", tool_seconds);
  t.ask(0, "create table f (k text primary key, v text not null)", tool_seconds);
  for (unsigned i = 1; i <= 2; ++i) {
    const auto name = "s" + std::to_string(i);
    const auto data = folder + "/" + name;
    t.run("pg_basebackup",
          {"-h", folder, "-p", port_of(0), "-U", "bench", "-D", data, "-R", "-X", "stream", "-c", "fast", "-N"},
          tool_seconds);
    // What is last counts.
    std::ofstream(data + "/postgresql.auto.conf", std::ios::app)
        << "primary_conninfo = 'host=" << folder << " port=" << port_of(0) << " user=bench application_name=" << name
        << "'\n";
    peer->servers_.push_back(t.serve(name, i));
  }
  peer->wait_for("select count(*) from pg_stat_replication where state = 'streaming'", "2");
  return peer;
}

PostgresCluster::~PostgresCluster() {
  // The primary first: it waits until its standbys have what it wrote.
  for (auto& server : servers_) server->stop(SIGINT, stop_seconds);
}

void PostgresCluster::set_synchronous(const std::string& names) {
  tools_.ask(0, "alter system set synchronous_standby_names = '" + names + "'", tool_seconds);
  tools_.ask(0, "select pg_reload_conf()", tool_seconds);
  wait_for("select count(*) from pg_stat_replication where sync_state in ('sync', 'quorum')", "2");
}

PostgresFigure PostgresCluster::inserts(unsigned clients, unsigned seconds) {
  return tools_.bench(0, "insert into f values (md5(random()::text || clock_timestamp()::text), repeat('v', 224));\n",
                      clients, seconds);
}

void PostgresCluster::wait_for(const std::string& sql, const std::string& answer) {
  const auto deadline = seconds_now() + start_seconds;
  while (tools_.ask(0, sql, tool_seconds) != answer) {
    if (seconds_now() > deadline) give_up("PostgreSQL's standbys do not follow");
    std::this_thread::sleep_for(20ms);
  }
}

}  // namespace cairn::bench
