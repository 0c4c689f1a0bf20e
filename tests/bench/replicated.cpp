// Durable replicated commits of 256-byte rows on three processes of one machine, by 1, 64 and 1,024 clients, beside
// etcd with three members and PostgreSQL with two synchronous standbys, in turns of one run. Each system's clients are
// a process beside its three servers. Cairn's are measured twice. Layer node: the clients' process is a node of the
// cluster, and each client proposes commands by its links, as etcd's clients put by etcd's own protocol. Layer rpc:
// sessions of the client library, through an API node, which is a fifth process. CPU time of each process of layer
// node is told beside, since it says what other work on the machine does not disturb. --layer and --clients choose.
#include <algorithm>
#include <atomic>
#include <exception>
#include <map>
#include <string>
#include <vector>

#include "actors/clock.hpp"
#include "actors/node.hpp"
#include "cluster/config.hpp"
#include "tests/bench/support/etcd.hpp"
#include "tests/bench/support/measure.hpp"
#include "tests/bench/support/postgres.hpp"
#include "tests/bench/support/process.hpp"
#include "tests/bench/support/report.hpp"
#include "tests/bench/support/rpc_load.hpp"
#include "tests/bench/support/run.hpp"
#include "tests/bench/support/shard_load.hpp"
#include "tests/processes/cluster.hpp"

namespace cairn::bench {
namespace {

constexpr unsigned accounts = 64;
constexpr unsigned sessions = 16;
constexpr unsigned row_bytes = 256;
// Of 4, 16 and 100 connections of etcd's Go client, and as many of gRPC's C++ client, these gave it most.
constexpr unsigned etcd_connections = 4;

/// A new file whose row holds `row_bytes` of content.
PutFile new_row(const std::string& name) {
  PutFile put{{}, name, EntryKind::file, {}, {}, {0644, 1'700'000'000'000'000'000}};
  put.content.inline_bytes.assign(row_bytes, 'v');
  put.content.size = row_bytes;
  return put;
}

struct Series {
  std::vector<double> per_second, p50_ms, p99_ms;
  void add(const LoadResult& load) {
    per_second.push_back(load.per_second());
    p50_ms.push_back(percentile(load.micros, 0.5) / 1e3);
    p99_ms.push_back(percentile(load.micros, 0.99) / 1e3);
  }
  std::vector<double> leader_us, follower_us, client_us;  // of CPU time for each commit
  template <class Figure>
  void add(const Figure& figure) {
    per_second.push_back(figure.per_second);
    p50_ms.push_back(figure.p50_ms);
    p99_ms.push_back(figure.p99_ms);
  }
};
using ByClients = std::map<unsigned, Series>;

class Benchmark {
 public:
  explicit Benchmark(const Setting& setting)
      : setting_(setting),
        rounds_(static_cast<unsigned>(setting.number("--rounds", 3))),
        seconds_(std::max(1u, static_cast<unsigned>(setting.number("--seconds", 5)))),
        layer_(setting.text("--layer")) {
    const auto clients = static_cast<unsigned>(setting.number("--clients", 0));
    if (clients > 0) client_counts_ = {clients};
  }

  void operator()() {
    for (unsigned round = 0; round < rounds_; ++round) {
      cairn();
      if (!setting_.has("--no-etcd")) etcd(round);
      if (!setting_.has("--no-postgres")) postgres(round);
    }
    tell();
  }

 private:
  std::string folder(const char* name, unsigned round) const {
    return setting_.folder + "/" + name + std::to_string(round);
  }

  void cairn() {
    test::ClusterOptions options;
    options.program = setting_.cairnd;
    options.folder = setting_.folder;
    test::ProcessCluster cluster(options);
    cluster.start();
    if (layer_ != "node") through_api_node(cluster);
    if (layer_ != "rpc") as_a_node(cluster);
  }

  void through_api_node(test::ProcessCluster& cluster) {
    std::vector<RpcSession> all;
    for (unsigned i = 0; i < sessions; ++i) {
      RpcSession session;
      session.number = i;
      session.connection = cluster.connect();
      const auto login = "bench-" + std::to_string(i);
      need(session.connection->sign_up(login, "correct horse"), "sign up");
      need(session.connection->sign_in(login, "correct horse", "bench", ClientId{100 + i}), "sign in");
      session.drive = session.connection->drive(client::make_request_ids(ClientId{100 + i}));
      all.push_back(std::move(session));
    }
    RpcClients clients(std::move(all));
    std::atomic<std::uint64_t> number = 0;
    for (const auto count : client_counts_)
      rpc_[count].add(clients.run(count, seconds_, [&](RpcSession& session, const RpcDone& done) {
        session.drive->commit({new_row("row-" + std::to_string(++number))}, {}, [done](Result<CommitResult> result) {
          if (result.ok() && result->results[0].error) return done(*result->results[0].error);
          done(result.ok() ? std::nullopt : std::optional(result.error()));
        });
      }));
  }

