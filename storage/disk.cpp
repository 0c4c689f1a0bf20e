#include "storage/disk.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace cairn::storage {
namespace {

constexpr std::size_t fill_write_bytes = 1u << 20;
constexpr std::uint64_t early_run_bytes = 256u << 10;
constexpr std::uint64_t page_bytes = 4096;
constexpr std::size_t max_parts_per_write = 512;  // below IOV_MAX

bool is_full(int error) { return error == ENOSPC || error == EDQUOT; }

Error system_error(int error, const std::string& action) {
  return {is_full(error) ? Errc::disk_full : Errc::io, action + ": " + std::strerror(error)};
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

class RealFile : public File {
 public:
  RealFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  Result<Bytes> read(std::uint64_t offset, std::size_t count) override {
    CAIRN_TRY(check());
    Bytes out(count, '\0');
    std::size_t done = 0;
    while (done < count) {
      const auto n =
          ::pread(fd_.get(), out.data() + done, count - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Error{Errc::io, "read " + path_ + ": " + std::strerror(errno)};
      if (n == 0) break;
      done += static_cast<std::size_t>(n);
    }
    out.resize(done);
    return out;
  }

  Result<void> write(std::uint64_t offset, const std::vector<BytesView>& parts) override {
    CAIRN_TRY(check());
    std::vector<iovec> pieces;
    pieces.reserve(parts.size());
    for (const auto part : parts)
      if (!part.empty()) pieces.push_back({const_cast<char*>(part.data()), part.size()});
    const auto begin = offset;
    auto* next = pieces.data();
    auto left = pieces.size();
    while (left > 0) {
      const auto n =
          ::pwritev(fd_.get(), next, static_cast<int>(std::min(left, max_parts_per_write)),
                    static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;  // nothing was written
      if (n < 0) return fail("write", errno);
      offset += static_cast<std::uint64_t>(n);
      auto written = static_cast<std::size_t>(n);
      while (left > 0 && written >= next->iov_len) {
        written -= next->iov_len;
        ++next;
        --left;
      }
      if (left > 0) {
        next->iov_base = static_cast<char*>(next->iov_base) + written;
        next->iov_len -= written;
      }
    }
    start_early(begin, offset);
    return {};
  }

  Result<void> sync() override {
    CAIRN_TRY(check());
    if (::fdatasync(fd_.get()) == 0) return {};
    // Even for lack of room: what the system could not write is gone from its cache.
    failed_ = true;
    return Error{Errc::io, "fdatasync " + path_ + ": " + std::strerror(errno)};
  }

  Result<std::uint64_t> size() override {
    CAIRN_TRY(check());
    struct stat info {};
    if (::fstat(fd_.get(), &info) != 0) return system_error(errno, "fstat " + path_);
    return static_cast<std::uint64_t>(info.st_size);
  }

  Result<void> resize(std::uint64_t size) override {
    CAIRN_TRY(check());
    if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) return fail("ftruncate", errno);
    return {};
  }

  Result<void> fill(std::uint64_t size) override {
    const auto old_size = this->size();
    if (!old_size.ok()) return old_size.error();
    const Bytes zeros(std::min<std::uint64_t>(fill_write_bytes, size), '\0');
    for (auto at = *old_size; at < size; at += zeros.size()) {
      const auto count = std::min<std::uint64_t>(zeros.size(), size - at);
      if (auto written = write(at, {BytesView(zeros).substr(0, count)}); !written.ok()) {
        if (written.error().code == Errc::disk_full) CAIRN_TRY(resize(*old_size));
        return written;
      }
    }
    return sync();
  }

  Result<void> reserve(std::uint64_t size) override {
    const auto old_size = this->size();
    if (!old_size.ok()) return old_size.error();
    if (size <= *old_size) return {};
    const auto count = static_cast<off_t>(size - *old_size);
    int error = 0;
    do {
      error = ::fallocate(fd_.get(), 0, static_cast<off_t>(*old_size), count) == 0 ? 0 : errno;
    } while (error == EINTR);
    if (error == EOPNOTSUPP) return fill(size);
    if (is_full(error)) CAIRN_TRY(resize(*old_size));
    if (error != 0) return fail("fallocate", error);
    return {};
  }

 private:
  /// Has the system begin to write what came in one run, beside the caller's next work, so that
  /// sync() finds less to do. What fails then, sync() tells.
  void start_early(std::uint64_t from, std::uint64_t to) {
    if (from != run_end_) run_begin_ = from;
    run_end_ = to;
    if (run_end_ - run_begin_ < early_run_bytes) return;
    // A page that the next write goes on with is left for then, or it would be written twice.
    const auto whole = to - to % page_bytes;
    const auto begin = run_begin_ - run_begin_ % page_bytes;
    ::sync_file_range(fd_.get(), static_cast<off_t>(begin), static_cast<off_t>(whole - begin),
                      SYNC_FILE_RANGE_WRITE);
    run_begin_ = whole;
  }

  Result<void> check() const {
    if (failed_) return Error{Errc::io, path_ + " failed before"};
    return {};
  }
  Error fail(const std::string& action, int error) {
    if (!is_full(error)) failed_ = true;
    return system_error(error, action + " " + path_);
  }

  Descriptor fd_;
  std::string path_;
  std::atomic<bool> failed_ = false;
  std::uint64_t run_begin_ = 0;  // written in one run and not yet started early
  std::uint64_t run_end_ = 0;
};

class RealDisk : public Disk {
 public:
  RealDisk(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  Result<std::unique_ptr<File>> open(const std::string& name, bool create) override {
    const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT : 0);
    const int fd = ::openat(fd_.get(), name.c_str(), flags, 0600);
    if (fd < 0 && errno == ENOENT) return Error{Errc::not_found, at(name) + " does not exist"};
    if (fd < 0) return system_error(errno, "open " + at(name));
    return std::unique_ptr<File>(std::make_unique<RealFile>(fd, at(name)));
  }

  Result<void> rename(const std::string& from, const std::string& to) override {
    if (::renameat(fd_.get(), from.c_str(), fd_.get(), to.c_str()) == 0) return {};
    if (errno == ENOENT) return Error{Errc::not_found, at(from) + " does not exist"};
    return system_error(errno, "rename " + at(from) + " to " + to);
  }

  Result<void> remove(const std::string& name) override {
    if (::unlinkat(fd_.get(), name.c_str(), 0) == 0) return {};
    if (errno == ENOENT) return Error{Errc::not_found, at(name) + " does not exist"};
    return system_error(errno, "remove " + at(name));
  }

  Result<std::vector<std::string>> list() override {
    const int fd = ::openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return system_error(errno, "open " + path_);
    DIR* const directory = ::fdopendir(fd);
    if (directory == nullptr) {
      const int error = errno;
      ::close(fd);
      return system_error(error, "list " + path_);
    }
    std::vector<std::string> names;
    errno = 0;
    while (const auto* entry = ::readdir(directory)) {
      struct stat info {};
      if (::fstatat(fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(info.st_mode))
        names.emplace_back(entry->d_name);
      errno = 0;
    }
    const int error = errno;
    ::closedir(directory);
    if (error != 0) return system_error(error, "list " + path_);
    std::sort(names.begin(), names.end());
    return names;
  }

  Result<void> sync_names() override {
    if (::fsync(fd_.get()) == 0) return {};
    return Error{Errc::io, "fsync " + path_ + ": " + std::strerror(errno)};
  }

  Result<std::uint64_t> free_bytes() override {
    struct statvfs info {};
    if (::fstatvfs(fd_.get(), &info) != 0) return system_error(errno, "statvfs " + path_);
    return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
  }

 private:
  std::string at(const std::string& name) const { return path_ + "/" + name; }

  Descriptor fd_;
  std::string path_;
};

/// Makes `path` with what is missing above it; each new name is durable in its folder.
Result<void> make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0) {
    if (errno == EEXIST) return {};
    const auto parent = std::filesystem::path(path).parent_path().string();
    if (errno != ENOENT || parent.empty() || parent == path)
      return system_error(errno, "mkdir " + path);
    CAIRN_TRY(make_directory(parent));
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
      return system_error(errno, "mkdir " + path);
  }
  auto parent = std::filesystem::path(path).parent_path().string();
  if (parent.empty()) parent = ".";
  const Descriptor fd(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0 || ::fsync(fd.get()) != 0) return system_error(errno, "fsync " + parent);
  return {};
}

}  // namespace

Result<std::unique_ptr<Disk>> open_directory(const std::string& path) {
  auto clean = path;
  while (clean.size() > 1 && clean.back() == '/') clean.pop_back();
  CAIRN_TRY(make_directory(clean));
  const int fd = ::open(clean.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return system_error(errno, "open " + clean);
  return std::unique_ptr<Disk>(std::make_unique<RealDisk>(fd, clean));
}

}  // namespace cairn::storage
