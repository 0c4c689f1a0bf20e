// Uploading: a walker that meets what is in a local tree, in the order of names and a folder before
// what is in it, in front of a FileSender.
#include <atomic>
#include <map>
#include <set>
#include <unordered_map>

#include "client/file_sender.hpp"
#include "client/transfer_state.hpp"
#include "protocol/names.hpp"

namespace cairn::client {
namespace {

/// A folder of the drive, known by its id or, as long as that is not known, by its place.
struct RemoteFolder {
  std::shared_ptr<RemoteFolder> parent;
  std::string name;                       ///< NFC
  std::atomic<std::uint64_t> id{0};

  EntryRef ref() const {
    if (id != 0) return {EntryId{id}, ""};
    auto above = parent->ref();
    above.path = above.path.empty() ? name : above.path + "/" + name;
    return above;
  }
};
using FolderPtr = std::shared_ptr<RemoteFolder>;

std::string joined(const std::string& folder, const std::string& name) {
  return folder.empty() ? name : folder + "/" + name;
}

const char* why_not_kept(mode_t mode) {
  if (S_ISSOCK(mode)) return "a socket cannot be kept";
  if (S_ISFIFO(mode)) return "a named pipe cannot be kept";
  if (S_ISBLK(mode) || S_ISCHR(mode)) return "a device cannot be kept";
  return "this kind of file cannot be kept";
}

class Upload {
 public:
  Upload(Drive& drive, LocalRoot root, const TransferOptions& options)
      : drive_(drive),
        root_(std::move(root)),
        options_(options),
        state_(options),
        sender_(drive, root_, {state_.threads(), options.window_bytes, options.bounds}) {}

  /// Stores what is at `path` of the tree under `name` in `folder`; `existing` is what is there now.
  /// With an empty name, `path` is a folder whose content goes into `folder`.
  Result<Report> run(const std::string& path, const FolderPtr& folder, const std::string& name,
                     const std::optional<Entry>& existing) {
    std::atomic<bool> finished = false;
    std::thread walker([&] {
      if (name.empty()) walk(path, folder, true);
      else meet(path, folder, name, existing);
      state_.walked();
      sender_.wait();
      finished = true;
      state_.wake();
    });
    state_.wait([&] {
      state_.bytes_moved = sender_.bytes_sent();
      if (state_.stopped()) sender_.stop();
      return finished.load();
    });
    walker.join();
    state_.report([this](Report& report) {
      report.blocks_moved = sender_.blocks().blocks_sent();
      report.blocks_known = sender_.blocks().blocks_known();
    });
    return state_.take();
  }

 private:
  void walk(const std::string& path, const FolderPtr& folder, bool exists);
  void meet(const std::string& path, const FolderPtr& folder, const std::string& name,
            const std::optional<Entry>& existing);
  void meet_folder(const std::string& path, const FolderPtr& folder, const std::string& name,
                   const struct stat& found, const std::optional<Entry>& existing);
  void meet_file(const std::string& path, const FolderPtr& folder, const std::string& name,
                 const struct stat& found, const std::optional<Entry>& existing);
  void make_folder(const std::string& path, const FolderPtr& made, const Attributes& attributes);
  void set_attributes(const std::string& path, EntryId entry, const Attributes& attributes);
  void sent(const std::string& path, std::uint64_t size, const Result<Sent>& outcome);
  /// The error of one path, or of the whole.
  void failed(const std::string& path, const Error& error) {
    if (ends_transfer(error.code)) state_.stop(error);
    else state_.fail(path, error);
  }

