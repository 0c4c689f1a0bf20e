#include "cluster/password.hpp"

#include <sodium.h>

#include <array>
#include <cstdlib>

#include "protocol/limits.hpp"

namespace cairn::cluster {
namespace {

void require_sodium() {
  static const bool ready = sodium_init() >= 0;
  if (!ready) std::abort();
}

/// Spends what checking a real hash would, so that an unknown login answers no sooner.
void spend(std::string_view password, const PasswordCost& cost) {
  constexpr std::array<unsigned char, crypto_pwhash_SALTBYTES> salt{};
  std::array<unsigned char, 32> out;
  // The result does not matter, and neither does running out of memory: the answer is no.
  const int ignored =
      crypto_pwhash(out.data(), out.size(), password.data(), password.size(), salt.data(),
                    cost.operations, cost.memory_bytes, crypto_pwhash_ALG_ARGON2ID13);
  static_cast<void>(ignored);
}

}  // namespace

Result<std::string> hash_password(std::string_view password, const PasswordCost& cost) {
  require_sodium();
  if (password.size() < limits::min_password_bytes)
    return Error{Errc::invalid_argument,
                 "password is under " + std::to_string(limits::min_password_bytes) + " bytes"};
  if (password.size() > limits::max_password_bytes)
    return Error{Errc::invalid_argument,
                 "password is over " + std::to_string(limits::max_password_bytes) + " bytes"};
  std::array<char, crypto_pwhash_STRBYTES> out{};
  if (crypto_pwhash_str_alg(out.data(), password.data(), password.size(), cost.operations,
                            cost.memory_bytes, crypto_pwhash_ALG_ARGON2ID13) != 0)
    return Error{Errc::busy, "there is no memory to hash the password"};
  return std::string(out.data());
}

bool check_password(std::string_view password, const std::string& hash, const PasswordCost& cost) {
  require_sodium();
  const bool plausible = password.size() <= limits::max_password_bytes;
  // libsodium takes no null pointer, not even with a length of 0.
  const auto taken = plausible && !password.empty() ? password : std::string_view("");
  if (hash.empty() || hash.size() >= crypto_pwhash_STRBYTES || !plausible) {
    spend(taken, cost);
    return false;
  }
  return crypto_pwhash_str_verify(hash.c_str(), taken.data(), taken.size()) == 0;
}

}  // namespace cairn::cluster
