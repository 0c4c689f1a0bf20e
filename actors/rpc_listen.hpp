// A listening TCP socket for each loop on one address, and who is at the other end. Any thread.
#pragma once

#include <kj/io.h>

#include <string>
#include <vector>

#include "protocol/error.hpp"

namespace cairn::actors {

struct Listening {
  std::vector<kj::AutoCloseFd> sockets;   ///< between which the kernel spreads connections
  std::string address;                    ///< numeric, with the bound port
  bool loopback = false;
};

/// Binds `sockets` sockets to `address` ("HOST:PORT" or "[V6]:PORT"; port 0 takes a free one).
Result<Listening> listen_on(const std::string& address, std::size_t sockets);

struct Peer {
  std::string address;                    ///< numeric, without port
  bool loopback = false;
};

/// From a getpeername() result of `length` bytes.
Peer peer_of(const void* sockaddr, std::size_t length);

}  // namespace cairn::actors
