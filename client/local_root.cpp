#include "client/local_root.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <memory>

#include "protocol/digest.hpp"
#include "protocol/limits.hpp"
#include "protocol/names.hpp"

namespace cairn::client {
namespace {

/// Never used by a file of the user's: 96 random bits.
std::string temporary_name() { return NewFile::temporary_prefix + sha256(random_bytes(12)).hex().substr(0, 24); }

Error errno_error_at(const std::string& path) { return errno_error("", path); }

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

timespec to_timespec(std::int64_t nanos) {
  constexpr std::int64_t second = 1'000'000'000;
  auto seconds = nanos / second;
  auto rest = nanos % second;
  if (rest < 0) {
    rest += second;
    --seconds;
  }
  return {.tv_sec = seconds, .tv_nsec = rest};
}

}  // namespace

Fd::~Fd() {
  if (fd_ >= 0) ::close(fd_);
}

Error errno_error(const std::string& what, const std::string& path) {
  const int number = errno;
  auto message = (path.empty() ? std::string("the folder itself") : printable(path)) + ": " +
                 (what.empty() ? "" : what + ": ") + std::strerror(number);
  switch (number) {
    case ENOENT: return {Errc::not_found, std::move(message)};
    case EEXIST:
    case ENOTEMPTY: return {Errc::already_exists, std::move(message)};
    case EACCES:
    case EPERM: return {Errc::permission_denied, std::move(message)};
    case ENOTDIR: return {Errc::not_a_folder, std::move(message)};
    case ENOSPC:
    case EDQUOT: return {Errc::disk_full, std::move(message)};
    default: return {Errc::io, std::move(message)};
  }
}

std::int64_t to_nanos(const timespec& time) {
  constexpr std::int64_t second = 1'000'000'000;
  constexpr std::int64_t last = std::numeric_limits<std::int64_t>::max() / second - 1;
  return std::clamp<std::int64_t>(time.tv_sec, -last, last) * second + time.tv_nsec;
}

Attributes attributes_of(const struct stat& found) {
  return {.mode = found.st_mode & limits::mode_mask, .modified_nanos = to_nanos(found.st_mtim)};
}

bool same_file(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
         to_nanos(a.st_mtim) == to_nanos(b.st_mtim) && to_nanos(a.st_ctim) == to_nanos(b.st_ctim);
}

Result<std::size_t> read_at(int fd, char* buffer, std::size_t count, std::uint64_t offset,
                            const std::string& path) {
  std::size_t done = 0;
  while (done < count) {
    const auto got = ::pread(fd, buffer + done, count - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error("cannot read", path);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

Result<void> write_at(int fd, BytesView bytes, std::uint64_t offset, const std::string& path) {
  while (!bytes.empty()) {
    const auto put = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return errno_error("cannot write", path);
    bytes.remove_prefix(static_cast<std::size_t>(put));
    offset += static_cast<std::uint64_t>(put);
  }
  return {};
}

Result<LocalRoot> LocalRoot::open(const std::string& top) {
  Fd fd(::open(top.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return errno_error_at(top);
  return LocalRoot(std::move(fd));
}

Result<Fd> LocalRoot::open_beneath(const std::string& path, int flags) const {
  if (path.empty()) {
    Fd fd(::openat(top_.get(), ".", flags | O_CLOEXEC));
    if (!fd) return errno_error_at(path);
    return fd;
  }
  struct open_how how {};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC | O_NOFOLLOW);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  // O_PATH with O_NOFOLLOW opens a link itself, which RESOLVE_NO_SYMLINKS would refuse.
  if ((flags & O_PATH) == 0) {
    Fd fd(static_cast<int>(::syscall(SYS_openat2, top_.get(), path.c_str(), &how, sizeof how)));
    if (fd) return fd;
    if (errno != ENOSYS && errno != EPERM && errno != ENAMETOOLONG && errno != EAGAIN)
      return errno_error_at(path);
  }
  // One name at a time: for kernels without openat2 and paths over what it takes.
  Fd at;
  for (std::size_t begin = 0;;) {
    const auto slash = path.find('/', begin);
    const auto name = path.substr(begin, slash == std::string::npos ? slash : slash - begin);
    const bool last = slash == std::string::npos;
    const int from = at ? at.get() : top_.get();
    Fd next(::openat(from, name.c_str(),
                     last ? flags | O_NOFOLLOW | O_CLOEXEC : O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!next) return errno_error_at(path);
    if (last) return next;
    at = std::move(next);
    begin = slash + 1;
  }
}

Result<std::pair<Fd, std::string>> LocalRoot::parent(const std::string& path) const {
  const auto slash = path.rfind('/');
  auto folder = open_folder(slash == std::string::npos ? "" : path.substr(0, slash));
  if (!folder.ok()) return folder.error();
  return std::pair(std::move(*folder), slash == std::string::npos ? path : path.substr(slash + 1));
}

Result<Fd> LocalRoot::open_file(const std::string& path) const {
  // Without O_NONBLOCK, a fifo that took the file's place would hang the open.
  return open_beneath(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
}

Result<Fd> LocalRoot::open_folder(const std::string& path) const {
  return open_beneath(path, O_RDONLY | O_DIRECTORY);
}

Result<struct stat> LocalRoot::stat(const std::string& path) const {
  auto above = parent(path);
  if (!above.ok()) return above.error();
  struct stat found;
  const char* name = path.empty() ? "." : above->second.c_str();
  if (::fstatat(above->first.get(), name, &found, AT_SYMLINK_NOFOLLOW) != 0) return errno_error_at(path);
  return found;
}

Result<std::string> LocalRoot::read_link(const std::string& path) const {
  auto above = parent(path);
  if (!above.ok()) return above.error();
  std::string target(4'096, '\0');
  const auto size = ::readlinkat(above->first.get(), above->second.c_str(), target.data(), target.size());
  if (size < 0) return errno_error_at(path);
  target.resize(static_cast<std::size_t>(size));
  return target;
}

Result<std::vector<std::string>> LocalRoot::names(const std::string& path) const {
  auto fd = open_folder(path);
  if (!fd.ok()) return fd.error();
  const int own = ::fcntl(fd->get(), F_DUPFD_CLOEXEC, 0);
  const std::unique_ptr<DIR, CloseFolder> folder(own < 0 ? nullptr : ::fdopendir(own));
  if (!folder) return errno_error_at(path);
  std::vector<std::string> names;
  for (errno = 0; const auto* entry = ::readdir(folder.get()); errno = 0) {
    const std::string_view name(entry->d_name);
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return errno_error("cannot list", path);
  std::sort(names.begin(), names.end());
  return names;
}

Result<void> LocalRoot::make_folder(const std::string& path) const {
  auto above = parent(path);
  if (!above.ok()) return above.error();
  if (::mkdirat(above->first.get(), above->second.c_str(), 0700) != 0) return errno_error_at(path);
  return {};
}

Result<void> LocalRoot::rename_new(const std::string& from, const std::string& to) const {
  auto old_place = parent(from);
  if (!old_place.ok()) return old_place.error();
  auto new_place = parent(to);
  if (!new_place.ok()) return new_place.error();
  if (::renameat2(old_place->first.get(), old_place->second.c_str(), new_place->first.get(),
                  new_place->second.c_str(), RENAME_NOREPLACE) != 0)
    return errno_error("cannot rename to " + printable(to), from);
  return {};
}

Result<void> LocalRoot::remove(const std::string& path, bool folder) const {
  auto above = parent(path);
  if (!above.ok()) return above.error();
  if (::unlinkat(above->first.get(), above->second.c_str(), folder ? AT_REMOVEDIR : 0) != 0)
    return errno_error("cannot remove", path);
  return {};
}

Result<void> LocalRoot::set_attributes(const std::string& path, EntryKind kind,
                                       const Attributes& attributes) const {
  auto above = parent(path);
  if (!above.ok()) return above.error();
  const char* name = path.empty() ? "." : above->second.c_str();
  const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, to_timespec(attributes.modified_nanos)};
  if (kind != EntryKind::symlink) {
    // By an open file, as fchmodat cannot be told to leave links alone.
    auto fd = kind == EntryKind::folder ? open_folder(path) : open_file(path);
    if (!fd.ok()) return fd.error();
    if (::fchmod(fd->get(), attributes.mode) != 0 || ::futimens(fd->get(), times) != 0)
      return errno_error("cannot set mode and time", path);
    return {};
  }
  if (::utimensat(above->first.get(), name, times, AT_SYMLINK_NOFOLLOW) != 0)
    return errno_error("cannot set the time", path);
  return {};
}

NewFile::NewFile(Fd folder, std::string temporary, std::string name, std::string path)
    : folder_(std::move(folder)),
      temporary_(std::move(temporary)),
      name_(std::move(name)),
      path_(std::move(path)) {}

NewFile::~NewFile() {
  if (folder_ && !temporary_.empty()) ::unlinkat(folder_.get(), temporary_.c_str(), 0);
}

Result<NewFile> NewFile::create(const LocalRoot& root, const std::string& path) {
  auto above = root.parent(path);
  if (!above.ok()) return above.error();
  // A file without a name leaves nothing behind if the process dies.
  Fd file(::openat(above->first.get(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  std::string temporary;
  if (!file && (errno == EOPNOTSUPP || errno == EISDIR)) {
    temporary = temporary_name();
    file = Fd(::openat(above->first.get(), temporary.c_str(),
                       O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  }
  if (!file) return errno_error("cannot make a file for it", path);
  NewFile made(std::move(above->first), temporary, above->second, path);
  made.file_ = std::move(file);
  return made;
}

int NewFile::link_as(const std::string& name) const {
  const auto self = "/proc/self/fd/" + std::to_string(file_.get());
  return ::linkat(AT_FDCWD, self.c_str(), folder_.get(), name.c_str(), AT_SYMLINK_FOLLOW);
}

Result<NewFile> NewFile::create_link(const LocalRoot& root, const std::string& path,
                                     const std::string& target) {
  auto above = root.parent(path);
  if (!above.ok()) return above.error();
  const auto temporary = temporary_name();
  if (target.find('\0') != std::string::npos || target.empty())
    return Error{Errc::invalid_argument, printable(path) + ": a link needs a target without NUL bytes"};
  if (::symlinkat(target.c_str(), above->first.get(), temporary.c_str()) != 0)
    return errno_error("cannot make a link", path);
  return NewFile(std::move(above->first), temporary, above->second, path);
}

Result<void> NewFile::set_attributes(const Attributes& attributes) {
  const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, to_timespec(attributes.modified_nanos)};
  if (is_link()) {
    if (::utimensat(folder_.get(), temporary_.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0)
      return errno_error("cannot set the time", path_);
    return {};
  }
  if (::fchmod(file_.get(), attributes.mode) != 0 || ::futimens(file_.get(), times) != 0)
    return errno_error("cannot set mode and time", path_);
  return {};
}

Result<void> NewFile::place() {
  if (temporary_.empty()) {
    if (link_as(name_) != 0) return errno_error("cannot put it in place", path_);
    return {};
  }
  if (::renameat2(folder_.get(), temporary_.c_str(), folder_.get(), name_.c_str(), RENAME_NOREPLACE) != 0)
    return errno_error("cannot put it in place", path_);
  temporary_.clear();
  return {};
}

Result<struct stat> NewFile::replace() {
  if (temporary_.empty()) {
    auto name = temporary_name();
    if (link_as(name) != 0) return errno_error("cannot put it in place", path_);
    temporary_ = std::move(name);
  }
  // Exchanged rather than replaced, so that what was there until the last moment can still be looked at.
  if (::renameat2(folder_.get(), temporary_.c_str(), folder_.get(), name_.c_str(), RENAME_EXCHANGE) != 0)
    return errno_error("cannot put it in place", path_);
  struct stat old;
  if (::fstatat(folder_.get(), temporary_.c_str(), &old, AT_SYMLINK_NOFOLLOW) != 0)
    return errno_error("cannot look at what it replaced", path_);
  if (!S_ISDIR(old.st_mode)) return old;
  // A folder took the name meanwhile: back to how it was.
  if (::renameat2(folder_.get(), temporary_.c_str(), folder_.get(), name_.c_str(), RENAME_EXCHANGE) != 0)
    return errno_error("cannot put back the folder that it replaced", path_);
  return Error{Errc::already_exists, printable(path_) + ": a folder is in the way"};
}

Result<void> NewFile::keep_replaced_as(const std::string& name) {
  if (::renameat2(folder_.get(), temporary_.c_str(), folder_.get(), name.c_str(), RENAME_NOREPLACE) != 0)
    return errno_error("cannot keep what it replaced", path_);
  temporary_.clear();
  return {};
}

}  // namespace cairn::client
