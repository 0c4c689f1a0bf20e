#include "apps/cairn/output.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "protocol/names.hpp"

namespace cairn::apps {
namespace {

std::string format(const char* pattern, auto... values) {
  char buffer[128];
  std::snprintf(buffer, sizeof buffer, pattern, values...);
  return buffer;
}

std::string one_line(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::size_t terminal_columns(std::FILE* file) {
  winsize size{};
  if (ioctl(fileno(file), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

}  // namespace

Output::Output(std::FILE* out, std::FILE* err)
    : out_(out), err_(err), progress_(isatty(fileno(err))), out_is_terminal_(isatty(fileno(out))) {}

void Output::line(std::string_view text) {
  if (json_) return;
  progress("");
  std::fwrite(text.data(), 1, text.size(), out_);
  std::fputc('\n', out_);
}

void Output::remark(std::string_view text) {
  if (!quiet_) line(text);
}

void Output::value(const Json& value) {
  if (!json_) return;
  progress("");
  const auto text = one_line(value) + "\n";
  std::fwrite(text.data(), 1, text.size(), out_);
  // Who reads JSON lines wants each as it happens.
  std::fflush(out_);
}

bool Output::raw(BytesView bytes) { return std::fwrite(bytes.data(), 1, bytes.size(), out_) == bytes.size(); }

void Output::error(const Error& error, std::string_view path) {
  progress("");
  std::fflush(out_);
  const auto shown = printable(path);
  if (json_) {
    Json json{{"code", to_string(error.code)}, {"message", error.message}};
    if (!path.empty()) json["path"] = path;
    std::fprintf(err_, "%s\n", one_line(Json{{"error", json}}).c_str());
    return;
  }
  const bool named = path.empty() || error.message.find(shown) != std::string::npos;
  std::fprintf(err_, "cairn: %s%s%s (%s)\n", named ? "" : shown.c_str(), named ? "" : ": ", error.message.c_str(),
               std::string(to_string(error.code)).c_str());
}

void Output::warning(std::string_view text) {
  progress("");
  std::fflush(out_);
  if (json_)
    std::fprintf(err_, "%s\n", one_line(Json{{"warning", text}}).c_str());
  else
    std::fprintf(err_, "cairn: %s\n", std::string(text).c_str());
}

void Output::progress(std::string_view text) {
  if (!progress_ || quiet_ || (text.empty() && !progress_shown_)) return;
  const auto columns = terminal_columns(err_);
  std::fprintf(err_, "\r\x1b[K%.*s", static_cast<int>(std::min(text.size(), columns - 1)), text.data());
  std::fflush(err_);
  progress_shown_ = !text.empty();
}

std::string Output::name(std::string_view name) const {
  return out_is_terminal_ ? printable(name, name.size() * 4 + 4) : std::string(name);
}

Result<void> Output::finish() {
  progress("");
  if (std::fflush(out_) == 0 && !std::ferror(out_)) return {};
  // Whoever was reading had enough: not an error, as in `cairn ls | head`.
  if (errno == EPIPE) return {};
  return Error{Errc::io, std::string("standard output could not be written: ") + std::strerror(errno)};
}

std::string size_words(std::uint64_t bytes) {
  if (bytes < 1000) return std::to_string(bytes) + " B";
  static constexpr const char* units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
  auto number = static_cast<double>(bytes) / 1000;
  std::size_t unit = 0;
  for (; number >= 999.95 && unit + 1 < std::size(units); ++unit) number /= 1000;
  return format("%.1f %s", number, units[unit]);
}

std::string count_words(std::uint64_t count) {
  const auto digits = std::to_string(count);
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

std::string seconds_words(double seconds) {
  if (seconds < 60) return format("%.1f s", seconds);
  const auto whole = static_cast<std::uint64_t>(seconds);
  if (whole < 3600) return format("%d min %d s", static_cast<int>(whole / 60), static_cast<int>(whole % 60));
  return format("%d h %d min", static_cast<int>(whole / 3600), static_cast<int>(whole / 60 % 60));
}

std::string mode_words(EntryKind kind, std::uint32_t mode) {
  std::string text = kind == EntryKind::folder ? "d" : kind == EntryKind::symlink ? "l" : "-";
  for (int bit = 8; bit >= 0; --bit) text += mode >> bit & 1 ? "rwx"[(8 - bit) % 3] : '-';
  if (mode & 04000) text[3] = mode & 0100 ? 's' : 'S';
  if (mode & 02000) text[6] = mode & 0010 ? 's' : 'S';
  if (mode & 01000) text[9] = mode & 0001 ? 't' : 'T';
  return text;
}

namespace {

/// Seconds and the nanoseconds above them; also for times before 1970.
std::pair<std::time_t, long> split_nanos(std::int64_t nanos) {
  constexpr std::int64_t billion = 1'000'000'000;
  auto seconds = nanos / billion;
  auto rest = nanos % billion;
  if (rest < 0) rest += billion, --seconds;
  return {static_cast<std::time_t>(seconds), static_cast<long>(rest)};
}

}  // namespace

std::string time_words(std::int64_t nanos) {
  const auto seconds = split_nanos(nanos).first;
  std::tm parts{};
  localtime_r(&seconds, &parts);
  char buffer[40];
  std::strftime(buffer, sizeof buffer, "%Y-%m-%d %H:%M", &parts);
  return buffer;
}

std::string time_iso(std::int64_t nanos) {
  const auto [seconds, rest] = split_nanos(nanos);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char buffer[40];
  std::strftime(buffer, sizeof buffer, "%Y-%m-%dT%H:%M:%S", &parts);
  return buffer + format(".%09ldZ", rest);
}

std::string_view kind_word(EntryKind kind) {
  switch (kind) {
    case EntryKind::folder:
      return "folder";
    case EntryKind::file:
      return "file";
    case EntryKind::symlink:
      return "symlink";
  }
  return "unknown";
}

Json entry_json(const Entry& entry, const std::string& path) {
  return {{"path", path},
          {"id", entry.id.value},
          {"kind", kind_word(entry.kind)},
          {"size", entry.size},
          {"mode", format("%04o", entry.attributes.mode)},
          {"modified", time_iso(entry.attributes.modified_nanos)},
          {"version", entry.version.value},
          {"committed", time_iso(entry.committed_at.millis * 1'000'000)}};
}

}  // namespace cairn::apps
