#include "client/remote_mirror.hpp"

#include <map>

#include "protocol/limits.hpp"
#include "protocol/names.hpp"

namespace cairn::client {
namespace {

constexpr const char* cursor_key = "cursor";

}  // namespace

Result<void> RemoteMirror::load() {
  const auto cursor = state_.get(cursor_key);
  if (!cursor.ok()) return cursor.error();
  mirror_.clear();
  listed_ = false;
  if (!*cursor) return {};
  auto mirror = state_.mirror();
  if (!mirror.ok()) return mirror.error();
  mirror_ = std::move(*mirror);
  cursor_ = Cursor{std::strtoull((*cursor)->c_str(), nullptr, 10)};
  listed_ = true;
  return {};
}

Result<void> RemoteMirror::apply_together(const std::function<Result<void>()>& work) {
  torn_ = true;
  CAIRN_TRY(state_.together(work));
  torn_ = false;
  return {};
}

Result<void> RemoteMirror::refresh() {
  if (torn_) CAIRN_TRY(load());
  torn_ = false;
  // Its own events tell of the top, too, but not of what became of the folders above it.
  const auto top = drive_.stat({top_, ""});
  if (!top.ok()) return top.error();
  if (top->trashed) return Error{Errc::trashed, "the drive's folder is in the trash"};
  if (!listed_) return list_afresh();
  for (;;) {
    const auto page = drive_.changes(cursor_, limits::max_list_page);
    if (!page.ok() && page.error().code == Errc::cursor_expired) return list_afresh();
    if (!page.ok()) return page.error();
    if (page->events.empty() && page->cursor == cursor_) return {};
    CAIRN_TRY(apply_together([&]() -> Result<void> {
      CAIRN_TRY(apply(*page));
      return state_.set(cursor_key, std::to_string(page->cursor.value));
    }));
    cursor_ = page->cursor;
    if (!page->more) return {};
  }
}

Result<void> RemoteMirror::list_afresh() {
  // The cursor is taken first: what changes while the folders are listed comes again by the feed. A
  // change that changes nothing tells the journal's end.
  const auto top = drive_.stat({top_, ""});
  if (!top.ok()) return top.error();
  std::vector<Change> nothing;
  nothing.push_back(SetAttributes{{top_, ""}, top->attributes});
  const auto end = drive_.commit(std::move(nothing));
  if (!end.ok()) return end.error();
  CAIRN_TRY(apply_together([&]() -> Result<void> {
    CAIRN_TRY(state_.clear_mirror());
    mirror_.clear();
    CAIRN_TRY(list_below(top_));
    return state_.set(cursor_key, std::to_string(end->cursor.value));
  }));
  cursor_ = end->cursor;
  listed_ = true;
  return {};
}

Result<void> RemoteMirror::list_below(EntryId top) {
  std::vector<EntryId> folders{top};
  while (!folders.empty()) {
    const auto folder = folders.back();
    folders.pop_back();
    auto entries = drive_.list({folder, ""});
    // One that went away since it was met is told of by the feed.
    if (!entries.ok() && folder != top_ &&
        (entries.error().code == Errc::not_found || entries.error().code == Errc::trashed))
      continue;
    if (!entries.ok()) return entries.error();
    for (const auto& entry : *entries) {
      CAIRN_TRY(put(entry));
      if (entry.kind == EntryKind::folder) folders.push_back(entry.id);
    }
  }
  return {};
}

Result<void> RemoteMirror::apply(const ChangePage& page) {
  for (const auto& event : page.events) {
    if (event.entry == top_) continue;
    if (!event.now || event.now->trashed || !is_inside(event.now->parent)) {
      if (mirror_.contains(event.entry.value)) CAIRN_TRY(remove(event.entry));
      continue;
    }
    const bool is_new = !mirror_.contains(event.entry.value);
    CAIRN_TRY(put(*event.now));
    // What came in with a folder (moved here or restored) has no events of its own.
    if (is_new && event.now->kind == EntryKind::folder) CAIRN_TRY(list_below(event.entry));
  }
  return {};
}

Result<void> RemoteMirror::put(const Entry& entry) {
  MirrorNode node{entry.parent, entry.name,
                  {entry.id, entry.kind, entry.version, entry.size, entry.attributes}};
  CAIRN_TRY(state_.put_mirror(entry.id, node));
  mirror_[entry.id.value] = std::move(node);
  return {};
}

Result<void> RemoteMirror::remove(EntryId entry) {
  std::multimap<std::uint64_t, std::uint64_t> children;
  if (mirror_.at(entry.value).node.kind == EntryKind::folder)
    for (const auto& [id, node] : mirror_) children.emplace(node.parent.value, id);
  std::vector<std::uint64_t> doomed{entry.value};
  while (!doomed.empty()) {
    const auto id = doomed.back();
    doomed.pop_back();
    const auto [begin, end] = children.equal_range(id);
    for (auto it = begin; it != end; ++it) doomed.push_back(it->second);
    CAIRN_TRY(state_.remove_mirror(EntryId{id}));
    mirror_.erase(id);
  }
  return {};
}

RemoteTree RemoteMirror::tree() const {
  RemoteTree tree;
  std::unordered_map<std::uint64_t, std::optional<SyncPath>> paths;
  // Nothing for what does not hang together (yet), or goes deeper than a drive can.
  const std::function<std::optional<SyncPath>(EntryId, std::size_t)> path_of =
      [&](EntryId id, std::size_t depth) -> std::optional<SyncPath> {
    if (id == top_) return "";
    if (const auto known = paths.find(id.value); known != paths.end()) return known->second;
    const auto node = mirror_.find(id.value);
    if (node == mirror_.end() || depth > limits::max_path_depth) return std::nullopt;
    auto path = path_of(node->second.parent, depth + 1);
    // The server is not trusted with local paths: a name is one name.
    const auto name = normalize_name(node->second.name);
    if (!name.ok() || *name != node->second.name) path.reset();
    if (path) *path += (path->empty() ? "" : "/") + *name;
    paths[id.value] = path;
    return path;
  };
  for (const auto& [id, node] : mirror_) {
    const auto path = path_of(EntryId{id}, 0);
    if (path && path->rfind(".cairn/", 0) != 0 && *path != ".cairn") tree.emplace(*path, node.node);
  }
  return tree;
}

}  // namespace cairn::client
