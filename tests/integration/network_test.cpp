// The network that tests cut: what is unplugged reaches nobody and is told nothing, and goes on when it is plugged in
// again.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/processes/network.hpp"

namespace cairn::test {
namespace {

constexpr std::uint16_t port = 7'000;

/// A UDP socket of `host`, bound to its address.
int make_socket(const Network& network, const std::string& host) {
  int fd = -1;
  network.run_inside(host, [&] {
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_port = htons(port);
    if (bind(fd, reinterpret_cast<sockaddr*>(&any), sizeof any) != 0) throw std::runtime_error("bind");
  });
  return fd;
}

/// Whether what one socket sends to `address` comes to the other within a bound; sent a few times, as the first may
/// be lost to the search for the address.
bool reaches(int from, const std::string& address, int to, int turns) {
  sockaddr_in target{};
  target.sin_family = AF_INET;
  target.sin_port = htons(port);
  inet_pton(AF_INET, address.c_str(), &target.sin_addr);
  char bytes[16];
  while (recv(to, bytes, sizeof bytes, MSG_DONTWAIT) > 0) continue;
  for (int turn = 0; turn < turns; ++turn) {
    if (sendto(from, "ping", 4, 0, reinterpret_cast<sockaddr*>(&target), sizeof target) != 4) return false;
    pollfd readable{to, POLLIN, 0};
    if (poll(&readable, 1, 100) > 0) return recv(to, bytes, sizeof bytes, 0) == 4;
  }
  return false;
}

TEST(Network, WhatIsCutIsSilentUntilItIsHealed) {
  auto made = Network::make();
  if (!made.ok()) GTEST_SKIP() << made.error().message;
  auto& network = **made;
  const auto a = network.add("a"), b = network.add("b"), c = network.add("c");
  const int at_a = make_socket(network, "a"), at_b = make_socket(network, "b"), at_c = make_socket(network, "c");
  EXPECT_TRUE(reaches(at_a, b, at_b, 50));
  EXPECT_TRUE(reaches(at_b, a, at_a, 50));
  network.cut("b");
  EXPECT_FALSE(reaches(at_a, b, at_b, 3));
  EXPECT_FALSE(reaches(at_b, a, at_a, 3));
  EXPECT_TRUE(reaches(at_a, c, at_c, 50)) << "the others go on";
  network.heal("b");
  EXPECT_TRUE(reaches(at_a, b, at_b, 50));
  EXPECT_TRUE(reaches(at_b, c, at_c, 50));
  for (const int fd : {at_a, at_b, at_c}) close(fd);
}

TEST(Network, TwoDoNotMeet) {
  auto one = Network::make();
  if (!one.ok()) GTEST_SKIP() << one.error().message;
  auto other = Network::make();
  ASSERT_TRUE(other.ok()) << other.error().message;
  EXPECT_EQ((*one)->add("a"), (*other)->add("a")) << "the same address";
  EXPECT_EQ((*one)->add("b"), (*other)->add("b"));
  EXPECT_THROW((*one)->add("a"), std::runtime_error);
}

}  // namespace
}  // namespace cairn::test
