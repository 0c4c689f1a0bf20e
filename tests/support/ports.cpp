#include "tests/support/ports.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "tests/support/random.hpp"

namespace cairn::test {
namespace {

// Linux gives outgoing connections ports from 32768 on.
constexpr std::uint16_t first_port = 10'240;
constexpr std::uint16_t last_port = 32'000;
constexpr int most_tries = 10'000;

bool is_free(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) std::abort();
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  const bool bound = ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return bound;
}

}  // namespace

std::vector<std::uint16_t> free_ports(std::size_t count) {
  static std::atomic<std::uint64_t> calls = 0;
  Random random(static_cast<std::uint64_t>(::getpid()) << 20 | ++calls);
  std::vector<std::uint16_t> ports;
  for (int tries = 0; ports.size() < count; ++tries) {
    if (tries == most_tries) {
      std::fprintf(stderr, "no free ports\n");
      std::abort();
    }
    const auto port = static_cast<std::uint16_t>(random.between(first_port, last_port));
    bool known = false;
    for (const auto one : ports) known |= one == port;
    if (!known && is_free(port)) ports.push_back(port);
  }
  return ports;
}

}  // namespace cairn::test
