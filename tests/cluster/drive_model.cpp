#include "tests/cluster/drive_model.hpp"

#include <algorithm>
#include <chrono>

#include "protocol/limits.hpp"
#include "protocol/names.hpp"

namespace cairn::cluster {
namespace {

ChangeResult refuse(Errc code, std::uint64_t entry = 0) {
  ChangeResult result;
  result.error = Error{code, ""};
  result.entry.value = entry;
  return result;
}

ChangeResult done(Outcome outcome, std::uint64_t entry, std::uint32_t version,
                  std::string name = "") {
  return {std::nullopt, outcome, EntryId{entry}, VersionNumber{version}, std::move(name)};
}

std::uint32_t current(const DriveModel::ModelEntry& entry) {
  return entry.versions.empty() ? 0 : entry.versions.rbegin()->first;
}

}  // namespace

std::optional<Errc> DriveModel::gone(std::uint64_t id) const {
  for (auto at = id;;) {
    const auto found = entries_.find(at);
    if (found == entries_.end() || purged(found->second)) return Errc::not_found;
    if (found->second.trashed) return Errc::trashed;
    if (at == 1) return std::nullopt;
    at = found->second.parent;
  }
}

bool DriveModel::gone_for_good(std::uint64_t id) const {
  for (auto at = id; at != 0;) {
    const auto found = entries_.find(at);
    if (found == entries_.end() || purged(found->second)) return true;
    if (found->second.trashed) return false;
    at = found->second.parent;
  }
  return false;
}

std::map<std::string, std::uint64_t> DriveModel::children(std::uint64_t folder) const {
  std::map<std::string, std::uint64_t> out;
  for (const auto& [id, entry] : entries_)
    if (entry.parent == folder && !entry.trashed && !entry.purged) out[entry.name] = id;
  return out;
}

std::uint64_t DriveModel::child(std::uint64_t folder, const std::string& name) const {
  for (const auto& [id, entry] : entries_)
    if (entry.parent == folder && entry.name == name && !entry.trashed && !entry.purged) return id;
  return 0;
}

std::vector<std::uint64_t> DriveModel::trash() const {
  std::vector<std::uint64_t> out;
  for (const auto& [id, entry] : entries_)
    if (entry.trashed && !purged(entry)) out.push_back(id);
  std::sort(out.begin(), out.end(),
            [&](auto a, auto b) { return entries_.at(a).changed > entries_.at(b).changed; });
  return out;
}

Entry DriveModel::entry(std::uint64_t id) const {
  const auto& from = entries_.at(id);
  Entry out;
  out.id.value = id;
  out.parent.value = from.parent;
  out.name = from.name;
  out.kind = from.kind;
  out.version.value = current(from);
  out.size = from.versions.empty() ? 0 : from.versions.rbegin()->second.content.size;
  out.attributes = from.attributes;
  out.committed_at.millis = from.committed;
  out.changed.value = from.changed;
  out.trashed = from.trashed;
  return out;
}

DriveModel::Found DriveModel::locate(const EntryRef& ref) const {
  if (ref.base.value == 0) return {Errc::invalid_argument, 0};
  if (const auto error = gone(ref.base.value)) return {error, 0};
  auto at = ref.base.value;
  const auto names = split_path(ref.path);
  if (!names.ok()) return {names.error().code, 0};
  for (const auto& name : *names) {
    const auto next = child(at, name);
    if (next == 0)
      return {entries_.at(at).kind == EntryKind::folder ? Errc::not_found : Errc::not_a_folder, 0};
    at = next;
  }
  return {std::nullopt, at};
}

DriveModel::Found DriveModel::locate_folder(const EntryRef& ref) const {
  const auto found = locate(ref);
  if (!found.error && entries_.at(found.id).kind != EntryKind::folder)
    return {Errc::not_a_folder, 0};
  return found;
}

void DriveModel::count(const Content& content, bool add) {
  used_ += add ? content.size : -content.size;
  for (const auto& block : content.blocks) {
    held_[block.id] += add ? 1 : -1;
    if (held_[block.id] == 0) held_.erase(block.id);
  }
}

void DriveModel::drop(ModelEntry& entry, std::uint32_t version) {
  const auto& content = entry.versions.at(version).content;
  if (content.blocks.size() > limits::manifest_blocks_per_chunk)
    dropped_.push_back(content);
  else
    count(content, false);
  entry.versions.erase(version);
}

std::optional<Errc> DriveModel::check_store(const Content& content) const {
  if (used_ + content.size > quota_) return Errc::quota_exceeded;
  for (const auto& block : content.blocks)
    if (held_.count(block.id) == 0 && proven_.count(block.id) == 0) return Errc::block_missing;
  return std::nullopt;
}

std::string DriveModel::date() const {
  using namespace std::chrono;
  const year_month_day day{floor<days>(sys_time<milliseconds>(milliseconds(now_)))};
  char text[32];
  std::snprintf(text, sizeof text, "%d-%02u-%02u", static_cast<int>(day.year()),
                static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day()));
  return text;
}