  Drive& drive_;
  const LocalRoot root_;
  const TransferOptions& options_;
  TransferState state_;
  std::unordered_map<std::uint64_t, std::string> linked_;   ///< inode with several names -> the first
  FileSender sender_;                                       ///< last: its callbacks use the above
};

void Upload::walk(const std::string& path, const FolderPtr& folder, bool exists) {
  const auto names = root_.names(path);
  if (!names.ok()) return state_.fail(path, names.error());
  std::map<std::string, Entry> remote;
  if (exists) {
    auto entries = drive_.list(folder->ref());
    if (!entries.ok()) return failed(path, entries.error());
    for (auto& entry : *entries) remote.emplace(entry.name, std::move(entry));
  }
  std::set<std::string> taken;
  for (const auto& name : *names) {
    if (state_.stopped()) return;
    const auto here = joined(path, name);
    if (name.rfind(NewFile::temporary_prefix, 0) == 0) {
      state_.skip(here, Errc::invalid_name, "it was left by a transfer that died");
      continue;
    }
    const auto normal = normalize_name(name);
    if (!normal.ok()) {
      state_.skip(printable(here), Errc::invalid_name, normal.error().message);
      continue;
    }
    if (!taken.insert(*normal).second) {
      state_.skip(here, Errc::already_exists, "another name in this folder is the same in NFC");
      continue;
    }
    if (*normal != name) state_.skip(here, Errc::invalid_name, "its name is kept in NFC");
    const auto known = remote.find(*normal);
    meet(here, folder, *normal, known == remote.end() ? std::nullopt : std::optional(known->second));
  }
}

void Upload::meet(const std::string& path, const FolderPtr& folder, const std::string& name,
                  const std::optional<Entry>& existing) {
  const auto found = root_.stat(path);
  if (!found.ok()) return state_.fail(path, found.error());
  if (S_ISDIR(found->st_mode)) return meet_folder(path, folder, name, *found, existing);
  if (S_ISREG(found->st_mode) || S_ISLNK(found->st_mode))
    return meet_file(path, folder, name, *found, existing);
  state_.skip(path, Errc::invalid_argument, why_not_kept(found->st_mode));
}

void Upload::meet_folder(const std::string& path, const FolderPtr& folder, const std::string& name,
                         const struct stat& found, const std::optional<Entry>& existing) {
  const auto attributes = attributes_of(found);
  auto here = std::make_shared<RemoteFolder>();
  here->parent = folder;
  here->name = name;
  if (!existing) {
    make_folder(path, here, attributes);
    return walk(path, here, false);
  }
  if (existing->kind != EntryKind::folder)
    return state_.fail(path, Error{Errc::not_a_folder, "a file has this name in the drive"});
  here->id = existing->id.value;
  if (existing->attributes != attributes) set_attributes(path, existing->id, attributes);
  walk(path, here, true);
}

void Upload::make_folder(const std::string& path, const FolderPtr& made, const Attributes& attributes) {
  Committer::Item item;
  item.change = [made, attributes] {
    return Change(MakeFolder{made->parent->ref(), made->name, attributes});
  };
  item.done = [this, made, path](const Result<ChangeResult>& result) {
    if (result.ok()) {
      made->id = result->entry.value;
      state_.report([](Report& report) { ++report.folders; });
    } else if (result.error().code != Errc::already_exists) {  // made by somebody since it was listed
      failed(path, result.error());
    }
  };
  sender_.committer().add(std::move(item));
}

void Upload::set_attributes(const std::string& path, EntryId entry, const Attributes& attributes) {
  Committer::Item item;
  item.change = [entry, attributes] { return Change(SetAttributes{{entry, ""}, attributes}); };
  item.done = [this, path](const Result<ChangeResult>& result) {
    if (!result.ok()) failed(path, result.error());
  };
  sender_.committer().add(std::move(item));
}

void Upload::meet_file(const std::string& path, const FolderPtr& folder, const std::string& name,
                       const struct stat& found, const std::optional<Entry>& existing) {
  const auto size = static_cast<std::uint64_t>(found.st_size);
  const auto kind = S_ISLNK(found.st_mode) ? EntryKind::symlink : EntryKind::file;
  state_.found(size);
  if (kind == EntryKind::file && found.st_nlink > 1) {
    const auto [first, is_first] = linked_.emplace(found.st_ino, path);
    if (!is_first)
      state_.skip(path, Errc::invalid_argument,
                  "the hard link to " + printable(first->second) + " is kept as a file of its own");
  }
  if (!options_.checksum && existing && existing->kind == kind && existing->size == size &&
      existing->attributes == attributes_of(found)) {
    state_.report([](Report& report) { ++report.unchanged; });
    return state_.done(size);
  }
  SendRequest request;
  request.path = path;
  request.kind = kind;
  request.folder = [folder] { return folder->ref(); };
  request.name = name;
  if (existing && existing->kind != EntryKind::folder) request.base = {existing->id, existing->version};
  sender_.send(std::move(request),
               [this, path, size](const Result<Sent>& outcome) { sent(path, size, outcome); });
}

void Upload::sent(const std::string& path, std::uint64_t size, const Result<Sent>& outcome) {
  state_.done(size);
  if (!outcome.ok()) {
    if (outcome.error().code == Errc::conflict) state_.skip(path, Errc::conflict, outcome.error().message);
    else failed(path, outcome.error());
    return;
  }
  const auto& result = outcome->result;
  if (!outcome->attributes.empty())
    state_.skip(path, Errc::invalid_argument,
                "its extended attributes are not kept: " + printable(outcome->attributes.front()));
  if (result.outcome == Outcome::conflicted) state_.conflict(path, result.name);
  state_.report([&](Report& report) {
    if (result.outcome == Outcome::unchanged) ++report.unchanged;
    else if (S_ISLNK(outcome->found.st_mode)) ++report.links;
    else ++report.files;
  });
}

/// Splits "a/b" into "a" and "b"; "b" is in ".".
std::pair<std::string, std::string> split_last(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

}  // namespace

Result<Report> upload(Drive& drive, const std::string& local, const std::string& remote,
                      const TransferOptions& options) {
  auto names = split_path(remote);
  if (!names.ok()) return names.error();
  auto path = local;
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  struct stat found;
  if (::lstat(path.c_str(), &found) != 0) return errno_error("", local);
  const bool is_folder = S_ISDIR(found.st_mode);
  if (names->empty() && !is_folder)
    return Error{Errc::not_a_folder, printable(local) + " is not a folder, and the drive's root is one"};
  const auto name = names->empty() ? std::string() : names->back();
  std::string parent;
  for (std::size_t i = 0; i + 1 < names->size(); ++i) parent += (i == 0 ? "" : "/") + (*names)[i];
  const auto above_entry = drive.folder(parent, options.make_parents);
  if (!above_entry.ok()) return above_entry.error();
  const auto folder = std::make_shared<RemoteFolder>();
  folder->id = above_entry->id.value;
  std::optional<Entry> existing;
  if (!name.empty()) {
    auto entry = drive.stat({above_entry->id, name});
    if (entry.ok()) existing = std::move(*entry);
    else if (entry.error().code != Errc::not_found) return entry.error();
  }
  const auto [above, last] = split_last(path);
  auto tree = LocalRoot::open(is_folder ? path : above);
  if (!tree.ok()) return tree.error();
  return Upload(drive, std::move(*tree), options).run(is_folder ? "" : last, folder, name, existing);
}

}  // namespace cairn::client
