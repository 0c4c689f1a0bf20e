// What the exit code of `cairn` says to a script. Any thread.
#pragma once

#include <string>

#include "protocol/error.hpp"

namespace cairn::apps {

/// Part of the command line's promise: never given another meaning.
enum Exit : int {
  exit_ok = 0,
  exit_partial = 1,  ///< done, but something differs, failed, or was kept beside another
  exit_usage = 2,
  exit_not_found = 3,
  exit_conflict = 4,
  exit_not_signed_in = 5,
  exit_no_room = 6,
  exit_unreachable = 7,
  exit_damaged = 8,
  exit_local = 9,
  exit_interrupted = 130,
};

Exit exit_code(Errc code);

/// The list for --help, a line each.
std::string exit_code_help();

}  // namespace cairn::apps
