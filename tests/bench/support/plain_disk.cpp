#include "tests/bench/support/plain_disk.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "tests/bench/support/measure.hpp"
#include "tests/support/random.hpp"

namespace cairn::bench {
namespace {

// A file that is unlinked at once: it goes with its descriptor.
class PlainFile {
 public:
  explicit PlainFile(const std::string& folder) {
    const auto path = folder + "/plain";
    fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd_ < 0 || ::unlink(path.c_str()) != 0) give_up("cannot make " + path);
  }
  ~PlainFile() { ::close(fd_); }
  PlainFile(const PlainFile&) = delete;
  PlainFile& operator=(const PlainFile&) = delete;

  void write(std::size_t at, BytesView bytes) {
    while (!bytes.empty()) {
      const auto n = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(at));
      if (n <= 0) give_up("a plain write failed");
      at += static_cast<std::size_t>(n);
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  void sync() {
    if (::fdatasync(fd_) != 0) give_up("a plain fdatasync failed");
  }

 private:
  int fd_ = -1;
};

}  // namespace

double write_plainly(const std::string& folder, BytesView source, std::size_t object_bytes, std::size_t objects,
                     std::size_t objects_per_sync) {
  const auto distinct = source.size() / object_bytes;
  PlainFile file(folder);
  const auto started = seconds_now();
  for (std::size_t i = 0; i < objects; ++i) {
    file.write(i * object_bytes, source.substr(i % distinct * object_bytes, object_bytes));
    if ((i + 1) % objects_per_sync == 0 || i + 1 == objects) file.sync();
  }
  return seconds_now() - started;
}

std::vector<double> sync_micros(const std::string& folder, std::size_t bytes, std::size_t count) {
  PlainFile file(folder);
  const auto data = noise(bytes, 1);
  for (std::size_t i = 0; i < count; ++i) file.write(i * bytes, Bytes(bytes, '\0'));
  file.sync();
  std::vector<double> micros;
  micros.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto started = seconds_now();
    file.write(i * bytes, data);
    file.sync();
    micros.push_back((seconds_now() - started) * 1e6);
  }
  return micros;
}

Bytes noise(std::size_t bytes, std::uint64_t seed) {
  test::Random random(seed);
  Bytes out;
  out.reserve(bytes + sizeof(std::uint64_t));
  while (out.size() < bytes) {
    const auto n = random.next();
    out.append(reinterpret_cast<const char*>(&n), sizeof n);
  }
  out.resize(bytes);
  return out;
}

}  // namespace cairn::bench
