// The local side of transfers: everything below one folder, by relative paths, without ever following a
// symbolic link below it. Any thread, except that one path is worked on by one thread at a time.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "protocol/bytes.hpp"
#include "protocol/error.hpp"
#include "protocol/model.hpp"

namespace cairn::client {

/// An open file descriptor, closed with the object.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd();
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

/// The Error for errno after an operation on `path` failed: not_found, already_exists, permission_denied,
/// not_a_folder, disk_full or io.
Error errno_error(const std::string& what, const std::string& path);

/// Seconds and nanoseconds of `time` as Attributes hold them, cut off at their range.
std::int64_t to_nanos(const timespec& time);
Attributes attributes_of(const struct stat& found);
/// True if nothing says that the file was changed between the two.
bool same_file(const struct stat& a, const struct stat& b);

/// The bytes of [offset, offset + count), fewer at the end of the file.
Result<std::size_t> read_at(int fd, char* buffer, std::size_t count, std::uint64_t offset,
                            const std::string& path);
Result<void> write_at(int fd, BytesView bytes, std::uint64_t offset, const std::string& path);

class LocalRoot {
 public:
  /// The folder `top`, which may itself be reached through links.
  static Result<LocalRoot> open(const std::string& top);

  // Paths are relative, with single '/' between names; "" is the top. A link on the way to the last name
  // is an error (io).

  Result<Fd> open_file(const std::string& path) const;
  Result<Fd> open_folder(const std::string& path) const;
  /// Of a link itself, not of what it points to.
  Result<struct stat> stat(const std::string& path) const;
  Result<std::string> read_link(const std::string& path) const;
  /// Sorted, without "." and "..".
  Result<std::vector<std::string>> names(const std::string& path) const;
  Result<void> make_folder(const std::string& path) const;
  /// already_exists rather than replacing anything.
  Result<void> rename_new(const std::string& from, const std::string& to) const;
  /// An empty folder, or anything else.
  Result<void> remove(const std::string& path, bool folder) const;
  /// Mode (not of links) and time. Fails softly where the system has no mode for the kind.
  Result<void> set_attributes(const std::string& path, EntryKind kind, const Attributes& attributes) const;

 private:
  friend class NewFile;
  explicit LocalRoot(Fd top) : top_(std::move(top)) {}
  Result<Fd> open_beneath(const std::string& path, int flags) const;
  /// The folder above `path`, and the last name.
  Result<std::pair<Fd, std::string>> parent(const std::string& path) const;

  Fd top_;
};

/// A file or link that is made without a name, or beside its final one under a temporary one, and
/// vanishes unless it is put in place. Temporary names begin with temporary_prefix; a process that dies
/// while it replaces a file may leave one.
class NewFile {
 public:
  static constexpr const char* temporary_prefix = ".cairn-part-";

  static Result<NewFile> create(const LocalRoot& root, const std::string& path);
  static Result<NewFile> create_link(const LocalRoot& root, const std::string& path,
                                     const std::string& target);
  NewFile(NewFile&&) noexcept = default;
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile();

  int fd() const { return file_.get(); }
  Result<void> set_attributes(const Attributes& attributes);
  /// Gives it its name, at once and as a whole: already_exists if that is taken.
  Result<void> place();
  /// Gives it its name in place of the file or link there, which is answered as it was at that moment;
  /// unless keep_replaced_as() is called, it is gone with this object.
  Result<struct stat> replace();
  /// After replace(): the file that was replaced gets the name `name` in the same folder.
  Result<void> keep_replaced_as(const std::string& name);

 private:
  NewFile(Fd folder, std::string temporary, std::string name, std::string path);
  bool is_link() const { return !file_; }
  /// Gives a file without a name one; as linkat.
  int link_as(const std::string& name) const;

  Fd folder_;
  Fd file_;                  ///< none for a link
  std::string temporary_;    ///< "" while it has no name, and when it is in place
  std::string name_;
  std::string path_;         ///< for messages
};

}  // namespace cairn::client
