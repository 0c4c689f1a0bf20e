#include "tests/processes/network.hpp"

#include <fcntl.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <thread>

#include "tests/support/process.hpp"

namespace cairn::test {
namespace {

constexpr const char* ip_program = "/sbin/ip";
constexpr unsigned most_hosts = 250;

/// A new network namespace, kept by the descriptor; -1 with errno if it may not be made.
int make_space() {
  int space = -1, why = 0;
  std::thread([&] {
    if (unshare(CLONE_NEWNET) == 0) space = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    why = errno;
  }).join();
  errno = why;
  return space;
}

void run_in(int space, const std::function<void()>& work) {
  std::exception_ptr thrown;
  std::thread([&] {
    try {
      if (setns(space, CLONE_NEWNET) != 0) throw std::runtime_error("cannot enter a network namespace");
      work();
    } catch (...) {
      thrown = std::current_exception();
    }
  }).join();
  if (thrown) std::rethrow_exception(thrown);
}

}  // namespace

Result<std::unique_ptr<Network>> Network::make() {
  if (access(ip_program, X_OK) != 0)
    return Error{Errc::permission_denied, std::string(ip_program) + " is missing (package iproute2)"};
  std::unique_ptr<Network> network(new Network);
  network->switch_ = make_space();
  if (network->switch_ < 0)
    return Error{Errc::permission_denied,
                 std::string("network namespaces may not be made here: ") + std::strerror(errno)};
  try {
    network->configure(network->switch_, "link add name switch type bridge forward_delay 0\nlink set dev switch up\n");
    run_in(network->switch_, [&] { network->control_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0); });
  } catch (const std::exception& error) {
    return Error{Errc::permission_denied, std::string("no bridge can be made here: ") + error.what()};
  }
  return network;
}

Network::~Network() {
  for (const auto& [name, host] : hosts_) close(host.space);
  if (control_ >= 0) close(control_);
  if (switch_ >= 0) close(switch_);
}

std::string Network::add(const std::string& name) {
  const auto number = std::to_string(hosts_.size() + 1);
  if (hosts_.size() >= most_hosts || hosts_.contains(name))
    throw std::runtime_error("no host " + name + " can be added");
  const int space = make_space();
  if (space < 0) throw std::runtime_error("no namespace for host " + name);
  auto& host = hosts_[name] = {space, "port" + number};
  const auto address = "10.77.0." + number;
  configure(switch_, "link add name " + host.port + " type veth peer name host" + number + "\nlink set dev host" +
                         number + " netns /proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(space) +
                         "\nlink set " + host.port + " master switch up\n");
  configure(space, "link set lo up\nlink set dev host" + number + " up\naddress add " + address + "/24 dev host" +
                       number + "\n");
  return address;
}

int Network::of(const std::string& host) const { return hosts_.at(host).space; }
void Network::cut(const std::string& host) { plug(SIOCBRDELIF, host); }
void Network::heal(const std::string& host) { plug(SIOCBRADDIF, host); }

void Network::plug(unsigned long how, const std::string& host) {
  ifreq port{}, on{};
  hosts_.at(host).port.copy(port.ifr_name, IFNAMSIZ - 1);
  std::string("switch").copy(on.ifr_name, IFNAMSIZ - 1);
  if (ioctl(control_, SIOCGIFINDEX, &port) == 0) on.ifr_ifindex = port.ifr_ifindex;
  if (ioctl(control_, how, &on) != 0) throw std::runtime_error("switch, " + host + ": " + std::strerror(errno));
}

void Network::run_inside(const std::string& host, const std::function<void()>& work) const { run_in(of(host), work); }

void Network::configure(int space, const std::string& commands) const {
  ProcessOptions options;
  options.arguments = {ip_program, "-batch", "-"};
  options.input = commands;
  options.network = space;
  Process process(options);
  if (process.wait(20s) != 0) throw std::runtime_error("ip: " + process.out() + process.err() + commands);
}

}  // namespace cairn::test
