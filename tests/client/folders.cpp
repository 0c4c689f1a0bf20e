#include "tests/client/folders.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "protocol/digest.hpp"

namespace cairn::client {

namespace fs = std::filesystem;

TemporaryFolder::TemporaryFolder() {
  char name[] = "/tmp/cairn-client-XXXXXX";
  path_ = mkdtemp(name);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  for (auto it = fs::recursive_directory_iterator(path_, ignored); it != fs::end(it); it.increment(ignored))
    if (it->is_directory() && !it->is_symlink()) chmod(it->path().c_str(), 0700);
  fs::remove_all(path_, ignored);
}

void set_time(const std::string& path, std::int64_t nanos) {
  if (nanos == 0)
    nanos = 1'600'000'000'000'000'000 + static_cast<std::int64_t>(std::hash<std::string>{}(path) % 1'000'000'000'000);
  const timespec times[2] = {{0, UTIME_OMIT}, {nanos / 1'000'000'000, nanos % 1'000'000'000}};
  ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW), 0) << path;
}

void write_file(const std::string& path, const Bytes& bytes, unsigned mode, std::int64_t nanos) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
  chmod(path.c_str(), mode);
  set_time(path, nanos);
}

void make_folder(const std::string& path, unsigned mode, std::int64_t nanos) {
  fs::create_directories(path);
  chmod(path.c_str(), mode);
  set_time(path, nanos);
}

void make_link(const std::string& path, const std::string& target, std::int64_t nanos) {
  ASSERT_EQ(symlink(target.c_str(), path.c_str()), 0);
  set_time(path, nanos);
}

Bytes readable(Bytes bytes) {
  return bytes.size() <= 100 ? bytes : std::to_string(bytes.size()) + " bytes of " + sha256(bytes).hex();
}

Bytes read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

bool exists(const std::string& path) { return fs::symlink_status(path).type() != fs::file_type::not_found; }

std::map<std::string, std::string> contents(const std::string& folder, bool with_times) {
  std::map<std::string, std::string> out;
  for (const auto& item : fs::recursive_directory_iterator(folder)) {
    struct stat found;
    EXPECT_EQ(lstat(item.path().c_str(), &found), 0);
    const auto path = item.path().string().substr(folder.size() + 1);
    if (path.rfind(".cairn", 0) == 0 || path.find("/.cairn-part-") != std::string::npos) continue;
    std::ostringstream text;
    if (S_ISLNK(found.st_mode)) text << "link to " << fs::read_symlink(item.path()).string();
    else if (S_ISDIR(found.st_mode)) text << "folder " << std::oct << (found.st_mode & 07777);
    else text << "file " << std::oct << (found.st_mode & 07777) << " " << readable(read_file(item.path()));
    if (with_times) text << " " << std::dec << found.st_mtim.tv_sec << "." << found.st_mtim.tv_nsec;
    out[path] = text.str();
  }
  return out;
}

Bytes pseudo_random(std::size_t size, std::uint64_t seed) {
  seed = seed * 0x9e3779b97f4a7c15 + 1;
  Bytes out(size, '\0');
  for (std::size_t i = 0; i < size; i += 8) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    std::memcpy(&out[i], &seed, std::min<std::size_t>(8, size - i));
  }
  return out;
}

}  // namespace cairn::client
