// Durable commits of one row and lookups, by clients inside the node's process and through the RPC port,
// beside one fdatasync alone, raw LMDB and PostgreSQL, in rounds of one run, over a million files.
#include <algorithm>
#include <atomic>
#include <cstdio>

#include "actors/log.hpp"
#include "actors/node.hpp"
#include "cluster/metadata_machine.hpp"
#include "storage/memory_store.hpp"
#include "storage/row_walk.hpp"
#include "tests/bench/support/measure.hpp"
#include "tests/bench/support/plain_disk.hpp"
#include "tests/bench/support/postgres.hpp"
#include "tests/bench/support/raw_lmdb.hpp"
#include "tests/bench/support/report.hpp"
#include "tests/bench/support/rpc_load.hpp"
#include "tests/bench/support/run.hpp"
#include "tests/bench/support/shard_load.hpp"
#include "tests/support/random.hpp"

namespace cairn::bench {
namespace {

constexpr unsigned drive_count = 100;
constexpr unsigned many_clients = 256;
constexpr unsigned lookup_clients = 64;
constexpr unsigned postgres_clients = 32;
constexpr unsigned commits_per_lmdb_transaction = 100;
constexpr std::size_t plain_record_bytes = 4'096;
constexpr unsigned turns_a_round = 10;
constexpr std::size_t syncs_a_turn = 200;

// The figures of each round, by what was measured.
struct Series {
  std::vector<double> per_second, p50_ms, p99_ms;
  void add(const LoadResult& load) {
    per_second.push_back(load.per_second());
    p50_ms.push_back(percentile(load.micros, 0.5) / 1e3);
    p99_ms.push_back(percentile(load.micros, 0.99) / 1e3);
  }
};

/// The rows that one commit of a changed file writes, the file's own first; by the machine itself.
std::vector<RowSize> rows_of_a_commit() {
  auto table = need(storage::Table::open(storage::make_memory_store()), "table");
  cluster::MetadataMachine machine(*table);
  std::uint64_t index = 0;
  const auto apply = [&](const cluster::Command& command) {
    storage::WriteBatch batch;
    auto applied = need(machine.apply(command, batch), "apply");
    std::vector<std::pair<Bytes, std::optional<Bytes>>> written;
    for (storage::RowWalk walk(batch); const auto* row = walk.row(); walk.step())
      written.emplace_back(row->key(), row->value());
    table->apply(std::move(batch), ++index);
    return std::pair(std::move(applied.result), std::move(written));
  };
  const auto account = std::get<cluster::AccountCreated>(
                           apply({Timestamp{1'700'000'000'000}, cluster::CreateAccount{"a", "p", 1u << 30}}).first)
                           .account;
  const auto commit = [&](std::uint64_t sequence, Change change) {
    cluster::CommitChanges changes{account, {ClientId{7}, sequence}, sequence - 1, "bench", {std::move(change)}, {}};
    return apply({Timestamp{1'700'000'000'000}, std::move(changes)}).second;
  };
  PutFile put{{}, file_name(1, 1), EntryKind::file, {}, {}, {0644, 1'700'000'000'000'000'000}};
  put.content = {100'000, {}, {{BlockId{}, 100'000}}};
  cluster::CommitChanges first{account, {ClientId{7}, 1}, 0, "bench", {put}, {put.content.blocks[0]}};
  apply({Timestamp{1'700'000'000'000}, std::move(first)});
  const auto written = commit(2, SetAttributes{{root_entry, put.name}, {0600, 1'700'000'000'000'000'001}});
  std::vector<RowSize> rows;
  bool found_the_file = false;
  for (const auto& [key, value] : written) {
    if (!value) continue;
    const RowSize row{key.size(), value->size() + sizeof(std::uint32_t)};  // with its checksum
    const bool is_the_file = value->find(put.name) != value->npos;
    found_the_file |= is_the_file;
    rows.insert(is_the_file ? rows.begin() : rows.end(), row);
  }
  if (!found_the_file) give_up("a commit does not write the row that was expected");
  return rows;
}

class Benchmark {
 public:
  explicit Benchmark(const Setting& setting)
      : setting_(setting),
        files_(static_cast<std::uint64_t>(setting.number("--files", 1'000'000))),
        rounds_(static_cast<unsigned>(setting.number("--rounds", 3))),
        seconds_(setting.number("--seconds", 4)) {
    config_.node.data = setting.folder + "/node";
    config_.rpc.listen = "127.0.0.1:0";
    config_.log.level = cluster::LogLevel::warning;
    actors::start_log(config_.log, config_.node.name);
  }

