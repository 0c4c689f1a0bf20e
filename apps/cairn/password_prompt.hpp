// Passwords from a person's terminal, unseen, or from standard input. Never from arguments or the
// environment, where others could read them. Main thread.
#pragma once

#include <string>

#include "apps/cairn/context.hpp"

namespace cairn::apps {

/// Asks on the terminal without echo; twice if `twice`, until both are the same (at most 3 times).
/// invalid_argument without a terminal, naming --password-stdin.
Result<std::string> ask_password(Context& context, const std::string& question, bool twice);

/// The next line of standard input without its end. invalid_argument if there is none or it is too long.
Result<std::string> read_password_line();

}  // namespace cairn::apps
