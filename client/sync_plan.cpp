#include "client/sync_plan.hpp"

#include <algorithm>
#include <set>

#include "client/sync_moves.hpp"
#include "protocol/limits.hpp"
#include "protocol/names.hpp"

namespace cairn::client {

SyncPath parent_of(const SyncPath& path) {
  const auto slash = path.rfind('/');
  return slash == SyncPath::npos ? SyncPath() : path.substr(0, slash);
}

bool is_below(const SyncPath& path, const SyncPath& folder) {
  return path.size() > folder.size() && path[folder.size()] == '/' && path.compare(0, folder.size(), folder) == 0;
}

namespace {

/// What one side did to a path since the base.
enum class Side {
  none,         ///< it is not there and was not
  same,
  attributes,   ///< only its mode (or, in the drive, its attributes) changed
  content,      ///< it is new, or other
  gone,
};

bool same_attributes(EntryKind kind, const Attributes& a, const Attributes& b) {
  if (kind == EntryKind::folder) return a.mode == b.mode;
  if (kind == EntryKind::symlink) return a.modified_nanos == b.modified_nanos;
  return a == b;
}

Side local_side(const LocalNode* now, const BaseNode* base) {
  if (now == nullptr) return base == nullptr ? Side::none : Side::gone;
  if (base == nullptr || now->kind != base->local.kind) return Side::content;
  const auto& then = base->local;
  if (now->kind != EntryKind::folder &&
      (now->size != then.size || now->inode != then.inode ||
       now->attributes.modified_nanos != then.attributes.modified_nanos))
    return Side::content;
  return same_attributes(now->kind, now->attributes, then.attributes) ? Side::same : Side::attributes;
}

Side remote_side(const RemoteNode* now, const BaseNode* base) {
  if (now == nullptr) return base == nullptr ? Side::none : Side::gone;
  if (base == nullptr || now->entry != base->remote.entry || now->kind != base->remote.kind) return Side::content;
  if (now->kind != EntryKind::folder && now->version != base->remote.version) return Side::content;
  return same_attributes(now->kind, now->attributes, base->remote.attributes) ? Side::same : Side::attributes;
}

template <class Node>
const Node* find(const std::map<SyncPath, Node>& tree, const SyncPath& path) {
  const auto found = tree.find(path);
  return found == tree.end() ? nullptr : &found->second;
}

/// Decides path by path, from the leaves up, so that a folder knows what becomes of what is in it.
class Planner {
 public:
  Planner(const LocalTree& local, const RemoteTree& remote, const BaseTree& base)
      : local_(local), remote_(remote), base_(base) {}

  SyncPlan plan() {
    std::set<SyncPath> paths;
    for (const auto& [path, node] : local_) paths.insert(path);
    for (const auto& [path, node] : remote_) paths.insert(path);
    for (const auto& [path, node] : base_) paths.insert(path);
    for (auto path = paths.rbegin(); path != paths.rend(); ++path) decide(*path);
    return {in_order(), again_};
  }

 private:
  struct Here {
    SyncPath path;
    const LocalNode* local;
    const RemoteNode* remote;
    const BaseNode* base;
    Side local_did;
    Side remote_did;
  };

  void decide(const SyncPath& path) {
    Here here{path, find(local_, path), find(remote_, path), find(base_, path), {}, {}};
    here.local_did = local_side(here.local, here.base);
    here.remote_did = remote_side(here.remote, here.base);
    local_goes_ = remote_goes_ = false;
    if (here.local != nullptr && here.remote != nullptr) both(here);
    else if (here.local != nullptr) only_local(here);
    else if (here.remote != nullptr) only_remote(here);
    else add(Forget{path});
    if (here.local != nullptr && !local_goes_) local_stays_.insert(parent_of(path));
    if (here.remote != nullptr && !remote_goes_) remote_stays_.insert(parent_of(path));
  }

