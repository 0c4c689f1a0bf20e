// The commands about the account: signing in and out, the password, devices, and how much is used.
#include <unistd.h>

#include <charconv>
#include <cstdlib>

#include "apps/cairn/commands.hpp"
#include "apps/cairn/password_prompt.hpp"
#include "apps/cairn/signed_in.hpp"
#include "protocol/names.hpp"

namespace cairn::apps {
namespace {

std::string machine_name() {
  char name[256] = {};
  if (gethostname(name, sizeof name - 1) != 0 || !*name) return "device";
  return name;
}

bool is_loopback(const std::string& address) {
  return address.starts_with("127.") || address.starts_with("localhost:") || address.starts_with("[::1]:");
}

std::string hex_id(ClientId client) {
  char text[20];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(client.value));
  return text;
}

/// What is to be remembered, from what was and what is asked for now; without the token.
Result<Account> wanted_account(const Login& command, const Globals& globals, const std::string& folder) {
  auto former = read_account(folder);
  if (!former && former.error().code != Errc::not_found && former.error().code != Errc::bad_config)
    return former.error();
  Account account = former ? *former : Account{};
  account.token.clear();
  if (!globals.server.empty() && globals.server != account.server) {
    account.server = globals.server;
    account.tls = false;
    account.tls_ca.clear();
    account.tls_name.clear();
  }
  if (account.server.empty()) account.server = client::ConnectionOptions{}.address;
  if (!command.tls_ca.empty()) account.tls_ca = command.tls_ca;
  if (!command.tls_name.empty()) account.tls_name = command.tls_name;
  account.tls = account.tls || command.tls || !command.tls_ca.empty() || !command.tls_name.empty();
  if (!command.login.empty()) account.login = command.login;
  const char* user = std::getenv("USER");
  if (account.login.empty() && user) account.login = user;
  if (account.login.empty()) return Error{Errc::invalid_argument, "which login? cairn login LOGIN"};
  if (!command.device.empty()) account.device = command.device;
  if (account.device.empty()) account.device = machine_name();
  if (!account.client.value) account.client = client::random_client_id();
  CAIRN_TRY(client::check_address(account.server));
  if (!account.tls && !command.insecure && !is_loopback(account.server))
    return Error{Errc::invalid_argument, account.server +
                                             " is not this machine: use --tls, or --insecure to send the "
                                             "password readable by everyone on the way"};
  return account;
}

Result<void> sign_in(const Login& command, Context& context, Account& account) {
  const auto options = connection_options(account, context.globals);
  if (!options) return options.error();
  auto connection = client::Connection::open(*options);
  if (!connection) return connection.error();
  const auto question = "Password for " + printable(account.login) + " at " + account.server;
  const auto password = command.password_stdin ? read_password_line() : ask_password(context, question, command.create);
  if (!password) return password.error();
  if (command.create) {
    const auto made = (*connection)->sign_up(account.login, *password);
    // The account may be of an earlier try: then the password decides.
    if (!made && made.error().code != Errc::already_exists) return made.error();
  }
  auto token = (*connection)->sign_in(account.login, *password, account.device, account.client);
  if (!token && command.create && token.error().code == Errc::wrong_credentials)
    return Error{Errc::already_exists, "the login \"" + printable(account.login) + "\" is taken"};
  if (!token) return token.error();
  account.token = *token;
  return {};
}

Result<void> change_password(const Passwd& command, Context& context, client::Connection& connection) {
  const auto old_one = command.password_stdin ? read_password_line() : ask_password(context, "Old password", false);
  if (!old_one) return old_one.error();
  const auto new_one = command.password_stdin ? read_password_line() : ask_password(context, "New password", true);
  if (!new_one) return new_one.error();
  return connection.set_password(*old_one, *new_one);
}

}  // namespace

int run(const Login& command, Context& context) {
  const auto folder = config_folder();
  if (!folder) return failed(context, folder.error());
  auto account = wanted_account(command, context.globals, *folder);
  if (!account) return failed(context, account.error());
  if (const auto done = sign_in(command, context, *account); !done) return failed(context, done.error());
  if (const auto kept = write_account(*folder, *account); !kept) return failed(context, kept.error());
  context.output.remark("Signed in as " + printable(account->login) + " at " + account->server + " (device " +
                        printable(account->device) + ")");
  context.output.value({{"login", account->login},
                        {"server", account->server},
                        {"device", account->device},
                        {"id", hex_id(account->client)}});
  return exit_ok;
}

