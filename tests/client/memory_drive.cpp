#include "tests/client/memory_drive.hpp"

#include <algorithm>
#include <functional>

#include "protocol/digest.hpp"
#include "protocol/names.hpp"

namespace cairn::client {

MemoryDrive::MemoryDrive() {
  nodes_[1].entry.id = root_entry;
  nodes_[1].entry.kind = EntryKind::folder;
}

MemoryDrive::Node* MemoryDrive::child(EntryId parent, const std::string& name) {
  for (auto& [id, node] : nodes_)
    if (node.entry.parent == parent && node.entry.name == name && !node.entry.trashed) return &node;
  return nullptr;
}

Result<MemoryDrive::Node*> MemoryDrive::find(const EntryRef& ref) {
  const auto names = split_path(ref.path);
  if (!names.ok()) return names.error();
  const auto base = nodes_.find(ref.base.value);
  if (base == nodes_.end()) return Error{Errc::not_found, "no entry " + std::to_string(ref.base.value)};
  auto* node = &base->second;
  if (node->entry.trashed) return Error{Errc::trashed, "the entry is in the trash"};
  for (const auto& name : *names) {
    if (node->entry.kind != EntryKind::folder) return Error{Errc::not_a_folder, node->entry.name};
    node = child(node->entry.id, name);
    if (node == nullptr) return Error{Errc::not_found, "no entry " + ref.path};
  }
  return node;
}

void MemoryDrive::changed(Node& node) {
  journal_.erase(node.entry.changed.value);
  node.entry.changed = Cursor{++cursor_};
  journal_[cursor_] = node.entry.id.value;
}

Result<Entry> MemoryDrive::stat(const EntryRef& ref) {
  const std::lock_guard lock(mutex_);
  const auto node = find(ref);
  if (!node.ok()) return node.error();
  return (*node)->entry;
}

Result<EntryPage> MemoryDrive::list(const EntryRef& ref, const std::string& after, std::size_t limit) {
  const std::lock_guard lock(mutex_);
  const auto folder = find(ref);
  if (!folder.ok()) return folder.error();
  if ((*folder)->entry.kind != EntryKind::folder) return Error{Errc::not_a_folder, ref.path};
  std::map<std::string, Entry> sorted;
  for (const auto& [id, node] : nodes_)
    if (node.entry.parent == (*folder)->entry.id && !node.entry.trashed && node.entry.name > after)
      sorted.emplace(node.entry.name, node.entry);
  EntryPage page;
  for (const auto& [name, entry] : sorted) {
    if (page.entries.size() == limit) {
      page.next = page.entries.back().name;
      break;
    }
    page.entries.push_back(entry);
  }
  return page;
}

/// Applies one kind of change each; an Error is the change's own.
struct MemoryDrive::Applier {
  MemoryDrive& drive;
  ChangeResult result;

  Node& make(EntryId parent, const std::string& name, EntryKind kind, const Attributes& attributes) {
    const EntryId id{drive.next_entry_++};
    auto& node = drive.nodes_[id.value];
    node.entry.id = id;
    node.entry.parent = parent;
    node.entry.name = name;
    node.entry.kind = kind;
    node.entry.attributes = attributes;
    return node;
  }

  Result<Outcome> operator()(const MakeFolder& change) {
    const auto parent = drive.find(change.parent);
    if (!parent.ok()) return parent.error();
    const auto name = normalize_name(change.name);
    if (!name.ok()) return name.error();
    if ((*parent)->entry.kind != EntryKind::folder) return Error{Errc::not_a_folder, "parent"};
    if (const auto* there = drive.child((*parent)->entry.id, *name)) {
      result.entry = there->entry.id;
      return Error{Errc::already_exists, *name};
    }
    auto& node = make((*parent)->entry.id, *name, EntryKind::folder, change.attributes);
    drive.changed(node);
    result.entry = node.entry.id;
    return Outcome::created;
  }