  void only_local(const Here& here) {
    const bool folder = here.local->kind == EntryKind::folder;
    const bool unchanged = here.local_did == Side::same || (folder && here.local_did == Side::attributes);
    const bool goes = here.remote_did == Side::gone && unchanged && !local_stays_.contains(here.path);
    if (goes) remove_local(here);
    else if (folder) add(MakeRemoteFolder{here.path, *here.local});
    else add(Upload{here.path, here.local->kind, {}});
  }

  void only_remote(const Here& here) {
    const bool folder = here.remote->kind == EntryKind::folder;
    const bool unchanged = here.remote_did == Side::same || (folder && here.remote_did == Side::attributes);
    const bool goes = here.local_did == Side::gone && unchanged && !remote_stays_.contains(here.path);
    if (goes) remove_remote(here);
    else if (folder) add(MakeLocalFolder{here.path, *here.remote});
    else add(Download{here.path, *here.remote, std::nullopt});
  }

  void both(const Here& here) {
    if (here.local->kind != here.remote->kind) return other_kinds(here);
    if (here.local->kind == EntryKind::folder) return both_folders(here);
    const bool local_new = here.local_did == Side::content;
    const bool remote_new = here.remote_did == Side::content;
    if (local_new && remote_new) return both_changed(here);
    if (local_new) return add(Upload{here.path, here.local->kind, {here.remote->entry, here.remote->version}});
    if (remote_new) return add(Download{here.path, *here.remote, *here.local});
    attributes_of_both(here);
  }

  void both_folders(const Here& here) {
    if (here.base == nullptr || here.remote_did == Side::content || here.local_did == Side::content)
      return add(Adopt{here.path, *here.remote});
    attributes_of_both(here);
  }

  void attributes_of_both(const Here& here) {
    if (here.remote_did == Side::attributes) return add(SetLocalAttributes{here.path, *here.remote});
    if (here.local_did == Side::attributes)
      return add(SetRemoteAttributes{here.path, *here.remote, here.local->attributes});
  }

  void both_changed(const Here& here) {
    if (here.local->size == here.remote->size) {
      again_ = true;  // if the contents turn out to differ
      return add(Adopt{here.path, *here.remote});
    }
    add(RenameConflicting{here.path});
    add(Download{here.path, *here.remote, std::nullopt});
    again_ = true;
  }

  /// A file here and a folder there, or a link: what did not change gives way, in a round of its own.
  /// What is below comes when that is done.
  void other_kinds(const Here& here) {
    again_ = true;
    const bool local_gives_way = here.local_did == Side::same && !local_stays_.contains(here.path);
    std::erase_if(actions_, [&](const SyncAction& action) {
      return is_below(path_of_any(action), here.path) &&
             !(local_gives_way && std::holds_alternative<RemoveLocal>(action));
    });
    if (local_gives_way) return remove_local(here);
    if (here.remote_did == Side::same && !remote_stays_.contains(here.path)) return remove_remote(here);
    add(RenameConflicting{here.path});
  }

  void remove_local(const Here& here) {
    local_goes_ = true;
    add(RemoveLocal{here.path, *here.local});
  }

  void remove_remote(const Here& here) {
    remote_goes_ = true;
    // The folder goes with all in it: what was planned for that is done by this.
    if (here.remote->kind == EntryKind::folder)
      std::erase_if(actions_, [&](const SyncAction& action) {
        const auto* removal = std::get_if<RemoveRemote>(&action);
        return removal != nullptr && is_below(removal->path, here.path);
      });
    add(RemoveRemote{here.path, here.remote->entry, here.remote->version});
  }

  void add(SyncAction action) { actions_.push_back(std::move(action)); }

  template <class Action>
  static const SyncPath& path_of(const Action& action) {
    if constexpr (requires { action.path; }) return action.path;
    else return action.from;
  }

  static const SyncPath& path_of_any(const SyncAction& action) {
    return std::visit([](const auto& one) -> const SyncPath& { return path_of(one); }, action);
  }

