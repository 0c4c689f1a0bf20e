#include "protocol/rpc_errors.hpp"

#include <memory>

#include "protocol/limits.hpp"
#include "protocol/names.hpp"

namespace cairn {
namespace {

using Type = kj::Exception::Type;

constexpr std::string_view remote_prefix = "remote exception: ";

/// Read as a number, since a peer's value may be none of the enumerators.
bool is_known(Type type) {
  const auto number = static_cast<int>(type);
  return number >= static_cast<int>(Type::FAILED) && number <= static_cast<int>(Type::UNIMPLEMENTED);
}

Type type_of(Errc code) {
  if (code == Errc::busy) return Type::OVERLOADED;
  if (code == Errc::unavailable) return Type::DISCONNECTED;
  return Type::FAILED;
}

}  // namespace

kj::Exception to_exception(const Error& error) {
  const auto text = std::string(to_string(error.code)) + ": " +
                    printable(error.message, limits::max_error_message_bytes);
  return kj::Exception(type_of(error.code), "cairn", 0, kj::heapString(text.data(), text.size()));
}

Error from_exception(const kj::Exception& exception) {
  const auto description = exception.getDescription();
  std::string_view text(description.begin(), description.size());
  while (text.substr(0, remote_prefix.size()) == remote_prefix) text.remove_prefix(remote_prefix.size());
  // KJ appends the places that an exception went through, one a line: of no use to the reader.
  text = text.substr(0, text.find('\n'));
  const auto colon = text.find(": ");
  if (colon != std::string_view::npos) {
    const auto word = text.substr(0, colon);
    const auto code = errc_from_word(word);
    if (to_string(code) == word)
      return Error{code, printable(text.substr(colon + 2), limits::max_error_message_bytes)};
  }
  const bool gone = exception.getType() == Type::DISCONNECTED;
  return Error{gone ? Errc::unavailable : Errc::protocol,
               printable(text, limits::max_error_message_bytes)};
}

void clamp_type(kj::Exception& exception) {
  if (is_known(exception.getType())) return;
  // The type cannot be set and exceptions cannot be assigned: build another in the same place.
  kj::Exception known(Type::FAILED, "cairn", 0, kj::heapString(exception.getDescription()));
  std::destroy_at(&exception);
  std::construct_at(&exception, kj::mv(known));
}

}  // namespace cairn
