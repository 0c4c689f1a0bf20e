// The command that works off what is due, a bounded number of rows at a time: trash and versions
// past their retention, then the purge queue. The journal of one account at most grows by one Tick,
// since Applied names one. Nothing here walks a tree: a purged folder hands its folders to the
// queue.
#include <algorithm>
#include <vector>

#include "cluster/apply.hpp"
#include "cluster/drive.hpp"
#include "cluster/purge_queue.hpp"

namespace cairn::cluster {
namespace {

using rows::PurgeRow;
using rows::ShardKind;

/// The end of the keys of a queue that are due: those since `now` less `retention_millis` or
/// before.
std::optional<rows::Range> due_range(ShardKind kind, Timestamp now, std::int64_t retention_millis) {
  const auto last =
      clamp(now).millis - std::clamp<std::int64_t>(retention_millis, 0, rows::last_millis);
  if (last < 0) return std::nullopt;
  auto range = rows::all_of(kind);
  range.to = range.from;
  range.to.u64(static_cast<std::uint64_t>(last) + 1);
  return range;
}

/// Up to `limit` due rows, oldest first.
Result<std::vector<rows::Expiry>> due(storage::RowReader& rows, ShardKind kind, Timestamp now,
                                      std::int64_t retention_millis, std::size_t limit) {
  std::vector<rows::Expiry> found;
  const auto range = due_range(kind, now, retention_millis);
  if (!range || limit == 0) return found;
  std::optional<Error> bad;
  CAIRN_TRY(rows.scan(range->from, range->to, [&](BytesView key, BytesView) {
    if (!rows::parse(key, kind, found.emplace_back())) bad = rows::corrupt_row(key);
    return !bad && found.size() < limit;
  }));
  if (bad) return *bad;
  return found;
}

class Worker {
 public:
  Worker(RowTransaction& rows, Timestamp now) : rows_(rows), queue_(rows), now_(now) {}

  Result<void> expire_trash(std::int64_t retention_millis);
  Result<void> expire_versions(std::int64_t retention_millis);
  Result<void> work_off();
  /// Writes what is held of the last drive.
  void finish() {
    if (drive_) drive_->flush(false);
    drive_.reset();
  }

  AccountId grown() const { return grown_; }
  Cursor grown_to() const { return grown_to_; }

 private:
  std::size_t left() const {
    return done_ < limits::max_purge_per_tick ? limits::max_purge_per_tick - done_ : 0;
  }
  Result<Drive*> drive_of(AccountId account);
  /// True if the journal of `account` may grow in this Tick.
  bool may_grow(AccountId account) const { return grown_.value == 0 || grown_ == account; }
  Result<void> purge(Drive& drive, EntryId id);

  /// Each works at one row of the queue and answers whether that is done.
  Result<bool> work_off(PurgeRow& row);
  Result<bool> work_off_trash(Drive& drive);
  Result<bool> work_off_folder(Drive& drive, PurgeRow& row);
  Result<bool> work_off_child(Drive& drive, EntryId folder, const std::string& name, EntryId id);
  Result<bool> work_off_file(Drive& drive, EntryId id, rows::EntryRow row);
  Result<bool> work_off_versions(Drive& drive, EntryId id);
  Result<bool> work_off_version(Drive& drive, EntryId id, VersionNumber version,
                                rows::VersionRow row);

