#include "actors/link_address.hpp"

#include <charconv>

#include "protocol/names.hpp"

namespace cairn::actors {

Result<HostPort> split_address(const std::string& address) {
  constexpr std::size_t max_host_bytes = 255;
  const auto colon = address.rfind(':');
  HostPort out;
  bool good = colon != std::string::npos;
  if (good) {
    out.host = address.substr(0, colon);
    const auto* end = address.data() + address.size();
    const auto parsed = std::from_chars(address.data() + colon + 1, end, out.port);
    good = parsed.ec == std::errc{} && parsed.ptr == end;
    if (out.host.size() > 2 && out.host.front() == '[' && out.host.back() == ']')
      out.host = out.host.substr(1, out.host.size() - 2);
    else
      good = good && out.host.find(':') == std::string::npos;
  }
  if (good && !out.host.empty() && out.host.size() <= max_host_bytes) return out;
  return Error{Errc::invalid_argument, "\"" + printable(address, 80) + "\" is no address: host:port or [IPv6]:port"};
}

std::string join_address(const HostPort& address) {
  const bool v6 = address.host.find(':') != std::string::npos;
  return (v6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

}  // namespace cairn::actors
