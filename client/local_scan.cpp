#include "client/local_scan.hpp"

#include "protocol/names.hpp"

namespace cairn::client {
namespace {

SyncPath joined(const SyncPath& folder, const std::string& name) {
  return folder.empty() ? name : folder + "/" + name;
}

class Scanner {
 public:
  explicit Scanner(const LocalRoot& root) : root_(root) {}

  Result<LocalScan> scan() {
    CAIRN_TRY(walk("", ""));
    return std::move(out_);
  }

 private:
  /// `path` as the drive would call it, `raw` as the system does.
  Result<void> walk(const SyncPath& path, const std::string& raw) {
    const auto names = root_.names(raw);
    if (!names.ok()) return names.error();
    for (const auto& name : *names) {
      if (path.empty() && name == sync_folder) continue;
      if (name.rfind(NewFile::temporary_prefix, 0) == 0) {
        const auto found = root_.stat(joined(raw, name));
        if (found.ok()) out_.leftovers.emplace_back(joined(raw, name), local_node(*found));
        continue;
      }
      const auto normal = normalize_name(name);
      if (!normal.ok()) {
        skip(printable(joined(raw, name)), Errc::invalid_name, normal.error().message);
        continue;
      }
      const auto here = joined(path, *normal);
      if (out_.tree.contains(here)) {
        skip(joined(raw, name), Errc::already_exists, "another name in this folder is the same in NFC");
        continue;
      }
      CAIRN_TRY(meet(here, joined(raw, name)));
      if (*normal != name && out_.tree.contains(here)) out_.spelled[here] = name;
    }
    return {};
  }

  Result<void> meet(const SyncPath& path, const std::string& raw) {
    const auto found = root_.stat(raw);
    if (!found.ok() && found.error().code == Errc::not_found) return {};  // gone since it was listed
    if (!found.ok()) return found.error();
    const bool kept = S_ISDIR(found->st_mode) || S_ISREG(found->st_mode) || S_ISLNK(found->st_mode);
    if (!kept) {
      skip(raw, Errc::invalid_argument, "this kind of file cannot be kept");
      return {};
    }
    out_.tree.emplace(path, local_node(*found));
    if (S_ISDIR(found->st_mode)) return walk(path, raw);
    return {};
  }

  void skip(std::string path, Errc code, std::string reason) {
    out_.skipped.push_back({std::move(path), code, std::move(reason)});
  }

  const LocalRoot& root_;
  LocalScan out_;
};

}  // namespace

LocalNode local_node(const struct stat& found) {
  LocalNode node;
  node.kind = S_ISDIR(found.st_mode)   ? EntryKind::folder
              : S_ISLNK(found.st_mode) ? EntryKind::symlink
                                       : EntryKind::file;
  node.size = node.kind == EntryKind::folder ? 0 : static_cast<std::uint64_t>(found.st_size);
  node.attributes = attributes_of(found);
  node.inode = found.st_ino;
  return node;
}

std::string LocalScan::path(const SyncPath& path) const {
  if (spelled.empty() || path.empty()) return path;
  const auto slash = path.rfind('/');
  const auto above = slash == SyncPath::npos ? "" : this->path(path.substr(0, slash));
  const auto odd = spelled.find(path);
  return joined(above, odd != spelled.end() ? odd->second : path.substr(slash == SyncPath::npos ? 0 : slash + 1));
}

Result<LocalScan> scan(const LocalRoot& folder) { return Scanner(folder).scan(); }

}  // namespace cairn::client