int run(const Logout&, Context& context) {
  const auto folder = config_folder();
  if (!folder) return failed(context, folder.error());
  auto account = read_account(*folder);
  if (!account) return failed(context, account.error());
  Result<void> revoked;
  if (!account->token.empty()) {
    auto session = resume_session(context);
    revoked = session ? session->connection->revoke(ClientId{}) : Result<void>(session.error());
  }
  account->token.clear();
  if (const auto kept = write_account(*folder, *account); !kept) return failed(context, kept.error());
  const bool good_riddance =
      revoked || revoked.error().code == Errc::revoked_token || revoked.error().code == Errc::unknown_token;
  if (!good_riddance) {
    context.output.warning("the token is forgotten here but could not be revoked at the server");
    return failed(context, revoked.error());
  }
  context.output.remark("Signed out");
  context.output.value({{"login", account->login}, {"server", account->server}});
  return exit_ok;
}

int run(const Passwd& command, Context& context) {
  return with_session(context, [&](SignedIn& session) {
    if (const auto done = change_password(command, context, *session.connection); !done)
      return failed(context, done.error());
    context.output.remark("The password is changed; every other device is signed out");
    context.output.value({{"login", session.account.login}});
    return static_cast<int>(exit_ok);
  });
}

int run(const ListDevices&, Context& context) {
  return with_session(context, [&](SignedIn& session) {
    const auto devices = session.connection->devices();
    if (!devices) return failed(context, devices.error());
    for (const auto& device : *devices) {
      const bool this_one = device.client == session.account.client;
      const auto signed_in = device.signed_in.millis * 1'000'000;
      context.output.line(hex_id(device.client) + "  " + time_words(signed_in) + "  " + printable(device.name) +
                          (this_one ? "  (this one)" : "") + (device.revoked ? "  (revoked)" : ""));
      context.output.value({{"id", hex_id(device.client)},
                            {"name", device.name},
                            {"signed_in", time_iso(signed_in)},
                            {"this", this_one},
                            {"revoked", device.revoked}});
    }
    return static_cast<int>(exit_ok);
  });
}

int run(const RevokeDevice& command, Context& context) {
  ClientId client;
  const auto* end = command.id.data() + command.id.size();
  if (std::from_chars(command.id.data(), end, client.value, 16).ptr != end || !client.value)
    return failed(context, {Errc::invalid_argument, "is no device id: see cairn devices"}, command.id);
  return with_session(context, [&](SignedIn& session) {
    if (const auto done = session.connection->revoke(client); !done) return failed(context, done.error(), command.id);
    context.output.remark("Device " + command.id + " is signed out");
    context.output.value({{"id", hex_id(client)}});
    return static_cast<int>(exit_ok);
  });
}

int run(const Df&, Context& context) {
  return with_session(context, [&](SignedIn& session) {
    const auto usage = session.drive->usage();
    if (!usage) return failed(context, usage.error());
    const auto left = usage->quota_bytes > usage->used_bytes ? usage->quota_bytes - usage->used_bytes : 0;
    const auto share = usage->quota_bytes
                           ? 100.0 * static_cast<double>(usage->used_bytes) / static_cast<double>(usage->quota_bytes)
                           : 0.0;
    char percent[32];
    std::snprintf(percent, sizeof percent, "%.1f %%", share);
    context.output.line("used   " + size_words(usage->used_bytes) + " of " + size_words(usage->quota_bytes) + " (" +
                        percent + ")");
    context.output.line("left   " + size_words(left));
    context.output.line("holds  " + count_words(usage->entries) + " entries, those in the trash included");
    context.output.value({{"used_bytes", usage->used_bytes},
                          {"quota_bytes", usage->quota_bytes},
                          {"left_bytes", left},
                          {"entries", usage->entries}});
    return static_cast<int>(exit_ok);
  });
}

}  // namespace cairn::apps
