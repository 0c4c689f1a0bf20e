#include "tests/house/house_rules.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <optional>
#include <regex>
#include <span>

namespace cairn::house {
namespace {

constexpr std::size_t max_source_lines = 500;
constexpr std::size_t max_test_lines = 800;
constexpr std::size_t max_line_columns = 120;

/// A folder and the folders whose headers it may include.
struct Layer {
  std::string_view folder;
  std::vector<std::string_view> sees;
};

const Layer layers[] = {
    {"protocol", {"protocol"}},
    {"storage", {"protocol", "storage"}},
    {"cluster", {"protocol", "storage", "cluster"}},
    {"actors", {"protocol", "storage", "cluster", "actors"}},
    {"client", {"protocol", "client"}},
    {"apps", {"protocol", "storage", "cluster", "actors", "client", "apps"}},
    {"tests", {"protocol", "storage", "cluster", "actors", "client", "apps", "tests"}},
};

/// An outside dependency: includes that start with one of `includes` belong to files that start with one
/// of `homes`. Tests may use what they test with.
struct Dependency {
  std::string_view name;
  std::vector<std::string_view> includes;
  std::vector<std::string_view> homes;
};

const Dependency dependencies[] = {
    {"mimalloc", {"mimalloc"}, {"apps/memory."}},
    {"LMDB", {"lmdb.h"}, {"storage/lmdb."}},
    {"CAF", {"caf/"}, {"actors/", "apps/cairnd"}},
    {"Cap'n Proto", {"capnp/", "kj/"}, {"protocol/", "client/", "actors/rpc_"}},
    {"Boost.Asio", {"boost/"}, {"actors/link.", "actors/link_", "apps/console/"}},
    // Certificates are made by the command line and read by the server, so they are protocol's.
    {"OpenSSL",
     {"openssl/"},
     {"protocol/digest.", "protocol/certificates.", "storage/seal.", "actors/link_tls.", "actors/tls.",
      "client/tls."}},
    {"zstd", {"zstd.h", "zstd_errors.h", "zdict.h"}, {"storage/seal."}},
    {"libsodium", {"sodium.h", "sodium/"}, {"cluster/password."}},
    {"toml++", {"toml++/", "toml.hpp"}, {"cluster/config."}},
    {"SQLite", {"sqlite3.h", "sqlite3ext.h"}, {"client/sync_state."}},
    {"libunistring",
     {"unistr.h", "uninorm.h", "unictype.h", "unicase.h", "uniwidth.h", "unistdio.h", "uniconv.h", "unitypes.h"},
     {"protocol/names."}},
    {"spdlog", {"spdlog/", "fmt/"}, {"actors/log."}},
    {"CLI11", {"CLI/", "CLI11"}, {"apps/"}},
    {"nlohmann-json", {"nlohmann/"}, {"apps/"}},
    {"prometheus-cpp", {"prometheus/"}, {"actors/metrics."}},
    {"GoogleTest", {"gtest/", "gmock/"}, {}},
    {"Google Benchmark", {"benchmark/"}, {}},
};

/// Folders of the operating system's own headers.
constexpr std::string_view system_folders[] = {"sys/", "netinet/", "arpa/", "net/", "linux/"};

bool starts_with_any(std::string_view text, std::span<const std::string_view> starts) {
  return std::ranges::any_of(starts, [&](auto start) { return text.starts_with(start); });
}

std::string_view folder_of(std::string_view file) { return file.substr(0, file.find('/')); }

bool is_header(std::string_view file) { return file.ends_with(".hpp"); }

std::string list(std::span<const std::string_view> words) {
  std::string out;
  for (const auto word : words) out += (out.empty() ? "" : ", ") + std::string(word);
  return out;
}

/// Characters, not bytes, of valid UTF-8.
std::size_t columns(std::string_view line) {
  return static_cast<std::size_t>(
      std::ranges::count_if(line, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

class FileCheck {
 public:
  FileCheck(const std::string& file, std::string_view text, const std::vector<std::string>& known)
      : file_(file), text_(text), known_(known) {}

  std::vector<Violation> run() {
    const auto layer = std::ranges::find(layers, folder_of(file_), &Layer::folder);
    if (layer == std::end(layers)) {
      say(0, "is in no folder of the house");
      return found_;
    }
    layer_ = &*layer;
    check_opening();
    std::size_t number = 0;
    for (std::size_t at = 0; at < text_.size();) {
      const auto end = std::min(text_.find('\n', at), text_.size());
      check_line(++number, text_.substr(at, end - at));
      at = end + 1;
    }
    const auto most = layer_->folder == "tests" ? max_test_lines : max_source_lines;
    if (number > most) say(0, "has " + std::to_string(number) + " lines; the most is " + std::to_string(most));
    if (is_header(file_) && !saw_pragma_once_) say(0, "is a header without #pragma once");
    return found_;
  }

 private:
  void say(std::size_t line, std::string message) { found_.push_back({file_, line, std::move(message)}); }

  bool exists(const std::string& path) const { return std::ranges::binary_search(known_, path); }

  /// A .cpp beside a header of its name is introduced by that header.
  void check_opening() {
    if (text_.starts_with("// ")) return;
    if (!is_header(file_) && exists(file_.substr(0, file_.rfind('.')) + ".hpp")) return;
    say(1, "does not open with a comment that says what the file is");
  }

  void check_line(std::size_t number, std::string_view line) {
    static const std::regex include_line(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"])");
    static const std::regex banned_name(
        R"(\b(class|struct|enum|union|using|concept)\s+(\w*(Manager|Helper|Helpers|Util|Utils|Impl))\b)");
    static const std::regex leftover(R"(\b(TO)" R"(DO|FIX)" R"(ME|XX)" R"(X)\b)");
    if (columns(line) > max_line_columns)
      say(number, "has " + std::to_string(columns(line)) + " columns; the most is " + std::to_string(max_line_columns));
    if (line == "#pragma once") saw_pragma_once_ = true;
    std::match_results<std::string_view::const_iterator> match;
    if (std::regex_search(line.begin(), line.end(), match, include_line)) {
      check_include(number, match[2].str(), match[1].str() == "\"");
      return;
    }
    if (std::regex_search(line.begin(), line.end(), match, banned_name))
      say(number, "names a type " + match[2].str() + ": say what it is instead of " + match[3].str());
    if (std::regex_search(line.begin(), line.end(), match, leftover)) say(number, "leaves a " + match[0].str());
  }

  void check_include(std::size_t number, const std::string& path, bool in_quotes) {
    const auto dependency = std::ranges::find_if(
        dependencies, [&](const Dependency& d) { return starts_with_any(path, d.includes); });
    if (dependency != std::end(dependencies)) {
      check_home(number, path, *dependency);
      return;
    }
    const auto target = std::ranges::find(layers, folder_of(path), &Layer::folder);
    if (target != std::end(layers) && path.find('/') != path.npos) {
      check_layer(number, path);
      return;
    }
    if (in_quotes)
      say(number, "includes \"" + path + "\": own headers are written from the root, others in <>");
    else if (path.find('/') != path.npos && !starts_with_any(path, system_folders))
      say(number, "includes <" + path + ">, a dependency that has no home in the house");
  }

  void check_home(std::size_t number, const std::string& path, const Dependency& dependency) {
    if (layer_->folder == "tests" || starts_with_any(file_, dependency.homes)) return;
    say(number, "includes <" + path + ">: " + std::string(dependency.name) + " belongs in " +
                    (dependency.homes.empty() ? "tests/" : list(dependency.homes)));
  }

  void check_layer(std::size_t number, const std::string& path) {
    if (std::ranges::find(layer_->sees, folder_of(path)) == layer_->sees.end())
      say(number, "includes \"" + path + "\": " + std::string(layer_->folder) + "/ sees only " + list(layer_->sees));
    // The command line is a client like any other. Only who starts nodes reads their configurations.
    else if (file_.starts_with("apps/cairn/") && !path.starts_with("apps/cairn/") && !path.starts_with("client/") &&
             !path.starts_with("protocol/") &&
             !(file_.starts_with("apps/cairn/cluster_files.") && path == "cluster/config.hpp"))
      say(number, "includes \"" + path + "\": apps/cairn/ sees only protocol, client and itself");
    // Generated from a schema that must exist.
    const auto source = path.ends_with(".capnp.h") ? path.substr(0, path.size() - 2) : path;
    if (!exists(source)) say(number, "includes \"" + path + "\", which does not exist");
  }

  const std::string& file_;
  std::string_view text_;
  const std::vector<std::string>& known_;
  const Layer* layer_ = nullptr;
  bool saw_pragma_once_ = false;
  std::vector<Violation> found_;
};

bool is_source(std::string_view file) {
  constexpr std::string_view ends[] = {".cpp", ".hpp", ".cc", ".cxx", ".h", ".hh", ".hxx", ".c", ".ipp"};
  return std::ranges::any_of(ends, [&](auto end) { return file.ends_with(end); });
}

}  // namespace

std::string describe(const Violation& violation) {
  const auto where = violation.line ? violation.file + ":" + std::to_string(violation.line) : violation.file;
  return where + ": " + violation.message;
}

std::vector<Violation> check_file(const std::string& file, std::string_view text,
                                  const std::vector<std::string>& known) {
  if (!file.ends_with(".cpp") && !file.ends_with(".hpp"))
    return {{file, 0, "is a source that ends in neither .cpp nor .hpp"}};
  return FileCheck(file, text, known).run();
}

std::vector<Violation> check_tree(const std::filesystem::path& root, std::size_t& files_read) {
  namespace fs = std::filesystem;
  std::vector<std::string> known;
  for (auto it = fs::recursive_directory_iterator(root); it != fs::recursive_directory_iterator(); ++it) {
    const auto name = it->path().filename().string();
    const bool at_top = it.depth() == 0;
    if (it->is_directory() && (name.starts_with(".") || (at_top && (name == "build" || name == "cairn-data")))) {
      it.disable_recursion_pending();
      continue;
    }
    if (it->is_regular_file()) known.push_back(fs::relative(it->path(), root).generic_string());
  }
  std::ranges::sort(known);
  std::vector<Violation> found;
  files_read = 0;
  for (const auto& file : known) {
    if (!is_source(file)) continue;
    std::ifstream in(root / file, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    ++files_read;
    std::ranges::move(check_file(file, text, known), std::back_inserter(found));
  }
  std::ranges::sort(found);
  return found;
}

}  // namespace cairn::house
