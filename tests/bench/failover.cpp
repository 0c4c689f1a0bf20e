// How long acknowledged commits and reads pause when the leader's node fails: killed, stopped, or cut off; and how long
// a shard lacks a replica. Beside etcd under the same kill, in one run.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/bench/support/etcd.hpp"
#include "tests/bench/support/measure.hpp"
#include "tests/bench/support/report.hpp"
#include "tests/bench/support/run.hpp"
#include "tests/processes/cluster.hpp"
#include "tests/processes/load.hpp"
#include "tests/processes/network.hpp"
#include "tests/support/acks.hpp"
#include "tests/support/await.hpp"

namespace cairn::bench {
namespace {

using test::ProcessCluster;

constexpr unsigned accounts = 2;
constexpr unsigned etcd_writers = 8;
constexpr unsigned pause_millis = 4;
constexpr double seconds_before = 1;  // of undisturbed load before each fault
constexpr double seconds_under_kill = 1.5;
constexpr double seconds_under_silence = 3;
constexpr double etcd_seconds_under_kill = 5;

void sleep(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

/// What befalls the leader's node, and how it ends.
struct Fault {
  const char* name;
  double seconds;
  void (ProcessCluster::*begin)(const std::string&);
  void (ProcessCluster::*end)(const std::string&);
};

constexpr Fault faults[] = {
    {"kill", seconds_under_kill, &ProcessCluster::kill, &ProcessCluster::start},
    {"stop", seconds_under_silence, &ProcessCluster::freeze, &ProcessCluster::thaw},
    {"cut", seconds_under_silence, &ProcessCluster::cut, &ProcessCluster::heal},
};

/// Pauses in milliseconds, one of each round.
struct Pauses {
  std::vector<double> write, read, read_of_one, write_at_return, read_at_return, full_seconds;
};

class Benchmark {
 public:
  explicit Benchmark(const Setting& setting)
      : setting_(setting),
        rounds_(static_cast<unsigned>(setting.number("--rounds", 30))),
        only_(setting.text("--fault")),
        etcd_rounds_(static_cast<unsigned>(setting.number("--etcd-rounds", 30))) {}

  void operator()() {
    const auto chosen = [&](const Fault& fault) { return only_.empty() || only_ == fault.name; };
    if (std::ranges::none_of(faults, chosen)) give_up("--fault is kill, stop or cut, not " + only_);
    cairn();
    etcd();
  }

 private:
  // Nothing of it runs any more when it returns.
  void cairn() {
    auto network = test::Network::make();
    if (!network.ok()) report_.note("links are not cut: " + network.error().message);
    test::ClusterOptions options;
    options.program = setting_.cairnd;
    options.folder = setting_.folder;
    options.network = network.ok() ? network->get() : nullptr;
    ProcessCluster cluster(options);
    cluster.start();
    test::LoadOptions clients;
    clients.accounts = accounts;
    clients.writers = 4;
    clients.readers = 2;
    clients.pause = std::chrono::milliseconds(pause_millis);
    test::SteadyLoad load(cluster, clients);
    for (const auto& fault : faults) {
      if (!only_.empty() && only_ != fault.name) continue;
      if (fault.begin == &ProcessCluster::cut && !options.network) continue;
      Pauses pauses;
      for (unsigned i = 0; i < rounds_; ++i) round(cluster, load, fault, pauses);
      tell(fault.name, pauses);
    }
    if (!setting_.has("--no-replacement")) replacement(cluster);
    load.stop();
    for (const auto& line : load.wrong()) give_up(line);
    report_.note(std::to_string(load.writes().count()) + " commits acknowledged, none lost, none twice");
  }

  static double pause(const test::Acks& acks, double from, double to, const char* what) {
    const auto longest = test::longest_pause(acks.sorted(), from, to);
    if (!std::isfinite(longest)) give_up(std::string(what) + " did not go on");
    return longest * 1e3;
  }

  static void round(ProcessCluster& cluster, const test::SteadyLoad& load, const Fault& fault, Pauses& pauses) {
    cluster.await_full();
    sleep(seconds_before);
    const auto leader = cluster.leader();
    const auto began = seconds_now();
    (cluster.*fault.begin)(leader);
    sleep(fault.seconds);
    const auto ended = seconds_now();
    if (!load.writes_after(ended) || !load.reads_after(ended)) give_up("the cluster did not go on without " + leader);
    pauses.write.push_back(pause(load.writes(), began, ended, "commits"));
    pauses.read.push_back(pause(load.reads(), began, ended, "reads"));
    pauses.read_of_one.push_back(0);
    for (unsigned i = 0; i < accounts; ++i)
      pauses.read_of_one.back() = std::max(pauses.read_of_one.back(), pause(load.reads_of(i), began, ended, "reads"));
    const auto returns = seconds_now();
    (cluster.*fault.end)(leader);
    cluster.await_full();
    const auto full = seconds_now();
    if (!load.writes_after(full) || !load.reads_after(full)) give_up("the cluster did not go on with " + leader);
    pauses.write_at_return.push_back(pause(load.writes(), returns, full, "commits"));
    pauses.read_at_return.push_back(pause(load.reads(), returns, full, "reads"));
    pauses.full_seconds.push_back(full - returns);
  }

  void tell(const char* fault, const Pauses& pauses) {
    Conditions conditions{{"fault", fault}, {"rounds", pauses.write.size()}, {"nodes", 3}, {"clients", 8}};
    auto with_rounds = conditions;
    with_rounds["per_round"] = rounded(pauses.write);
    report_.add("write_gap_p50_ms", percentile(pauses.write, 0.5), "ms", with_rounds);
    if (std::string(fault) == "kill") killed_p50_ms_ = percentile(pauses.write, 0.5);
    report_.add("write_gap_p99_ms", percentile(pauses.write, 0.99), "ms", conditions);
    report_.add("write_gap_max_ms", percentile(pauses.write, 1), "ms", conditions);
    with_rounds["per_round"] = rounded(pauses.read);
    report_.add("read_gap_max_ms", percentile(pauses.read, 1), "ms", with_rounds);
    report_.add("read_gap_p50_ms", percentile(pauses.read, 0.5), "ms", conditions);
    with_rounds["of"] = "each account alone";
    with_rounds["per_round"] = rounded(pauses.read_of_one);
    report_.add("read_gap_max_ms", percentile(pauses.read_of_one, 1), "ms", with_rounds);
    conditions["when"] = "the node is back";
    report_.add("write_gap_max_ms", percentile(pauses.write_at_return, 1), "ms", conditions);
    report_.add("read_gap_max_ms", percentile(pauses.read_at_return, 1), "ms", conditions);
    report_.add("full_replicas_s", percentile(pauses.full_seconds, 0.5), "s", conditions);
  }

  /// A node is lost for good, and a fourth takes its place by itself.
  void replacement(ProcessCluster& cluster) {
    constexpr unsigned dead_after_millis = 1'000;
    cluster.add("node-4");
    cluster.start("node-4");
    cluster.set_setting("dead-after-millis", std::to_string(dead_after_millis));
    cluster.set_setting("grace-millis", "0");
    cluster.await_full();
    const auto lost = cluster.leader();
    const auto began = seconds_now();
    cluster.kill(lost);
    const auto replaced = [&] {
      const auto known = cluster.directory();
      if (!known) return false;
      for (const auto& shard : known->shards)
        for (const auto& placed : shard.placed)
          if (placed.node == lost) return false;
      return cluster.full();
    };
    test::await("another node to take its place", std::chrono::seconds(60), replaced);
    report_.add("full_replicas_s", seconds_now() - began, "s",
                {{"fault", "kill"}, {"when", "a spare node takes its place"}, {"dead_after_ms", dead_after_millis}});
  }

  void etcd() {
    if (etcd_rounds_ == 0) return;
    std::string why;
    const auto cluster = EtcdCluster::start(setting_.folder + "/etcd", setting_.etcd_client, why);
    if (!cluster) return report_.note(why);
    std::vector<double> gaps;
    for (unsigned round = 0; round < etcd_rounds_; ++round) {
      const auto leader = cluster->leader();
      EtcdCluster::Trace trace(*cluster, leader, etcd_writers, pause_millis);
      sleep(seconds_before);
      const auto killed = seconds_now();
      cluster->kill(leader);
      sleep(etcd_seconds_under_kill);
      const auto longest = test::longest_pause(trace.finish(), killed, killed + etcd_seconds_under_kill - 1);
      if (!std::isfinite(longest)) give_up("etcd did not go on");
      gaps.push_back(longest * 1e3);
      cluster->begin(leader);
    }
    Conditions conditions{
        {"fault", "kill"},     {"rounds", gaps.size()},   {"version", cluster->version()},
        {"timers", "default"}, {"clients", etcd_writers}, {"connected", "to the survivors, 100 ms a try"}};
    report_.add("etcd_write_gap_p99_ms", percentile(gaps, 0.99), "ms", conditions);
    conditions["per_round"] = rounded(gaps);
    report_.add("etcd_write_gap_p50_ms", percentile(gaps, 0.5), "ms", conditions);
    conditions.erase("per_round");
    if (killed_p50_ms_ > 0)
      report_.add("write_gap_ratio_to_etcd", killed_p50_ms_ / percentile(gaps, 0.5), "ratio", conditions);
  }

  const Setting& setting_;
  const unsigned rounds_;
  const std::string only_;  ///< this fault; empty: each
  const unsigned etcd_rounds_;
  double killed_p50_ms_ = 0;
  Report report_{"failover"};
};

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) {
  const std::vector<std::string> flags{"--rounds", "--fault", "--etcd-rounds", "--no-replacement"};
  return cairn::bench::run(argc, argv, 2'400, flags, [](const auto& setting) {
    try {
      cairn::bench::Benchmark{setting}();
    } catch (const std::exception& error) {
      cairn::bench::give_up(error.what());
    }
  });
}