  void as_a_node(test::ProcessCluster& cluster) {
    cluster.add("load-1", true);
    const auto parsed = cluster::parse_config(content_of(cluster.config("load-1")));
    if (!parsed.errors.empty()) give_up("the configuration of the load's node: " + parsed.errors[0].message);
    const auto node = need(actors::Node::start(parsed.config), "node");
    Drives drives(accounts, Drives::Content::empty);
    drives.make(*node);
    std::vector<std::uint64_t> sequences(std::ranges::max(client_counts_), 0);
    const auto leader = cluster.leader();
    for (const auto count : client_counts_) {
      const auto leader_cpu = cpu_seconds(cluster.pid(leader));
      const auto followers_cpu = cpu_of(cluster, leader);
      const auto client_cpu = own_cpu_seconds();
      const auto deadline = seconds_now() + seconds_;
      const auto load = propose_from(*node, count, [&](unsigned client) -> std::optional<cluster::Command> {
        if (seconds_now() > deadline) return std::nullopt;
        const auto sequence = ++sequences[client];
        cluster::CommitChanges commit{
            drives.account(client % accounts), {ClientId{1'000 + client}, sequence}, sequence - 1, "bench", {}, {}};
        commit.changes.push_back(new_row("row-" + std::to_string(client) + "-" + std::to_string(sequence)));
        return cluster::Command{actors::now(), std::move(commit)};
      });
      auto& series = node_[count];
      series.add(load);
      const auto commits = static_cast<double>(load.answered);
      series.leader_us.push_back((cpu_seconds(cluster.pid(leader)) - leader_cpu) / commits * 1e6);
      series.follower_us.push_back((cpu_of(cluster, leader) - followers_cpu) / commits / 2 * 1e6);
      series.client_us.push_back((own_cpu_seconds() - client_cpu) / commits * 1e6);
    }
    node->stop();
  }

  static double cpu_of(const test::ProcessCluster& cluster, const std::string& leader) {
    double sum = 0;
    for (const auto& follower : cluster.others({leader})) sum += cpu_seconds(cluster.pid(follower));
    return sum;
  }

  void etcd(unsigned round) {
    std::string why;
    const auto cluster = EtcdCluster::start(folder("etcd", round), setting_.etcd_client, why);
    if (!cluster) return note_once(why);
    etcd_version_ = cluster->version();
    for (const auto clients : client_counts_)
      etcd_[clients].add(cluster->puts(clients, std::min(clients, etcd_connections), row_bytes, seconds_));
  }

  void postgres(unsigned round) {
    std::string why;
    const auto cluster = PostgresCluster::start(folder("postgres", round), why);
    if (!cluster) return note_once(why);
    postgres_version_ = cluster->version();
    cluster->set_synchronous(PostgresCluster::majority);
    for (const auto clients : client_counts_) postgres_[clients].add(cluster->inserts(clients, seconds_));
    cluster->set_synchronous(PostgresCluster::all);
    postgres_all_[1].add(cluster->inserts(1, seconds_));
  }

  void note_once(const std::string& why) {
    if (std::ranges::find(noted_, why) != noted_.end()) return;
    noted_.push_back(why);
    report_.note(why);
  }

  static double best(const ByClients& figures) {
    double most = 0;
    for (const auto& [clients, series] : figures) most = std::max(most, median(series.per_second));
    return most;
  }

  void tell(const std::string& system, const ByClients& figures, const Conditions& base) {
    for (const auto& [clients, series] : figures) {
      Conditions conditions{{"clients", clients}};
      conditions.update(base);
      auto with_rounds = conditions;
      with_rounds["per_round"] = rounded(series.per_second);
      report_.add(system + "_per_s", median(series.per_second), "1/s", with_rounds);
      report_.add(system + "_p50_ms", median(series.p50_ms), "ms", conditions);
      report_.add(system + "_p99_ms", median(series.p99_ms), "ms", conditions);
      if (series.leader_us.empty()) continue;
      report_.add(system + "_leader_cpu_us", median(series.leader_us), "us", conditions);
      report_.add(system + "_follower_cpu_us", median(series.follower_us), "us", conditions);
      report_.add(system + "_client_cpu_us", median(series.client_us), "us", conditions);
    }
  }

  void tell() {
    const Conditions shared{{"row_bytes", row_bytes}, {"cores", cores()}};
    auto cairn = shared;
    cairn["layer"] = "node: proposed by links from a fourth node";
    tell("replicated", node_, cairn);
    cairn["layer"] = "rpc: " + std::to_string(sessions) + " sessions to an API node";
    tell("replicated", rpc_, cairn);
    auto etcd = shared;
    etcd["version"] = etcd_version_;
    etcd["client"] = "Go, " + std::to_string(etcd_connections) + " connections to the leader";
    tell("etcd", etcd_, etcd);
    auto postgres = shared;
    postgres["version"] = postgres_version_;
    postgres["synchronous"] = PostgresCluster::majority;
    tell("postgres", postgres_, postgres);
    postgres["synchronous"] = PostgresCluster::all;
    tell("postgres", postgres_all_, postgres);
    for (const auto& [layer, figures] : {std::pair("node", &node_), std::pair("rpc", &rpc_)})
      if (!etcd_.empty() && !figures->empty())
        report_.add("ratio_to_etcd", best(*figures) / best(etcd_), "ratio",
                    {{"of", "the best of each"}, {"layer", layer}});
    if (node_.contains(1) && postgres_.contains(1))
      report_.add("p50_ratio_to_postgres", median(node_[1].p50_ms) / median(postgres_[1].p50_ms), "ratio",
                  {{"clients", 1}, {"layer", "node"}});
  }

  const Setting& setting_;
  const unsigned rounds_;
  const unsigned seconds_;
  const std::string layer_;  // empty: both
  std::vector<unsigned> client_counts_{1, 64, 1'024};
  ByClients node_, rpc_, etcd_, postgres_, postgres_all_;
  std::string etcd_version_, postgres_version_;
  std::vector<std::string> noted_;
  Report report_{"replicated"};
};

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) {
  const std::vector<std::string> flags{"--rounds", "--seconds", "--clients", "--layer", "--no-etcd", "--no-postgres"};
  return cairn::bench::run(argc, argv, 900, flags, [](const auto& setting) {
    try {
      cairn::bench::Benchmark{setting}();
    } catch (const std::exception& error) {
      cairn::bench::give_up(error.what());
    }
  });
}
