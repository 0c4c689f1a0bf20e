#include "apps/cairn/report.hpp"

#include "protocol/names.hpp"

namespace cairn::apps {
namespace {

Json notes_json(const std::vector<client::Note>& notes) {
  auto list = Json::array();
  for (const auto& note : notes)
    list.push_back({{"path", note.path}, {"code", to_string(note.code)}, {"reason", note.reason}});
  return list;
}

/// With --json the notes are part of the one value.
void say_notes(Context& context, const std::vector<client::Note>& notes, const std::string& what) {
  if (context.output.json()) return;
  for (const auto& note : notes)
    context.output.warning(what + " " + (note.path.empty() ? "the top" : printable(note.path)) + ": " +
                           printable(note.reason));
}

std::string plural(std::uint64_t count, const char* one, const char* many) {
  return count_words(count) + " " + (count == 1 ? one : many);
}

/// What came back would differ in its names or be missing; lost extras (hard links, extended attributes) and
/// kinds that hold nothing (sockets, devices) are only said.
bool leaves_out(const client::Note& note) {
  return note.code != Errc::invalid_argument;
}

}  // namespace

int show_report(Context& context, const client::Report& report, const std::string& verb, const std::string& path,
                const std::string& target) {
  auto& output = context.output;
  say_notes(context, report.skipped, "not kept as it was:");
  say_notes(context, report.conflicts, "kept beside what was there:");
  say_notes(context, report.failed, "failed:");
  const auto per_second = report.seconds > 0 ? static_cast<double>(report.bytes) / report.seconds : 0;
  const auto entries = report.files + report.links + report.unchanged;
  const auto files_per_second = report.seconds > 0 ? static_cast<double>(entries) / report.seconds : 0;
  output.remark(printable(path) + " " + verb + " as " + printable(target) + ": " +
                plural(report.files, "file", "files") + ", " + plural(report.links, "link", "links") + ", " +
                plural(report.folders, "folder", "folders") + ", " + count_words(report.unchanged) + " unchanged");
  output.remark("  " + size_words(report.bytes) + " in " + seconds_words(report.seconds) + " (" +
                size_words(static_cast<std::uint64_t>(per_second)) + "/s, " +
                count_words(static_cast<std::uint64_t>(files_per_second)) + " files/s); " +
                size_words(report.bytes_moved) + " over the wire in " + plural(report.blocks_moved, "block", "blocks") +
                (report.blocks_known ? ", " + plural(report.blocks_known, "block", "blocks") + " known already" : ""));
  output.value({{"path", path},
                {"target", target},
                {"files", report.files},
                {"links", report.links},
                {"folders", report.folders},
                {"unchanged", report.unchanged},
                {"bytes", report.bytes},
                {"bytes_moved", report.bytes_moved},
                {"blocks_moved", report.blocks_moved},
                {"blocks_known", report.blocks_known},
                {"seconds", report.seconds},
                {"skipped", notes_json(report.skipped)},
                {"conflicts", notes_json(report.conflicts)},
                {"failed", notes_json(report.failed)}});
  bool whole = report.failed.empty() && report.conflicts.empty();
  for (const auto& note : report.skipped) whole = whole && !leaves_out(note);
  return whole ? exit_ok : exit_partial;
}

int show_report(Context& context, const client::SyncReport& report) {
  auto& output = context.output;
  for (const auto& action : report.planned) output.line("would " + action);
  say_notes(context, report.skipped, "left out:");
  say_notes(context, report.conflicts, "both kept, this one under another name:");
  say_notes(context, report.failed, "failed, to be tried again:");
  if (report.planned.empty())
    output.remark(count_words(report.uploaded) + " up, " + count_words(report.downloaded) + " down, " +
                  count_words(report.moved) + " moved, " + count_words(report.removed) + " removed, " +
                  plural(report.folders_made, "folder", "folders") + " made; " + size_words(report.bytes_sent) +
                  " sent, " + size_words(report.bytes_received) + " received, " + size_words(report.bytes_reused) +
                  " reused");
  output.value({{"uploaded", report.uploaded},
                {"downloaded", report.downloaded},
                {"moved", report.moved},
                {"removed", report.removed},
                {"folders_made", report.folders_made},
                {"bytes_sent", report.bytes_sent},
                {"bytes_received", report.bytes_received},
                {"bytes_reused", report.bytes_reused},
                {"planned", report.planned},
                {"conflicts", notes_json(report.conflicts)},
                {"skipped", notes_json(report.skipped)},
                {"failed", notes_json(report.failed)}});
  return report.failed.empty() && report.conflicts.empty() ? exit_ok : exit_partial;
}

std::string progress_words(const client::Progress& progress) {
  // Until all is walked the totals still grow, so they are not shown as if they were known.
  const auto files = progress.walking
                         ? count_words(progress.files_done) + " files (still looking)"
                         : count_words(progress.files_done) + " of " + count_words(progress.files_found) + " files";
  const auto bytes = progress.walking ? size_words(progress.bytes_done)
                                      : size_words(progress.bytes_done) + " of " + size_words(progress.bytes_found);
  return files + ", " + bytes + ", " + size_words(static_cast<std::uint64_t>(progress.bytes_per_s)) + "/s";
}

}  // namespace cairn::apps