std::string DriveModel::free_name(std::uint64_t folder, const std::string& name,
                                  const std::string& suffix) const {
  const auto dot = name.rfind('.');
  const auto stem = dot == std::string::npos || dot == 0 ? name : name.substr(0, dot);
  for (int i = 1;; ++i) {
    const auto candidate =
        stem + suffix + (i == 1 ? "" : " " + std::to_string(i)) + name.substr(stem.size());
    if (child(folder, candidate) == 0) return candidate;
  }
}

ChangeResult DriveModel::make(const MakeFolder& change) {
  const auto folder = locate_folder(change.parent);
  if (folder.error) return refuse(*folder.error);
  if (const auto there = child(folder.id, change.name)) return refuse(Errc::already_exists, there);
  const auto id = next_++;
  entries_[id] = {folder.id, change.name, EntryKind::folder, change.attributes, {}, now_, 0, false,
                  0,         false};
  record(id);
  return done(Outcome::created, id, 0);
}

ChangeResult DriveModel::make(const PutFile& change) {
  const auto folder = locate_folder(change.parent);
  if (folder.error) return refuse(*folder.error);
  auto name = change.name;
  auto outcome = Outcome::created;
  if (const auto there = child(folder.id, name)) {
    auto& entry = entries_[there];
    if (entry.kind == change.kind) {
      const auto& now = entry.versions.rbegin()->second;
      if (now.content == change.content && entry.attributes == change.attributes)
        return done(Outcome::unchanged, there, current(entry));
      if (change.base.entry.value == there && change.base.version.value == current(entry)) {
        if (const auto error = check_store(change.content)) return refuse(*error);
        new_version(entry, change.content, change.attributes);
        record(there);
        return done(Outcome::updated, there, current(entry));
      }
    }
    name = free_name(folder.id, name, " (conflict, " + device_ + ", " + date() + ")");
    outcome = Outcome::conflicted;
  }
  if (const auto error = check_store(change.content)) return refuse(*error);
  const auto id = next_++;
  entries_[id] = {folder.id, name, change.kind, change.attributes, {}, now_, 0, false, 0, false};
  entries_[id].versions[1] = {change.content, change.attributes, now_, 0};
  count(change.content, true);
  record(id);
  return done(outcome, id, 1, name == change.name ? "" : name);
}

void DriveModel::new_version(ModelEntry& entry, const Content& content,
                             const Attributes& attributes) {
  auto& old = entry.versions.rbegin()->second;
  old.superseded = now_;
  old.attributes = entry.attributes;
  count(content, true);
  entry.versions[current(entry) + 1] = {content, attributes, now_, 0};
  entry.attributes = attributes;
  entry.committed = now_;
  if (entry.versions.size() > limits::max_versions_per_entry)
    drop(entry, entry.versions.begin()->first);
}

ChangeResult DriveModel::make(const SetAttributes& change) {
  const auto found = locate(change.entry);
  if (found.error) return refuse(*found.error);
  auto& entry = entries_[found.id];
  if (entry.attributes == change.attributes)
    return done(Outcome::unchanged, found.id, current(entry));
  entry.attributes = change.attributes;
  record(found.id);
  return done(Outcome::updated, found.id, current(entry));
}

ChangeResult DriveModel::make(const Move& change) {
  const auto found = locate(change.entry);
  if (found.error) return refuse(*found.error);
  if (found.id == 1) return refuse(Errc::invalid_argument);
  const auto folder = locate_folder(change.parent);
  if (folder.error) return refuse(*folder.error);
  auto& entry = entries_[found.id];
  if (entry.parent == folder.id && entry.name == change.name)
    return done(Outcome::unchanged, found.id, current(entry));
  for (auto at = folder.id; at != 0; at = entries_.at(at).parent)
    if (at == found.id) return refuse(Errc::would_cycle);
  if (const auto there = child(folder.id, change.name)) return refuse(Errc::already_exists, there);
  entry.parent = folder.id;
  entry.name = change.name;
  record(found.id);
  return done(Outcome::moved, found.id, current(entry));
}

