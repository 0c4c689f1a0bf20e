// A whole shard group on virtual time: replicas, their network, clients, watchers, an operator and bad
// luck, all drawn from one seed, so that a run happens again exactly. One thread.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <set>
#include <string>
#include <vector>

#include "tests/simulation/sim_replica.hpp"

namespace cairn::simulation {

struct RunSettings {
  std::uint64_t seed = 1;
  cluster::Faults faults;
  bool trace = false;
};

struct RunOutcome {
  std::string violation;               ///< empty if everything held
  std::vector<std::string> trace;      ///< if asked for
  Instant simulated{0};
  std::uint64_t events = 0;
  std::uint64_t acknowledged = 0;      ///< writes
  std::uint64_t elections = 0;
  std::uint64_t crashes = 0;
  std::uint64_t snapshots = 0;         ///< messages with a part of one
  std::uint64_t configurations = 0;    ///< proposed changes
};

/// Runs one seed to its end or to the first violation.
RunOutcome run_seed(const RunSettings& settings);

/// The violation and the last lines of the trace of `seed`, run again with tracing.
std::string explain(const RunSettings& settings);

class World : public Surroundings {
 public:
  explicit World(const RunSettings& settings);
  RunOutcome run();

  Instant now() const override { return now_; }
  void after(Duration delay, std::function<void()> event) override;
  void send(cluster::Message message) override;
  test::Random& random() override { return random_; }
  Checks& checks() override { return checks_; }
  bool tracing() const override { return settings_.trace; }
  void trace(ReplicaId id, const std::string& line) override;

 private:
  /// How unlucky this run is; percentages and mean times.
  struct Luck {
    std::uint64_t loss = 0;
    std::uint64_t doubled = 0;
    std::uint64_t damaged = 0;
    std::uint64_t late = 0;            ///< in a thousand, by up to two seconds
    std::uint64_t delay_micros = 200;
    std::uint64_t trouble_micros = 200'000;
    bool crashes = false, cuts = false, changes = false, transfers = false, clocks = false, disks = false;
    bool rots = false, down_notices = false, one_way = false, dead_leader = false;
    bool flood = false;                ///< writes that nobody waits for
    bool hide_new_leaders = false;     ///< a leader is cut off when another takes office
    bool worst_drift = false;          ///< clocks are as wrong as they may be
    std::uint64_t restart_micros = 700'000;
    std::uint64_t cut_micros = 900'000;
    std::uint64_t life_micros = 2'000'000;
    std::uint64_t voters = 0;          ///< founders; 0 is any number
    std::array<unsigned, 8> chances{2, 2, 1, 2, 1, 1, 1, 0};   ///< of each kind of trouble
  };
  struct Client {
    std::uint64_t id = 0;
    std::uint64_t sequence = 0;
    std::uint64_t operation = 0;       ///< counts up; what is answered for an earlier one is late
    std::uint64_t attempt = 0;
    ReplicaId target;
    std::uint64_t session = 0;         ///< the newest index that it has seen
    bool idle = true;
    std::uint64_t put_percent = 55;
    enum class Kind { put, read, local_read } kind = Kind::put;
    Put put;
    std::uint64_t key = 0;
    std::uint64_t floor = 0;
    std::uint64_t invoked = 0;
  };
  struct Watcher {
    ReplicaId at;
    std::uint64_t cursor = 0;
    std::uint64_t seen = 0;            ///< what it was given so far
    bool moved = false;
  };
  struct Event {
    Instant at;
    std::uint64_t number;
    std::function<void()> run;
    bool operator<(const Event& other) const {
      return at != other.at ? at > other.at : number > other.number;
    }
  };

  void draw_luck();
  void draw_bounds();
  void draw_theme();
  std::int64_t draw_drift();
  void add_replica(ReplicaId id, const cluster::Configuration& founders);
  SimReplica* replica(ReplicaId id);
  SimReplica* leader();
  ReplicaId any(const std::vector<ReplicaId>& list) { return list[random_.below(list.size())]; }
  std::vector<ReplicaId> ids() const;
  void run_until(Instant end);

  // Bad luck (trouble.cpp).
  void trouble();
  void crash(ReplicaId id);
  void restart_later(ReplicaId id, std::uint64_t within_micros);
  void cut();
  void heal();
  void heal_after(Duration delay);
  void change_membership();
  void replace_withdrawn(SimReplica& leader, bool& acted);
  void tell_down(ReplicaId peer, std::uint64_t percent);
  void disk_trouble(ReplicaId victim);
  void rot(ReplicaId victim);
  void cut_off(ReplicaId id);
  void hide_new_leader(const cluster::Message& message);
  bool all_sound();
  void one_way_scenario();
  void dead_leader_scenario();
  void failed_transfer_scenario();
  void converge();
  bool converged();

  // What leases promise (leases.cpp).
  void draw_leases();
  void lease_trouble();
  void turn_clocks(ReplicaId old);
  void silence_leader(ReplicaId old);
  void court(ReplicaId old, ReplicaId rival);
  void restart_voters(ReplicaId old, ReplicaId rival);

  // Clients and watchers (clients.cpp).
  void client_step(std::size_t which);
  void client_attempt(std::size_t which);
  void client_finish(std::size_t which, std::uint64_t value);
  void client_answered(std::size_t which, std::uint64_t operation, const Result<std::uint64_t>& answer, ReplicaId from);
  void flood(ReplicaId at);
  void watcher_step(std::size_t which);

  RunSettings settings_;
  ReplicaSettings replica_settings_;
  test::Random random_;
  Checks checks_;
  Luck luck_;
  Instant now_{0};
  std::uint64_t next_event_ = 0;
  std::priority_queue<Event> events_;
  std::map<ReplicaId, std::unique_ptr<SimReplica>> replicas_;
  std::set<std::pair<ReplicaId, ReplicaId>> cuts_;       // from, to
  std::uint64_t heals_ = 0;
  std::vector<Client> clients_;
  std::vector<Watcher> watchers_;
  std::uint64_t next_value_ = 1;
  std::uint64_t keys_ = 3;
  bool chaos_ = true;
  bool quiet_clients_ = false;
  bool readers_ = false;                                 // a client that only writes, one that only reads
  bool writes_held_ = false;                             // clients only read meanwhile
  std::uint64_t newest_term_ = 0;
  ReplicaId rotten_ = cluster::no_replica;               // its log was damaged in this run
  RunOutcome outcome_;
};

}  // namespace cairn::simulation
