#include "actors/sign_in.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <map>
#include <set>

#include "actors/clock.hpp"
#include "actors/log.hpp"
#include "actors/session.hpp"
#include "actors/shard_calls.hpp"
#include "cluster/password.hpp"
#include "cluster/rate_limit.hpp"
#include "protocol/digest.hpp"
#include "protocol/names.hpp"

namespace cairn::actors {
namespace {

const Error wrong{Errc::wrong_credentials, "login or password is wrong"};
const Error crowded{Errc::busy, "too many sign-ins are waiting; try again in a moment"};
const Error too_often{Errc::busy, "too many wrong passwords; try again in a minute"};
const Error no_passwords{Errc::unavailable, "password checks are starting"};

// A wrong password costs its address and its login a try; a right one gives it back.
constexpr std::uint32_t tries_at_once = 20;
constexpr std::chrono::milliseconds try_interval{3'000};
constexpr std::size_t remembered_keys = 65'536;

Bytes hash_of(const Token& token) {
  const BytesView secret(reinterpret_cast<const char*>(token.secret.data()), token.secret.size());
  return Bytes(sha256(secret).view());
}

class Door {
 public:
  Door(SignInActor::pointer self, cluster::Config::Accounts config, std::shared_ptr<const storage::KeyRing> keys,
       std::shared_ptr<Routes> routes)
      : self_(self),
        config_(std::move(config)),
        keys_(std::move(keys)),
        routes_(std::move(routes)),
        tries_(tries_at_once, try_interval, remembered_keys) {}

  void sign_up(const SignUpRequest& message) {
    const auto login = normalize_login(message.login);
    if (!login) return message.reply(login.error());
    const auto passwords = enter();
    if (!passwords) return message.reply(passwords.error());
    Reply<std::string> hashed(
        [me = SignInActor{self_}, login = *login, reply = message.reply, place = place()](Result<std::string> hash) {
          if (!hash) return reply(hash.error());
          caf::anon_send(me, MakeAccount{login, std::move(*hash), reply});
        });
    self_->send(*passwords, HashPassword{message.password, std::move(hashed)});
  }

  void make_account(const MakeAccount& message) {
    const cluster::Command command{
        now(), cluster::CreateAccount{message.login, message.password_hash, config_.default_quota_bytes}};
    propose_to_shard(self_, *routes_, target_of(*routes_, slot_of_login(message.login)), command,
                     [reply = message.reply](cluster::CommandResult result, const cluster::Seen&) {
                       const auto made = expect<cluster::AccountCreated>(std::move(result));
                       made ? reply(true) : reply(made.error());
                     });
  }

  void sign_in(const SignInRequest& message) {
    auto login = normalize_login(message.login);
    if (!login) return message.reply(login.error());
    if (message.device.empty() || message.device.size() > limits::max_device_bytes)
      return message.reply(Error{Errc::invalid_argument,
                                 "device: a name of 1 to " + std::to_string(limits::max_device_bytes) + " bytes"});
    if (message.client.value == 0) return message.reply(Error{Errc::invalid_argument, "clientId: must not be 0"});
    const auto key = message.address + '\n' + *login;
    if (!tries_.take(key, steady_now())) return message.reply(too_often);
    ask_shard(self_, *routes_, target_of(*routes_, slot_of_login(*login)), {}, cluster::FindLogin{*login},
              [this, message, key, login = *login](cluster::QueryResult result, const cluster::Seen&) {
                auto found = expect<cluster::LoginFound>(std::move(result));
                if (!found && found.error().code != Errc::not_found) return message.reply(found.error());
                check(message, key, login, found ? std::move(*found) : cluster::LoginFound{});
              });
  }

  // Answers on the password actor's thread; what follows must happen on ours.
  void check(const SignInRequest& message, const std::string& key, const std::string& login,
             const cluster::LoginFound& found) {
    const auto passwords = enter();
    if (!passwords) return message.reply(passwords.error());
    Reply<bool> checked(
        [me = SignInActor{self_}, message, key, login, account = found.account, place = place()](Result<bool> right) {
          if (!right) return message.reply(right.error());
          if (!*right) return message.reply(wrong);
          caf::anon_send(me, OpenSession{account, login, message.device, message.client, key, message.reply});
        });
    self_->send(*passwords, CheckPassword{message.password, found.password_hash, std::move(checked)});
  }

  void open(const OpenSession& message) {
    tries_.give_back(message.rate_key);
    Token token{message.account, {}};
    const auto secret = random_bytes(token.secret.size());
    std::copy(secret.begin(), secret.end(), token.secret.begin());
    const cluster::Command command{
        now(), cluster::IssueToken{message.account, message.client, message.device, hash_of(token)}};
    propose_to_shard(
        self_, *routes_, target_of(*routes_, slot_of(message.account)), command,
        [this, message, token](cluster::CommandResult result, const cluster::Seen& seen) {
          const auto done = expect<cluster::Done>(std::move(result));
          if (!done) return message.reply(done.error());
          message.reply(begin(token.text(), message.account, message.login, message.client, message.device, seen));
        });
  }

  void resume(const ResumeRequest& message) {
    const auto token = Token::parse(message.token);
    if (!token) return message.reply(Error{Errc::unknown_token, "this is not a token"});
    ask_shard(self_, *routes_, target_of(*routes_, slot_of(token->account)), {},
              cluster::CheckToken{token->account, hash_of(*token)},
              [this, message, account = token->account](cluster::QueryResult result, const cluster::Seen& seen) {
                const auto found = expect<cluster::TokenFound>(std::move(result));
                if (!found) return message.reply(found.error());
                message.reply(begin({}, account, found->login, found->client, found->device, seen));
              });
  }

  void end(const EndSessions& message) {
    const auto sessions = sessions_.find(message.account);
    if (sessions == sessions_.end()) return;
    for (const auto& [address, client] : sessions->second) {
      const bool ends = message.only.value ? client == message.only : client != message.except;
      if (!ends) continue;
      if (const auto session = caf::actor_cast<SessionActor>(address)) self_->send(session, SessionRevoked{});
    }
  }

  void session_down(const caf::actor_addr& address) {
    const auto account = account_of_.find(address);
    if (account == account_of_.end()) return;
    const auto sessions = sessions_.find(account->second);
    sessions->second.erase(address);
    if (sessions->second.empty()) sessions_.erase(sessions);
    account_of_.erase(account);
  }

 private:
  // What the account's shard had acknowledged by now, `seen` covers: the session's reads begin there.
  SignedIn begin(std::string token, AccountId account, const std::string& login, ClientId client,
                 const std::string& device, const cluster::Seen& seen) {
    cluster::Floor floor;
    floor.raise(seen);
    const auto session = self_->spawn(
        actors::session, SessionIdentity{account, login, client, device, self_->address(), floor}, keys_, routes_);
    self_->monitor(session);
    sessions_[account].emplace(session.address(), client);
    account_of_.emplace(session.address(), account);
    return {std::move(token), account, login, session};
  }

  // A place among those who wait for Argon2; the last copy of place() leaves it.
  Result<PasswordActor> enter() {
    if (waiting_.use_count() > static_cast<long>(limits::max_password_checks_queued)) return crowded;
    auto passwords = routes_->password();
    if (!passwords) return no_passwords;
    return passwords;
  }
  std::shared_ptr<int> place() const { return waiting_; }

  SignInActor::pointer self_;
  cluster::Config::Accounts config_;
  std::shared_ptr<const storage::KeyRing> keys_;
  std::shared_ptr<Routes> routes_;
  cluster::RateLimit tries_;
  std::shared_ptr<int> waiting_ = std::make_shared<int>(0);
  std::map<AccountId, std::map<caf::actor_addr, ClientId>> sessions_;
  std::map<caf::actor_addr, AccountId> account_of_;
};

}  // namespace

SignInActor::behavior_type sign_in(SignInActor::pointer self, cluster::Config::Accounts config,
                                   std::shared_ptr<const storage::KeyRing> keys, std::shared_ptr<Routes> routes) {
  auto state = std::make_shared<Door>(self, std::move(config), std::move(keys), std::move(routes));
  self->set_down_handler([state](const caf::down_msg& down) { state->session_down(down.source); });
  return {
      [state](const SignUpRequest& message) { state->sign_up(message); },
      [state](const MakeAccount& message) { state->make_account(message); },
      [state](const SignInRequest& message) { state->sign_in(message); },
      [state](const OpenSession& message) { state->open(message); },
      [state](const ResumeRequest& message) { state->resume(message); },
      [state](const EndSessions& message) { state->end(message); },
  };
}

PasswordActor::behavior_type password(PasswordActor::pointer, cluster::PasswordCost cost) {
  return {
      [cost](const HashPassword& message) { message.reply(cluster::hash_password(message.password, cost)); },
      [cost](const CheckPassword& message) {
        message.reply(cluster::check_password(message.password, message.hash, cost));
      },
  };
}

}  // namespace cairn::actors
