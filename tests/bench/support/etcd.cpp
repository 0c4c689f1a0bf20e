#include "tests/bench/support/etcd.hpp"

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <sstream>
#include <thread>

#include "tests/bench/support/measure.hpp"
#include "tests/support/ports.hpp"

namespace cairn::bench {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr double start_seconds = 60;
constexpr double tool_seconds = 30;
constexpr unsigned try_millis = 100;
constexpr unsigned members = EtcdCluster::members;

std::string url(unsigned port) { return "http://127.0.0.1:" + std::to_string(port); }

std::string program_path(const char* name) {
  const auto path = std::string("/usr/bin/") + name;
  return fs::exists(path) ? path : "";
}

/// The member that leads by what `etcdctl endpoint status` says of all; nothing unless all agree.
std::optional<unsigned> leader_of(const std::string& said, const std::vector<std::string>& endpoints) {
  const auto all = nlohmann::json::parse(said, nullptr, false);
  if (!all.is_array() || all.size() != endpoints.size()) return {};
  std::set<std::uint64_t> leaders;
  for (const auto& one : all) leaders.insert(one["Status"].value("leader", std::uint64_t{0}));
  if (leaders.size() != 1 || leaders.contains(0)) return {};
  for (const auto& one : all) {
    if (one["Status"]["header"].value("member_id", std::uint64_t{0}) != *leaders.begin()) continue;
    const auto at = std::ranges::find(endpoints, one.value("Endpoint", ""));
    if (at != endpoints.end()) return static_cast<unsigned>(at - endpoints.begin());
  }
  return {};
}

}  // namespace

std::unique_ptr<EtcdCluster> EtcdCluster::start(const std::string& folder, const std::string& client,
                                                std::string& why) {
  if (program_path("etcd").empty() || program_path("etcdctl").empty() || !fs::exists(client)) {
    why = "etcd or its client is not installed (scripts/bench --install-peers installs them): not measured";
    return nullptr;
  }
  std::unique_ptr<EtcdCluster> cluster(new EtcdCluster);
  cluster->folder_ = folder;
  cluster->client_ = client;
  fs::create_directory(folder);
  const auto ports = test::free_ports(2 * members);
  cluster->client_ports_.assign(ports.begin(), ports.begin() + members);
  cluster->peer_ports_.assign(ports.begin() + members, ports.end());
  cluster->programs_.resize(members);
  for (unsigned i = 0; i < members; ++i) cluster->begin(i);
  cluster->leader();
  const auto version = cluster->output("version");
  if (Program({"etcd", "--version"}, {version, "", ""}).wait(tool_seconds) != 0) give_up("etcd --version failed");
  std::istringstream words(content_of(version));
  std::string etcd, version_is;
  words >> etcd >> version_is >> cluster->version_;
  return cluster;
}

std::string EtcdCluster::endpoint(unsigned member) const {
  return "127.0.0.1:" + std::to_string(client_ports_[member]);
}

std::string EtcdCluster::output(const std::string& name) {
  return folder_ + "/" + name + "." + std::to_string(++outputs_);
}

void EtcdCluster::begin(unsigned member) {
  std::string all;
  for (unsigned i = 0; i < members; ++i)
    all += (i ? "," : "") + std::string("m") + std::to_string(i) + "=" + url(peer_ports_[i]);
  const auto name = "m" + std::to_string(member);
  const auto clients = url(client_ports_[member]), peers = url(peer_ports_[member]);
  programs_[member] = std::make_unique<Program>(
      std::vector<std::string>{"etcd", "--name", name, "--data-dir", folder_ + "/" + name, "--listen-client-urls",
                               clients, "--advertise-client-urls", clients, "--listen-peer-urls", peers,
                               "--initial-advertise-peer-urls", peers, "--initial-cluster", all, "--logger", "zap"},
      ProgramOptions{output(name), "", ""});
}

void EtcdCluster::kill(unsigned member) { programs_[member]->stop(SIGKILL, 10); }

unsigned EtcdCluster::leader() {
  std::vector<std::string> endpoints;
  std::string list;
  for (unsigned i = 0; i < members; ++i) {
    endpoints.push_back(endpoint(i));
    list += (i ? "," : "") + endpoints.back();
  }
  const auto deadline = seconds_now() + start_seconds;
  while (seconds_now() < deadline) {
    const auto said = output("status");
    Program({"env", "ETCDCTL_API=3", "etcdctl", "--endpoints=" + list, "endpoint", "status", "-w", "json"},
            {said, "", ""})
        .wait(tool_seconds);
    auto text = content_of(said);
    fs::remove(said);
    // Warnings come before it.
    if (const auto at = text.find("[{"); at != text.npos) text.erase(0, at);
    if (const auto found = leader_of(text.substr(0, text.find('\n')), endpoints)) return *found;
    std::this_thread::sleep_for(50ms);
  }
  give_up("etcd has no leader");
}

EtcdCluster::Figure EtcdCluster::puts(unsigned clients, unsigned connections, unsigned value_bytes, unsigned seconds) {
  const auto said = output("load");
  const auto number = [](unsigned value) { return std::to_string(value); };
  Program program(
      {client_, "load", endpoint(leader()), number(clients), number(connections), number(value_bytes), number(seconds)},
      {said, "", ""});
  const auto code = program.wait(seconds + start_seconds);
  std::istringstream line(content_of(said));
  std::string word;
  double answered = 0, spent = 0, errors = 0;
  Figure figure;
  if (code != 0 || !(line >> word >> answered >> spent >> figure.p50_ms >> figure.p99_ms >> errors) || errors > 0)
    give_up("etcd's client gave no figure: " + content_of(said).substr(0, 500));
  figure.per_second = answered / spent;
  return figure;
}

EtcdCluster::Trace::Trace(EtcdCluster& cluster, unsigned but, unsigned clients, unsigned pause_millis)
    : output_(cluster.output("trace")) {
  std::string list;
  for (unsigned i = 0; i < members; ++i)
    if (i != but) list += (list.empty() ? "" : ",") + cluster.endpoint(i);
  // Its library writes of each failed try.
  program_ = std::make_unique<Program>(
      std::vector<std::string>{"sh", "-c", "exec \"$@\" 2>/dev/null", "sh", cluster.client_, "trace", list,
                               std::to_string(clients), std::to_string(try_millis), std::to_string(pause_millis)},
      ProgramOptions{output_, "", ""});
  const auto deadline = seconds_now() + start_seconds;
  while (!content_of(output_).starts_with("ready\n")) {
    if (seconds_now() > deadline || !program_->running())
      give_up("etcd's client did not begin: " + content_of(output_).substr(0, 500));
    std::this_thread::sleep_for(5ms);
  }
}

std::vector<double> EtcdCluster::Trace::finish() {
  program_->stop(SIGTERM, 10);
  std::istringstream lines(content_of(output_));
  std::vector<double> at;
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    double nanos = 0;
    if (!(std::istringstream(line) >> nanos)) give_up("etcd's client wrote: " + line);
    at.push_back(nanos / 1e9);
  }
  fs::remove(output_);
  std::ranges::sort(at);
  return at;
}

}  // namespace cairn::bench
