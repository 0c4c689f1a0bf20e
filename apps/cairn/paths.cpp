#include "apps/cairn/paths.hpp"

#include "protocol/names.hpp"

namespace cairn::apps {
namespace {

std::string_view without_slashes_behind(std::string_view path) {
  while (!path.empty() && path.back() == '/') path.remove_suffix(1);
  return path;
}

std::string_view last_part(std::string_view path) {
  path = without_slashes_behind(path);
  return path.substr(path.rfind('/') + 1);
}

}  // namespace

std::string clean_remote(std::string_view path) {
  // Only one '/' is forgiven at the end: the server names anything else that is odd.
  if (path.ends_with('/')) path.remove_suffix(1);
  if (path.empty()) return "/";
  return path.starts_with('/') ? std::string(path) : "/" + std::string(path);
}

EntryRef remote_ref(std::string_view path) {
  auto clean = clean_remote(path);
  return {root_entry, clean == "/" ? "" : clean};
}

Result<Place> split_remote(std::string_view path) {
  const auto clean = clean_remote(path);
  if (clean == "/") return Error{Errc::invalid_argument, "\"" + printable(path) + "\" is the top of the drive"};
  if (const auto names = split_path(clean); !names) return names.error();
  const auto slash = clean.rfind('/');
  return Place{slash == 0 ? "/" : clean.substr(0, slash), clean.substr(slash + 1)};
}

bool names_inside(std::string_view target) {
  return target.empty() || target.ends_with('/') || target == "." || target == ".." || target.ends_with("/.") ||
         target.ends_with("/..");
}

Result<std::string> target_for(std::string_view source, std::string_view target) {
  if (!names_inside(target)) return std::string(target);
  const auto name = last_part(source);
  if (name.empty() || name == "." || name == "..")
    return Error{Errc::invalid_argument,
                 "\"" + printable(source) + "\" has no name of its own: give the whole target, not just a folder"};
  return join_path(target, name);
}

std::string join_path(std::string_view folder, std::string_view name) {
  if (folder.empty()) return std::string(name);
  return std::string(folder) + (folder.ends_with('/') ? "" : "/") + std::string(name);
}

}  // namespace cairn::apps
