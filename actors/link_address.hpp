// Addresses of nodes as text. Pure, any thread.
#pragma once

#include <cstdint>
#include <string>

#include "protocol/error.hpp"

namespace cairn::actors {

struct HostPort {
  std::string host;  ///< a name or an IP address, without brackets
  std::uint16_t port = 0;
};

/// Reads "host:port", "1.2.3.4:port" or "[IPv6]:port". Errors: invalid_argument, which shows the text.
Result<HostPort> split_address(const std::string& address);

/// The other way round, with brackets where they belong.
std::string join_address(const HostPort& address);

}  // namespace cairn::actors
