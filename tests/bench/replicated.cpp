// Durable replicated commits of 256-byte rows on three processes of one machine, by 1, 64 and 1,024 clients, beside
// etcd with three members and PostgreSQL with two synchronous standbys, in turns of one run.
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "tests/bench/support/etcd.hpp"
#include "tests/bench/support/measure.hpp"
#include "tests/bench/support/postgres.hpp"
#include "tests/bench/support/report.hpp"
#include "tests/bench/support/run.hpp"

namespace cairn::bench {
namespace {

constexpr unsigned client_counts[] = {1, 64, 1'024};
constexpr unsigned row_bytes = 256;
// Of 4, 16 and 100 connections of etcd's Go client, and as many of gRPC's C++ client, these gave it most.
constexpr unsigned etcd_connections = 4;

struct Series {
  std::vector<double> per_second, p50_ms, p99_ms;
  template <class Figure>
  void add(const Figure& figure) {
    per_second.push_back(figure.per_second);
    p50_ms.push_back(figure.p50_ms);
    p99_ms.push_back(figure.p99_ms);
  }
  bool empty() const { return per_second.empty(); }
};
using ByClients = std::map<unsigned, Series>;

class Benchmark {
 public:
  explicit Benchmark(const Setting& setting)
      : setting_(setting),
        rounds_(static_cast<unsigned>(setting.number("--rounds", 3))),
        seconds_(std::max(1u, static_cast<unsigned>(setting.number("--seconds", 5)))) {}

  void operator()() {
    for (unsigned round = 0; round < rounds_; ++round) {
      if (!setting_.has("--no-etcd")) etcd(round);
      if (!setting_.has("--no-postgres")) postgres(round);
    }
    tell();
  }

 private:
  std::string folder(const char* name, unsigned round) const {
    return setting_.folder + "/" + name + std::to_string(round);
  }

  void etcd(unsigned round) {
    std::string why;
    const auto cluster = EtcdCluster::start(folder("etcd", round), setting_.etcd_client, why);
    if (!cluster) return note_once(why);
    etcd_version_ = cluster->version();
    for (const auto clients : client_counts)
      etcd_[clients].add(cluster->puts(clients, std::min(clients, etcd_connections), row_bytes, seconds_));
  }

  void postgres(unsigned round) {
    std::string why;
    const auto cluster = PostgresCluster::start(folder("postgres", round), why);
    if (!cluster) return note_once(why);
    postgres_version_ = cluster->version();
    cluster->set_synchronous(PostgresCluster::majority);
    for (const auto clients : client_counts) postgres_[clients].add(cluster->inserts(clients, seconds_));
    cluster->set_synchronous(PostgresCluster::all);
    postgres_all_[1].add(cluster->inserts(1, seconds_));
  }

  void note_once(const std::string& why) {
    if (std::ranges::find(noted_, why) != noted_.end()) return;
    noted_.push_back(why);
    report_.note(why);
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
    }
  }

  void tell() {
    const Conditions shared{{"row_bytes", row_bytes}, {"cores", cores()}};
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
  }

  const Setting& setting_;
  const unsigned rounds_;
  const unsigned seconds_;
  ByClients etcd_, postgres_, postgres_all_;
  std::string etcd_version_, postgres_version_;
  std::vector<std::string> noted_;
  Report report_{"replicated"};
};

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) {
  return cairn::bench::run(argc, argv, 900, [](const auto& setting) { cairn::bench::Benchmark{setting}(); });
}
