#include "tests/processes/cluster.hpp"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <stdexcept>

#include "client/admin.hpp"
#include "protocol/certificates.hpp"
#include "tests/support/await.hpp"
#include "tests/support/ports.hpp"

namespace cairn::test {
namespace {

// Password hashes that cost nothing, small files that are quickly made, and room on a full disk.
constexpr const char* quick_settings = R"(
accounts.password_operations = 1
accounts.password_memory = "64KiB"
accounts.sign_up = "anyone"
rpc.insecure = true
metadata.reserve = "0B"
blocks.segment = "16MiB"
blocks.reserve = "0B"
)";

constexpr std::chrono::milliseconds admin_bound{1'000};
constexpr std::chrono::milliseconds end_bound{30'000};
// Ports are a host's own in a Network.
constexpr std::uint16_t network_link_port = 7'421;
constexpr std::uint16_t network_rpc_port = 7'420;
constexpr std::size_t last_words_bytes = 2'000;
// Entries that a replica may lack under steady load and still count as having caught up.
constexpr std::uint64_t small_lag = 256;

/// Lines of "key = value", of which those of `settings` replace those of `base`.
std::string merged(const std::string& base, const std::string& settings) {
  std::map<std::string, std::string> lines;
  std::istringstream all(base + "\n" + settings);
  for (std::string line; std::getline(all, line);) {
    const auto key = line.substr(0, line.find_first_of(" ="));
    if (!key.empty()) lines[key] = line;
  }
  std::string out;
  for (const auto& [key, line] : lines) out += line + "\n";
  return out;
}

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

template <class T>
T need(Result<T> result, const std::string& what) {
  if (!result.ok()) throw std::runtime_error(what + ": " + result.error().message);
  return std::move(*result);
}

}  // namespace

ProcessCluster::ProcessCluster(ClusterOptions options) : options_(std::move(options)), folder_(options_.folder) {
  need(make_cluster_authority(certificates()), "authority");
  for (unsigned i = 1; i <= options_.founders; ++i) add("node-" + std::to_string(i));
  add(front, true);
}

ProcessCluster::~ProcessCluster() = default;

ProcessCluster::Node& ProcessCluster::define(const std::string& alias, const std::string& name, bool serves_clients) {
  auto& node = nodes_[alias];
  node.name = name;
  if (options_.network) {
    node.host = options_.network->add(alias);
    node.link_port = network_link_port;
    node.rpc_port = serves_clients ? network_rpc_port : 0;
  } else {
    const auto ports = free_ports(2);
    node.host = "127.0.0.1";
    node.link_port = ports[0];
    node.rpc_port = serves_clients ? ports[1] : 0;
  }
  const auto data = options_.data.find(alias);
  node.data = data == options_.data.end() ? folder_ / alias : data->second;
  node.certificates = certificates();
  if (alias == name) need(issue_node_certificate(name, certificates(), certificates()), "certificate");
  return node;
}

void ProcessCluster::add(const std::string& name, bool for_clients) { define(name, name, for_clients); }

void ProcessCluster::add_copy(const std::string& alias, const std::string& name, const std::string& data) {
  define(alias, name, false).data = data;
}

std::vector<std::string> ProcessCluster::founders() const {
  std::vector<std::string> names;
  for (unsigned i = 1; i <= options_.founders; ++i) names.push_back("node-" + std::to_string(i));
  return names;
}

std::vector<std::string> ProcessCluster::others(const std::vector<std::string>& but) const {
  auto names = founders();
  std::erase_if(names, [&](const auto& name) { return std::ranges::find(but, name) != but.end(); });
  return names;
}

std::string ProcessCluster::list_of_founders() const {
  std::string list;
  for (const auto& name : founders()) list += (list.empty() ? "\"" : ", \"") + name + "@" + link_address(name) + "\"";
  return "[" + list + "]";
}

std::string ProcessCluster::link_address(const std::string& name) const {
  const auto& node = nodes_.at(name);
  return node.host + ":" + std::to_string(node.link_port);
}

std::string ProcessCluster::data(const std::string& name) const { return nodes_.at(name).data; }

std::string ProcessCluster::log(const std::string& name) const { return content(folder_ / (name + ".log")); }

void ProcessCluster::set_settings(const std::string& name, const std::string& settings) {
  nodes_.at(name).settings = settings;
}

void ProcessCluster::set_certificates(const std::string& name, const std::string& folder) {
  nodes_.at(name).certificates = folder;
}

void ProcessCluster::set_environment(const std::string& name, std::map<std::string, std::string> environment) {
  nodes_.at(name).environment = std::move(environment);
}

std::string ProcessCluster::config(const std::string& alias) const {
  const auto& node = nodes_.at(alias);
  const auto& name = node.name;
  const auto quoted = [](const std::string& text) { return "\"" + text + "\"\n"; };
  const auto all = founders();
  const bool founds = std::ranges::find(all, name) != all.end();
  std::ostringstream own;
  own << "node.name = " << quoted(name) << "node.data = " << quoted(node.data)
      << "node.roles = " << (node.rpc_port ? "[\"api\", \"block\"]\n" : "[\"metadata\"]\n")
      << "link.listen = " << quoted(link_address(alias))
      << "link.certificate = " << quoted(node.certificates + "/" + name + ".pem")
      << "link.key = " << quoted(node.certificates + "/" + name + ".key")
      << "link.authority = " << quoted(node.certificates + "/ca.pem")
      << (founds ? "cluster.founders = " : "cluster.join = ") << list_of_founders() << "\n";
  if (founds) own << "cluster.shards = " << options_.shards << "\ncluster.replicas = " << options_.replicas << "\n";
  if (node.rpc_port) own << "rpc.listen = " << quoted(node.host + ":" + std::to_string(node.rpc_port));
  const auto path = folder_ / (alias + ".toml");
  std::ofstream(path) << merged(merged(quick_settings, options_.settings), node.settings) << own.str();
  return path;
}

void ProcessCluster::launch(const std::string& name) {
  auto& node = nodes_.at(name);
  ProcessOptions process;
  process.arguments = {options_.program, "--config", config(name)};
  process.environment = node.environment;
  process.folder = folder_.path();
  process.error_file = folder_ / (name + ".log");
  process.network = options_.network ? options_.network->of(name) : -1;
  node.process = std::make_unique<Process>(process);
  node.frozen = false;
}

void ProcessCluster::start(const std::string& name) {
  launch(name);
  if (!nodes_.at(name).process->wait_for_line("cairnd ready", patience)) fail(name + " is not ready");
}

void ProcessCluster::start() {
  // All at once: a founder may wait for the others.
  for (const auto& name : founders()) launch(name);
  launch(front);
  for (const auto& [name, node] : nodes_)
    if (node.process && !node.process->wait_for_line("cairnd ready", patience)) fail(name + " is not ready");
  await_full();
}

std::optional<int> ProcessCluster::wait_for_end(const std::string& name, std::chrono::milliseconds bound) {
  return nodes_.at(name).process->wait(bound);
}

void ProcessCluster::kill(const std::string& name) {
  auto& node = nodes_.at(name);
  node.process->signal(SIGKILL);
  if (!node.process->wait(end_bound)) fail("a killed node still runs");
  node.process.reset();
}

void ProcessCluster::terminate(const std::string& name) {
  auto& node = nodes_.at(name);
  node.process->signal(SIGTERM);
  const auto code = node.process->wait(end_bound);
  if (code != 0) fail(name + (code ? " ended with " + std::to_string(*code) : std::string(" does not end")));
  node.process.reset();
}

void ProcessCluster::freeze(const std::string& name) {
  nodes_.at(name).process->signal(SIGSTOP);
  nodes_.at(name).frozen = true;
}

void ProcessCluster::thaw(const std::string& name) {
  nodes_.at(name).process->signal(SIGCONT);
  nodes_.at(name).frozen = false;
}

void ProcessCluster::cut(const std::string& name) { options_.network->cut(name); }
void ProcessCluster::heal(const std::string& name) { options_.network->heal(name); }

bool ProcessCluster::running(const std::string& name) {
  const auto& process = nodes_.at(name).process;
  return process && process->running();
}

std::optional<AdminStatus> ProcessCluster::status(const std::string& name) const {
  const auto& node = nodes_.at(name);
  if (!node.process || node.frozen) return {};
  auto admin = client::Admin::connect(node.data + "/admin.socket", admin_bound);
  if (!admin.ok()) return {};
  auto status = (*admin)->status();
  if (!status.ok()) return {};
  return std::move(*status);
}

std::optional<AdminStatus::Directory> ProcessCluster::directory() const {
  for (const auto& [name, node] : nodes_) {
    auto said = status(name);
    if (!said) continue;
    auto& directory = said->directory;
    const bool whole = !directory.nodes.empty() &&
                       std::ranges::none_of(directory.nodes, [](const auto& member) { return member.state.empty(); });
    if (whole) return std::move(directory);
  }
  return {};
}

std::optional<std::string> ProcessCluster::leader_now(std::uint32_t shard) const {
  std::optional<std::string> leader;
  std::uint64_t newest = 0;
  for (const auto& [name, node] : nodes_) {
    const auto said = status(name);
    if (!said) continue;
    for (const auto& replica : said->replicas) {
      if (replica.shard != shard || replica.role != "leader" || !replica.settled || replica.term < newest) continue;
      newest = replica.term;
      leader = name;
    }
  }
  return leader;
}

std::string ProcessCluster::leader(std::uint32_t shard) const {
  std::optional<std::string> found;
  if (!comes_true(patience, [&] { return (found = leader_now(shard)).has_value(); }))
    fail("shard " + std::to_string(shard) + " has no leader");
  return *found;
}

std::string ProcessCluster::follower(std::uint32_t shard) const {
  std::optional<std::string> found;
  const auto look = [&] {
    const auto leads = leader(shard);
    for (const auto& [name, node] : nodes_) {
      const auto said = status(name);
      if (!said || name == leads) continue;
      for (const auto& replica : said->replicas)
        if (replica.shard == shard && !replica.withdrawn && replica.role == "follower") found = name;
    }
    return found.has_value();
  };
  if (!comes_true(patience, look)) fail("shard " + std::to_string(shard) + " has no follower");
  return *found;
}

bool ProcessCluster::full() const {
  const auto known = directory();
  if (!known || known->shards.size() < options_.shards + 1) return false;
  std::set<std::string> alive;
  for (const auto& member : known->nodes)
    if (member.state == "alive") alive.insert(member.name);
  for (const auto& shard : known->shards) {
    if (shard.placed.size() != shard.wanted) return false;
    for (const auto& placed : shard.placed)
      if (placed.kind != "voter" || !alive.contains(placed.node)) return false;
    const auto leads = leader_now(shard.id);
    const auto said = leads ? status(*leads) : std::nullopt;
    if (!said) return false;
    const auto own = std::ranges::find(said->replicas, shard.id, &AdminStatus::Replica::shard);
    if (own == said->replicas.end() || own->lag.size() + 1 < shard.wanted) return false;
    for (const auto& lag : own->lag)
      if (lag.entries > small_lag) return false;
  }
  return true;
}

void ProcessCluster::await_full(std::chrono::milliseconds bound) const {
  if (!comes_true(bound, [&] { return full(); })) fail("not every shard has its replicas");
}

AdminStatus::Event ProcessCluster::await_event(const std::string& text, std::chrono::milliseconds bound) const {
  std::optional<AdminStatus::Event> found;
  const auto look = [&] {
    const auto known = directory();
    if (!known) return false;
    for (const auto& event : known->events)
      if ((event.what + " " + event.why).find(text) != std::string::npos) found = event;
    return found.has_value();
  };
  if (!comes_true(bound, look)) fail("no event says \"" + text + "\"");
  return *found;
}

void ProcessCluster::set_setting(const std::string& name, const std::string& value) {
  const auto set = [&] {
    for (const auto& [node_name, node] : nodes_) {
      if (!node.process || node.frozen) continue;
      auto admin = client::Admin::connect(node.data + "/admin.socket", admin_bound);
      if (admin.ok() && (*admin)->set_setting(name, value).ok()) return true;
    }
    return false;
  };
  if (!comes_true(patience, set)) fail("no node takes the setting " + name);
}

std::unique_ptr<client::Connection> ProcessCluster::connect(client::ConnectionOptions options) const {
  static constexpr const char* host = "clients";
  const auto& node = nodes_.at(front);
  options.address = node.host + ":" + std::to_string(node.rpc_port);
  if (!options_.network) return need(client::Connection::open(options), "connect");
  if (!options_.network->has(host)) options_.network->add(host);
  std::unique_ptr<client::Connection> connection;
  options_.network->run_inside(host, [&] { connection = need(client::Connection::open(options), "connect"); });
  return connection;
}

std::string ProcessCluster::last_words() const {
  std::string all;
  for (const auto& [name, node] : nodes_) {
    const auto said = log(name);
    all += "\n--- " + name + (node.process ? node.frozen ? ", stopped" : "" : ", not running") + "\n" +
           said.substr(said.size() - std::min(said.size(), last_words_bytes));
  }
  if (const auto known = directory())
    for (const auto& event : known->events) all += "\nevent: " + event.what + ": " + event.why;
  return all;
}

void ProcessCluster::fail(const std::string& what) const { throw std::runtime_error(what + last_words()); }

}  // namespace cairn::test
