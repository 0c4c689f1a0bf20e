// Addresses as text: "host:port". The one parser of what a configuration, a certificate's owner or another node
// writes. Pure, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/error.hpp"

namespace cairn::cluster {

/// An address taken apart. An IPv6 host is without its brackets.
struct ListenAddress {
  std::string host;  ///< at most 255 bytes
  std::uint16_t port = 0;
  bool loopback = false;    ///< localhost, 127.0.0.0/8 or ::1
  bool everywhere = false;  ///< 0.0.0.0 or ::, which nobody can connect to
};

/// "host:port", "1.2.3.4:port" or "[ipv6]:port". bad_config with what is wrong ("has no port").
Result<ListenAddress> parse_listen_address(std::string_view text);

/// Where others connect: as parse_listen_address(), but neither port 0 nor every interface.
Result<ListenAddress> parse_peer_address(std::string_view text);

}  // namespace cairn::cluster