  Result<Outcome> operator()(const PutFile& change) {
    const auto parent = drive.find(change.parent);
    if (!parent.ok()) return parent.error();
    if ((*parent)->entry.kind != EntryKind::folder) return Error{Errc::not_a_folder, "parent"};
    auto name = normalize_name(change.name);
    if (!name.ok()) return name.error();
    std::uint64_t size = change.content.inline_bytes.size();
    for (const auto& block : change.content.blocks) {
      const auto stored = drive.blocks_.find(block.id);
      if (stored == drive.blocks_.end()) return Error{Errc::block_missing, block.id.hex()};
      if (stored->second.size() != block.bytes) return Error{Errc::size_mismatch, block.id.hex()};
      size += block.bytes;
    }
    if (size != change.content.size) return Error{Errc::size_mismatch, "content.size"};
    auto outcome = Outcome::created;
    auto* node = drive.child((*parent)->entry.id, *name);
    if (node != nullptr) {
      const auto current = node->entry.version.value;
      if (node->entry.kind == change.kind && node->versions[current] == change.content &&
          node->entry.attributes == change.attributes) {
        result.entry = node->entry.id;
        result.version = node->entry.version;
        return Outcome::unchanged;
      }
      const bool based = node->entry.kind != EntryKind::folder && node->entry.id == change.base.entry &&
                         node->entry.version == change.base.version;
      outcome = based ? Outcome::updated : Outcome::conflicted;
      if (!based) {
        for (int i = 1; drive.child((*parent)->entry.id, *name) != nullptr; ++i)
          *name = change.name + " (conflict " + std::to_string(i) + ")";
        node = nullptr;
        result.name = *name;
      }
    }
    if (node == nullptr) node = &make((*parent)->entry.id, *name, change.kind, change.attributes);
    ++node->entry.version.value;
    node->entry.kind = change.kind;
    node->entry.size = size;
    node->entry.attributes = change.attributes;
    node->versions[node->entry.version.value] = change.content;
    node->attributes[node->entry.version.value] = change.attributes;
    drive.changed(*node);
    result.entry = node->entry.id;
    result.version = node->entry.version;
    return outcome;
  }

  Result<Outcome> operator()(const SetAttributes& change) {
    const auto node = drive.find(change.entry);
    if (!node.ok()) return node.error();
    result.entry = (*node)->entry.id;
    result.version = (*node)->entry.version;
    if ((*node)->entry.attributes == change.attributes) return Outcome::unchanged;
    (*node)->entry.attributes = change.attributes;
    drive.changed(**node);
    return Outcome::updated;
  }

  Result<Outcome> operator()(const Move& change) {
    const auto node = drive.find(change.entry);
    if (!node.ok()) return node.error();
    const auto parent = drive.find(change.parent);
    if (!parent.ok()) return parent.error();
    const auto name = normalize_name(change.name);
    if (!name.ok()) return name.error();
    for (const auto* up = *parent; up->entry.id != root_entry; up = &drive.nodes_[up->entry.parent.value])
      if (up == *node) return Error{Errc::would_cycle, *name};
    result.entry = (*node)->entry.id;
    const auto* there = drive.child((*parent)->entry.id, *name);
    if (there == *node) return Outcome::unchanged;
    if (there != nullptr) return Error{Errc::already_exists, *name};
    (*node)->entry.parent = (*parent)->entry.id;
    (*node)->entry.name = *name;
    drive.changed(**node);
    return Outcome::moved;
  }

  Result<Outcome> operator()(const Remove& change) {
    const auto node = drive.find(change.entry);
    if (!node.ok()) return node.error();
    result.entry = (*node)->entry.id;
    if (change.base.value != 0 && change.base != (*node)->entry.version)
      return Error{Errc::conflict, "the entry changed"};
    (*node)->entry.trashed = true;
    drive.changed(**node);
    return Outcome::removed;
  }

  Result<Outcome> operator()(const Restore& change) {
    const auto node = drive.nodes_.find(change.entry.value);
    if (node == drive.nodes_.end() || !node->second.entry.trashed) return Error{Errc::not_found, "entry"};
    node->second.entry.trashed = false;
    drive.changed(node->second);
    result.entry = change.entry;
    return Outcome::restored;
  }

  Result<Outcome> operator()(const Revert& change) {
    const auto node = drive.find(change.entry);
    if (!node.ok()) return node.error();
    const auto old = (*node)->versions.find(change.version.value);
    if (old == (*node)->versions.end()) return Error{Errc::not_found, "version"};
    const auto content = old->second;
    ++(*node)->entry.version.value;
    (*node)->entry.size = content.size;
    (*node)->versions[(*node)->entry.version.value] = content;
    drive.changed(**node);
    result.entry = (*node)->entry.id;
    result.version = (*node)->entry.version;
    return Outcome::updated;
  }

