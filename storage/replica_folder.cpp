#include "storage/replica_folder.hpp"

#include <filesystem>
#include <system_error>

#include "storage/disk.hpp"

namespace cairn::storage {
namespace {

constexpr const char* mark_name = "withdrawn";
constexpr std::size_t max_mark_bytes = 4'096;

Error failed(const char* action, const std::string& path, const std::error_code& code) {
  const auto kind = code == std::errc::no_space_on_device ? Errc::disk_full : Errc::io;
  return {kind, std::string(action) + " " + path + ": " + code.message()};
}

Result<bool> exists(const std::string& path) {
  std::error_code code;
  const bool there = std::filesystem::exists(path, code);
  if (code) return failed("look for", path, code);
  return there;
}

Result<void> move(const std::string& from, const std::string& to) {
  std::error_code code;
  std::filesystem::rename(from, to, code);
  return code ? failed("rename", from, code) : Result<void>();
}

Result<void> remove(const std::string& path) {
  std::error_code code;
  std::filesystem::remove_all(path, code);
  return code ? failed("remove", path, code) : Result<void>();
}

}  // namespace

Result<void> ReplicaFolder::sync_names() const {
  auto folder = open_directory(path_);
  if (!folder) return folder.error();
  return (*folder)->sync_names();
}

Result<void> ReplicaFolder::recover() const {
  if (auto folder = open_directory(path_); !folder) return folder.error();
  const auto has_old = exists(old_rows());
  if (!has_old) return has_old.error();
  const auto has_rows = exists(rows());
  if (!has_rows) return has_rows.error();
  // The old rows moved away only when the new ones were complete.
  if (*has_old && !*has_rows) {
    CAIRN_TRY(move(incoming(), rows()));
    CAIRN_TRY(sync_names());
  }
  CAIRN_TRY(remove(old_rows()));
  return discard_incoming();
}

Result<void> ReplicaFolder::discard_incoming() const { return remove(incoming()); }

Result<void> ReplicaFolder::exchange_rows() const {
  CAIRN_TRY(remove(old_rows()));
  CAIRN_TRY(move(rows(), old_rows()));
  CAIRN_TRY(sync_names());
  CAIRN_TRY(move(incoming(), rows()));
  CAIRN_TRY(sync_names());
  return remove(old_rows());
}

Result<void> ReplicaFolder::mark_withdrawn(const std::string& why) const {
  auto folder = open_directory(path_);
  if (!folder) return folder.error();
  auto file = (*folder)->open(mark_name, true);
  if (!file) return file.error();
  const auto text = why.substr(0, max_mark_bytes);
  CAIRN_TRY((*file)->write(0, {text}));
  CAIRN_TRY((*file)->sync());
  return (*folder)->sync_names();
}

Result<std::optional<std::string>> ReplicaFolder::withdrawn() const {
  auto folder = open_directory(path_);
  if (!folder) return folder.error();
  auto file = (*folder)->open(mark_name, false);
  if (!file && file.error().code == Errc::not_found) return std::optional<std::string>();
  if (!file) return file.error();
  auto text = (*file)->read(0, max_mark_bytes);
  if (!text) return text.error();
  return std::optional<std::string>(std::move(*text));
}

}  // namespace cairn::storage
