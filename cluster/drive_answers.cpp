// Queries about a drive's entries, their content and the trash.
#include <algorithm>
#include <charconv>

#include "cluster/answers.hpp"
#include "cluster/drive_view.hpp"

namespace cairn::cluster {
namespace {

/// The content of a version, its blocks read from their rows.
Result<Content> content_of(DriveView& drive, EntryId id, VersionNumber version,
                           rows::StoredContent stored) {
  auto blocks = drive.blocks_of(id, version, stored);
  if (!blocks.ok()) return blocks.error();
  return Content{stored.size, std::move(stored.inline_bytes), std::move(*blocks)};
}

/// The name of a device by its number; "" for 0.
class DeviceNames {
 public:
  DeviceNames(storage::RowReader& rows, const rows::AccountKeys& keys) : rows_(rows), keys_(keys) {}

  Result<std::string> of(std::uint32_t number) {
    if (number == 0) return std::string();
    const auto known = names_.find(number);
    if (known != names_.end()) return known->second;
    auto row = rows::read<rows::TextRow>(rows_, keys_.device_name(number));
    if (!row.ok()) return row.error();
    if (!*row) return rows::corrupt_row(keys_.device_name(number));
    return names_[number] = (*row)->text;
  }

 private:
  storage::RowReader& rows_;
  const rows::AccountKeys& keys_;
  std::map<std::uint32_t, std::string> names_;
};

Error no_version(const EntryRef& entry, VersionNumber version) {
  return Error{Errc::not_found,
               describe(entry) + " has no version " + std::to_string(version.value)};
}

}  // namespace

std::size_t page_size(std::uint32_t limit) {
  return limit == 0 ? limits::max_list_page : std::min<std::size_t>(limit, limits::max_list_page);
}

QueryResult answer(const Stat& query, storage::RowReader& rows) {
  DriveView drive(rows, query.account);
  const auto found = drive.locate(query.entry);
  if (!found.ok()) return found.error();
  return to_entry(found->id, found->row);
}

QueryResult answer(const List& query, storage::RowReader& rows) {
  DriveView drive(rows, query.account);
  const auto folder = drive.locate_folder(query.folder);
  if (!folder.ok()) return folder.error();
  if (query.after.size() > limits::max_name_bytes)
    return Error{Errc::invalid_argument,
                 "after is over " + std::to_string(limits::max_name_bytes) + " bytes"};
  const auto limit = page_size(query.limit);
  const auto range = drive.keys().names_of(folder->id);
  auto from = range.from;
  if (!query.after.empty()) from.raw(query.after).u8(0);

  std::vector<EntryId> found;
  std::string last;
  std::optional<Error> bad;
  bool more = false;
  const auto scanned = rows.scan(from, range.to, [&](BytesView key, BytesView value) {
    more = found.size() == limit;
    rows::NumberRow child;
    if (!decode(value, child)) bad = rows::corrupt_row(key);
    if (more || bad) return false;
    found.push_back(EntryId{child.number});
    last = key.substr(range.from.view().size());
    return true;
  });
  if (!scanned.ok()) return scanned.error();
  if (bad) return *bad;

  EntryPage page;
  page.entries.reserve(found.size());
  for (const auto id : found) {
    const auto row = drive.known_entry(id);
    if (!row.ok()) return row.error();
    page.entries.push_back(to_entry(id, *row));
  }
  if (more) page.next = last;
  return page;
}

QueryResult answer(const ListTrash& query, storage::RowReader& rows) {
  DriveView drive(rows, query.account);
  const auto counters = drive.counters();
  if (!counters.ok()) return counters.error();
  auto to = drive.keys().all_of(rows::Kind::trash).to;
  if (!query.after.empty()) {
    Cursor before;
    const auto* end = query.after.data() + query.after.size();
    const auto [stopped, error] = std::from_chars(query.after.data(), end, before.value);
    if (stopped != end || error != std::errc())
      return Error{Errc::invalid_argument, "after is not from a page of the trash"};
    to = drive.keys().trash(before);
  }
  const auto limit = page_size(query.limit);
  std::vector<std::pair<EntryId, std::uint64_t>> found;
  std::optional<Error> bad;
  bool more = false;
  const auto from = drive.keys().trash(Cursor{(*counters)->trash_floor + 1});
  const auto scanned = from.view() >= to.view()
                           ? Result<void>()
                           : rows.scan_back(from, to, [&](BytesView key, BytesView value) {
                               more = found.size() == limit;
                               rows::ParsedKey parsed;
                               rows::TrashRow trash;
                               if (!rows::parse(key, parsed) || !decode(value, trash))
                                 bad = rows::corrupt_row(key);
                               if (more || bad) return false;
                               found.emplace_back(trash.entry, parsed.id);
                               return true;
                             });
  if (!scanned.ok()) return scanned.error();
  if (bad) return *bad;

  EntryPage page;
  for (const auto& [id, removal] : found) {
    const auto row = drive.known_entry(id);
    if (!row.ok()) return row.error();
    page.entries.push_back(to_entry(id, *row));
  }
  if (more) page.next = std::to_string(found.back().second);
  return page;
}

QueryResult answer(const GetContent& query, storage::RowReader& rows) {
  DriveView drive(rows, query.account);
  auto found = drive.locate(query.entry);
  if (!found.ok()) return found.error();
  auto& row = found->row;
  if (row.is_folder()) return Error{Errc::not_a_file, describe(query.entry) + " is a folder"};
  const auto version = query.version.value == 0 ? row.version : query.version;
  if (version < row.oldest || version > row.version) return no_version(query.entry, version);
  auto entry = to_entry(found->id, row);
  auto stored = std::move(row.content);
  if (version != row.version) {
    const auto key = drive.keys().version(found->id, version);
    auto old = rows::read<rows::VersionRow>(rows, key);
    if (!old.ok()) return old.error();
    if (!*old) return rows::corrupt_row(key);
    stored = std::move((*old)->content);
  }
  auto content = content_of(drive, found->id, version, std::move(stored));
  if (!content.ok()) return content.error();
  return ContentFound{std::move(entry), version, std::move(*content)};
}

QueryResult answer(const ListVersions& query, storage::RowReader& rows) {
  DriveView drive(rows, query.account);
  const auto found = drive.locate(query.entry);
  if (!found.ok()) return found.error();
  const auto& row = found->row;
  if (row.is_folder()) return Error{Errc::not_a_file, describe(query.entry) + " is a folder"};
  const auto limit = page_size(query.limit);
  const auto before = query.before.value == 0 ? VersionNumber{0xffffffff} : query.before;

  struct Found {
    VersionNumber number;
    rows::VersionRow row;
  };
  std::vector<Found> versions;
  if (row.version < before || query.before.value == 0)
    versions.push_back(
        {row.version, {row.attributes, row.committed_at, {}, row.device, row.content}});
  std::optional<Error> bad;
  const auto prefix = drive.keys().versions_of(found->id).from.view().size();
  const auto from = drive.keys().version(found->id, row.oldest);
  const auto to = drive.keys().version(found->id, before);
  if (from.view() < to.view() && versions.size() < limit) {
    const auto scanned = rows.scan_back(from, to, [&](BytesView key, BytesView value) {
      Reader in(key.substr(prefix));
      auto& version = versions.emplace_back();
      version.number.value = static_cast<std::uint32_t>(in.ordered());
      if (!in.finished() || !decode(value, version.row)) bad = rows::corrupt_row(key);
      return !bad && versions.size() < limit;
    });
    if (!scanned.ok()) return scanned.error();
    if (bad) return *bad;
  }

  Versions out;
  DeviceNames names(rows, drive.keys());
  for (const auto& [number, version] : versions) {
    auto device = names.of(version.device);
    if (!device.ok()) return device.error();
    out.versions.push_back({number, version.content.size, version.attributes, version.committed_at,
                            std::move(*device)});
  }
  return out;
}

}  // namespace cairn::cluster
