#include "client/sync_moves.hpp"

#include <algorithm>
#include <set>
#include <unordered_map>

namespace cairn::client {
namespace {

class MovePlanner {
 public:
  MovePlanner(const LocalTree& local, const RemoteTree& remote, const BaseTree& base)
      : local_(local), remote_(remote), base_(base) {
    for (const auto& [path, node] : local)
      if (!base.contains(path)) new_inodes_.emplace(node.inode, path);
    for (const auto& [path, node] : remote) entries_.emplace(node.entry.value, path);
  }

  std::vector<SyncAction> plan() {
    for (const auto& [path, node] : base_) find_move(path, node);
    // Upper targets first: what goes below them is looked at again when they are there.
    std::stable_sort(moves_.begin(), moves_.end(), [](const Found& a, const Found& b) {
      return depth(a.target()) < depth(b.target());
    });
    for (const auto& move : moves_) carry(move);
    return std::move(actions_);
  }

 private:
  struct Found {
    SyncPath base;
    SyncPath local;     ///< where it is here
    SyncPath remote;    ///< where it is in the drive
    EntryId entry;
    const SyncPath& target() const { return remote == base ? local : remote; }
  };

  static std::ptrdiff_t depth(const SyncPath& path) { return std::count(path.begin(), path.end(), '/'); }

  /// Where the file or folder that was at `path` is now; "" if it is gone.
  SyncPath local_place(const SyncPath& path, const BaseNode& node) const {
    if (local_.contains(path)) return path;
    const auto [begin, end] = new_inodes_.equal_range(node.local.inode);
    for (auto it = begin; it != end; ++it) {
      const auto& now = local_.at(it->second);
      if (now.kind != node.local.kind) continue;
      // Inodes are used again: a file is the same one only if nothing else about it changed.
      if (now.kind == EntryKind::folder || (now.size == node.local.size && now.attributes.modified_nanos ==
                                                                               node.local.attributes.modified_nanos))
        return it->second;
    }
    return "";
  }

  SyncPath remote_place(const BaseNode& node) const {
    const auto found = entries_.find(node.remote.entry.value);
    if (found == entries_.end() || remote_.at(found->second).kind != node.remote.kind) return "";
    return found->second;
  }

  /// A place that only follows from a move of the folder above is none of its own.
  bool follows_local(const SyncPath& from, const SyncPath& to) const {
    const auto above = base_.find(parent_of(from));
    return above != base_.end() && last_of(from) == last_of(to) &&
           local_place(above->first, above->second) == parent_of(to);
  }
  bool follows_remote(const SyncPath& from, const SyncPath& to) const {
    const auto above = base_.find(parent_of(from));
    return above != base_.end() && last_of(from) == last_of(to) && remote_place(above->second) == parent_of(to);
  }
  static SyncPath last_of(const SyncPath& path) { return path.substr(path.rfind('/') + 1); }

  void find_move(const SyncPath& path, const BaseNode& node) {
    auto here = local_place(path, node);
    auto there = remote_place(node);
    if (here.empty() || there.empty() || (here == path && there == path)) return;
    const bool moved_here = here != path && !follows_local(path, here);
    const bool moved_there = there != path && !follows_remote(path, there);
    if (here == there) {
      if (moved_here || moved_there) moves_.push_back({path, here, there, node.remote.entry});
      return;
    }
    if (!moved_here && !moved_there) return;
    // Moved on both sides to different places: the drive's is taken.
    moves_.push_back({path, std::move(here), std::move(there), node.remote.entry});
  }

  void carry(const Found& move) {
    if (std::any_of(touched_.begin(), touched_.end(), [&](const SyncPath& path) {
          return path == move.target() || path == move.base || is_below(move.target(), path) ||
                 is_below(path, move.target()) || is_below(move.base, path) || is_below(path, move.base);
        }))
      return;
    if (move.local == move.remote) {
      actions_.push_back(MoveBase{move.base, move.local});
    } else if (move.remote == move.base) {
      if (remote_.contains(move.local) || is_below(move.local, move.remote)) return;
      if (!make_remote_parents(move.local)) return;
      actions_.push_back(MoveRemote{move.remote, move.local, move.base, move.entry});
    } else {
      if (local_.contains(move.remote) || is_below(move.remote, move.local)) return;
      if (!make_local_parents(move.remote)) return;
      actions_.push_back(MoveLocal{move.local, move.remote, move.base});
    }
    touched_.insert(move.base);
    touched_.insert(move.target());
  }

  /// Plans the folders above `path` that only this side has; false if something is in the way.
  bool make_remote_parents(const SyncPath& path) {
    const auto above = parent_of(path);
    if (above.empty()) return true;
    if (const auto there = remote_.find(above); there != remote_.end()) return there->second.kind == EntryKind::folder;
    const auto here = local_.find(above);
    if (here == local_.end() || base_.contains(above) || !make_remote_parents(above)) return false;
    if (made_.insert(above).second) actions_.push_back(MakeRemoteFolder{above, here->second});
    return true;
  }
  bool make_local_parents(const SyncPath& path) {
    const auto above = parent_of(path);
    if (above.empty()) return true;
    if (const auto here = local_.find(above); here != local_.end()) return here->second.kind == EntryKind::folder;
    const auto there = remote_.find(above);
    if (there == remote_.end() || base_.contains(above) || !make_local_parents(above)) return false;
    if (made_.insert(above).second) actions_.push_back(MakeLocalFolder{above, there->second});
    return true;
  }

  const LocalTree& local_;
  const RemoteTree& remote_;
  const BaseTree& base_;
  std::unordered_multimap<std::uint64_t, SyncPath> new_inodes_;
  std::unordered_map<std::uint64_t, SyncPath> entries_;
  std::vector<Found> moves_;
  std::set<SyncPath> touched_;
  std::set<SyncPath> made_;
  std::vector<SyncAction> actions_;
};

}  // namespace

std::vector<SyncAction> plan_moves(const LocalTree& local, const RemoteTree& remote, const BaseTree& base) {
  return MovePlanner(local, remote, base).plan();
}

}  // namespace cairn::client
