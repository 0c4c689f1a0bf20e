// A listening socket in the file system, for the operator alone. Any thread.
#pragma once

#include <kj/io.h>

#include <string>

#include "protocol/error.hpp"

namespace cairn::actors {

/// Listens on `path` until it goes, and then takes the file away. Move-only.
class UnixSocket {
 public:
  /// Binds with mode 0600. A socket file on which nobody answers is a leftover, and is replaced. Errors:
  /// bad_config: somebody answers there, something else than a socket is there, the path is too long, or the
  /// system refuses; all show the path.
  static Result<UnixSocket> listen(const std::string& path);

  UnixSocket(UnixSocket&& other) noexcept;
  UnixSocket& operator=(UnixSocket&& other) noexcept;
  ~UnixSocket();

  const std::string& path() const { return path_; }
  /// The listening socket; once, for a loop.
  kj::AutoCloseFd take_fd() { return kj::mv(fd_); }

 private:
  UnixSocket() = default;
  void remove_file();

  std::string path_;  ///< empty: moved from
  kj::AutoCloseFd fd_;
  std::uint64_t device_ = 0;
  std::uint64_t inode_ = 0;
};

}  // namespace cairn::actors
