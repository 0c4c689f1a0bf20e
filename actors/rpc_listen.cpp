#include "actors/rpc_listen.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace cairn::actors {
namespace {

constexpr int backlog = 4'096;

struct FreeAddresses {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};

Error no_address(const std::string& address, const std::string& why) {
  return {Errc::bad_config, "rpc.listen: cannot listen on " + address + ": " + why};
}

bool is_loopback(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    return ntohl(v4.sin_addr.s_addr) >> 24 == 127;
  }
  if (address.ss_family != AF_INET6) return false;
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
  return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
}

std::string numeric(const sockaddr_storage& address, bool with_port) {
  char host[NI_MAXHOST];
  char port[NI_MAXSERV];
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  const socklen_t length = address.ss_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  if (getnameinfo(generic, length, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return "?";
  if (!with_port) return host;
  return address.ss_family == AF_INET6 ? "[" + std::string(host) + "]:" + port : std::string(host) + ":" + port;
}

Result<kj::AutoCloseFd> bind_one(const sockaddr_storage& at, socklen_t length, const std::string& address) {
  kj::AutoCloseFd fd(socket(at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return no_address(address, std::strerror(errno));
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&at), length) < 0 || ::listen(fd.get(), backlog) < 0)
    return no_address(address, std::strerror(errno));
  return fd;
}

// SO_REUSEPORT would let a second server of the same user share the port unnoticed.
Result<void> check_free(const sockaddr_storage& at, socklen_t length, const std::string& address) {
  kj::AutoCloseFd fd(socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&at), length) < 0)
    return no_address(address, std::strerror(errno));
  return {};
}

}  // namespace

Result<Listening> listen_on(const std::string& address, std::size_t sockets) {
  const auto colon = address.rfind(':');
  if (colon == std::string::npos) return no_address(address, "it has no port");
  auto host = address.substr(0, colon);
  const auto port = address.substr(colon + 1);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int failed = getaddrinfo(host.empty() ? nullptr : host.c_str(), port.c_str(), &hints, &list);
  if (failed) return no_address(address, gai_strerror(failed));
  const std::unique_ptr<addrinfo, FreeAddresses> found(list);

  sockaddr_storage at{};
  socklen_t length = found->ai_addrlen;
  std::memcpy(&at, found->ai_addr, length);
  CAIRN_TRY(check_free(at, length, address));
  Listening listening;
  listening.loopback = is_loopback(at);
  for (std::size_t i = 0; i < sockets; ++i) {
    auto fd = bind_one(at, length, address);
    if (!fd) return fd.error();
    length = sizeof at;
    getsockname(fd->get(), reinterpret_cast<sockaddr*>(&at), &length);
    listening.sockets.push_back(kj::mv(*fd));
  }
  listening.address = numeric(at, true);
  return listening;
}

Peer peer_of(const void* sockaddr, std::size_t length) {
  sockaddr_storage address{};
  std::memcpy(&address, sockaddr, std::min(length, sizeof address));
  return {numeric(address, false), is_loopback(address)};
}

}  // namespace cairn::actors