  std::vector<SyncAction> in_order() {
    // Actions were added from the leaves up; the stable sort keeps that within a step.
    std::stable_sort(actions_.begin(), actions_.end(), [](const SyncAction& a, const SyncAction& b) {
      const int step_a = step_of(a);
      const int step_b = step_of(b);
      if (step_a != step_b) return step_a < step_b;
      if (step_a == removal_step) return false;
      return path_of_any(a) < path_of_any(b);
    });
    return std::move(actions_);
  }

  static constexpr int removal_step = 3;
  static int step_of(const SyncAction& action) {
    if (std::holds_alternative<RenameConflicting>(action)) return 0;
    if (std::holds_alternative<MakeRemoteFolder>(action) || std::holds_alternative<MakeLocalFolder>(action))
      return 1;
    if (std::holds_alternative<RemoveRemote>(action) || std::holds_alternative<RemoveLocal>(action))
      return removal_step;
    return 2;
  }

  const LocalTree& local_;
  const RemoteTree& remote_;
  const BaseTree& base_;
  std::vector<SyncAction> actions_;
  std::set<SyncPath> local_stays_;    ///< folders in which something local stays
  std::set<SyncPath> remote_stays_;
  bool local_goes_ = false;
  bool remote_goes_ = false;
  bool again_ = false;
};

/// Cut to at most `bytes`, between characters.
std::string cut(std::string text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xc0) == 0x80) --bytes;
  text.resize(bytes);
  return text;
}

struct Describer {
  std::string operator()(const MoveRemote& a) const {
    return "move in the drive " + printable(a.from) + " to " + printable(a.to);
  }
  std::string operator()(const MoveLocal& a) const {
    return "move here " + printable(a.from) + " to " + printable(a.to);
  }
  std::string operator()(const MoveBase& a) const {
    return "note the move of " + printable(a.from) + " to " + printable(a.to);
  }
  std::string operator()(const MakeRemoteFolder& a) const { return "make in the drive " + printable(a.path); }
  std::string operator()(const MakeLocalFolder& a) const { return "make here " + printable(a.path); }
  std::string operator()(const Upload& a) const { return "upload " + printable(a.path); }
  std::string operator()(const Download& a) const { return "download " + printable(a.path); }
  std::string operator()(const SetRemoteAttributes& a) const {
    return "set attributes in the drive " + printable(a.path);
  }
  std::string operator()(const SetLocalAttributes& a) const { return "set attributes here " + printable(a.path); }
  std::string operator()(const RemoveRemote& a) const { return "remove in the drive " + printable(a.path); }
  std::string operator()(const RemoveLocal& a) const { return "remove here " + printable(a.path); }
  std::string operator()(const Adopt& a) const { return "compare " + printable(a.path); }
  std::string operator()(const RenameConflicting& a) const { return "keep under another name " + printable(a.path); }
  std::string operator()(const Forget& a) const { return "forget " + printable(a.path); }
};

}  // namespace

SyncPlan plan(const LocalTree& local, const RemoteTree& remote, const BaseTree& base, const PlanOptions& options) {
  if (options.moves) {
    auto moves = plan_moves(local, remote, base);
    if (!moves.empty()) return {std::move(moves), true};
  }
  return Planner(local, remote, base).plan();
}

std::string conflict_name(const std::string& name, const std::string& device, const std::string& date,
                          const std::function<bool(const std::string&)>& taken) {
  const auto dot = name.rfind('.');
  const bool has_extension = dot != std::string::npos && dot > 0 && name.size() - dot <= 32;
  const auto extension = has_extension ? name.substr(dot) : "";
  const auto stem = has_extension ? name.substr(0, dot) : name;
  auto who = printable(device, 64);
  std::replace(who.begin(), who.end(), '/', '_');
  for (int number = 1;; ++number) {
    const auto mark = " (conflict, " + who + ", " + date + (number > 1 ? " " + std::to_string(number) : "") + ")";
    auto candidate = cut(stem, limits::max_name_bytes - mark.size() - extension.size()) + mark + extension;
    if (!taken(candidate)) return candidate;
  }
}

std::string describe(const SyncAction& action) { return std::visit(Describer{}, action); }

}  // namespace cairn::client
