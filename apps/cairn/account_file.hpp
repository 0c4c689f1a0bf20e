// What `cairn login` remembers: account.json (mode 0600) in $XDG_CONFIG_HOME/cairn, with the token, which is
// never shown or logged. Written atomically. Any thread; one writer at a time wins.
#pragma once

#include <string>

#include "protocol/error.hpp"
#include "protocol/ids.hpp"

namespace cairn::apps {

struct Account {
  std::string server;
  bool tls = false;
  std::string tls_ca;  ///< PEM file, "" for the system's
  std::string tls_name;
  std::string login;
  std::string device;
  ClientId client;    ///< of this device; kept over sign-ins
  std::string token;  ///< "" after a logout
};

/// $XDG_CONFIG_HOME/cairn, or ~/.config/cairn. bad_config without a home.
Result<std::string> config_folder();

/// not_found if there was no sign-in yet; permission_denied if others may read the file; bad_config if it
/// does not parse.
Result<Account> read_account(const std::string& folder);

/// Durable when it returns. Makes the folder (mode 0700).
Result<void> write_account(const std::string& folder, const Account& account);

}  // namespace cairn::apps
