// The rules for entry names, paths and logins. Pure functions, any thread.
#pragma once

#include <string>
#include <vector>

#include "protocol/bytes.hpp"
#include "protocol/error.hpp"

namespace cairn {

/// The NFC form of `name` if it may name an entry: valid UTF-8, 1 to 255 bytes before and after
/// normalisation, no NUL, no '/', neither "." nor "..". Otherwise invalid_name, whose message says
/// which rule is broken and shows the name with unprintable bytes escaped.
Result<std::string> normalize_name(BytesView name);

/// The names along `path`, each normalised. "" and "/" are the empty list (the starting folder); one
/// leading '/' is allowed; "//", a trailing '/', ".", "..", over max_path_bytes or over
/// max_path_depth names are errors.
Result<std::vector<std::string>> split_path(BytesView path);

/// The login in the form in which it is compared: NFC, 1 to 128 bytes, no control characters or '/'.
Result<std::string> normalize_login(BytesView login);

/// Text that is safe to put into a message or a terminal: invalid UTF-8 and control characters as
/// \xNN, cut with "…" after `max_bytes`.
std::string printable(BytesView text, std::size_t max_bytes = 300);

}  // namespace cairn
