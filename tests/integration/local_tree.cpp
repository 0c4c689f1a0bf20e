#include "tests/integration/local_tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <vector>

namespace cairn::test {
namespace {

namespace fs = std::filesystem;

struct Node {
  mode_t kind = 0;
  mode_t mode = 0;  ///< 0 for links, whose mode means nothing
  std::int64_t modified = 0;
  std::string content;  ///< a link's target; a file's bytes
};

void walk(const std::string& top, const std::string& below, std::map<std::string, Node>& nodes) {
  const auto path = below.empty() ? top : top + "/" + below;
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) std::abort();
  Node node;
  node.kind = info.st_mode & S_IFMT;
  node.mode = S_ISLNK(info.st_mode) ? 0 : info.st_mode & 07777;
  node.modified = info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec;
  if (S_ISLNK(info.st_mode)) node.content = fs::read_symlink(path).string();
  if (S_ISREG(info.st_mode)) node.content = read_file(path);
  nodes[below] = std::move(node);
  if (!S_ISDIR(info.st_mode)) return;
  for (const auto& entry : fs::directory_iterator(path)) {
    const auto name = entry.path().filename().string();
    if (name != ".cairn") walk(top, below.empty() ? name : below + "/" + name, nodes);
  }
}

std::string show(const Node& node) {
  return "kind " + std::to_string(node.kind) + " mode " + std::to_string(node.mode) + " time " +
         std::to_string(node.modified) + " size " + std::to_string(node.content.size());
}

void make_link(const std::string& target, const std::string& path) {
  if (symlink(target.c_str(), path.c_str()) != 0) std::abort();
}

}  // namespace

void write_file(const std::string& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << bytes;
  if (!file.flush()) std::abort();
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string random_text(std::uint64_t seed, std::size_t bytes) { return Random(seed).bytes(bytes); }

void set_time(const std::string& path, std::int64_t nanos) {
  constexpr std::int64_t billion = 1'000'000'000;
  const auto rest = (nanos % billion + billion) % billion;
  const timespec times[2] = {{0, UTIME_OMIT}, {(nanos - rest) / billion, rest}};
  if (utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) std::abort();
}

void make_odd_tree(const std::string& path) {
  fs::create_directories(path + "/empty folder");
  fs::create_directories(path + "/a/b/c/d/e/f/g");
  fs::create_directories(path + "/modes");
  const std::string names[] = {"plain.txt",
                               " leading and trailing ",
                               "-rf",
                               "--help",
                               "quote'\"`$(x)",
                               "back\\slash",
                               "tab\there",
                               "line\nbreak",
                               "bell\a\x1b[31m",
                               "star*?[x]",
                               "\xc3\xa9t\xc3\xa9",
                               "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e.txt",
                               "\xf0\x9f\x97\xbf",
                               ".hidden",
                               "...",
                               "con",
                               "a:b",
                               "%2e%2e",
                               std::string(255, 'n'),
                               "~",
                               "#1",
                               "\x7f"};
  for (const auto& name : names) write_file(path + "/" + name, "content of " + name);
  write_file(path + "/empty", "");
  // Around the sizes at which content is kept in another way.
  for (const std::size_t size : {1, 4'095, 4'096, 4'097, 262'143, 262'144, 262'145, 1'048'576, 5'000'001})
    write_file(path + "/size-" + std::to_string(size), random_text(size, size));
  write_file(path + "/zeros", std::string(9'000'000, '\0'));
  write_file(path + "/a/b/c/d/e/f/g/deep", "deep");
  for (const mode_t mode : {0400, 0600, 0640, 0644, 0755, 0777, 04755, 02711}) {
    const auto file = path + "/modes/" + std::to_string(mode);
    write_file(file, "x");
    if (chmod(file.c_str(), mode) != 0) std::abort();
  }
  make_link("plain.txt", path + "/link");
  make_link("nowhere/at all", path + "/dangling");
  make_link("/etc/passwd", path + "/absolute");
  make_link("..", path + "/a/up");
  make_link(std::string(1'000, 't'), path + "/long-target");
  set_time(path + "/plain.txt", 1);
  set_time(path + "/.hidden", -1'500'000'000);
  set_time(path + "/empty", 4'102'444'800'123'456'789);
  set_time(path + "/link", 999'999'999'999'999'999);
  set_time(path + "/empty folder", 1'234'567'890'000'000'001);
  if (chmod((path + "/empty folder").c_str(), 01700) != 0) std::abort();
  set_time(path + "/a", 77);
}

void make_random_tree(const std::string& path, std::uint64_t seed, int files, int large) {
  Random random(seed);
  fs::create_directories(path);
  std::vector<std::string> folders{path};
  for (int i = 0; i < files; ++i) {
    if (random.one_in(20)) {
      auto folder = folders[random.below(folders.size())] + "/folder" + std::to_string(i);
      fs::create_directory(folder);
      folders.push_back(std::move(folder));
    }
    const auto size = random.one_in(4) ? random.below(60'000) : random.below(3'000);
    const auto file = folders[random.below(folders.size())] + "/file" + std::to_string(i);
    write_file(file, random.bytes(size));
    set_time(file, static_cast<std::int64_t>(random.below(2'000'000'000'000'000'000)));
  }
  for (int i = 0; i < large; ++i)
    write_file(folders[random.below(folders.size())] + "/large" + std::to_string(i),
               random.bytes(random.between(3'000'000, 9'000'000)));
}

std::string difference(const std::string& a, const std::string& b, bool below) {
  if (!fs::exists(a)) return a + " is not there";
  if (!fs::exists(b)) return b + " is not there";
  std::map<std::string, Node> one, other;
  walk(a, "", one);
  walk(b, "", other);
  if (below) other.at("") = one.at("");
  for (const auto& [path, node] : one) {
    const auto found = other.find(path);
    if (found == other.end()) return "only in " + a + ": " + path;
    const auto& twin = found->second;
    if (node.kind != twin.kind || node.mode != twin.mode || node.modified != twin.modified)
      return path + ": " + show(node) + " but " + show(twin);
    if (node.content != twin.content) return path + ": the bytes differ (" + show(node) + ", " + show(twin) + ")";
  }
  for (const auto& [path, node] : other)
    if (!one.contains(path)) return "only in " + b + ": " + path;
  return "";
}

std::size_t count_entries(const std::string& path) {
  return static_cast<std::size_t>(
      std::distance(fs::recursive_directory_iterator(path), fs::recursive_directory_iterator()));
}

}  // namespace cairn::test
