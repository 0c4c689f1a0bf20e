#include "apps/cairn/signed_in.hpp"

#include <fstream>
#include <sstream>

namespace cairn::apps {

Result<client::ConnectionOptions> connection_options(const Account& account, const Globals& globals) {
  client::ConnectionOptions options;
  options.address = globals.server.empty() ? account.server : globals.server;
  options.no_progress_deadline = globals.patience;
  if (!account.tls) return options;
  options.tls.emplace();
  options.tls->server_name = account.tls_name;
  if (account.tls_ca.empty()) return options;
  std::ifstream file(account.tls_ca);
  std::stringstream text;
  text << file.rdbuf();
  if (!file || text.str().empty()) return Error{Errc::io, account.tls_ca + ": the certificate file cannot be read"};
  options.tls->trusted_certificates = text.str();
  return options;
}

Result<SignedIn> resume_session(Context& context) {
  const auto folder = config_folder();
  if (!folder) return folder.error();
  auto account = read_account(*folder);
  if (!account && account.error().code != Errc::not_found) return account.error();
  if (!account || account->token.empty())
    return Error{Errc::unknown_token, "not signed in: cairn login LOGIN [--server ADDRESS]"};
  SignedIn session;
  session.account = *account;
  const auto options = connection_options(session.account, context.globals);
  if (!options) return options.error();
  auto connection = client::Connection::open(*options);
  if (!connection) return connection.error();
  session.connection = std::move(*connection);
  CAIRN_TRY(session.connection->resume(session.account.token));
  auto ids = client::open_request_ids(*folder + "/requests", session.account.client);
  if (!ids) return ids.error();
  session.drive = session.connection->drive(std::move(*ids));
  return session;
}

}  // namespace cairn::apps
