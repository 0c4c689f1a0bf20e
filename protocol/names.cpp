#include "protocol/names.hpp"

#include <uninorm.h>
#include <unistr.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <optional>

#include "protocol/limits.hpp"

namespace cairn {
namespace {

constexpr std::size_t shown_name_bytes = 300;

const std::uint8_t* unsigned_data(BytesView text) {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

bool is_ascii(BytesView text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return static_cast<signed char>(c) < 0; });
}

bool is_utf8(BytesView text) { return u8_check(unsigned_data(text), text.size()) == nullptr; }

/// The NFC form of valid UTF-8.
std::string to_nfc(BytesView text) {
  if (is_ascii(text)) return std::string(text);
  std::size_t size = 0;
  const std::unique_ptr<std::uint8_t, void (*)(void*)> out(
      u8_normalize(UNINORM_NFC, unsigned_data(text), text.size(), nullptr, &size), std::free);
  if (!out) std::abort();  // out of memory: valid UTF-8 has no other failure
  return std::string(reinterpret_cast<const char*>(out.get()), size);
}

Error bad_name(BytesView name, const char* rule) {
  return Error{Errc::invalid_name, "name \"" + printable(name, shown_name_bytes) + "\" " + rule};
}

Error bad_path(BytesView path, const std::string& rule) {
  return Error{Errc::invalid_name, "path \"" + printable(path, shown_name_bytes) + "\" " + rule};
}

/// C0, DEL, C1, line and paragraph separators, and the marks that reorder text on a terminal.
bool is_unsafe(std::uint32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 ||
         (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

}  // namespace

Result<std::string> normalize_name(BytesView name) {
  if (name.empty()) return Error{Errc::invalid_name, "a name is empty"};
  if (name.size() > limits::max_name_bytes) return bad_name(name, "is over 255 bytes");
  if (name == "." || name == "..") return bad_name(name, "is reserved");
  if (name.find('\0') != BytesView::npos) return bad_name(name, "has a NUL byte");
  if (name.find('/') != BytesView::npos) return bad_name(name, "has a '/'");
  if (is_ascii(name)) return std::string(name);
  if (!is_utf8(name)) return bad_name(name, "is not valid UTF-8");
  auto out = to_nfc(name);
  if (out.size() > limits::max_name_bytes) return bad_name(name, "is over 255 bytes in NFC");
  return out;
}

Result<std::vector<std::string>> split_path(BytesView path) {
  std::vector<std::string> names;
  if (path.size() > limits::max_path_bytes)
    return bad_path(path, "is over " + std::to_string(limits::max_path_bytes) + " bytes");
  if (path.empty() || path == "/") return names;
  auto left = path.front() == '/' ? path.substr(1) : path;
  for (bool more = true; more;) {
    const auto slash = left.find('/');
    more = slash != BytesView::npos;
    const auto part = left.substr(0, slash);
    if (part.empty()) return bad_path(path, more ? "has \"//\"" : "ends with '/'");
    if (names.size() == limits::max_path_depth)
      return bad_path(path, "is over " + std::to_string(limits::max_path_depth) + " names deep");
    auto name = normalize_name(part);
    if (!name.ok()) return name.error();
    names.push_back(std::move(*name));
    if (more) left.remove_prefix(slash + 1);
  }
  return names;
}

Result<std::string> normalize_login(BytesView login) {
  const auto bad = [&](const char* rule) {
    return Error{Errc::invalid_argument, "login \"" + printable(login, shown_name_bytes) + "\" " + rule};
  };
  if (login.empty()) return Error{Errc::invalid_argument, "login is empty"};
  if (login.size() > limits::max_login_bytes) return bad("is over 128 bytes");
  if (!is_utf8(login)) return bad("is not valid UTF-8");
  if (login.find('/') != BytesView::npos) return bad("has a '/'");
  for (std::size_t at = 0; at < login.size();) {
    ucs4_t c = 0;
    at += static_cast<std::size_t>(u8_mbtouc(&c, unsigned_data(login) + at, login.size() - at));
    if (is_unsafe(c)) return bad("has a control character");
  }
  auto out = to_nfc(login);
  if (out.size() > limits::max_login_bytes) return bad("is over 128 bytes in NFC");
  return out;
}

std::string printable(BytesView text, std::size_t max_bytes) {
  constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    ucs4_t c = 0;
    const int length = u8_mbtoucr(&c, unsigned_data(text) + at, text.size() - at);
    const auto taken = length > 0 ? static_cast<std::size_t>(length) : 1;
    std::string piece;
    if (length > 0 && !is_unsafe(c)) {
      piece = text.substr(at, taken);
    } else {
      for (const char byte : text.substr(at, taken)) {
        const auto value = static_cast<std::uint8_t>(byte);
        piece += {'\\', 'x', digits[value >> 4], digits[value & 15]};
      }
    }
    if (out.size() + piece.size() > max_bytes) return out + "…";
    out += piece;
    at += taken;
  }
  return out;
}

}  // namespace cairn
