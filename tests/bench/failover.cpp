// How long acknowledged commits and reads pause when the leader's node fails: killed, stopped, or cut off; beside etcd
// under the same kill, in one run.
#include <algorithm>
#include <chrono>
#include <thread>

#include "tests/bench/support/etcd.hpp"
#include "tests/bench/support/measure.hpp"
#include "tests/bench/support/report.hpp"
#include "tests/bench/support/run.hpp"
#include "tests/support/acks.hpp"

namespace cairn::bench {
namespace {

constexpr unsigned writers = 8;
constexpr unsigned pause_millis = 4;

void sleep(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

class Benchmark {
 public:
  explicit Benchmark(const Setting& setting)
      : setting_(setting), etcd_rounds_(static_cast<unsigned>(setting.number("--etcd-rounds", 30))) {}

  void operator()() {
    etcd();
    tell();
  }

 private:
  void etcd() {
    constexpr double before = 1, after = 5;
    std::string why;
    const auto cluster = EtcdCluster::start(setting_.folder + "/etcd", setting_.etcd_client, why);
    if (!cluster) return report_.note(why);
    etcd_version_ = cluster->version();
    for (unsigned round = 0; round < etcd_rounds_; ++round) {
      const auto leader = cluster->leader();
      EtcdCluster::Trace trace(*cluster, leader, writers, pause_millis);
      sleep(before);
      const auto killed = seconds_now();
      cluster->kill(leader);
      sleep(after);
      etcd_gaps_.push_back(longest_pause(trace.finish(), killed, killed + after - 1, "etcd's round") * 1e3);
      cluster->begin(leader);
    }
  }

  void tell() {
    if (etcd_gaps_.empty()) return;
    const Conditions conditions{{"fault", "kill"},
                                {"rounds", etcd_gaps_.size()},
                                {"version", etcd_version_},
                                {"timers", "default"},
                                {"clients", writers},
                                {"connected", "to the survivors, 100 ms a try"},
                                {"per_round", rounded(etcd_gaps_)}};
    report_.add("etcd_write_gap_p50_ms", percentile(etcd_gaps_, 0.5), "ms", conditions);
    report_.add("etcd_write_gap_max_ms", percentile(etcd_gaps_, 1), "ms", conditions);
  }

  const Setting& setting_;
  const unsigned etcd_rounds_;
  std::vector<double> etcd_gaps_;
  std::string etcd_version_;
  Report report_{"failover"};
};

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) {
  return cairn::bench::run(argc, argv, 1'800, [](const auto& setting) { cairn::bench::Benchmark{setting}(); });
}
