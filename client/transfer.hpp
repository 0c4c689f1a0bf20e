// Whole files and trees, to a drive and back: bytes, names, kinds, modes and times, over as many calls
// in flight as its bounds allow. A transfer that was cut off is run again and sends only what is
// missing. What cannot be kept is listed in the report, never left out silently. Each call runs a few
// threads of its own and blocks its caller; the callbacks come on the caller's thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "client/chunker.hpp"
#include "client/drive.hpp"

namespace cairn::client {

struct Progress {
  std::uint64_t files_found = 0;      ///< files and links met so far
  std::uint64_t files_done = 0;
  std::uint64_t bytes_found = 0;      ///< of the files met so far
  std::uint64_t bytes_done = 0;
  std::uint64_t bytes_moved = 0;      ///< content that went over the wire
  bool walking = true;                ///< the totals still grow
  double bytes_per_s = 0;             ///< bytes_done over the last few seconds
};

struct TransferOptions {
  bool checksum = false;              ///< read every file, also those whose size, mode and time are as they were
  bool replace = false;               ///< download: existing files with other content are replaced
  bool make_parents = false;          ///< make the folders above the target
  unsigned threads = 0;               ///< that read and hash, or verify and write; 0: as many as cores, up to 4
  std::size_t window_bytes = 24u << 20;   ///< blocks in flight, up to limits::max_session_block_bytes_in_flight
  ChunkBounds bounds;
  std::function<void(const Progress&)> progress;      ///< about ten times a second, and at the end
  const std::atomic<bool>* cancel = nullptr;          ///< when true, the transfer stops with Errc::cancelled
};

/// Something that is not as it was on the other side, and why.
struct Note {
  std::string path;                   ///< from the top of the transfer; "" is the top itself
  Errc code = Errc::internal;
  std::string reason;
};

struct Report {
  std::uint64_t files = 0;            ///< stored or written now, links not counted
  std::uint64_t links = 0;            ///< symbolic links stored or written now
  std::uint64_t folders = 0;          ///< made now
  std::uint64_t unchanged = 0;        ///< files and links that were there already
  std::uint64_t bytes = 0;            ///< content of all files met, unchanged ones too
  std::uint64_t bytes_moved = 0;      ///< content that went over the wire
  std::uint64_t blocks_moved = 0;
  std::uint64_t blocks_known = 0;     ///< upload: blocks that the drive held already
  double seconds = 0;
  std::vector<Note> skipped;          ///< cannot be kept: sockets, names that are not UTF-8, hard links (kept
                                      ///< as separate files), extended attributes, …
  std::vector<Note> conflicts;        ///< stored beside what was there; `reason` is the name it got
  std::vector<Note> failed;           ///< should have worked and did not
};

/// Stores the file, link or tree at `local` as the entry `remote` (a path in the drive; "" or "/" is
/// the root and needs a folder). An existing entry gets a new version; an existing folder is merged
/// into. Errors of single files are in the report; an error of the whole (connection, cancelled,
/// quota_exceeded, disk_full, `local` not there) is the result.
Result<Report> upload(Drive& drive, const std::string& local, const std::string& remote,
                      const TransferOptions& options = {});

/// Writes the entry `remote` with all below it as `local`. An existing folder is merged into; an
/// existing file is replaced if its content is equal (attributes are set) or by options.replace. Never
/// writes through a symbolic link below `local`. Every block is checked against its SHA-256.
Result<Report> download(Drive& drive, const EntryRef& remote, const std::string& local,
                        const TransferOptions& options = {});

/// As above for a kept version of one file.
Result<Report> download_version(Drive& drive, const EntryRef& remote, VersionNumber version,
                                const std::string& local, const TransferOptions& options = {});

}  // namespace cairn::client
