#include "actors/rpc_unix_socket.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "protocol/limits.hpp"
#include "protocol/names.hpp"

namespace cairn::actors {
namespace {

constexpr int backlog = 16;

Error no_socket(const std::string& path, const std::string& why) {
  return {Errc::bad_config, "admin.socket: cannot listen on " + printable(path, 200) + ": " + why};
}

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

kj::AutoCloseFd make_socket(int flags) {
  return kj::AutoCloseFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
}

/// Takes away a socket that a process left behind that is no more.
Result<void> remove_leftover(const std::string& path, const sockaddr_un& address) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return {};
    return no_socket(path, std::strerror(errno));
  }
  if (!S_ISSOCK(info.st_mode)) return no_socket(path, "something is there that is no socket");
  // A peer whose backlog is full would make a blocking connect wait.
  const auto probe = make_socket(SOCK_NONBLOCK);
  if (probe.get() < 0) return no_socket(path, std::strerror(errno));
  if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 || errno == EAGAIN)
    return no_socket(path, "another process answers there");
  if (errno != ECONNREFUSED) return no_socket(path, std::strerror(errno));
  if (unlink(path.c_str()) != 0) return no_socket(path, std::strerror(errno));
  return {};
}

}  // namespace

Result<UnixSocket> UnixSocket::listen(const std::string& path) {
  if (path.empty() || path.size() > limits::max_socket_path_bytes)
    return no_socket(path, "the path must have 1 to " + std::to_string(limits::max_socket_path_bytes) + " bytes");
  const auto address = address_of(path);
  CAIRN_TRY(remove_leftover(path, address));
  UnixSocket out;
  out.fd_ = make_socket(SOCK_NONBLOCK);
  // Before there is a file: the mode of the socket becomes that of the file, so that nobody gets in between.
  if (out.fd_.get() < 0 || fchmod(out.fd_.get(), 0600) != 0 ||
      bind(out.fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return no_socket(path, std::strerror(errno));
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) return no_socket(path, std::strerror(errno));
  out.path_ = path;
  out.device_ = info.st_dev;
  out.inode_ = info.st_ino;
  if (chmod(path.c_str(), 0600) != 0 || ::listen(out.fd_.get(), backlog) != 0)
    return no_socket(path, std::strerror(errno));
  return out;
}

UnixSocket::UnixSocket(UnixSocket&& other) noexcept
    : path_(std::exchange(other.path_, {})), fd_(kj::mv(other.fd_)), device_(other.device_), inode_(other.inode_) {}

UnixSocket& UnixSocket::operator=(UnixSocket&& other) noexcept {
  if (this == &other) return *this;
  remove_file();
  path_ = std::exchange(other.path_, {});
  fd_ = kj::mv(other.fd_);
  device_ = other.device_;
  inode_ = other.inode_;
  return *this;
}

UnixSocket::~UnixSocket() { remove_file(); }

// Not one that somebody else put in its place.
void UnixSocket::remove_file() {
  struct stat info {};
  if (path_.empty() || lstat(path_.c_str(), &info) != 0) return;
  if (info.st_dev == device_ && info.st_ino == inode_) unlink(path_.c_str());
}

}  // namespace cairn::actors
