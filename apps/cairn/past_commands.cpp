// The commands about what was: versions of a file, and the trash.
#include <algorithm>
#include <charconv>

#include "apps/cairn/commands.hpp"
#include "apps/cairn/paths.hpp"
#include "apps/cairn/signed_in.hpp"
#include "protocol/names.hpp"

namespace cairn::apps {
namespace {

/// The trashed entry that `text` means: by its id, else by its name if only one has it.
Result<Entry> find_trashed(const std::vector<Entry>& trash, const std::string& text) {
  std::uint64_t id = 0;
  const auto* end = text.data() + text.size();
  if (const auto parsed = std::from_chars(text.data(), end, id); parsed.ec == std::errc{} && parsed.ptr == end)
    if (const auto found = std::ranges::find(trash, EntryId{id}, &Entry::id); found != trash.end()) return *found;
  const auto name = text.substr(text.rfind('/') + 1);
  std::vector<Entry> found;
  std::ranges::copy_if(trash, std::back_inserter(found), [&](const Entry& entry) { return entry.name == name; });
  if (found.empty()) return Error{Errc::not_found, "is not in the trash: see cairn trash"};
  if (found.size() == 1) return found.front();
  std::string ids;
  for (const auto& entry : found) ids += (ids.empty() ? "" : ", ") + std::to_string(entry.id.value);
  return Error{Errc::conflict, "is in the trash more than once; say which by its id: " + ids};
}

/// Does `each` for every named entry of the trash.
template <class Each>
int for_each_trashed(Context& context, const std::vector<std::string>& names, Each each) {
  return with_session(context, [&](SignedIn& session) {
    const auto trash = session.drive->trash();
    if (!trash) return failed(context, trash.error());
    int code = exit_ok;
    for (const auto& name : names) {
      const auto entry = find_trashed(*trash, name);
      const auto done = entry ? each(session, *entry) : Result<void>(entry.error());
      if (done) continue;
      const int failure = failed(context, done.error(), name);
      if (code == exit_ok) code = failure;
    }
    return code;
  });
}

}  // namespace

int run(const History& command, Context& context) {
  return with_session(context, [&](SignedIn& session) {
    const auto versions = session.drive->versions(remote_ref(command.path));
    if (!versions) return failed(context, versions.error(), command.path);
    for (const auto& version : *versions) {
      const auto committed = version.committed_at.millis * 1'000'000;
      auto number = std::to_string(version.number.value);
      if (number.size() < 5) number.insert(0, 5 - number.size(), ' ');
      context.output.line(number + "  " + time_words(committed) + "  " + size_words(version.size) + "  by " +
                          printable(version.device));
      context.output.value({{"version", version.number.value},
                            {"size", version.size},
                            {"modified", time_iso(version.attributes.modified_nanos)},
                            {"committed", time_iso(committed)},
                            {"device", version.device}});
    }
    return static_cast<int>(exit_ok);
  });
}

int run(const Revert& command, Context& context) {
  return with_session(context, [&](SignedIn& session) {
    const auto done =
        session.drive->commit_one(cairn::Revert{remote_ref(command.path), VersionNumber{command.version}});
    if (!done) return failed(context, done.error(), command.path);
    context.output.remark(printable(command.path) + " is as in version " + std::to_string(command.version) +
                          " again; that is now version " + std::to_string(done->version.value));
    context.output.value({{"path", clean_remote(command.path)}, {"version", done->version.value}});
    return static_cast<int>(exit_ok);
  });
}

int run(const ListTrash&, Context& context) {
  return with_session(context, [&](SignedIn& session) {
    const auto trash = session.drive->trash();
    if (!trash) return failed(context, trash.error());
    for (const auto& entry : *trash) {
      auto id = std::to_string(entry.id.value);
      if (id.size() < 10) id.insert(0, 10 - id.size(), ' ');
      const bool folder = entry.kind == EntryKind::folder;
      context.output.line(id + "  " + (folder ? "folder" : size_words(entry.size)) + "  " +
                          context.output.name(entry.name) + (folder ? "/" : ""));
      auto json = entry_json(entry, entry.name);
      json.erase("path");
      json["name"] = entry.name;
      context.output.value(json);
    }
    return static_cast<int>(exit_ok);
  });
}

int run(const Restore& command, Context& context) {
  return for_each_trashed(context, command.names, [&](SignedIn& session, const Entry& entry) -> Result<void> {
    const auto done = session.drive->commit_one(cairn::Restore{entry.id});
    if (!done) return done.error();
    const auto& name = done->name.empty() ? entry.name : done->name;
    context.output.remark("Restored " + context.output.name(name));
    context.output.value({{"id", entry.id.value}, {"name", name}});
    return {};
  });
}

int run(const Purge& command, Context& context) {
  return for_each_trashed(context, command.names, [&](SignedIn& session, const Entry& entry) -> Result<void> {
    const auto done = session.drive->commit_one(cairn::Purge{entry.id});
    if (!done) return done.error();
    context.output.remark("Deleted " + context.output.name(entry.name) + " for good");
    context.output.value({{"id", entry.id.value}, {"name", entry.name}});
    return {};
  });
}

int run(const EmptyTrash& command, Context& context) {
  if (!command.yes)
    return failed(context, {Errc::invalid_argument, "deletes everything in the trash for good: say so with --yes"});
  return with_session(context, [&](SignedIn& session) {
    const auto done = session.drive->commit_one(cairn::Purge{});
    if (!done) return failed(context, done.error());
    context.output.remark("The trash is empty");
    context.output.value({{"emptied", true}});
    return static_cast<int>(exit_ok);
  });
}

}  // namespace cairn::apps
