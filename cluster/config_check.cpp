// What no value of a configuration is wrong in alone.
#include <algorithm>
#include <set>

#include "cluster/config.hpp"
#include "cluster/config_keys.hpp"
#include "protocol/names.hpp"

namespace cairn::cluster {
namespace {

using directory::NodeRole;

/// Keys that are wrong together: the first is the one that check_config() blames.
const std::vector<std::string_view> combinations[] = {
    {"rpc.listen", "rpc.tls_certificate", "rpc.tls_key", "rpc.insecure"},
    {"rpc.tls_certificate", "rpc.tls_key"},
    {"rpc.tls_key", "rpc.tls_certificate"},
    {"supervision.backoff_most", "supervision.backoff_first"},
    {"node.roles", "link.listen", "cluster.founders", "cluster.join", "node.name"},
    {"link.listen", "link.certificate", "link.key", "link.authority", "link.advertise"},
    {"link.certificate", "link.listen"},
    {"link.key", "link.listen"},
    {"link.authority", "link.listen"},
    {"link.advertise", "link.listen"},
    {"cluster.founders", "link.listen", "node.name", "node.roles"},
    {"cluster.join", "link.listen", "node.name", "cluster.founders"},
    {"cluster.replicas"},
    {"admin.socket", "node.data"},
};

class Check {
 public:
  explicit Check(const Config& config) : config_(config) {}

  std::vector<ConfigError> run() {
    check_rpc();
    check_roles();
    check_link();
    check_founders();
    check_join();
    check_rest();
    return std::move(errors_);
  }

 private:
  void fail(std::string key, std::string message) { errors_.push_back({0, std::move(key), std::move(message)}); }
  bool has(NodeRole role) const { return config_.node.roles.has(role); }
  bool is_this(const NodeAt& node) const { return node.name.text() == config_.node.name; }
  bool founds_alone() const { return config_.cluster.founders.size() == 1 && is_this(config_.cluster.founders[0]); }

  void check_rpc() {
    const auto& rpc = config_.rpc;
    if (rpc.tls_certificate.empty() != rpc.tls_key.empty()) {
      const std::string given = rpc.tls_certificate.empty() ? "rpc.tls_key" : "rpc.tls_certificate";
      const std::string missing = rpc.tls_certificate.empty() ? "rpc.tls_certificate" : "rpc.tls_key";
      fail(given, "needs " + missing + " too: give both or none");
    }
    const auto address = parse_listen_address(rpc.listen);
    if (!address) {
      fail("rpc.listen", address.error().message);
    } else if (!address->loopback && rpc.tls_certificate.empty() && rpc.tls_key.empty() && !rpc.insecure) {
      fail("rpc.listen",
           "is not a loopback address and would be in plaintext: give rpc.tls_certificate and rpc.tls_key, "
           "or set rpc.insecure = true to accept that everyone on the way can read");
    }
  }

  void check_roles() {
    const bool elsewhere = !config_.cluster.founders.empty() || !config_.cluster.join.empty();
    if (has(NodeRole::api) && !has(NodeRole::block))
      fail("node.roles", "has api without block: in this version an API node keeps its blocks itself, so give both");
    if (!has(NodeRole::metadata) && !elsewhere)
      fail("node.roles", "has no metadata, and no other node is known that has: give cluster.founders or cluster.join");
    if (!has(NodeRole::api) && config_.link.listen.empty())
      fail("node.roles", "has no api, and there is no link.listen: nobody could ever reach the node");
    const auto& founders = config_.cluster.founders;
    if (!has(NodeRole::metadata) && std::ranges::any_of(founders, [&](const NodeAt& node) { return is_this(node); }))
      fail("node.roles", "has no metadata, but the node is one of cluster.founders, which hold the directory");
  }

