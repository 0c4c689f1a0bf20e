#include "client/connection.hpp"

#include "client/drive.hpp"
#include "client/link.hpp"
#include "protocol/model_capnp.hpp"
#include "protocol/rpc_errors.hpp"

namespace cairn::client {
namespace {

capnp::Text::Reader to_text(const std::string& value) { return {value.c_str(), value.size()}; }
std::string text_of(capnp::Text::Reader value) { return std::string(value.begin(), value.size()); }

/// Of a line that was got with Need::session.
rpc::Session::Client& session_of(Line& line) { return KJ_ASSERT_NONNULL(line.session); }
rpc::Cairn::Client& cairn_of(Line& line) { return KJ_ASSERT_NONNULL(line.cairn); }

/// What an Attempt<Done> answers: there is no value to tell.
struct Done {};

Result<void> without_value(const Result<Done>& result) {
  if (!result.ok()) return result.error();
  return {};
}

}  // namespace

Result<std::unique_ptr<Connection>> Connection::open(ConnectionOptions options) {
  CAIRN_TRY(check_address(options.address));
  try {
    return std::unique_ptr<Connection>(new Connection(std::make_shared<Link>(std::move(options))));
  } catch (const kj::Exception& exception) {
    return Error{Errc::io, "cannot set up TLS: " + from_exception(exception).message};
  }
}

Connection::Connection(std::shared_ptr<Link> link) : link_(std::move(link)) {}

Connection::~Connection() { link_->close(); }

Result<ServerInfo> Connection::hello() {
  return link_->wait<ServerInfo>(Need::connection, Resend::always, [](Line& line) {
    auto request = cairn_of(line).helloRequest();
    request.setClient("cairn");
    return request.send().then([](auto&& answer) -> Result<ServerInfo> {
      return ServerInfo{answer.getProtocol(), text_of(answer.getServer()), answer.getSignUp()};
    });
  });
}

Result<void> Connection::sign_up(const std::string& login, const std::string& password) {
  return without_value(link_->wait<Done>(Need::connection, Resend::until_sent, [&](Line& line) {
    auto request = cairn_of(line).signUpRequest();
    request.setLogin(to_text(login));
    request.setPassword(to_text(password));
    return request.send().then([](auto&&) -> Result<Done> { return Done{}; });
  }));
}

Result<std::string> Connection::sign_in(const std::string& login, const std::string& password,
                                        const std::string& device, ClientId client) {
  // Sending it again is safe: the newer token of a device replaces the older.
  return link_->wait<std::string>(Need::connection, Resend::always, [&](Line& line) {
    auto request = cairn_of(line).signInRequest();
    request.setLogin(to_text(login));
    request.setPassword(to_text(password));
    request.setDevice(to_text(device));
    request.setClientId(client.value);
    return request.send().then([this, &line](auto&& answer) -> Result<std::string> {
      auto token = text_of(answer.getToken());
      line.open_session(answer.getSession());
      link_->set_token(token);
      return token;
    });
  });
}

Result<void> Connection::resume(const std::string& token) {
  return without_value(link_->wait<Done>(Need::connection, Resend::always, [&](Line& line) {
    auto request = cairn_of(line).resumeRequest();
    request.setToken(to_text(token));
    return request.send().then([this, &line, &token](auto&& answer) -> Result<Done> {
      line.open_session(answer.getSession());
      link_->set_token(token);
      return Done{};
    });
  }));
}

Result<AccountInfo> Connection::account() {
  return link_->wait<AccountInfo>(Need::session, Resend::always, [](Line& line) {
    return session_of(line).accountRequest().send().then([](auto&& answer) -> Result<AccountInfo> {
      return AccountInfo{text_of(answer.getLogin()), AccountId{answer.getAccountId()}};
    });
  });
}

Result<std::vector<Device>> Connection::devices() {
  using Devices = std::vector<Device>;
  return link_->wait<Devices>(Need::session, Resend::always, [](Line& line) {
    return session_of(line).devicesRequest().send().then([](auto&& answer) -> Result<Devices> {
      Devices devices;
      for (const auto device : answer.getDevices()) devices.push_back(from_capnp(device));
      return devices;
    });
  });
}

Result<void> Connection::revoke(ClientId client) {
  return without_value(link_->wait<Done>(Need::session, Resend::always, [&](Line& line) {
    auto request = session_of(line).revokeRequest();
    request.setClientId(client.value);
    return request.send().then([](auto&&) -> Result<Done> { return Done{}; });
  }));
}

Result<void> Connection::set_password(const std::string& old_password, const std::string& new_password) {
  return without_value(link_->wait<Done>(Need::session, Resend::until_sent, [&](Line& line) {
    auto request = session_of(line).setPasswordRequest();
    request.setOld(to_text(old_password));
    request.setNew(to_text(new_password));
    return request.send().then([](auto&&) -> Result<Done> { return Done{}; });
  }));
}

std::unique_ptr<Drive> Connection::drive(std::unique_ptr<RequestIds> ids) {
  return std::make_unique<Drive>(link_, std::move(ids));
}

ConnectionStats Connection::stats() const { return link_->stats(); }

}  // namespace cairn::client
