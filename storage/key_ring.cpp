// The key file (disk_format.md, "Key file"): read, made and rotated. Changes hold a lock on the file's
// directory, so that two processes can neither make two first keys nor lose one that was just added.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <map>
#include <optional>
#include <vector>

#include "protocol/codec.hpp"
#include "protocol/digest.hpp"
#include "protocol/limits.hpp"
#include "storage/seal.hpp"

namespace cairn::storage {
namespace {

constexpr std::size_t key_bytes = 32;
constexpr std::size_t max_key_file_bytes = 1u << 20;
/// A receipt lives a day, so the key before the newest still has to be known; older ones do not.
constexpr std::size_t receipt_keys_kept = 2;
constexpr std::string_view preamble =
    "# Cairn's keys. Blocks cannot be read without them: keep a copy in a safe place, and no line\n"
    "# of a key that has sealed blocks may ever be removed.\n";

/// A key or a text with keys in it; wiped when it goes.
class Secret {
 public:
  Secret() = default;
  explicit Secret(Bytes bytes) : bytes_(std::move(bytes)) {}
  Secret(Secret&& other) noexcept { std::swap(bytes_, other.bytes_); }
  Secret& operator=(Secret&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Secret() { explicit_bzero(bytes_.data(), bytes_.size()); }
  BytesView view() const { return bytes_; }
  /// Room is reserved first, so that growing leaves no copy behind.
  Bytes& bytes() { return bytes_; }

 private:
  Bytes bytes_;
};

using Keys = std::map<std::uint32_t, Secret>;

struct KeyFile {
  Keys sealing;
  Keys receipt;
};

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int number() const { return number_; }
  bool open() const { return number_ >= 0; }