  void check_link() {
    const auto& link = config_.link;
    const std::pair<const char*, const std::string*> files[] = {
        {"link.certificate", &link.certificate}, {"link.key", &link.key}, {"link.authority", &link.authority}};
    std::string missing;
    for (const auto& [key, file] : files) {
      if (file->empty()) missing += (missing.empty() ? "" : ", ") + std::string(key);
      if (!file->empty() && link.listen.empty()) fail(key, "has no effect without link.listen");
    }
    if (link.listen.empty()) {
      if (!link.advertise.empty()) fail("link.advertise", "has no effect without link.listen");
      return;
    }
    if (!missing.empty()) fail("link.listen", "needs " + missing + " too: nodes know each other by certificate");
    const auto address = parse_listen_address(link.listen);
    if (!address)
      fail("link.listen", address.error().message);
    else if (address->everywhere && link.advertise.empty())
      fail("link.listen", "is every interface: say by link.advertise at which address other nodes find this one");
  }

  void check_founders() {
    const auto& founders = config_.cluster.founders;
    if (founders.empty()) return;
    std::set<std::string> names;
    std::set<std::string> addresses;
    for (const auto& node : founders) {
      if (!names.insert(node.name.text()).second) fail("cluster.founders", "names " + node.name.text() + " twice");
      if (!addresses.insert(node.address).second)
        fail("cluster.founders", "has two nodes at " + printable(node.address, 80));
    }
    if (founders.size() != 1 && founders.size() != 3 && founders.size() != 5)
      fail("cluster.founders", "has " + std::to_string(founders.size()) +
                                   " nodes but must have 1, 3 or 5: a majority of them must live, and an even number "
                                   "bears no more losses than the odd one below it");
    if (!founds_alone() && config_.link.listen.empty())
      fail("cluster.founders", "needs link.listen: without links the node is a cluster of its own");
  }

  void check_join() {
    const auto& join = config_.cluster.join;
    if (join.empty()) return;
    std::set<std::string> names;
    for (const auto& node : join) {
      if (!names.insert(node.name.text()).second) fail("cluster.join", "names " + node.name.text() + " twice");
      if (is_this(node)) fail("cluster.join", "names " + node.name.text() + ", which is this node itself");
    }
    if (founds_alone()) fail("cluster.join", "cannot go with cluster.founders of only this node: found, or join");
    if (config_.link.listen.empty()) fail("cluster.join", "needs link.listen: nodes meet by links");
  }

  void check_rest() {
    const auto replicas = config_.cluster.replicas;
    if (replicas % 2 == 0)
      fail("cluster.replicas", "is " + std::to_string(replicas) + " but must be odd: 1, 3, 5 or 7");
    const auto socket = admin_socket_path(config_);
    if (socket.size() > limits::max_socket_path_bytes)
      fail("admin.socket", "would be " + printable(socket, 200) + ", which is longer than the " +
                               std::to_string(limits::max_socket_path_bytes) +
                               " bytes of a socket's path: give a shorter one");
    const auto& supervision = config_.supervision;
    if (supervision.backoff_most < supervision.backoff_first)
      fail("supervision.backoff_most", "makes supervision.backoff_most (" + duration_text(supervision.backoff_most) +
                                           ") smaller than supervision.backoff_first (" +
                                           duration_text(supervision.backoff_first) + ")");
  }

  const Config& config_;
  std::vector<ConfigError> errors_;
};

}  // namespace

std::vector<ConfigError> check_config(const Config& config) { return Check(config).run(); }

std::span<const std::string_view> keys_checked_with(std::string_view key) {
  const auto found = std::ranges::find_if(combinations, [&](const auto& keys) { return keys.front() == key; });
  return found == std::end(combinations) ? std::span<const std::string_view>{} : std::span(*found);
}

std::string admin_socket_path(const Config& config) {
  return config.admin.socket.empty() ? config.node.data + "/admin.socket" : config.admin.socket;
}

std::vector<NodeAt> founders_by_name(const Config& config) {
  auto founders = config.cluster.founders;
  std::ranges::sort(founders, {}, &NodeAt::name);
  return founders;
}

bool is_founder(const Config& config) {
  const auto& founders = config.cluster.founders;
  if (founders.empty()) return config.cluster.join.empty();
  return std::ranges::any_of(founders, [&](const NodeAt& node) { return node.name.text() == config.node.name; });
}

}  // namespace cairn::cluster
