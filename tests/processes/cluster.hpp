// A cluster of real cairnd processes on this machine: metadata nodes that found it and a front node for clients, on
// loopback or each on a host of its own in a Network. Only what it started is ever signalled, and all of it ends with
// the object. Functions throw std::runtime_error with what went wrong and what the nodes logged last. Main thread.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/connection.hpp"
#include "protocol/admin_status.hpp"
#include "tests/processes/network.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temp_dir.hpp"

namespace cairn::test {

struct ClusterOptions {
  std::string program;    ///< the path of cairnd
  unsigned founders = 3;  ///< node-1, node-2, …
  unsigned shards = 1;
  unsigned replicas = 3;
  std::string settings;                     ///< lines of TOML for every node, with keys in full
  std::string folder;                       ///< for data, certificates and logs; "" where temporary files belong
  std::map<std::string, std::string> data;  ///< where a node keeps its data, if not there
  Network* network = nullptr;               ///< null: loopback
};

/// The shard of the directory, and the first one of accounts.
inline constexpr std::uint32_t directory_shard = 1;
inline constexpr std::uint32_t first_shard = 2;

class ProcessCluster {
 public:
  static constexpr const char* front = "front-1";
  static constexpr std::chrono::seconds patience{30};

  explicit ProcessCluster(ClusterOptions options);
  ~ProcessCluster();

  /// Starts the founders and the front, and waits until every shard has its replicas and a leader.
  void start();
  /// A node that joins, not started: for clients, or with the role metadata.
  void add(const std::string& name, bool for_clients = false);
  /// A second process of the same name, with what `data` holds. `alias` names it here.
  void add_copy(const std::string& alias, const std::string& name, const std::string& data);
  /// Writes the configuration of a node and answers its path.
  std::string config(const std::string& name) const;

  /// Begins a node that does not run, and waits until it says that it is ready.
  void start(const std::string& name);
  /// As start(), without waiting.
  void launch(const std::string& name);
  /// Waits for the node's end by itself; its exit code, or nothing after `bound`.
  std::optional<int> wait_for_end(const std::string& name, std::chrono::milliseconds bound);
  void kill(const std::string& name);       ///< SIGKILL, and its end
  void terminate(const std::string& name);  ///< SIGTERM, and its end
  void freeze(const std::string& name);     ///< SIGSTOP
  void thaw(const std::string& name);       ///< SIGCONT
  /// Only in a Network.
  void cut(const std::string& name);
  void heal(const std::string& name);
  bool running(const std::string& name);
  pid_t pid(const std::string& name) const { return nodes_.at(name).process->pid(); }  ///< of a node that runs

  std::vector<std::string> founders() const;
  /// The founders but these.
  std::vector<std::string> others(const std::vector<std::string>& but) const;
  std::string data(const std::string& name) const;
  std::string link_address(const std::string& name) const;
  std::string log(const std::string& name) const;
  std::string certificates() const { return folder_ / "certificates"; }
  /// More lines of TOML for a node, or another certificate folder, at its next start.
  void set_settings(const std::string& name, const std::string& settings);
  void set_certificates(const std::string& name, const std::string& folder);
  /// Environment of a node at its next start.
  void set_environment(const std::string& name, std::map<std::string, std::string> environment);

  /// What the node tells its operator; nothing if it does not answer.
  std::optional<AdminStatus> status(const std::string& name) const;
  /// The directory as some node that answers has it with its nodes' states.
  std::optional<AdminStatus::Directory> directory() const;
  /// The node whose replica leads and has settled, as it says itself; of two, that of the newer term.
  std::optional<std::string> leader_now(std::uint32_t shard) const;
  std::string leader(std::uint32_t shard = first_shard) const;
  /// One that holds a replica which does not lead.
  std::string follower(std::uint32_t shard = first_shard) const;
  /// Every shard has its wanted number of voters, on nodes that live, which lack at most a few entries.
  bool full() const;
  void await_full(std::chrono::milliseconds bound = patience) const;
  /// An event of the directory whose text holds `text`; throws if none comes.
  AdminStatus::Event await_event(const std::string& text, std::chrono::milliseconds bound = patience) const;
  void set_setting(const std::string& name, const std::string& value);

  /// A connection to the front node, as a client elsewhere has it.
  std::unique_ptr<client::Connection> connect(client::ConnectionOptions options = {}) const;

 private:
  struct Node {
    std::string name;
    std::string host;
    std::uint16_t link_port = 0;
    std::uint16_t rpc_port = 0;  ///< 0: serves no clients
    std::string data;
    std::string settings;
    std::string certificates;
    std::map<std::string, std::string> environment;
    std::unique_ptr<Process> process;
    bool frozen = false;
  };
  Node& define(const std::string& alias, const std::string& name, bool serves_clients);
  std::string list_of_founders() const;
  std::string last_words() const;
  [[noreturn]] void fail(const std::string& what) const;

  ClusterOptions options_;
  TempDir folder_;
  std::map<std::string, Node> nodes_;
};

}  // namespace cairn::test
