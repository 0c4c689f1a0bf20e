#include "cluster/address.hpp"

#include <arpa/inet.h>

#include <cctype>
#include <charconv>

namespace cairn::cluster {
namespace {

constexpr std::size_t max_host_bytes = 255;

Error bad_address(std::string message) { return {Errc::bad_config, std::move(message)}; }

}  // namespace

Result<ListenAddress> parse_listen_address(std::string_view text) {
  const auto colon = text.rfind(':');
  const auto bracket = text.rfind(']');
  if (colon == text.npos || (bracket != text.npos && colon < bracket))
    return bad_address("has no port: write address:port, such as \"127.0.0.1:7420\"");
  ListenAddress address;
  const auto port = text.substr(colon + 1);
  unsigned number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (port.empty() || error != std::errc{} || end != port.data() + port.size() || number > 65'535)
    return bad_address("has a port that is not a number from 0 to 65535");
  address.port = static_cast<std::uint16_t>(number);
  auto host = text.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  address.host = host;
  if (host.empty()) return bad_address("has no address: write 0.0.0.0 or [::] for every interface");
  if (host.size() > max_host_bytes) return bad_address("has an address of more than 255 bytes");
  in_addr v4{};
  in6_addr v6{};
  if (bracketed) {
    if (inet_pton(AF_INET6, address.host.c_str(), &v6) != 1)
      return bad_address("has something in brackets that is not an IPv6 address");
    address.loopback = IN6_IS_ADDR_LOOPBACK(&v6);
    address.everywhere = IN6_IS_ADDR_UNSPECIFIED(&v6);
    return address;
  }
  if (host.find_first_of("[]:") != host.npos)
    return bad_address("must have an IPv6 address in brackets, such as \"[::1]:7420\"");
  if (inet_pton(AF_INET, address.host.c_str(), &v4) == 1) {
    address.loopback = (ntohl(v4.s_addr) >> 24) == 127;
    address.everywhere = v4.s_addr == INADDR_ANY;
    return address;
  }
  for (const unsigned char c : host)
    if (!std::isalnum(c) && c != '-' && c != '.')
      return bad_address("has an address that is neither a number nor a host name");
  address.loopback = host == "localhost";
  return address;
}

Result<ListenAddress> parse_peer_address(std::string_view text) {
  auto address = parse_listen_address(text);
  if (!address) return address;
  if (address->port == 0) return bad_address("has port 0, which nobody can connect to");
  if (address->everywhere) return bad_address("is every interface, which nobody can connect to");
  return address;
}

}  // namespace cairn::cluster
