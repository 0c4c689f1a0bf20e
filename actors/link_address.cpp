#include "actors/link_address.hpp"

#include "cluster/address.hpp"
#include "protocol/names.hpp"

namespace cairn::actors {

Result<HostPort> split_address(const std::string& address) {
  auto parsed = cluster::parse_listen_address(address);
  if (!parsed)
    return Error{Errc::invalid_argument, "\"" + printable(address, 80) + "\" is no address: host:port or [IPv6]:port"};
  return HostPort{std::move(parsed->host), parsed->port};
}

std::string join_address(const HostPort& address) {
  const bool v6 = address.host.find(':') != std::string::npos;
  return (v6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

}  // namespace cairn::actors
