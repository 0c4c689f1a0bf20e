// What a sync has to do: a pure three-way merge of a local tree, a remote tree and what both were when
// they were last the same. Deterministic; any thread.
//
// Rules. What changed on one side only is carried to the other. What changed on both to the same is
// taken as synced. What changed on both differently is kept twice: the local one gets a conflict name
// and is stored as a new file. A deletion against a modification keeps the modification. A folder goes
// only if all in it goes. A move is carried as a move if its target is free. Moves come first, alone:
// the plan after them is made from the trees that they left.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "protocol/model.hpp"

namespace cairn::client {

/// A path from the synced folder: NFC names joined by '/'. "" is the folder itself and in no tree.
using SyncPath = std::string;

/// What is in the local folder.
struct LocalNode {
  EntryKind kind = EntryKind::file;
  std::uint64_t size = 0;             ///< 0 for folders
  Attributes attributes;
  std::uint64_t inode = 0;
  friend bool operator==(const LocalNode&, const LocalNode&) = default;
};

/// What is in the drive.
struct RemoteNode {
  EntryId entry;
  EntryKind kind = EntryKind::file;
  VersionNumber version;
  std::uint64_t size = 0;
  Attributes attributes;
  friend bool operator==(const RemoteNode&, const RemoteNode&) = default;
};

/// What both sides were when they were last the same.
struct BaseNode {
  LocalNode local;
  RemoteNode remote;
  friend bool operator==(const BaseNode&, const BaseNode&) = default;
};

using LocalTree = std::map<SyncPath, LocalNode>;
using RemoteTree = std::map<SyncPath, RemoteNode>;
using BaseTree = std::map<SyncPath, BaseNode>;

/// `base` is where the moved thing is in the base; with all below it, it is there under `to` afterwards.
struct MoveRemote { SyncPath from; SyncPath to; SyncPath base; EntryId entry; };
struct MoveLocal { SyncPath from; SyncPath to; SyncPath base; };
/// Both sides moved it to the same place.
struct MoveBase { SyncPath from; SyncPath to; };
struct MakeRemoteFolder { SyncPath path; LocalNode from; };
struct MakeLocalFolder { SyncPath path; RemoteNode from; };
/// A file or link; `over` is the version that it replaces, entry 0 for none.
struct Upload { SyncPath path; EntryKind kind = EntryKind::file; Base over; };
/// A file or link; `replaces`: the local one that is there now and may be replaced.
struct Download { SyncPath path; RemoteNode from; std::optional<LocalNode> replaces; };
struct SetRemoteAttributes { SyncPath path; RemoteNode from; Attributes to; };
struct SetLocalAttributes { SyncPath path; RemoteNode from; };
/// A folder goes with all in it.
struct RemoveRemote { SyncPath path; EntryId entry; VersionNumber version; };
struct RemoveLocal { SyncPath path; LocalNode expected; };
/// Both sides have it: remember that they are the same. For files the contents are compared first; if
/// they differ, the local one gets a conflict name. Attributes become those of the drive.
struct Adopt { SyncPath path; RemoteNode from; };
/// The local one, whatever it is, gets a conflict name beside the old one.
struct RenameConflicting { SyncPath path; };
/// Neither side has it any more.
struct Forget { SyncPath path; };

using SyncAction = std::variant<MoveRemote, MoveLocal, MoveBase, MakeRemoteFolder, MakeLocalFolder, Upload,
                                Download, SetRemoteAttributes, SetLocalAttributes, RemoveRemote, RemoveLocal, Adopt,
                                RenameConflicting, Forget>;

struct SyncPlan {
  /// In an order in which they can be done: folders before what is in them, removals last and from the
  /// leaves up.
  std::vector<SyncAction> actions;
  /// Another plan has to be made after this one is done.
  bool again = false;
};

struct PlanOptions {
  bool moves = true;                  ///< false: a move is a removal and a new file
};

SyncPlan plan(const LocalTree& local, const RemoteTree& remote, const BaseTree& base,
              const PlanOptions& options = {});

/// "NAME (conflict, DEVICE, YYYY-MM-DD).EXT", at most 255 bytes, another than every name for which
/// `taken` says so.
std::string conflict_name(const std::string& name, const std::string& device, const std::string& date,
                          const std::function<bool(const std::string&)>& taken);

/// One line for people, e.g. "download a/b".
std::string describe(const SyncAction& action);

}  // namespace cairn::client