ChangeResult DriveModel::make(const Remove& change) {
  const auto found = locate(change.entry);
  if (found.error) return refuse(*found.error);
  if (found.id == 1) return refuse(Errc::invalid_argument);
  auto& entry = entries_[found.id];
  if (change.base.value != 0 && change.base.value != current(entry)) return refuse(Errc::conflict);
  entry.trashed = true;
  entry.removed = now_;
  record(found.id);
  return done(Outcome::removed, found.id, current(entry));
}

std::optional<Errc> DriveModel::trashed_error(std::uint64_t id) const {
  const auto found = entries_.find(id);
  if (found == entries_.end() || purged(found->second)) return Errc::not_found;
  if (found->second.trashed) return std::nullopt;
  return gone(id).value_or(Errc::invalid_argument);
}

ChangeResult DriveModel::make(const Restore& change) {
  const auto id = change.entry.value;
  if (const auto error = trashed_error(id)) return refuse(*error);
  auto& entry = entries_[id];
  if (gone(entry.parent)) entry.parent = 1;
  std::string name;
  if (child(entry.parent, entry.name) != 0)
    name = entry.name = free_name(entry.parent, entry.name, " (restored)");
  entry.trashed = false;
  record(id);
  return done(Outcome::restored, id, current(entry), name);
}

ChangeResult DriveModel::make(const Revert& change) {
  const auto found = locate(change.entry);
  if (found.error) return refuse(*found.error);
  auto& entry = entries_[found.id];
  if (entry.kind == EntryKind::folder) return refuse(Errc::not_a_file);
  if (change.version.value == current(entry))
    return done(Outcome::unchanged, found.id, current(entry));
  const auto old = entry.versions.find(change.version.value);
  if (old == entry.versions.end()) return refuse(Errc::not_found);
  const auto version = old->second;
  if (used_ + version.content.size > quota_) return refuse(Errc::quota_exceeded);
  new_version(entry, version.content, version.attributes);
  record(found.id);
  return done(Outcome::updated, found.id, current(entry));
}

ChangeResult DriveModel::make(const Purge& change) {
  if (change.entry.value == 0) {
    if (trash().empty()) return done(Outcome::unchanged, 0, 0);
    floor_ = journal_.size();
    return done(Outcome::purged, 0, 0);
  }
  if (const auto error = trashed_error(change.entry.value)) return refuse(*error);
  entries_[change.entry.value].purged = true;
  record(change.entry.value);
  return done(Outcome::purged, change.entry.value, 0);
}

CommitResult DriveModel::commit(const CommitChanges& command, std::int64_t now) {
  now_ = std::max(now_, now);
  device_ = command.device;
  proven_.clear();
  for (const auto& block : command.proven) proven_.insert(block.id);
  CommitResult out;
  for (const auto& change : command.changes)
    out.results.push_back(std::visit([&](const auto& one) { return make(one); }, change));
  out.cursor.value = journal_.size();
  return out;
}

void DriveModel::tick(const Tick& tick, std::int64_t now) {
  std::vector<std::pair<std::int64_t, std::uint64_t>> due;
  for (auto& [id, entry] : entries_)
    if (entry.trashed && !entry.purged && entry.removed + tick.trash_retention_millis <= now)
      due.emplace_back(entry.removed, id);
  std::sort(due.begin(), due.end());
  std::vector<std::pair<std::uint64_t, std::uint64_t>> floored;
  for (const auto& [time, id] : due) {
    entries_[id].purged = true;
    record(id);
  }
  for (auto& [id, entry] : entries_)
    if (entry.trashed && !entry.purged && entry.changed <= floor_)
      floored.emplace_back(entry.changed, id);
  std::sort(floored.begin(), floored.end());
  for (const auto& [cursor, id] : floored) {
    entries_[id].purged = true;
    record(id);
  }
  for (auto& [id, entry] : entries_)
    while (entry.versions.size() > 1 &&
           entry.versions.begin()->second.superseded + tick.version_retention_millis <= now)
      drop(entry, entry.versions.begin()->first);
  for (const auto& content : dropped_) count(content, false);
  dropped_.clear();
  std::vector<std::uint64_t> dead;
  for (const auto& [id, entry] : entries_)
    if (gone_for_good(id)) dead.push_back(id);
  for (const auto id : dead) {
    for (const auto& [number, version] : entries_[id].versions) count(version.content, false);
    entries_.erase(id);
  }
}

}  // namespace cairn::cluster
