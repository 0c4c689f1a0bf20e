// The operator's way to one node: its Admin interface (protocol/admin.capnp) on its socket. One connection, no
// retries: a node that does not answer is news. Each function blocks its caller for at most the bound; one
// thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "protocol/admin_status.hpp"
#include "protocol/error.hpp"

namespace cairn::client {

class Admin {
 public:
  /// Connects to the socket at `path`. `bound` is for each call, this one too. Errors: not_found (no socket
  /// there), unavailable (nobody answers), permission_denied, invalid_argument (too long a path).
  static Result<std::unique_ptr<Admin>> connect(const std::string& path, std::chrono::milliseconds bound);
  virtual ~Admin() = default;

  /// Errors of all: unavailable (the connection is gone), timed_out, and what admin.capnp says of each.
  virtual Result<AdminStatus> status() = 0;
  virtual Result<void> set_setting(const std::string& name, const std::string& value) = 0;
  virtual Result<void> drain(const std::string& node) = 0;
  virtual Result<void> undrain(const std::string& node) = 0;
  virtual Result<void> transfer_leadership(std::uint32_t shard, const std::string& node) = 0;
  virtual Result<void> restart_actor(const std::string& name) = 0;
};

}  // namespace cairn::client
