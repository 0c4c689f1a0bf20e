// A whole cluster on virtual time: nodes with all that they hold, the directory's shard and shards of accounts, their
// network, clients, watchers, an operator and bad luck, all drawn from one seed, so that a run happens again exactly.
// One thread.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <set>
#include <string>
#include <vector>

#include "tests/simulation/cluster_client.hpp"
#include "tests/simulation/cluster_node.hpp"

namespace cairn::simulation {

struct ClusterRun {
  std::uint64_t seed = 1;
  ClusterFault fault = ClusterFault::none;
  cluster::NodeFaults faults;  ///< in the real code
  bool trace = false;
  bool messages = false;  ///< each message of consensus, too
};

struct ClusterOutcome {
  std::string violation;           ///< empty if everything held
  std::vector<std::string> trace;  ///< if asked for
  Instant simulated{0};
  std::uint64_t events = 0;
  std::uint64_t acknowledged = 0;  ///< commits
  std::uint64_t crashes = 0;
  std::uint64_t snapshots = 0;  ///< put in place
  std::uint64_t made = 0;       ///< replicas
  std::uint64_t losses = 0;     ///< disks, nodes and replicas that were lost for good
};

/// Runs one seed to its end or to the first violation.
ClusterOutcome run_cluster(const ClusterRun& run);
/// The violation and the last lines of the trace of the seed, run again with tracing.
std::string explain(const ClusterRun& run);

struct ClusterSettings {
  cluster::RaftOptions raft;
  cluster::Tick tick;
  Duration store_time{300};
  std::uint64_t checkpoint_entries = 30;
  std::uint64_t kept_entries = 10;
  Duration agent_interval{150'000};
  Duration directory_interval{150'000};
};

class ClusterWorld {
 public:
  explicit ClusterWorld(const ClusterRun& run);
  ClusterOutcome run();

  Instant now() const { return now_; }
  void after(Duration delay, std::function<void()> event);
  test::Random& random() { return random_; }
  ClusterChecks& checks() { return checks_; }
  const ClusterSettings& settings() const { return settings_; }
  bool faulty(ClusterFault fault) const { return run_.fault == fault; }
  cluster::NodeFaults faults() const { return run_.faults; }
  bool tracing() const { return run_.trace; }
  bool tracing_messages() const { return run_.trace && run_.messages; }
  void trace(const std::string& who, const std::string& line);
  const std::vector<cluster::NodeAt>& founders() const { return founders_; }
  const cluster::directory::FoundingPlan& plan() const { return plan_; }
  void count_snapshot() { ++outcome_.snapshots; }

  // The network (cluster_network.cpp).
  bool send(const ClusterNode& from, const std::string& to, Channel channel, std::function<void(ClusterNode&)> deliver);
  void links_changed();
  void node_started(ClusterNode& node);
  void node_ended(ClusterNode& node);
  void crash_at_write(ClusterNode& node);

  // For clients.
  ClusterNode* node(const std::string& name);
  /// One that is up, as far as any is.
  ClusterNode& any_node();
  bool quiet() const { return quiet_; }
  void wake_watch(AccountId account);

  // For hubs.
  bool any_watch_on(const std::string& node) const;
  std::vector<AccountId> watched_on(const std::string& node) const;
  void tell_watches(const std::string& node, const Growth& growth);

 private:
  /// How unlucky this run is; percentages and mean times.
  struct Luck {
    std::uint64_t loss = 0;
    std::uint64_t doubled = 0;
    std::uint64_t late = 0;  ///< in a thousand
    std::uint64_t delay_micros = 200;
    std::uint64_t trouble_micros = 200'000;
    std::uint64_t life_micros = 4'000'000;
    bool early = false;  ///< trouble while the cluster is founded
    std::array<unsigned, 9> chances{};
  };
  struct Link {
    bool up = false;
    std::uint64_t changes = 0;
    Instant last{0};  ///< delivery of a frame that keeps its place
  };
  struct Event {
    Instant at;
    std::uint64_t number;
    std::function<void()> run;
    bool operator<(const Event& other) const { return at != other.at ? at > other.at : number > other.number; }
  };
  using Pair = std::pair<std::string, std::string>;

  void draw_luck();
  void run_until(Instant end);
  void add_node(const std::string& name);
  std::vector<std::string> names() const;

  // The network.
  bool may_link(const ClusterNode& from, const ClusterNode& to) const;
  void look_at_link(const ClusterNode& from, const ClusterNode& to);
  void set_link(const Pair& pair, bool up);
  void deliver(const Pair& pair, std::uint64_t process, bool in_order, std::function<void(ClusterNode&)> frame);

  // Bad luck (cluster_trouble.cpp).
  void trouble();
  void crash(ClusterNode& node);
  void restart_later(const std::string& name, std::uint64_t within_micros);
  void cut();
  void heal();
  void disk_trouble(ClusterNode& node);
  void clock_trouble(ClusterNode& node);
  void die_within_write(ClusterNode& node);
  void lose_node(ClusterNode& node);
  void lose_disk(ClusterNode& node);
  void rot(ClusterNode& node);
  std::string not_whole(bool at_rest);
  std::string not_equal();
  void operate();

  // The end (cluster_rest.cpp).
  const cluster::directory::DirectoryState* directory_state();
  ShardReplica* shard_leader(ShardId shard);
  std::string shard_not_whole(const cluster::directory::Shard& shard, std::size_t target, bool at_rest);
  void found();
  void end_trouble();
  void come_to_rest();
  void last_words();
  void check_rows();

  ClusterRun run_;
  ClusterSettings settings_;
  test::Random random_;
  ClusterChecks checks_;
  Luck luck_;
  Instant now_{0};
  std::uint64_t next_event_ = 0;
  std::priority_queue<Event> events_;
  std::vector<cluster::NodeAt> founders_;
  cluster::directory::FoundingPlan plan_;
  std::map<std::string, std::unique_ptr<ClusterNode>> nodes_;
  std::map<Pair, Link> links_;
  std::set<Pair> cuts_;
  std::uint64_t next_disk_ = 1;
  std::set<std::string> dead_;  // nodes that are lost for good
  std::vector<std::unique_ptr<ClusterClient>> clients_;
  std::vector<std::unique_ptr<ClusterWatch>> watches_;
  bool chaos_ = false;
  bool quiet_ = false;
  bool loss_open_ = false;  // something was lost for good and may not be replaced yet
  std::uint64_t operation_ = 0;
  ClusterOutcome outcome_;
};

}  // namespace cairn::simulation
