// What every command is handed: where to speak, who to ask about Ctrl-C, and what was said before the
// command's own arguments. One thread.
#pragma once

#include <chrono>
#include <string>

#include "apps/cairn/exit_codes.hpp"
#include "apps/cairn/interrupts.hpp"
#include "apps/cairn/output.hpp"

namespace cairn::apps {

struct Globals {
  std::string server;  ///< "": the one of the sign-in
  bool json = false;
  bool quiet = false;
  std::chrono::seconds patience{60};  ///< how long a server that does not answer is waited for
};

struct Context {
  Output& output;
  Interrupts& interrupts;
  Globals globals;
};

/// Says what went wrong with `path` ("" for nothing in particular) and answers its exit code.
inline int failed(Context& context, const Error& error, std::string_view path = "") {
  context.output.error(error, path);
  return exit_code(error.code);
}

}  // namespace cairn::apps
