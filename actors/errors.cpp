#include "actors/errors.hpp"

#include <caf/exit_reason.hpp>
#include <caf/sec.hpp>

#include <cstdlib>

#include "actors/log.hpp"

namespace cairn::actors {

Error from_caf(const caf::error& error) {
  if (error == caf::sec::request_timeout)
    return {Errc::timed_out, "no answer in time; the request may have taken effect"};
  if (error == caf::sec::request_receiver_down ||
      error.category() == caf::atom("exit"))
    return {Errc::unavailable, "the part of the node that had this request has stopped"};
  return {Errc::internal, "an actor did not understand a request"};
}

void end_process(std::string_view where, const Error& error) {
  log_error("{}: {}: {}; ending the process", where, to_string(error.code), error.message);
  flush_log();
  std::_Exit(70);
}

}  // namespace cairn::actors
