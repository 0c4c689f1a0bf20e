#include "actors/rpc_services.hpp"

#include <caf/send.hpp>

#include "actors/rpc_bridge.hpp"
#include "protocol/limits.hpp"
#include "protocol/model_capnp.hpp"

namespace cairn::actors {
namespace {

constexpr std::uint32_t protocol_version = 1;
// A connection needs one session; a gateway's holds those of several clients.
constexpr std::size_t max_sessions_per_connection = 64;

std::string text(capnp::Text::Reader in) { return {in.begin(), in.size()}; }

class SessionService final : public rpc::Session::Server {
 public:
  explicit SessionService(std::shared_ptr<HeldSession> held)
      : held_(std::move(held)), opened_(held_->opened), drive_(make_drive(held_)) {}

  kj::Promise<void> account(AccountContext context) override {
    auto results = context.getResults();
    results.setLogin(opened_.login.c_str());
    results.setAccountId(opened_.account.value);
    return kj::READY_NOW;
  }

  kj::Promise<void> drive(DriveContext context) override {
    context.getResults().setDrive(drive_);
    return kj::READY_NOW;
  }

  kj::Promise<void> devices(DevicesContext context) override {
    auto bridge = make_bridge<cluster::QueryResult>();
    caf::anon_send(opened_.session, SessionQuery{cluster::ListDevices{opened_.account}, std::move(bridge.reply)});
    return bridge.promise.then([context](cluster::QueryResult result) mutable {
      if (const auto* error = std::get_if<Error>(&result)) throw_error(*error);
      const auto& devices = std::get<cluster::Devices>(result).devices;
      auto out = context.getResults().initDevices(devices.size());
      for (std::size_t i = 0; i < devices.size(); ++i) to_capnp(devices[i], out[i]);
    });
  }

  kj::Promise<void> revoke(RevokeContext context) override {
    auto bridge = make_bridge<bool>();
    caf::anon_send(opened_.session,
                   SessionRevoke{ClientId{context.getParams().getClientId()}, std::move(bridge.reply)});
    return bridge.promise.ignoreResult();
  }

  kj::Promise<void> setPassword(SetPasswordContext context) override {
    auto bridge = make_bridge<bool>();
    const auto params = context.getParams();
    caf::anon_send(opened_.session,
                   SessionSetPassword{text(params.getOld()), text(params.getNew()), std::move(bridge.reply)});
    return bridge.promise.ignoreResult();
  }

 private:
  std::shared_ptr<HeldSession> held_;
  const SignedIn& opened_;
  rpc::Drive::Client drive_;
};

class CairnService final : public rpc::Cairn::Server {
 public:
  explicit CairnService(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {}

  kj::Promise<void> hello(HelloContext context) override {
    auto results = context.getResults();
    results.setProtocol(protocol_version);
    results.setServer(connection_->context.server.c_str());
    results.setSignUp(may_sign_up());
    return kj::READY_NOW;
  }

  kj::Promise<void> signUp(SignUpContext context) override {
    if (!may_sign_up()) throw_error({Errc::permission_denied, "this server does not let you make accounts"});
    auto bridge = make_bridge<bool>();
    const auto params = context.getParams();
    caf::anon_send(door(), SignUpRequest{text(params.getLogin()), text(params.getPassword()), std::move(bridge.reply)});
    return bridge.promise.ignoreResult();
  }

  kj::Promise<void> signIn(SignInContext context) override {
    check_room();
    auto bridge = make_bridge<SignedIn>();
    const auto params = context.getParams();
    caf::anon_send(door(), SignInRequest{text(params.getLogin()), text(params.getPassword()), text(params.getDevice()),
                                         ClientId{params.getClientId()}, connection_->address,
                                         std::move(bridge.reply)});
    return bridge.promise.then([this, context](SignedIn opened) mutable {
      auto results = context.getResults();
      results.setToken(opened.token.c_str());
      results.setSession(open(std::move(opened)));
    });
  }

  kj::Promise<void> resume(ResumeContext context) override {
    check_room();
    auto bridge = make_bridge<SignedIn>();
    caf::anon_send(door(), ResumeRequest{text(context.getParams().getToken()), std::move(bridge.reply)});
    return bridge.promise.then([this, context](SignedIn opened) mutable {
      context.getResults().setSession(open(std::move(opened)));
    });
  }

 private:
  bool may_sign_up() const {
    switch (connection_->context.sign_up) {
      case cluster::SignUp::off: return false;
      case cluster::SignUp::loopback: return connection_->loopback;
      case cluster::SignUp::anyone: return true;
    }
    return false;
  }

  SignInActor door() const {
    auto actor = connection_->context.routes->sign_in();
    if (!actor) throw_error({Errc::unavailable, "the node is starting"});
    return actor;
  }

  void check_room() const {
    if (connection_->sessions >= max_sessions_per_connection)
      throw_error(
          {Errc::busy, "a connection has at most " + std::to_string(max_sessions_per_connection) + " sessions"});
  }

  rpc::Session::Client open(SignedIn opened) {
    connection_->stream->signed_in();
    return kj::heap<SessionService>(std::make_shared<HeldSession>(connection_, std::move(opened)));
  }

  std::shared_ptr<Connection> connection_;
};

}  // namespace

HeldSession::HeldSession(std::shared_ptr<Connection> over, SignedIn session)
    : connection(std::move(over)), opened(std::move(session)) {
  ++connection->sessions;
}

HeldSession::~HeldSession() {
  --connection->sessions;
  caf::anon_send_exit(opened.session, caf::exit_reason::user_shutdown);
}

rpc::Cairn::Client make_cairn(std::shared_ptr<Connection> connection) {
  return kj::heap<CairnService>(std::move(connection));
}

}  // namespace cairn::actors