  Result<Outcome> operator()(const Purge&) { return Error{Errc::internal, "not here"}; }
};

ChangeResult MemoryDrive::apply(const Change& change) {
  Applier applier{*this, {}};
  const auto outcome = std::visit(applier, change);
  if (outcome.ok()) applier.result.outcome = *outcome;
  else applier.result.error = outcome.error();
  return applier.result;
}

Result<CommitResult> MemoryDrive::commit(const Commit& commit) {
  const std::lock_guard lock(mutex_);
  if (const auto kept = results_.find(commit.request); kept != results_.end()) return kept->second;
  if (commit.request.sequence <= commit.acknowledged)
    return Error{Errc::request_forgotten, "sequence " + std::to_string(commit.request.sequence)};
  CommitResult result;
  for (const auto& change : commit.changes) result.results.push_back(apply(change));
  result.cursor = Cursor{cursor_};
  results_[commit.request] = result;
  ++commits_applied_;
  return result;
}

std::vector<std::uint32_t> MemoryDrive::missing(const std::vector<BlockId>& ids) {
  const std::lock_guard lock(mutex_);
  std::vector<std::uint32_t> out;
  for (std::uint32_t i = 0; i < ids.size(); ++i)
    if (!blocks_.contains(ids[i]) && pretended_.erase(ids[i]) == 0) out.push_back(i);
  return out;
}

Result<Receipt> MemoryDrive::put_block(const BlockId& id, const Bytes& bytes) {
  if (sha256(bytes) != id) return Error{Errc::block_mismatch, id.hex()};
  const std::lock_guard lock(mutex_);
  ++blocks_put_;
  blocks_[id] = bytes;
  return Receipt{id, static_cast<std::uint32_t>(bytes.size()), {}, {}, Bytes(32, 'm')};
}

Result<MemoryDrive::Found> MemoryDrive::content(const EntryRef& ref, VersionNumber version) {
  const std::lock_guard lock(mutex_);
  const auto node = find(ref);
  if (!node.ok()) return node.error();
  if ((*node)->entry.kind == EntryKind::folder) return Error{Errc::not_a_file, ref.path};
  const auto number = version.value == 0 ? (*node)->entry.version : version;
  const auto found = (*node)->versions.find(number.value);
  if (found == (*node)->versions.end()) return Error{Errc::not_found, "version"};
  return Found{found->second, number};
}

Result<Bytes> MemoryDrive::read(const Content& content, std::uint64_t offset, std::uint64_t count) {
  const std::lock_guard lock(mutex_);
  if (offset >= content.size) return Bytes();
  if (content.blocks.empty()) return content.inline_bytes.substr(offset, count);
  Bytes out;
  std::uint64_t at = 0;
  for (const auto& block : content.blocks) {
    const auto begin = std::max(offset, at);
    const auto end = std::min(offset + count, at + block.bytes);
    if (begin < end) out += blocks_[block.id].substr(begin - at, end - begin);
    at += block.bytes;
  }
  return out;
}

Result<std::vector<Version>> MemoryDrive::versions(const EntryRef& ref, std::uint32_t before) {
  const std::lock_guard lock(mutex_);
  const auto node = find(ref);
  if (!node.ok()) return node.error();
  std::vector<Version> out;
  for (auto it = (*node)->versions.rbegin(); it != (*node)->versions.rend(); ++it)
    if (before == 0 || it->first < before)
      out.push_back({VersionNumber{it->first}, it->second.size, (*node)->attributes[it->first], {}, "device"});
  return out;
}

EntryPage MemoryDrive::trash() {
  const std::lock_guard lock(mutex_);
  EntryPage page;
  for (const auto& [id, node] : nodes_)
    if (node.entry.trashed) page.entries.push_back(node.entry);
  return page;
}

Result<ChangePage> MemoryDrive::changes(Cursor cursor, std::size_t limit) {
  const std::lock_guard lock(mutex_);
  if (cursor.value < expired_) return Error{Errc::cursor_expired, "list again"};
  ChangePage page{{}, cursor, false};
  for (auto it = journal_.upper_bound(cursor.value); it != journal_.end(); ++it) {
    if (page.events.size() == limit) {
      page.more = true;
      return page;
    }
    page.events.push_back({Cursor{it->first}, EntryId{it->second}, nodes_[it->second].entry});
    page.cursor = Cursor{it->first};
  }
  return page;
}

void MemoryDrive::expire_journal() {
  const std::lock_guard lock(mutex_);
  journal_.clear();
  expired_ = cursor_;
}

void MemoryDrive::corrupt(const BlockId& id) {
  const std::lock_guard lock(mutex_);
  blocks_.at(id)[0] ^= 1;
}

void MemoryDrive::pretend_to_have(const BlockId& id) {
  const std::lock_guard lock(mutex_);
  pretended_.insert(id);
}

Cursor MemoryDrive::cursor() {
  const std::lock_guard lock(mutex_);
  return Cursor{cursor_};
}

std::map<std::string, Bytes> MemoryDrive::files() {
  const std::lock_guard lock(mutex_);
  std::map<std::string, Bytes> out;
  const std::function<void(EntryId, const std::string&)> walk = [&](EntryId folder, const std::string& path) {
    for (auto& [id, node] : nodes_) {
      if (node.entry.parent != folder || node.entry.trashed) continue;
      const auto here = path + node.entry.name;
      if (node.entry.kind == EntryKind::folder) {
        out[here + "/"] = "";
        walk(node.entry.id, here + "/");
        continue;
      }
      const auto& content = node.versions[node.entry.version.value];
      Bytes bytes = content.inline_bytes;
      for (const auto& block : content.blocks) bytes += blocks_[block.id];
      out[here] = (node.entry.kind == EntryKind::symlink ? "-> " : "") + bytes;
    }
  };
  walk(root_entry, "");
  return out;
}

}  // namespace cairn::client
