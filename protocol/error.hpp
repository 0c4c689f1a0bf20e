// The closed list of errors that Cairn can answer, and Result, which carries one or a value.
// Every border (RPC, actor message, exit code) maps Errc in one switch without a default.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace cairn {

/// Numbers are part of the protocol and of the log: append only, never reuse.
enum class Errc : std::uint16_t {
  invalid_argument = 1,   ///< a field has a value that can never be right
  invalid_name = 2,       ///< an entry name breaks the rules of protocol/names.hpp
  not_found = 3,          ///< no such entry, version, account or block in this drive
  already_exists = 4,     ///< the name or login is taken
  not_a_folder = 5,       ///< a path goes through, or an operation needs, a folder
  not_a_file = 6,         ///< the operation needs a file
  would_cycle = 7,        ///< a folder would become its own ancestor
  conflict = 8,           ///< the entry changed since the version the request names; nothing was done
  trashed = 9,            ///< the entry is in the trash and the operation needs it out of there
  wrong_credentials = 20, ///< login or password is wrong; which one is not said
  unknown_token = 21,     ///< the token was never issued, or its account is gone
  revoked_token = 22,     ///< the token was issued and has been revoked
  permission_denied = 23, ///< signed in, but not allowed to do this
  block_mismatch = 30,    ///< the bytes do not hash to the block id
  block_missing = 31,     ///< a manifest names a block that this drive does not hold
  bad_receipt = 32,       ///< a receipt is forged, expired or for another drive or block
  size_mismatch = 33,     ///< the stated size is not the sum of the blocks
  too_large = 34,         ///< over a limit of protocol/limits.hpp
  quota_exceeded = 35,    ///< the drive would hold more than its quota
  request_forgotten = 36, ///< a retry of a sequence whose result is no longer kept
  cursor_expired = 37,    ///< the journal no longer reaches back to this cursor; list again
  disk_full = 50,         ///< the node is out of room: writes are refused, reads go on
  corrupt = 51,           ///< stored bytes failed their checksum; they are not returned
  busy = 52,              ///< a bounded queue is full; the same request may be sent again later
  timed_out = 53,         ///< no answer within the bound; the request may have taken effect
  unavailable = 54,       ///< the node or connection is gone or starting; retry elsewhere or later
  wrong_slot = 55,        ///< this shard does not own the account's slot; refetch the map
  protocol = 56,          ///< the peer broke the protocol
  io = 57,                ///< the operating system refused an operation
  bad_config = 58,        ///< a configuration file or flag is wrong
  cancelled = 59,         ///< the caller gave up
  internal = 60,          ///< a bug; the sentence says where
};

/// snake_case word of the code, e.g. "not_found"; "unknown" for a number outside the list.
std::string_view to_string(Errc code);

/// The Errc for a number that came from a peer, or Errc::internal if it is outside the list.
Errc errc_from_number(std::uint16_t number);

/// The Errc that to_string() calls `word`, or Errc::protocol if none is called so.
Errc errc_from_word(std::string_view word);

/// True when sending the same request again, later or elsewhere, can succeed without a change to it.
bool is_retryable(Errc code);

/// An error as a value: the code and one sentence that names the offending field, path or line.
struct Error {
  Errc code = Errc::internal;
  std::string message;
  friend bool operator==(const Error&, const Error&) = default;
};

/// A value or an Error. Reading the wrong side aborts: it is a bug, not an outcome.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & {
    if (!ok()) std::abort();
    return *std::get_if<0>(&state_);
  }
  const T& value() const& { return const_cast<Result*>(this)->value(); }
  T value() && { return std::move(value()); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T operator*() && { return std::move(value()); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const {
    if (ok()) std::abort();
    return *std::get_if<1>(&state_);
  }

 private:
  std::variant<T, Error> state_;
};

/// Success without a value, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  bool ok() const { return !error_; }
  explicit operator bool() const { return ok(); }
  const Error& error() const {
    if (ok()) std::abort();
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

}  // namespace cairn

/// Leaves the function with the error of `expression`, a Result, if it has one.
#define CAIRN_TRY(expression)                                  \
  do {                                                         \
    if (auto cairn_try_ = (expression); !cairn_try_.ok())      \
      return ::cairn::Error(cairn_try_.error());               \
  } while (false)
