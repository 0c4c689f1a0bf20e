// The connection of a command: as the account that `cairn login` remembered. Main thread.
#pragma once

#include <memory>

#include "apps/cairn/account_file.hpp"
#include "apps/cairn/context.hpp"
#include "client/connection.hpp"
#include "client/drive.hpp"

namespace cairn::apps {

/// How to connect to the server of `account`. io if its certificate file cannot be read.
Result<client::ConnectionOptions> connection_options(const Account& account, const Globals& globals);

struct SignedIn {
  Account account;
  std::unique_ptr<client::Connection> connection;
  std::unique_ptr<client::Drive> drive;  ///< goes before its connection
};

/// Resumes the session of the last sign-in; --server reaches the same cluster elsewhere. unknown_token if
/// there was none.
Result<SignedIn> resume_session(Context& context);

/// Runs `work` with the session; says what went wrong if there is none.
template <class Work>
int with_session(Context& context, Work work) {
  auto session = resume_session(context);
  if (!session) return failed(context, session.error());
  return work(*session);
}

}  // namespace cairn::apps