  void operator()() {
    const auto rows = rows_of_a_commit();
    const std::vector<RowSize> others(rows.begin() + 1, rows.end());
    node_ = need(actors::Node::start(config_), "node");
    drives_.make(*node_);
    const auto fill = drives_.fill(*node_, files_);
    report_.note("filled " + std::to_string(drives_.files()) + " files in " + std::to_string(fill.seconds) + " s");
    RawLmdb lmdb(setting_.folder + "/lmdb", files_, rows[0]);
    std::string why;
    const auto postgres =
        setting_.has("--no-postgres") ? nullptr : Postgres::start(setting_.folder + "/postgres", files_, rows[0], why);
    if (!why.empty()) report_.note(why);

    for (unsigned round = 0; round < rounds_; ++round) {
      alone();
      many_.add(commits(many_clients, seconds_));
      lookups_.add(lookups(false));
      path_lookups_.add(lookups(true));
      lmdb_row_.push_back(lmdb.commits_per_second({}, 1, commits_per_lmdb_transaction, seconds_));
      lmdb_all_.push_back(lmdb.commits_per_second(others, drive_count, commits_per_lmdb_transaction, seconds_));
      if (postgres) {
        const auto figure = postgres->upserts(postgres_clients, std::max(1u, static_cast<unsigned>(seconds_)));
        postgres_.per_second.push_back(figure.per_second);
        postgres_.p50_ms.push_back(figure.p50_ms);
        postgres_.p99_ms.push_back(figure.p99_ms);
      }
    }
    through_rpc();
    tell(rows, postgres ? postgres->version() : "");
  }

 private:
  // A lone client and a lone fdatasync in short turns, so that both meet the same disk.
  void alone() {
    LoadResult all;
    std::vector<double> syncs;
    for (unsigned turn = 0; turn < turns_a_round; ++turn) {
      const auto sync = sync_micros(setting_.folder, plain_record_bytes, syncs_a_turn);
      syncs.insert(syncs.end(), sync.begin(), sync.end());
      const auto part = commits(1, seconds_ / turns_a_round);
      all.answered += part.answered;
      all.seconds += part.seconds;
      all.micros.insert(all.micros.end(), part.micros.begin(), part.micros.end());
    }
    one_.add(all);
    sync_.push_back(percentile(syncs, 0.5) / 1e3);
    one_to_sync_.push_back(one_.p50_ms.back() / sync_.back());
  }

