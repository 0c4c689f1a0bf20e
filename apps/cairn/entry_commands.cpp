// The commands about entries: looking at them, making, moving and removing them.
#include <sys/stat.h>

#include <chrono>

#include "apps/cairn/commands.hpp"
#include "apps/cairn/paths.hpp"
#include "apps/cairn/signed_in.hpp"
#include "protocol/limits.hpp"

namespace cairn::apps {
namespace {

std::string details(const Entry& entry) {
  std::string size = entry.kind == EntryKind::folder ? "-" : count_words(entry.size);
  if (size.size() < 15) size.insert(0, 15 - size.size(), ' ');
  return mode_words(entry.kind, entry.attributes.mode) + " " + size + "  " +
         time_words(entry.attributes.modified_nanos) + "  ";
}

void show(Context& context, const Ls& command, const Entry& entry, const std::string& path, const std::string& name) {
  auto& output = context.output;
  output.line((command.details ? details(entry) : "") + output.name(name) +
              (entry.kind == EntryKind::folder && name != "/" ? "/" : ""));
  output.value(entry_json(entry, path));
}

/// Shows what is in a folder, page by page; the folders in it afterwards if it is asked for.
Result<void> list_folder(Context& context, const Ls& command, client::Drive& drive, EntryId folder,
                         const std::string& path) {
  struct Deeper {
    EntryId folder;
    std::string path;
  };
  std::vector<Deeper> open{{folder, path}};
  while (!open.empty()) {
    const auto now = std::move(open.back());
    open.pop_back();
    std::vector<Deeper> below;
    std::string after;
    do {
      const auto page = drive.list_page({now.folder, ""}, after);
      // With -R a folder may go while its neighbours are shown.
      if (!page && page.error().code == Errc::not_found && now.folder != folder) break;
      if (!page) return page.error();
      for (const auto& entry : page->entries) {
        const auto full = join_path(now.path, entry.name);
        show(context, command, entry, full, command.recursive ? full : entry.name);
        if (command.recursive && entry.kind == EntryKind::folder) below.push_back({entry.id, full});
      }
      after = page->next;
    } while (!after.empty());
    open.insert(open.end(), std::make_move_iterator(below.rbegin()), std::make_move_iterator(below.rend()));
  }
  return {};
}

Result<void> list_one(Context& context, const Ls& command, client::Drive& drive, const std::string& path) {
  const auto entry = drive.stat(remote_ref(path));
  if (!entry) return entry.error();
  const auto clean = clean_remote(path);
  if (entry->kind == EntryKind::folder) return list_folder(context, command, drive, entry->id, clean);
  show(context, command, *entry, clean, path);
  return {};
}

/// Does `each` for every path, says what failed, and answers the exit code of the first failure.
template <class Each>
int for_each_path(Context& context, const std::vector<std::string>& paths, Each each) {
  int code = exit_ok;
  for (const auto& path : paths) {
    const Result<void> done = each(path);
    if (done) continue;
    const int failure = failed(context, done.error(), path);
    if (code == exit_ok) code = failure;
    // What stops one will stop the rest too.
    if (failure == exit_unreachable || failure == exit_interrupted || failure == exit_not_signed_in) break;
  }
  return code;
}

std::int64_t now_nanos() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Attributes attributes_of_new_folder() {
  const auto mask = umask(0);
  umask(mask);
  return {0777u & ~static_cast<std::uint32_t>(mask), now_nanos()};
}

Result<void> make_folder(client::Drive& drive, const std::string& path, bool parents) {
  const auto place = split_remote(path);
  if (!place) return place.error();
  const auto attributes = attributes_of_new_folder();
  if (!parents) {
    const auto made = drive.commit_one(MakeFolder{remote_ref(place->folder), place->name, attributes});
    return made ? Result<void>() : Result<void>(made.error());
  }
  // One batch: each change sees those before it. What is there already is fine if it is a folder.
  std::vector<Change> changes;
  const auto clean = clean_remote(path);
  for (auto slash = std::size_t{0}; slash != clean.npos;) {
    const auto end = clean.find('/', slash + 1);
    changes.push_back(MakeFolder{remote_ref(clean.substr(0, slash)),
                                 clean.substr(slash + 1, end == clean.npos ? end : end - slash - 1), attributes});
    slash = end;
    if (changes.size() > limits::max_path_depth) return Error{Errc::too_large, "the path is too deep"};
  }
  const auto done = drive.commit(std::move(changes));
  if (!done) return done.error();
  for (const auto& result : done->results)
    if (result.error && result.error->code != Errc::already_exists) return *result.error;
  const auto there = drive.stat(remote_ref(path));
  if (!there) return there.error();
  if (there->kind != EntryKind::folder) return Error{Errc::not_a_folder, "is there and is not a folder"};
  return {};
}

}  // namespace

int run(const Ls& command, Context& context) {
  return with_session(context, [&](SignedIn& session) {
    const auto paths = command.paths.empty() ? std::vector<std::string>{"/"} : command.paths;
    bool first = true;
    return for_each_path(context, paths, [&](const std::string& path) {
      if (paths.size() > 1 && !command.recursive) context.output.line((first ? "" : "\n") + path + ":");
      first = false;
      return list_one(context, command, *session.drive, path);
    });
  });
}

int run(const Stat& command, Context& context) {
  return with_session(context, [&](SignedIn& session) {
    return for_each_path(context, command.paths, [&](const std::string& path) -> Result<void> {
      const auto entry = session.drive->stat(remote_ref(path));
      if (!entry) return entry.error();
      auto& output = context.output;
      output.line("path       " + output.name(clean_remote(path)));
      output.line("kind       " + std::string(kind_word(entry->kind)) + ", id " + std::to_string(entry->id.value));
      if (entry->kind != EntryKind::folder) {
        output.line("size       " + count_words(entry->size) + " bytes");
        output.line("version    " + std::to_string(entry->version.value) + ", committed " +
                    time_iso(entry->committed_at.millis * 1'000'000));
      }
      output.line("mode       " + mode_words(entry->kind, entry->attributes.mode));
      output.line("modified   " + time_iso(entry->attributes.modified_nanos));
      output.value(entry_json(*entry, clean_remote(path)));
      return {};
    });
  });
}

int run(const Mkdir& command, Context& context) {
  return with_session(context, [&](SignedIn& session) {
    return for_each_path(context, command.paths, [&](const std::string& path) -> Result<void> {
      CAIRN_TRY(make_folder(*session.drive, path, command.parents));
      context.output.value({{"path", clean_remote(path)}});
      return {};
    });
  });
}

int run(const Mv& command, Context& context) {
  const std::vector<std::string> sources(command.paths.begin(), command.paths.end() - 1);
  const auto& target = command.paths.back();
  if (sources.size() > 1 && !names_inside(target))
    return failed(
        context, {Errc::invalid_argument, "several entries need a folder as target: write it with a / behind"}, target);
  return with_session(context, [&](SignedIn& session) {
    return for_each_path(context, sources, [&](const std::string& path) -> Result<void> {
      const auto to = target_for(path, target);
      if (!to) return to.error();
      const auto place = split_remote(*to);
      if (!place) return place.error();
      const auto moved = session.drive->commit_one(Move{remote_ref(path), remote_ref(place->folder), place->name});
      if (!moved && moved.error().code == Errc::already_exists)
        return Error{Errc::already_exists, moved.error().message + "; to move into a folder write it with a / behind"};
      if (!moved) return moved.error();
      context.output.value({{"from", clean_remote(path)}, {"to", clean_remote(*to)}});
      return {};
    });
  });
}

int run(const Rm& command, Context& context) {
  return with_session(context, [&](SignedIn& session) {
    return for_each_path(context, command.paths, [&](const std::string& path) -> Result<void> {
      const auto entry = session.drive->stat(remote_ref(path));
      if (!entry && entry.error().code == Errc::not_found && command.force) return {};
      if (!entry) return entry.error();
      if (entry->id == root_entry)
        return Error{Errc::invalid_argument, "is the top of the drive and cannot be removed"};
      if (entry->kind == EntryKind::folder && !command.recursive)
        return Error{Errc::not_a_file, "is a folder: use -r to remove it with all that is in it"};
      // By id: what was looked at is what goes, wherever it was moved meanwhile.
      const auto removed = session.drive->commit_one(Remove{{entry->id, ""}, {}});
      if (!removed) return removed.error();
      context.output.value({{"path", clean_remote(path)}, {"id", entry->id.value}});
      return {};
    });
  });
}

}  // namespace cairn::apps
