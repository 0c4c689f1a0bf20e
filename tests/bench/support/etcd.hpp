// etcd as a peer: three members on loopback with their default timers and syncs, and load on them from etcd's own Go
// client, which tests/bench/peers/etcd_client.go wraps. Main thread; blocks. What goes wrong ends the benchmark.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/bench/support/process.hpp"

namespace cairn::bench {

class EtcdCluster {
 public:
  static constexpr unsigned members = 3;

  /// Started and led when it returns. Nothing if etcd or its client is not there; `why` says so. `folder` is made;
  /// `client` is the program that scripts/bench builds.
  static std::unique_ptr<EtcdCluster> start(const std::string& folder, const std::string& client, std::string& why);

  /// The member that leads, once all answer and agree.
  unsigned leader();
  /// SIGKILL.
  void kill(unsigned member);
  /// A killed member again, with its data.
  void begin(unsigned member);
  const std::string& version() const { return version_; }

  struct Figure {
    double per_second = 0;
    double p50_ms = 0;
    double p99_ms = 0;
  };
  /// Puts of `value_bytes` under new keys, at the leader: `clients` of them unanswered over `connections`.
  Figure puts(unsigned clients, unsigned connections, unsigned value_bytes, unsigned seconds);

  /// Paced puts by `clients` at all members but `but`, until finish().
  class Trace {
   public:
    Trace(EtcdCluster& cluster, unsigned but, unsigned clients, unsigned pause_millis);
    /// When each was acknowledged, in seconds of seconds_now(), ascending.
    std::vector<double> finish();

   private:
    std::string output_;
    std::unique_ptr<Program> program_;
  };

 private:
  EtcdCluster() = default;
  std::string endpoint(unsigned member) const;
  std::string output(const std::string& name);

  std::string folder_;
  std::string client_;
  std::string version_;
  std::vector<unsigned> client_ports_;
  std::vector<unsigned> peer_ports_;
  std::vector<std::unique_ptr<Program>> programs_;
  unsigned outputs_ = 0;
};

}  // namespace cairn::bench
