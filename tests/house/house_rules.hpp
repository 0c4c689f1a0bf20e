// The rules of the source tree that a machine can hold: the order of the layers, the home of each outside
// dependency, and the shape of files. Reads a tree of files and says what breaks a rule. Pure but for
// reading the tree; any thread.
#pragma once

#include <compare>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace cairn::house {

struct Violation {
  std::string file;       ///< from the root
  std::size_t line = 0;   ///< 1-based, 0 if it is about the whole file
  std::string message;
  friend auto operator<=>(const Violation&, const Violation&) = default;
};

/// "file:line: message"
std::string describe(const Violation& violation);

/// What is wrong in one file. `file` is its path from the root; `known` tells whether a path from the
/// root exists.
std::vector<Violation> check_file(const std::string& file, std::string_view text,
                                  const std::vector<std::string>& known);

/// What is wrong in the tree at `root`, in the order of files and lines. `files_read` counts the sources.
std::vector<Violation> check_tree(const std::filesystem::path& root, std::size_t& files_read);

}  // namespace cairn::house
