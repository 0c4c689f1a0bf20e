#include "cluster/entry_names.hpp"

#include <chrono>

#include "protocol/limits.hpp"
#include "protocol/names.hpp"

namespace cairn::cluster {
namespace {

// A device's name is shown up to here; a longer "extension" is part of the stem.
constexpr std::size_t max_shown_device_bytes = 64;
constexpr std::size_t max_extension_bytes = 32;

/// The most characters of `text` that fit into `bytes`.
BytesView cut(BytesView text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xc0) == 0x80) --bytes;
  return text.substr(0, bytes);
}

std::string two_digits(unsigned n) { return (n < 10 ? "0" : "") + std::to_string(n); }

std::string shown_device(BytesView device) {
  std::string out;
  for (const char c : device) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte == 0x7f || c == '/' ? '-' : c;
  }
  const auto name = normalize_name(cut(out, max_shown_device_bytes));
  return name.ok() ? std::string(cut(*name, max_shown_device_bytes)) : "unknown device";
}

}  // namespace

std::string conflict_suffix(BytesView device, Timestamp now) {
  using namespace std::chrono;
  const year_month_day date{floor<days>(sys_time<milliseconds>(milliseconds(now.millis)))};
  return " (conflict, " + shown_device(device) + ", " +
         std::to_string(static_cast<int>(date.year())) + "-" +
         two_digits(static_cast<unsigned>(date.month())) + "-" +
         two_digits(static_cast<unsigned>(date.day())) + ")";
}

std::string with_suffix(BytesView name, BytesView suffix) {
  const auto dot = name.rfind('.');
  const bool has_extension =
      dot != BytesView::npos && dot > 0 && name.size() - dot <= max_extension_bytes;
  const auto stem = has_extension ? name.substr(0, dot) : name;
  const auto extension = has_extension ? name.substr(dot) : BytesView();
  std::string out(cut(stem, limits::max_name_bytes - suffix.size() - extension.size()));
  return out.append(suffix).append(extension);
}

}  // namespace cairn::cluster
