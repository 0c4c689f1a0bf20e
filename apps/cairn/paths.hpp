// Paths as people type them. A path in a drive is absolute with or without its first '/'; one '/' at the end
// means "inside this folder". Pure functions, any thread.
#pragma once

#include <string>
#include <string_view>

#include "protocol/model.hpp"

namespace cairn::apps {

/// "/a/b" for "a/b", "/a/b/" and "/a/b"; "/" for the top.
std::string clean_remote(std::string_view path);

EntryRef remote_ref(std::string_view path);

/// The folder above and the name of a remote path. invalid_argument for the top of the drive, and what
/// split_path() says of a path that can name nothing.
struct Place {
  std::string folder;
  std::string name;
};
Result<Place> split_remote(std::string_view path);

/// Whether `target` names a folder into which things go: it ends in '/' (or is empty, "." or "..").
bool names_inside(std::string_view target);

/// `target`, or if it names a folder to go into, the entry in it called like the last part of `source`.
/// invalid_argument if `source` has no last part ("/", ".", "a/..").
Result<std::string> target_for(std::string_view source, std::string_view target);

/// "a/b" joined by one '/'.
std::string join_path(std::string_view folder, std::string_view name);

}  // namespace cairn::apps
