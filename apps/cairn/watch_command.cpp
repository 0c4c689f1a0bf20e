// The command that shows the changes of a drive as they happen.
#include <algorithm>
#include <charconv>

#include "apps/cairn/commands.hpp"
#include "apps/cairn/paths.hpp"
#include "apps/cairn/signed_in.hpp"
#include "protocol/limits.hpp"

namespace cairn::apps {
namespace {

using namespace std::chrono_literals;

/// The end of the journal. No call tells it, but every call tells on which side of it a cursor is.
Result<Cursor> journal_end(client::Drive& drive) {
  std::uint64_t least = 0;
  std::uint64_t beyond = std::uint64_t{1} << 62;
  for (std::uint64_t guess = 0; least < beyond; guess = least + (std::min(beyond, least * 4 + 1'000) - least) / 2) {
    const auto page = drive.changes(Cursor{guess}, 1);
    if (page && !page->more) return page->cursor;
    if (page)
      least = page->cursor.value;
    else if (page.error().code == Errc::cursor_expired)
      least = guess + 1;
    else if (page.error().code == Errc::invalid_argument)
      beyond = guess;
    else
      return page.error();
  }
  return Cursor{least};
}

/// The path of `entry` as its folders are called now; its name alone if one of them is gone.
std::string path_of(client::Drive& drive, const Entry& entry) {
  std::string path = entry.name;
  auto parent = entry.parent;
  for (std::size_t depth = 0; parent != root_entry && parent.value && depth < limits::max_path_depth; ++depth) {
    const auto folder = drive.stat({parent, ""});
    if (!folder) return entry.name;
    path = folder->name + "/" + path;
    parent = folder->parent;
  }
  return "/" + path;
}

void show(Context& context, client::Drive& drive, const ChangeEvent& event) {
  auto& output = context.output;
  const auto cursor = std::to_string(event.cursor.value);
  if (!event.now) {
    output.line(cursor + "  gone     id " + std::to_string(event.entry.value));
    output.value({{"cursor", event.cursor.value}, {"change", "gone"}, {"id", event.entry.value}});
    return;
  }
  const auto path = path_of(drive, *event.now);
  const std::string change = event.now->trashed ? "trashed" : "now";
  output.line(cursor + "  " + (event.now->trashed ? "trashed  " : "now      ") + output.name(path) +
              (event.now->kind == EntryKind::folder ? "/" : ""));
  Json json{{"cursor", event.cursor.value}, {"change", change}};
  json.update(entry_json(*event.now, path));
  output.value(json);
}

}  // namespace

int run(const Watch& command, Context& context) {
  Cursor cursor;
  const auto* end = command.from.data() + command.from.size();
  if (!command.from.empty() && std::from_chars(command.from.data(), end, cursor.value).ptr != end)
    return failed(context, {Errc::invalid_argument, "--from takes the number of a change"}, command.from);
  return with_session(context, [&](SignedIn& session) {
    if (command.from.empty()) {
      const auto now = journal_end(*session.drive);
      if (!now) return failed(context, now.error());
      cursor = *now;
    }
    const auto watch = session.drive->watch(cursor);
    const Interrupts::Scope scope(context.interrupts, [&] { watch->stop(); });
    while (true) {
      const auto page = watch->next(1min);
      if (!page && context.interrupts.seen()) return failed(context, {Errc::cancelled, "interrupted"});
      if (!page) return failed(context, page.error());
      if (!*page) continue;
      for (const auto& event : (*page)->events) show(context, *session.drive, event);
      // Who reads this wants each as it happens; and nobody to read means that it is over.
      std::fflush(stdout);
      if (std::ferror(stdout)) return static_cast<int>(exit_ok);
    }
  });
}

}  // namespace cairn::apps
