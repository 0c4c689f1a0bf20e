#include "apps/cairn/exit_codes.hpp"

namespace cairn::apps {

Exit exit_code(Errc code) {
  switch (code) {
    case Errc::invalid_argument:
      return exit_usage;
    case Errc::invalid_name:
      return exit_usage;
    case Errc::not_found:
      return exit_not_found;
    case Errc::already_exists:
      return exit_conflict;
    case Errc::not_a_folder:
      return exit_conflict;
    case Errc::not_a_file:
      return exit_conflict;
    case Errc::would_cycle:
      return exit_conflict;
    case Errc::conflict:
      return exit_conflict;
    case Errc::trashed:
      return exit_conflict;
    case Errc::wrong_credentials:
      return exit_not_signed_in;
    case Errc::unknown_token:
      return exit_not_signed_in;
    case Errc::revoked_token:
      return exit_not_signed_in;
    case Errc::permission_denied:
      return exit_not_signed_in;
    case Errc::block_mismatch:
      return exit_damaged;
    case Errc::block_missing:
      return exit_damaged;
    case Errc::bad_receipt:
      return exit_damaged;
    case Errc::size_mismatch:
      return exit_damaged;
    case Errc::too_large:
      return exit_usage;
    case Errc::quota_exceeded:
      return exit_no_room;
    case Errc::request_forgotten:
      return exit_damaged;
    case Errc::cursor_expired:
      return exit_conflict;
    case Errc::disk_full:
      return exit_no_room;
    case Errc::corrupt:
      return exit_damaged;
    case Errc::busy:
      return exit_unreachable;
    case Errc::timed_out:
      return exit_unreachable;
    case Errc::unavailable:
      return exit_unreachable;
    case Errc::wrong_slot:
      return exit_unreachable;
    case Errc::protocol:
      return exit_damaged;
    case Errc::io:
      return exit_local;
    case Errc::bad_config:
      return exit_usage;
    case Errc::cancelled:
      return exit_interrupted;
    case Errc::internal:
      return exit_damaged;
  }
  return exit_damaged;
}

std::string exit_code_help() {
  return "Exit codes:\n"
         "  0    done\n"
         "  1    done in part: something differs, failed, was left out, or was kept beside another\n"
         "  2    wrong arguments, names or settings; nothing was done\n"
         "  3    no such entry, version, device or local file\n"
         "  4    in the way: the name is taken, it changed meanwhile, or it is of another kind\n"
         "  5    not signed in, wrong password, or not allowed\n"
         "  6    out of room: the drive's quota or the server's disk\n"
         "  7    the server cannot be reached or is too busy\n"
         "  8    the server's answer or what it keeps is damaged\n"
         "  9    this machine refused: files, disk, terminal\n"
         "  130  interrupted; nothing half-done is visible, and the same command goes on\n";
}

}  // namespace cairn::apps