  LoadResult commits(unsigned clients, double seconds) {
    const auto deadline = seconds_now() + seconds;
    std::vector<test::Random> randoms;
    for (unsigned i = 0; i < clients; ++i) randoms.emplace_back(++seed_);
    // The numbers of a client go on where its last round ended.
    if (sequences_.size() < clients) sequences_.resize(clients, 0);
    return propose_from(*node_, clients, [&](unsigned client) -> std::optional<cluster::Command> {
      if (seconds_now() > deadline) return std::nullopt;
      return drives_.touch(client % drive_count, {ClientId{1'000 + client}, ++sequences_[client]},
                           randoms[client].next());
    });
  }

  LoadResult lookups(bool by_path) {
    const auto deadline = seconds_now() + seconds_;
    std::vector<test::Random> randoms;
    for (unsigned i = 0; i < lookup_clients; ++i) randoms.emplace_back(++seed_);
    return ask_from(*node_, lookup_clients, [&](unsigned client) -> std::optional<cluster::Query> {
      if (seconds_now() > deadline) return std::nullopt;
      auto file = drives_.pick(randoms[client].next());
      if (by_path) return cluster::Stat{file.account, {file.folder, std::move(file.name)}};
      return cluster::Stat{file.account, {file.id, ""}};
    });
  }

  // A server process over the same data.
  void through_rpc() {
    std::vector<RpcDevice> devices;
    for (unsigned i = 0; i < rpc_sessions; ++i)
      devices.push_back({drives_.issue_token(*node_, i, ClientId{5'000 + i}), ClientId{5'000 + i}});
    node_->stop();
    node_.reset();
    Server server(setting_.cairnd, config_.node.data);
    RpcClients clients(server.address(), devices);
    for (unsigned round = 0; round < rounds_; ++round) {
      rpc_commits_.add(clients.run(many_clients, seconds_, [&](RpcSession& session, const RpcDone& done) {
        const auto file = drives_.pick_in(session.number, session.random.next());
        const Attributes attributes{0600, static_cast<std::int64_t>(session.random.next() >> 1)};
        session.drive->commit({SetAttributes{{file.id, ""}, attributes}}, {}, [done](Result<CommitResult> result) {
          if (result.ok() && result->results[0].error) return done(*result->results[0].error);
          done(result.ok() ? std::nullopt : std::optional(result.error()));
        });
      }));
      rpc_lookups_.add(clients.run(many_clients, seconds_, [&](RpcSession& session, const RpcDone& done) {
        const auto file = drives_.pick_in(session.number, session.random.next());
        session.drive->manifest({file.id, ""}, {}, [done](Result<client::ManifestResult> found) {
          done(found.ok() ? std::nullopt : std::optional(found.error()));
        });
      }));
    }
  }

  Conditions conditions(const char* layer, unsigned clients) const {
    return {
        {"clients", clients}, {"layer", layer}, {"files", drives_.files()}, {"rounds", rounds_}, {"cores", cores()}};
  }

  void tell_commits(const Series& series, const Conditions& base) {
    auto conditions = base;
    conditions["change"] = "set attributes of a random file";
    conditions["per_round"] = rounded(series.per_second);
    report_.add("commit_per_s", median(series.per_second), "1/s", conditions);
    conditions.erase("per_round");
    report_.add("commit_p50_ms", median(series.p50_ms), "ms", conditions);
    report_.add("commit_p99_ms", median(series.p99_ms), "ms", conditions);
  }

  void tell_lookups(const Series& series, Conditions conditions, const char* by) {
    conditions["by"] = by;
    conditions["p50_us"] = rounded(median(series.p50_ms) * 1e3);
    conditions["p99_us"] = rounded(median(series.p99_ms) * 1e3);
    conditions["per_round"] = rounded(series.per_second);
    report_.add("lookup_per_s", median(series.per_second), "1/s", conditions);
  }

  void tell(const std::vector<RowSize>& rows, const std::string& postgres_version) {
    constexpr const char* in_process = "actors: one Propose or Ask a message to the replica";
    const auto rpc_layer = "rpc: " + std::to_string(rpc_sessions) + " connections to a server process";
    tell_commits(one_, conditions(in_process, 1));
    tell_commits(many_, conditions(in_process, many_clients));
    tell_commits(rpc_commits_, conditions(rpc_layer.c_str(), many_clients));
    report_.add("fdatasync_p50_ms", median(sync_), "ms", {{"bytes", plain_record_bytes}, {"file", "preallocated"}});
    report_.add("commit_p50_to_fdatasync", median(one_to_sync_), "ratio",
                {{"clients", 1}, {"per_round", rounded(one_to_sync_)}});
    tell_lookups(lookups_, conditions(in_process, lookup_clients), "entry id");
    tell_lookups(path_lookups_, conditions(in_process, lookup_clients), "folder id and name");
    tell_lookups(rpc_lookups_, conditions(rpc_layer.c_str(), many_clients), "entry id, its manifest");

    Conditions sizes = Conditions::array();
    for (const auto& row : rows) sizes.push_back({row.key_bytes, row.value_bytes});
    const auto tell_lmdb = [&](const std::vector<double>& rates, const char* what, Conditions row_bytes) {
      Conditions conditions{{"rows", what},
                            {"commits_a_transaction", commits_per_lmdb_transaction},
                            {"row_bytes", std::move(row_bytes)},
                            {"loaded_rows", files_},
                            {"per_round", rounded(rates)}};
      report_.add("lmdb_commit_per_s", median(rates), "1/s", conditions);
      conditions.erase("per_round");
      conditions["clients"] = many_clients;
      report_.add("commit_ratio_to_lmdb", median(many_.per_second) / median(rates), "ratio", conditions);
    };
    tell_lmdb(lmdb_row_, "the file's row only", Conditions::array({sizes[0]}));
    tell_lmdb(lmdb_all_, "every row that the commit writes", sizes);
    if (postgres_version.empty()) return;
    Conditions conditions{{"version", postgres_version},
                          {"clients", postgres_clients},
                          {"synchronous_commit", "on"},
                          {"loaded_rows", files_},
                          {"row_bytes", sizes[0]},
                          {"p50_ms", rounded(median(postgres_.p50_ms))},
                          {"p99_ms", rounded(median(postgres_.p99_ms))},
                          {"per_round", rounded(postgres_.per_second)}};
    report_.add("postgres_commit_per_s", median(postgres_.per_second), "1/s", conditions);
    report_.add("commit_ratio_to_postgres", median(many_.per_second) / median(postgres_.per_second), "ratio",
                {{"clients", many_clients}, {"postgres_clients", postgres_clients}});
  }

  static constexpr unsigned rpc_sessions = 4;

  const Setting& setting_;
  std::uint64_t files_;
  unsigned rounds_;
  double seconds_;
  cluster::Config config_;
  Report report_{"metadata"};
  std::unique_ptr<actors::Node> node_;
  Drives drives_{drive_count, Drives::Content::one_block};
  std::vector<std::uint64_t> sequences_;
  std::uint64_t seed_ = 0;
  Series one_, many_, lookups_, path_lookups_, rpc_commits_, rpc_lookups_, postgres_;
  std::vector<double> sync_, one_to_sync_, lmdb_row_, lmdb_all_;
};

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) {
  return cairn::bench::run(argc, argv, 1'200, {"--files", "--rounds", "--seconds", "--no-postgres"},
                           [](const auto& setting) { cairn::bench::Benchmark{setting}(); });
}
