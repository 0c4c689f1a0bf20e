// Password hashes: Argon2id by libsodium. Each call takes tens of milliseconds and the configured
// memory, so callers run it on a small bounded pool. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/error.hpp"

namespace cairn::cluster {

struct PasswordCost {
  std::uint64_t operations = 2;
  std::uint64_t memory_bytes = 64u << 20;
};

/// Text form with parameters and salt. invalid_argument outside min/max_password_bytes.
Result<std::string> hash_password(std::string_view password, const PasswordCost& cost);

/// True if `password` belongs to `hash`. With an empty hash (no such login) it takes as long and is false.
bool check_password(std::string_view password, const std::string& hash, const PasswordCost& cost);

}  // namespace cairn::cluster