  RowTransaction& rows_;
  PurgeQueue queue_;
  Timestamp now_;
  std::optional<Drive> drive_;
  std::size_t done_ = 0;
  AccountId grown_;
  Cursor grown_to_;
};

Result<Drive*> Worker::drive_of(AccountId account) {
  if (drive_ && drive_->account() == account) return &*drive_;
  finish();
  drive_.emplace(rows_, account);
  if (auto opened = drive_->open(now_); !opened.ok()) {
    drive_.reset();
    // Its rows are in a queue, so there is such an account.
    return is_answer(opened.error().code) ? rows::corrupt_row(rows::AccountKeys(account).drive())
                                          : opened.error();
  }
  return &*drive_;
}

Result<void> Worker::purge(Drive& drive, EntryId id) {
  auto row = drive.known_entry(id);
  if (!row.ok()) return row.error();
  CAIRN_TRY(drive.purge(id, std::move(*row)));
  ++done_;
  grown_ = drive.account();
  grown_to_.value = drive.counts().journal_end;
  return {};
}

Result<void> Worker::expire_trash(std::int64_t retention_millis) {
  auto found = due(rows_, ShardKind::trash_expiry, now_, retention_millis, left());
  if (!found.ok()) return found.error();
  for (const auto& expiry : *found) {
    if (!may_grow(expiry.account)) continue;
    auto drive = drive_of(expiry.account);
    if (!drive.ok()) return drive.error();
    CAIRN_TRY(purge(**drive, expiry.entry));
  }
  return {};
}

Result<void> Worker::expire_versions(std::int64_t retention_millis) {
  auto found = due(rows_, ShardKind::version_expiry, now_, retention_millis, left());
  if (!found.ok()) return found.error();
  for (const auto& expiry : *found) {
    if (left() == 0) break;
    auto drive = drive_of(expiry.account);
    if (!drive.ok()) return drive.error();
    auto row = (*drive)->known_entry(expiry.entry);
    if (!row.ok()) return row.error();
    // Versions go in the order in which they were superseded, which is that of their numbers; of a
    // purged entry some may have been worked off.
    if (row->oldest != expiry.version && !row->purged)
      return rows::corrupt_row((*drive)->keys().entry(expiry.entry));
    CAIRN_TRY((*drive)->drop_version(expiry.entry, expiry.version));
    row->oldest.value = expiry.version.value + 1;
    (*drive)->put(expiry.entry, *row);
    ++done_;
  }
  return {};
}

Result<void> Worker::work_off() {
  while (left() > 0) {
    auto row = queue_.front();
    if (!row.ok()) return row.error();
    if (!*row) return {};
    const auto before = done_;
    auto finished = work_off(**row);
    if (!finished.ok()) return finished.error();
    if (*finished) {
      ++done_;
      CAIRN_TRY(queue_.pop());
      continue;
    }
    CAIRN_TRY(queue_.set_front(**row));
    if (done_ == before) return {};  // waits for the next Tick
  }
  return {};
}

Result<bool> Worker::work_off(PurgeRow& row) {
  auto drive = drive_of(row.account);
  if (!drive.ok()) return drive.error();
  if (row.entry.value == 0) return work_off_trash(**drive);
  if (row.version.value != 0) {
    auto version =
        rows::read<rows::VersionRow>(rows_, (*drive)->keys().version(row.entry, row.version));
    if (!version.ok()) return version.error();
    // It may have gone with its entry meanwhile.
    if (!*version) return true;
    return work_off_version(**drive, row.entry, row.version, std::move(**version));
  }
  auto entry = (*drive)->known_entry(row.entry);
  if (!entry.ok()) return entry.error();
  if (entry->is_folder()) return work_off_folder(**drive, row);
  return work_off_file(**drive, row.entry, std::move(*entry));
}

Result<bool> Worker::work_off_trash(Drive& drive) {
  if (!may_grow(drive.account())) return false;
  const auto limit = left();
  std::vector<EntryId> found;
  std::optional<Error> bad;
  const auto floor = Cursor{drive.counts().trash_floor + 1};
  CAIRN_TRY(rows_.scan(drive.keys().all_of(rows::Kind::trash).from, drive.keys().trash(floor),
                       [&](BytesView key, BytesView value) {
                         rows::TrashRow row;
                         if (!decode(value, row)) bad = rows::corrupt_row(key);
                         found.push_back(row.entry);
                         return !bad && found.size() < limit;
                       }));
  if (bad) return *bad;
  for (const auto id : found) CAIRN_TRY(purge(drive, id));
  return found.size() < limit;
}

Result<bool> Worker::work_off_folder(Drive& drive, PurgeRow& row) {
  const auto limit = left();
  std::vector<std::pair<std::string, EntryId>> children;
  std::optional<Error> bad;
  const auto range = drive.keys().names_of(row.entry);
  auto from = range.from;
  // What was before has gone; starting after it spares the scan a run of erased rows.
  if (!row.after.empty()) from.raw(row.after).u8(0);
  CAIRN_TRY(rows_.scan(from, range.to, [&](BytesView key, BytesView value) {
    rows::NumberRow child;
    if (!decode(value, child)) bad = rows::corrupt_row(key);
    children.emplace_back(key.substr(range.from.view().size()), EntryId{child.number});
    return !bad && children.size() < limit;
  }));
  if (bad) return *bad;
  for (const auto& [name, id] : children) {
    if (left() == 0) return false;
    auto gone = work_off_child(drive, row.entry, name, id);
    if (!gone.ok()) return gone.error();
    if (!*gone) return false;
    row.after = name;
  }
  if (children.size() == limit) return false;
  rows_.erase(drive.keys().entry(row.entry));
  --drive.counts().entries;
  return true;
}

Result<bool> Worker::work_off_child(Drive& drive, EntryId folder, const std::string& name,
                                    EntryId id) {
  auto row = drive.known_entry(id);
  if (!row.ok()) return row.error();
  if (row->is_folder()) {
    row->purged = true;
    drive.put(id, *row);
    CAIRN_TRY(queue_.push({drive.account(), id, {}, {}}));
    ++done_;
  } else {
    auto gone = work_off_file(drive, id, std::move(*row));
    if (!gone.ok() || !*gone) return gone;
  }
  rows_.erase(drive.keys().name(folder, name));
  return true;
}

Result<bool> Worker::work_off_file(Drive& drive, EntryId id, rows::EntryRow row) {
  auto versions = work_off_versions(drive, id);
  if (!versions.ok()) return versions;
  if (*versions) {
    auto released = drive.release(id, row.version, row.content, left());
    if (!released.ok()) return released.error();
    done_ += *released;
  }
  if (!*versions || row.content.chunked_blocks > 0) {
    // From here on its row no longer tells all that it kept.
    row.purged = true;
    drive.put(id, row);
    return false;
  }
  rows_.erase(drive.keys().entry(id));
  --drive.counts().entries;
  ++done_;
  return true;
}

Result<bool> Worker::work_off_versions(Drive& drive, EntryId id) {
  const auto limit = left();
  std::vector<std::pair<VersionNumber, rows::VersionRow>> versions;
  std::optional<Error> bad;
  const auto range = drive.keys().versions_of(id);
  CAIRN_TRY(rows_.scan(range.from, range.to, [&](BytesView key, BytesView value) {
    Reader in(key.substr(range.from.view().size()));
    auto& [number, row] = versions.emplace_back();
    number.value = static_cast<std::uint32_t>(in.ordered());
    if (!in.finished() || !decode(value, row)) bad = rows::corrupt_row(key);
    return !bad && versions.size() < limit;
  }));
  if (bad) return *bad;
  for (auto& [number, row] : versions) {
    if (left() == 0) return false;
    auto gone = work_off_version(drive, id, number, std::move(row));
    if (!gone.ok() || !*gone) return gone;
  }
  return versions.size() < limit && left() > 0;
}

Result<bool> Worker::work_off_version(Drive& drive, EntryId id, VersionNumber version,
                                      rows::VersionRow row) {
  const auto key = drive.keys().version(id, version);
  auto released = drive.release(id, version, row.content, left());
  if (!released.ok()) return released.error();
  done_ += *released;
  if (row.content.chunked_blocks > 0) {
    rows_.put(key, encode(row));
    return false;
  }
  rows_.erase(key);
  rows_.erase(rows::version_expiry_key(row.superseded_at, drive.account(), id, version));
  ++done_;
  return true;
}

}  // namespace

Result<bool> tick_due(const Tick& tick, Timestamp now, storage::RowReader& rows) {
  auto ends = rows::read<rows::PurgeEnds>(rows, rows::purge_ends_key());
  if (!ends.ok()) return ends.error();
  if (*ends && (*ends)->first != (*ends)->next) return true;
  auto trash = due(rows, ShardKind::trash_expiry, now, tick.trash_retention_millis, 1);
  if (!trash.ok()) return trash.error();
  if (!trash->empty()) return true;
  auto versions = due(rows, ShardKind::version_expiry, now, tick.version_retention_millis, 1);
  if (!versions.ok()) return versions.error();
  return !versions->empty();
}

Result<Applied> apply(const Tick& command, Timestamp now, RowTransaction& rows) {
  Worker worker(rows, now);
  CAIRN_TRY(worker.expire_trash(command.trash_retention_millis));
  CAIRN_TRY(worker.expire_versions(command.version_retention_millis));
  CAIRN_TRY(worker.work_off());
  worker.finish();
  auto more = tick_due(command, now, rows);
  if (!more.ok()) return more.error();
  return Applied{TickDone{*more}, worker.grown(), worker.grown_to()};
}

}  // namespace cairn::cluster