 private:
  int number_;
};

Error system_error(const std::string& what, const std::string& path) {
  const int number = errno;
  const auto code = number == ENOSPC || number == EDQUOT ? Errc::disk_full : Errc::io;
  return {code, "key file " + path + ": " + what + ": " + std::strerror(number)};
}

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

void append_hex(BytesView bytes, Bytes& out) {
  constexpr char digits[] = "0123456789abcdef";
  for (const char c : bytes) {
    out.push_back(digits[static_cast<std::uint8_t>(c) >> 4]);
    out.push_back(digits[static_cast<std::uint8_t>(c) & 15]);
  }
}

std::optional<Secret> parse_hex(BytesView text) {
  if (text.size() != 2 * key_bytes) return std::nullopt;
  Secret key(Bytes(key_bytes, '\0'));
  for (std::size_t i = 0; i < key_bytes; ++i) {
    const int high = digit_of(text[2 * i]);
    const int low = digit_of(text[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    key.bytes()[i] = static_cast<char>(high << 4 | low);
  }
  return key;
}

/// 1 to 2^32 − 1 without leading zeros; 0 for anything else.
std::uint32_t parse_version(BytesView text) {
  if (text.empty() || text.size() > 10 || text[0] == '0') return 0;
  std::uint64_t n = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return 0;
    n = n * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return n <= UINT32_MAX ? static_cast<std::uint32_t>(n) : 0;
}

/// The words of a line, at most four: one more than a good line has.
std::vector<BytesView> words_of(BytesView line) {
  constexpr BytesView blanks = " \t\r";
  std::vector<BytesView> words;
  while (words.size() < 4) {
    const auto begin = line.find_first_not_of(blanks);
    if (begin == BytesView::npos) break;
    line.remove_prefix(begin);
    const auto end = std::min(line.find_first_of(blanks), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
  return words;
}

/// What is wrong with the line, or nullptr. Never a word of the line itself: it may be a key.
const char* parse_line(BytesView line, KeyFile& file) {
  const auto words = words_of(line);
  if (words.empty() || words[0][0] == '#') return nullptr;
  if (words.size() != 3) return "expected three words: use, version, key";
  if (words[0] != "sealing" && words[0] != "receipt")
    return "the use, its first word, is neither \"sealing\" nor \"receipt\"";
  const auto version = parse_version(words[1]);
  if (version == 0) return "the version, its second word, is not a number from 1 to 4294967295";
  auto key = parse_hex(words[2]);
  if (!key) return "the key, its third word, is not 64 hexadecimal digits";
  auto& keys = words[0] == "sealing" ? file.sealing : file.receipt;
  if (!keys.emplace(version, std::move(*key)).second) return "this version is there already";
  return nullptr;
}

Result<KeyFile> parse(const std::string& path, BytesView text) {
  KeyFile file;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto end = std::min(text.find('\n'), text.size());
    if (const char* problem = parse_line(text.substr(0, end), file))
      return Error{Errc::bad_config,
                   "key file " + path + ", line " + std::to_string(number) + ": " + problem};
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (file.sealing.empty())
    return Error{Errc::bad_config, "key file " + path + ": it has no \"sealing\" line"};
  if (file.receipt.empty())
    return Error{Errc::bad_config, "key file " + path + ": it has no \"receipt\" line"};
  return file;
}

Result<KeyFile> read_key_file(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.open()) {
    if (errno == ENOENT) return Error{Errc::not_found, "key file " + path + " is absent"};
    return system_error("cannot be opened", path);
  }
  struct stat status {};
  if (::fstat(file.number(), &status) != 0) return system_error("cannot be examined", path);
  if (!S_ISREG(status.st_mode))
    return Error{Errc::bad_config, "key file " + path + ": it is not a regular file"};
  if ((status.st_mode & 077) != 0)
    return Error{Errc::permission_denied,
                 "key file " + path + ": others than its owner have access; chmod 600 it"};
  if (static_cast<std::uint64_t>(status.st_size) > max_key_file_bytes)
    return Error{Errc::bad_config, "key file " + path + ": it is longer than 1 MiB"};
  Secret text(Bytes(static_cast<std::size_t>(status.st_size), '\0'));
  std::size_t done = 0;
  while (done < text.view().size()) {
    const auto got =
        ::read(file.number(), text.bytes().data() + done, text.view().size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error("cannot be read", path);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return parse(path, text.view().substr(0, done));
}

Secret text_of(const KeyFile& file) {
  constexpr std::size_t longest_line = 8 + 10 + 2 * key_bytes + 2;
  Secret text;
  text.bytes().reserve(preamble.size() + longest_line * (file.sealing.size() + file.receipt.size()));
  text.bytes() += preamble;
  const auto add = [&](std::string_view use, const Keys& keys) {
    for (const auto& [version, key] : keys) {
      ((text.bytes() += use) += std::to_string(version)) += ' ';
      append_hex(key.view(), text.bytes());
      text.bytes() += '\n';
    }
  };
  add("sealing ", file.sealing);
  add("receipt ", file.receipt);
  return text;
}

Result<void> write_all(const Descriptor& file, BytesView text, const std::string& path) {
  while (!text.empty()) {
    const auto put = ::write(file.number(), text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return system_error("cannot be written", path);
    text.remove_prefix(static_cast<std::size_t>(put));
  }
  if (::fsync(file.number()) != 0) return system_error("cannot be synced", path);
  return {};
}

/// Replaces `path` atomically; durable when it returns. The directory's lock is held.
Result<void> write_key_file(const std::string& path, const KeyFile& keys, const Descriptor& folder) {
  const std::string fresh = path + ".new";
  if (::unlink(fresh.c_str()) != 0 && errno != ENOENT)
    return system_error("a left-over cannot be removed", fresh);
  {
    const Descriptor file(
        ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file.open()) return system_error("cannot be made", fresh);
    if (auto written = write_all(file, text_of(keys).view(), fresh); !written) {
      ::unlink(fresh.c_str());
      return written;
    }
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) return system_error("cannot be put in place", path);
  if (::fsync(folder.number()) != 0) return system_error("its folder cannot be synced", path);
  return {};
}

Result<Descriptor> lock_folder(const std::string& path) {
  Descriptor folder(::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.open()) return system_error("its folder cannot be opened", path);
  while (::flock(folder.number(), LOCK_EX) != 0)
    if (errno != EINTR) return system_error("its folder cannot be locked", path);
  return folder;
}

Result<void> add_key(const std::string& path, Keys& keys) {
  const auto newest = keys.empty() ? 0 : keys.rbegin()->first;
  if (newest == UINT32_MAX)
    return Error{Errc::bad_config, "key file " + path + ": its versions are used up"};
  keys.emplace(newest + 1, Secret(random_bytes(key_bytes)));
  return {};
}

Writer receipt_message(const Receipt& receipt) {
  Writer out;
  out.raw("cairn receipt 1").u8(0).raw(receipt.block.view()).u32(receipt.bytes);
  out.u64(receipt.account.value).u64(static_cast<std::uint64_t>(receipt.issued.millis));
  return out;
}

class FileKeyRing final : public KeyRing {
 public:
  explicit FileKeyRing(KeyFile file) : file_(std::move(file)) {}

  std::uint32_t newest_version() const override { return file_.sealing.rbegin()->first; }

  Receipt sign(Receipt receipt) const override {
    receipt.mac =
        hmac_sha256(file_.receipt.rbegin()->second.view(), receipt_message(receipt).view());
    return receipt;
  }

  Result<void> check(const Receipt& receipt, AccountId account, Timestamp now) const override {
    const auto refuse = [&](const char* why) {
      return Error{Errc::bad_receipt, "receipt for block " + receipt.block.hex() + " " + why};
    };
    if (receipt.account != account) return refuse("is for another drive");
    const auto message = receipt_message(receipt);
    const bool ours = std::any_of(file_.receipt.begin(), file_.receipt.end(), [&](const auto& row) {
      return equal_constant_time(hmac_sha256(row.second.view(), message.view()), receipt.mac);
    });
    if (!ours) return refuse("is not one of this cluster's");
    using std::chrono::milliseconds;
    constexpr auto lifetime = milliseconds(limits::receipt_lifetime).count();
    constexpr auto margin = milliseconds(limits::receipt_margin).count();
    if (receipt.issued.millis < now.millis - lifetime) return refuse("is expired");
    if (receipt.issued.millis > now.millis + margin) return refuse("is issued in the future");
    return {};
  }

 protected:
  BytesView sealing_key(std::uint32_t version) const override {
    const auto found = file_.sealing.find(version);
    return found == file_.sealing.end() ? BytesView{} : found->second.view();
  }

 private:
  KeyFile file_;
};

Result<std::shared_ptr<const KeyRing>> as_ring(Result<KeyFile> file) {
  if (!file) return file.error();
  return std::shared_ptr<const KeyRing>(std::make_shared<FileKeyRing>(std::move(*file)));
}

}  // namespace

Result<std::shared_ptr<const KeyRing>> KeyRing::open_or_create(const std::string& path) {
  auto file = read_key_file(path);
  if (file || file.error().code != Errc::not_found) return as_ring(std::move(file));
  auto folder = lock_folder(path);
  if (!folder) return folder.error();
  file = read_key_file(path);
  if (file || file.error().code != Errc::not_found) return as_ring(std::move(file));
  KeyFile fresh;
  CAIRN_TRY(add_key(path, fresh.sealing));
  CAIRN_TRY(add_key(path, fresh.receipt));
  CAIRN_TRY(write_key_file(path, fresh, *folder));
  return as_ring(std::move(fresh));
}

Result<std::shared_ptr<const KeyRing>> KeyRing::rotate(const std::string& path) {
  auto folder = lock_folder(path);
  if (!folder) return folder.error();
  auto file = read_key_file(path);
  if (!file) return file.error();
  CAIRN_TRY(add_key(path, file->sealing));
  CAIRN_TRY(add_key(path, file->receipt));
  while (file->receipt.size() > receipt_keys_kept) file->receipt.erase(file->receipt.begin());
  CAIRN_TRY(write_key_file(path, *file, *folder));
  return as_ring(std::move(file));
}

}  // namespace cairn::storage
