#include "protocol/error.hpp"

namespace cairn {
namespace {

constexpr Errc all_codes[] = {
    Errc::invalid_argument, Errc::invalid_name,      Errc::not_found,         Errc::already_exists,
    Errc::not_a_folder,     Errc::not_a_file,        Errc::would_cycle,       Errc::conflict,
    Errc::trashed,          Errc::wrong_credentials, Errc::unknown_token,     Errc::revoked_token,
    Errc::permission_denied, Errc::block_mismatch,   Errc::block_missing,     Errc::bad_receipt,
    Errc::size_mismatch,    Errc::too_large,         Errc::quota_exceeded,    Errc::request_forgotten,
    Errc::cursor_expired,   Errc::disk_full,         Errc::corrupt,           Errc::busy,
    Errc::timed_out,        Errc::unavailable,       Errc::wrong_slot,        Errc::protocol,
    Errc::io,               Errc::bad_config,        Errc::cancelled,         Errc::internal,
};

}  // namespace

std::string_view to_string(Errc code) {
  switch (code) {
    case Errc::invalid_argument: return "invalid_argument";
    case Errc::invalid_name: return "invalid_name";
    case Errc::not_found: return "not_found";
    case Errc::already_exists: return "already_exists";
    case Errc::not_a_folder: return "not_a_folder";
    case Errc::not_a_file: return "not_a_file";
    case Errc::would_cycle: return "would_cycle";
    case Errc::conflict: return "conflict";
    case Errc::trashed: return "trashed";
    case Errc::wrong_credentials: return "wrong_credentials";
    case Errc::unknown_token: return "unknown_token";
    case Errc::revoked_token: return "revoked_token";
    case Errc::permission_denied: return "permission_denied";
    case Errc::block_mismatch: return "block_mismatch";
    case Errc::block_missing: return "block_missing";
    case Errc::bad_receipt: return "bad_receipt";
    case Errc::size_mismatch: return "size_mismatch";
    case Errc::too_large: return "too_large";
    case Errc::quota_exceeded: return "quota_exceeded";
    case Errc::request_forgotten: return "request_forgotten";
    case Errc::cursor_expired: return "cursor_expired";
    case Errc::disk_full: return "disk_full";
    case Errc::corrupt: return "corrupt";
    case Errc::busy: return "busy";
    case Errc::timed_out: return "timed_out";
    case Errc::unavailable: return "unavailable";
    case Errc::wrong_slot: return "wrong_slot";
    case Errc::protocol: return "protocol";
    case Errc::io: return "io";
    case Errc::bad_config: return "bad_config";
    case Errc::cancelled: return "cancelled";
    case Errc::internal: return "internal";
  }
  return "unknown";
}

Errc errc_from_number(std::uint16_t number) {
  for (const auto code : all_codes)
    if (static_cast<std::uint16_t>(code) == number) return code;
  return Errc::internal;
}

Errc errc_from_word(std::string_view word) {
  for (const auto code : all_codes)
    if (to_string(code) == word) return code;
  return Errc::protocol;
}

bool is_retryable(Errc code) {
  switch (code) {
    case Errc::disk_full:
    case Errc::busy:
    case Errc::timed_out:
    case Errc::unavailable:
    case Errc::wrong_slot: return true;
    case Errc::invalid_argument:
    case Errc::invalid_name:
    case Errc::not_found:
    case Errc::already_exists:
    case Errc::not_a_folder:
    case Errc::not_a_file:
    case Errc::would_cycle:
    case Errc::conflict:
    case Errc::trashed:
    case Errc::wrong_credentials:
    case Errc::unknown_token:
    case Errc::revoked_token:
    case Errc::permission_denied:
    case Errc::block_mismatch:
    case Errc::block_missing:
    case Errc::bad_receipt:
    case Errc::size_mismatch:
    case Errc::too_large:
    case Errc::quota_exceeded:
    case Errc::request_forgotten:
    case Errc::cursor_expired:
    case Errc::corrupt:
    case Errc::protocol:
    case Errc::io:
    case Errc::bad_config:
    case Errc::cancelled:
    case Errc::internal: return false;
  }
  return false;
}

}  // namespace cairn
