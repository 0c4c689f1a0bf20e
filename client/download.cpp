// Downloading: a walker that lists a folder of the drive, a page at a time, and makes the local folders,
// in front of a FileFetcher. Folders get their mode and time when all in them is done.
#include <atomic>

#include "client/file_fetcher.hpp"
#include "client/transfer_state.hpp"
#include "protocol/names.hpp"

namespace cairn::client {
namespace {

/// A local folder that is being filled.
struct LocalFolder {
  std::shared_ptr<LocalFolder> parent;
  std::string path;
  Attributes attributes;
  std::atomic<std::size_t> open{1};       ///< what in it is not done, and one while it is being listed
};
using FolderPtr = std::shared_ptr<LocalFolder>;

std::string joined(const std::string& folder, const std::string& name) {
  return folder.empty() ? name : folder + "/" + name;
}

class Download {
 public:
  Download(Drive& drive, LocalRoot root, const TransferOptions& options)
      : drive_(drive),
        root_(std::move(root)),
        options_(options),
        state_(options),
        fetcher_(drive, root_, {state_.threads(), options.window_bytes, options.bounds}) {}

  /// Writes `entry` as `path` of the tree.
  Result<Report> run(const Entry& entry, const std::string& path) {
    std::atomic<bool> finished = false;
    std::thread walker([&] {
      if (entry.kind == EntryKind::folder) walk(entry, std::make_shared<LocalFolder>(nullptr, path, entry.attributes));
      else meet(entry, path, nullptr);
      state_.walked();
      fetcher_.wait();
      finished = true;
      state_.wake();
    });
    state_.wait([&] {
      state_.bytes_moved = fetcher_.bytes_received();
      if (state_.stopped()) fetcher_.stop();
      return finished.load();
    });
    walker.join();
    state_.report([this](Report& report) { report.blocks_moved = fetcher_.blocks_received(); });
    return state_.take();
  }

 private:
  void walk(const Entry& entry, const FolderPtr& folder);
  void meet(const Entry& entry, const std::string& path, const FolderPtr& folder);
  void meet_folder(const Entry& entry, const std::string& path, const FolderPtr& folder);
  bool is_unchanged(const Entry& entry, const struct stat& found) const;
  void leave(FolderPtr folder);
  void fetched(const Entry& entry, const std::string& path, const FolderPtr& folder,
               const Result<Fetched>& outcome);
  void failed(const std::string& path, const Error& error) {
    if (ends_transfer(error.code)) state_.stop(error);
    else state_.fail(path, error);
  }

