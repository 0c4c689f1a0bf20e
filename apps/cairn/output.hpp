// What a person or a script gets to see: results on standard output, as text or as JSON; errors and progress
// on standard error, progress only if that is a terminal. One thread.
#pragma once

#include <cstdint>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "protocol/error.hpp"
#include "protocol/model.hpp"

namespace cairn::apps {

/// Keeps the order of fields as written.
using Json = nlohmann::ordered_json;

class Output {
 public:
  Output(std::FILE* out, std::FILE* err);

  void set_json(bool json) { json_ = json; }
  bool json() const { return json_; }
  void set_quiet(bool quiet) { quiet_ = quiet; }

  /// A line of text on standard output; nothing with --json.
  void line(std::string_view text);
  /// As line(), but left out with --quiet: what was done, not what was asked for.
  void remark(std::string_view text);
  /// One JSON value on a line of its own; nothing without --json.
  void value(const Json& value);
  /// Bytes as they are, for `cat`. False once nobody reads any more.
  bool raw(BytesView bytes);

  /// On standard error: "cairn: path: sentence", or {"error": {...}}. "" is about no path.
  void error(const Error& error, std::string_view path = "");
  /// Something that is not as asked although the command goes on.
  void warning(std::string_view text);

  /// Replaces the progress line; nothing unless standard error is a terminal. "" clears it.
  void progress(std::string_view text);
  bool shows_progress() const { return progress_; }

  /// A name for a terminal or a file: control characters are escaped only for a terminal.
  std::string name(std::string_view name) const;

  /// Standard output took everything that was written to it.
  Result<void> finish();

 private:
  std::FILE* out_;
  std::FILE* err_;
  bool json_ = false;
  bool quiet_ = false;
  bool progress_;
  bool out_is_terminal_;
  bool progress_shown_ = false;
};

/// "1.4 MB", powers of 1000.
std::string size_words(std::uint64_t bytes);
/// "12,345"
std::string count_words(std::uint64_t count);
/// "0.4 s", "3 min 20 s"
std::string seconds_words(double seconds);
/// "drwxr-xr-x"
std::string mode_words(EntryKind kind, std::uint32_t mode);
/// Local time, "2025-03-01 14:05".
std::string time_words(std::int64_t nanos);
/// "2025-03-01T13:05:07.123456789Z"
std::string time_iso(std::int64_t nanos);
std::string_view kind_word(EntryKind kind);

/// An entry with its path as every command shows it with --json.
Json entry_json(const Entry& entry, const std::string& path);

}  // namespace cairn::apps
