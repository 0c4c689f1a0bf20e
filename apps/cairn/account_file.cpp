#include "apps/cairn/account_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

namespace cairn::apps {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t max_account_file_bytes = 64u << 10;

std::string file_of(const std::string& folder) { return folder + "/account.json"; }

Error refused(const std::string& path, const char* what) {
  return {errno == EACCES ? Errc::permission_denied : Errc::io, path + " " + what + ": " + std::strerror(errno)};
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

std::string client_text(ClientId client) {
  char buffer[20];
  std::snprintf(buffer, sizeof buffer, "%016llx", static_cast<unsigned long long>(client.value));
  return buffer;
}

}  // namespace

Result<std::string> config_folder() {
  if (const char* xdg = std::getenv("XDG_CONFIG_HOME"); xdg && *xdg == '/') return std::string(xdg) + "/cairn";
  if (const char* home = std::getenv("HOME"); home && *home) return std::string(home) + "/.config/cairn";
  return Error{Errc::bad_config, "neither XDG_CONFIG_HOME nor HOME is set, so there is no place for the sign-in"};
}

Result<Account> read_account(const std::string& folder) {
  const auto path = file_of(folder);
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0 && errno == ENOENT) return Error{Errc::not_found, "no sign-in is kept in " + path};
  if (file.get() < 0) return refused(path, "cannot be opened");
  struct stat info {};
  if (fstat(file.get(), &info) != 0) return refused(path, "cannot be read");
  if (info.st_mode & 077)
    return Error{Errc::permission_denied, path + " may be read by others; make it yours alone: chmod 600 " + path};
  std::string text(max_account_file_bytes + 1, '\0');
  const auto count = read(file.get(), text.data(), text.size());
  if (count < 0) return refused(path, "cannot be read");
  text.resize(static_cast<std::size_t>(count));
  const auto json = Json::parse(text, nullptr, false);
  const Error bad{Errc::bad_config, path + " is not what `cairn login` writes; sign in again"};
  if (json.is_discarded() || !json.is_object()) return bad;
  Account account;
  try {
    account.server = json.at("server").get<std::string>();
    account.tls = json.at("tls").get<bool>();
    account.tls_ca = json.at("tls_ca").get<std::string>();
    account.tls_name = json.at("tls_name").get<std::string>();
    account.login = json.at("login").get<std::string>();
    account.device = json.at("device").get<std::string>();
    account.token = json.at("token").get<std::string>();
    const auto client = json.at("client").get<std::string>();
    const auto* end = client.data() + client.size();
    if (std::from_chars(client.data(), end, account.client.value, 16).ptr != end || !account.client.value) return bad;
  } catch (const Json::exception&) {
    return bad;
  }
  return account;
}

Result<void> write_account(const std::string& folder, const Account& account) {
  std::error_code failed;
  std::filesystem::create_directories(std::filesystem::path(folder).parent_path(), failed);
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return refused(folder, "cannot be made");
  const Json json{{"server", account.server},
                  {"tls", account.tls},
                  {"tls_ca", account.tls_ca},
                  {"tls_name", account.tls_name},
                  {"login", account.login},
                  {"device", account.device},
                  {"client", client_text(account.client)},
                  {"token", account.token}};
  const auto text = json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  const auto path = file_of(folder);
  auto fresh = path + ".XXXXXX";
  const Descriptor file(mkostemp(fresh.data(), O_CLOEXEC));  // mode 0600
  if (file.get() < 0) return refused(folder, "cannot be written to");
  if (write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) || fsync(file.get()) != 0 ||
      rename(fresh.c_str(), path.c_str()) != 0) {
    auto error = refused(path, "cannot be written");
    unlink(fresh.c_str());
    return error;
  }
  const Descriptor names(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (names.get() < 0 || fsync(names.get()) != 0) return refused(folder, "cannot be made durable");
  return {};
}

}  // namespace cairn::apps