  Drive& drive_;
  const LocalRoot root_;
  const TransferOptions& options_;
  TransferState state_;
  FileFetcher fetcher_;                   ///< last: its callbacks use the above
};

void Download::walk(const Entry& entry, const FolderPtr& folder) {
  for (std::string after; !state_.stopped();) {
    const auto page = drive_.list_page({entry.id, ""}, after);
    if (!page.ok()) {
      failed(folder->path, page.error());
      break;
    }
    for (const auto& child : page->entries) {
      if (state_.stopped()) break;
      const auto here = joined(folder->path, child.name);
      // The server is not trusted with paths: a name is one name.
      const auto normal = normalize_name(child.name);
      if (!normal.ok()) {
        failed(printable(here), Error{Errc::protocol, "the server's listing: " + normal.error().message});
        continue;
      }
      meet(child, here, folder);
    }
    if (page->next.empty() || page->next <= after) break;
    after = page->next;
  }
  leave(folder);
}

void Download::meet(const Entry& entry, const std::string& path, const FolderPtr& folder) {
  if (entry.kind == EntryKind::folder) return meet_folder(entry, path, folder);
  state_.found(entry.size);
  FetchRequest request;
  const auto found = root_.stat(path);
  if (found.ok()) {
    if (is_unchanged(entry, *found)) {
      state_.report([](Report& report) { ++report.unchanged; });
      return state_.done(entry.size);
    }
    request.existing = options_.replace ? Existing::replace : Existing::if_equal;
  }
  request.path = path;
  request.entry = {entry.id, ""};
  request.version = entry.version;
  request.kind = entry.kind;
  request.size = entry.size;
  request.attributes = entry.attributes;
  if (folder) ++folder->open;
  fetcher_.fetch(std::move(request), [this, entry, path, folder](const Result<Fetched>& outcome) {
    fetched(entry, path, folder, outcome);
  });
}

bool Download::is_unchanged(const Entry& entry, const struct stat& found) const {
  if (options_.checksum || entry.size != static_cast<std::uint64_t>(found.st_size)) return false;
  if (entry.attributes.modified_nanos != to_nanos(found.st_mtim)) return false;
  if (entry.kind == EntryKind::symlink) return S_ISLNK(found.st_mode);
  return S_ISREG(found.st_mode) && entry.attributes.mode == attributes_of(found).mode;
}

void Download::meet_folder(const Entry& entry, const std::string& path, const FolderPtr& folder) {
  const auto made = root_.make_folder(path);
  if (made.ok()) {
    state_.report([](Report& report) { ++report.folders; });
  } else {
    const auto found = root_.stat(path);
    if (!found.ok() || !S_ISDIR(found->st_mode)) return failed(path, made.error());
    // One that its owner may not write into gets its mode back at the end.
    auto open = attributes_of(*found);
    open.mode |= S_IRWXU;
    if (open != attributes_of(*found)) {
      const auto set = root_.set_attributes(path, EntryKind::folder, open);
      if (!set.ok()) return failed(path, set.error());
    }
  }
  if (folder) ++folder->open;
  walk(entry, std::make_shared<LocalFolder>(folder, path, entry.attributes));
}

/// One thing in the folder is done. The last one sets what writing into the folder would have changed.
void Download::leave(FolderPtr folder) {
  while (folder && --folder->open == 0) {
    // The top's parent was not downloaded, and the drive's root has no attributes of its own.
    if (folder->attributes != Attributes{}) {
      const auto set = root_.set_attributes(folder->path, EntryKind::folder, folder->attributes);
      if (!set.ok()) failed(folder->path, set.error());
    }
    folder = folder->parent;
  }
}

void Download::fetched(const Entry& entry, const std::string& path, const FolderPtr& folder,
                       const Result<Fetched>& outcome) {
  state_.done(entry.size);
  if (!outcome.ok()) {
    failed(path, outcome.error());
  } else {
    state_.report([&](Report& report) {
      if (!outcome->written) ++report.unchanged;
      else if (entry.kind == EntryKind::symlink) ++report.links;
      else ++report.files;
    });
  }
  leave(folder);
}

std::pair<std::string, std::string> split_last(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

Result<Report> write_entry(Drive& drive, const Entry& entry, const std::string& local,
                           const TransferOptions& options) {
  if (local.empty()) return Error{Errc::invalid_argument, "the local path is empty"};
  if (entry.kind == EntryKind::folder) {
    if (::mkdir(local.c_str(), 0700) != 0 && errno != EEXIST) return errno_error("cannot make it", local);
    auto tree = LocalRoot::open(local);
    if (!tree.ok()) return tree.error();
    return Download(drive, std::move(*tree), options).run(entry, "");
  }
  const auto [above, name] = split_last(local);
  if (name.empty() || name == "." || name == "..")
    return Error{Errc::invalid_argument, printable(local) + " is not a name for a file"};
  auto tree = LocalRoot::open(above);
  if (!tree.ok()) return tree.error();
  return Download(drive, std::move(*tree), options).run(entry, name);
}

}  // namespace

Result<Report> download(Drive& drive, const EntryRef& remote, const std::string& local,
                        const TransferOptions& options) {
  const auto entry = drive.stat(remote);
  if (!entry.ok()) return entry.error();
  return write_entry(drive, *entry, local, options);
}

Result<Report> download_version(Drive& drive, const EntryRef& remote, VersionNumber version,
                                const std::string& local, const TransferOptions& options) {
  auto entry = drive.stat(remote);
  if (!entry.ok()) return entry.error();
  if (entry->kind == EntryKind::folder) return Error{Errc::not_a_file, "a folder has no versions"};
  const auto versions = drive.versions({entry->id, ""});
  if (!versions.ok()) return versions.error();
  for (const auto& one : *versions) {
    if (one.number != version) continue;
    entry->version = one.number;
    entry->size = one.size;
    entry->attributes = one.attributes;
    return write_entry(drive, *entry, local, options);
  }
  return Error{Errc::not_found, "there is no version " + std::to_string(version.value) + " of it"};
}

}  // namespace cairn::client
