#include "storage/identity.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "protocol/codec.hpp"
#include "protocol/digest.hpp"
#include "storage/disk.hpp"

namespace cairn::storage {
namespace {

constexpr std::string_view file_name = "identity";
constexpr std::string_view new_name = "identity.new";
constexpr std::string_view lock_name = "identity.lock";  // others lock the directory itself
constexpr std::string_view magic = "cairn-identity-1\n";
constexpr std::size_t max_file_bytes = 4u << 20;

std::uint32_t checksum(BytesView bytes) { return crc32c(bytes); }

Bytes encode(const Identity::Values& values, std::uint64_t inode) {
  Writer body;
  body.bytes(values.node).u64(values.data).bytes(values.cluster).varint(values.incarnation).u8(values.founded);
  body.u64(inode).varint(values.replicas.size());
  for (const auto& [id, shard] : values.replicas) body.varint(id).varint(shard);
  const auto bytes = body.take();
  Writer out;
  out.raw(magic).u32(checksum(bytes)).raw(bytes);
  return out.take();
}

struct Decoded {
  Identity::Values values;
  std::uint64_t inode = 0;
};

Result<Decoded> decode(BytesView bytes) {
  const Error corrupt{Errc::corrupt, "is damaged: it holds no identity"};
  if (!bytes.starts_with(magic)) return corrupt;
  Reader in(bytes.substr(magic.size()));
  const auto crc = in.u32();
  if (in.failed() || crc != checksum(bytes.substr(magic.size() + sizeof crc))) return corrupt;
  Decoded out;
  out.values.node = in.bytes();
  out.values.data = in.u64();
  out.values.cluster = in.bytes();
  out.values.incarnation = in.varint();
  out.values.founded = in.u8() == 1;
  out.inode = in.u64();
  for (auto left = in.varint(); left > 0 && !in.failed(); --left) {
    const auto id = in.varint();
    out.values.replicas[id] = static_cast<std::uint32_t>(in.varint());
  }
  if (!in.finished()) return corrupt;
  return out;
}

std::uint64_t inode_of(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 ? static_cast<std::uint64_t>(info.st_ino) : 0;
}

Error failed(const std::string& what) {
  const bool full = errno == ENOSPC || errno == EDQUOT;
  return {full ? Errc::disk_full : Errc::io, what + ": " + std::strerror(errno)};
}

Result<Bytes> read_all(int fd, const std::string& path) {
  Bytes out;
  char part[4096];
  for (;;) {
    const auto n = ::read(fd, part, sizeof part);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed("read " + path);
    if (n == 0) return out;
    out.append(part, static_cast<std::size_t>(n));
    if (out.size() > max_file_bytes) return Error{Errc::corrupt, path + " is far too large"};
  }
}

Result<void> write_all(int fd, BytesView bytes, const std::string& path) {
  while (!bytes.empty()) {
    const auto n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed("write " + path);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

struct Closed {
  int fd;
  ~Closed() {
    if (fd >= 0) ::close(fd);
  }
};

}  // namespace

Identity::~Identity() { ::close(lock_); }

Result<void> Identity::write(const Values& values) {
  const auto path = directory_ + "/" + std::string(new_name);
  const Closed file{::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (file.fd < 0) return failed("open " + path);
  CAIRN_TRY(write_all(file.fd, encode(values, inode_of(file.fd)), path));
  if (::fsync(file.fd) != 0) return Error{Errc::io, "fsync " + path + ": " + std::strerror(errno)};
  const auto wanted = directory_ + "/" + std::string(file_name);
  if (::rename(path.c_str(), wanted.c_str()) != 0) return failed("rename " + path);
  const Closed names{::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (names.fd < 0 || ::fsync(names.fd) != 0)
    return Error{Errc::io, "fsync " + directory_ + ": " + std::strerror(errno)};
  values_ = values;
  return {};
}

Result<std::unique_ptr<Identity>> Identity::open(const std::string& directory, const std::string& node,
                                                 const std::string& cluster, std::uint64_t data) {
  const auto opened = open_directory(directory);
  if (!opened) return Error{opened.error().code, directory + ": " + opened.error().message};
  const auto lock_path = directory + "/" + std::string(lock_name);
  const int lock = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (lock < 0) return failed("open " + lock_path);
  std::unique_ptr<Identity> identity(new Identity(directory, lock));
  if (::flock(lock, LOCK_EX | LOCK_NB) != 0) return Error{Errc::busy, directory + " is in use by another process"};

  Values values{node, data, cluster, 0, false, {}};
  const auto path = directory + "/" + std::string(file_name);
  const Closed file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
  if (file.fd < 0 && errno != ENOENT) return failed("open " + path);
  if (file.fd >= 0) {
    const auto bytes = read_all(file.fd, path);
    if (!bytes) return bytes.error();
    auto found = decode(*bytes);
    if (!found) return Error{found.error().code, path + " " + found.error().message};
    values = std::move(found->values);
    if (values.node != node)
      return Error{Errc::conflict, directory + " belongs to node " + values.node + ", and this is " + node +
                                       ": a node needs a data directory of its own"};
    if (!values.cluster.empty() && !cluster.empty() && values.cluster != cluster)
      return Error{Errc::conflict,
                   directory + " belongs to cluster " + values.cluster + ", and the certificates are of " + cluster};
    if (!values.cluster.empty() && found->inode != inode_of(file.fd))
      return Error{Errc::conflict, directory + " is a copy of the data of " + node +
                                       ": its replicas may have voted since. Start with an empty data directory; the "
                                       "cluster fills it again"};
    if (!cluster.empty()) values.cluster = cluster;
  }
  ++values.incarnation;
  CAIRN_TRY(identity->write(values));
  return identity;
}

Result<void> Identity::set_founded() {
  auto values = values_;
  values.founded = true;
  return write(values);
}

Result<void> Identity::add_replica(std::uint64_t id, std::uint32_t shard) {
  auto values = values_;
  values.replicas[id] = shard;
  return write(values);
}

Result<void> Identity::drop_replica(std::uint64_t id) {
  auto values = values_;
  values.replicas.erase(id);
  return write(values);
}

}  // namespace cairn::storage
