#include "actors/session.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <deque>
#include <map>

#include "actors/clock.hpp"
#include "actors/shard_calls.hpp"
#include "actors/watches.hpp"
#include "cluster/password.hpp"

namespace cairn::actors {
namespace {

const Error revoked{Errc::revoked_token, "this session's token was revoked; sign in again"};
const Error sealers_starting{Errc::unavailable, "the block store is starting"};

class Session {
 public:
  Session(SessionActor::pointer self, SessionIdentity identity, std::shared_ptr<const storage::KeyRing> keys,
          std::shared_ptr<Routes> routes)
      : self_(self),
        identity_(std::move(identity)),
        keys_(std::move(keys)),
        routes_(std::move(routes)),
        watches_(self, identity_.account, routes_, identity_.floor) {}

  void query(const SessionQuery& message) {
    if (revoked_) return message.reply(revoked);
    const auto target = target_of(*routes_, slot_of(identity_.account));
    ask_shard(self_, *routes_, target, identity_.floor.of(cluster::directory::ShardId{target.shard}), message.query,
              [this, reply = message.reply](cluster::QueryResult result, const cluster::Seen& seen) {
                identity_.floor.raise(seen);
                reply(std::move(result));
              });
  }

  void commit(SessionCommit& message) {
    if (revoked_) return message.reply(revoked);
    if (message.commit.request.client != identity_.client)
      return message.reply(Error{Errc::permission_denied, "clientId: not the one that this session signed in with"});
    if (commits_ >= limits::max_session_commits_in_flight)
      return message.reply(Error{Errc::busy, "this session has " + std::to_string(commits_) + " commits in flight"});
    cluster::CommitChanges changes{identity_.account,
                                   message.commit.request,
                                   message.commit.acknowledged,
                                   identity_.device,
                                   std::move(message.commit.changes),
                                   {}};
    const auto time = now();
    for (const auto& receipt : message.commit.receipts) {
      if (const auto good = keys_->check(receipt, identity_.account, time); !good) return message.reply(good.error());
      changes.proven.push_back({receipt.block, receipt.bytes});
    }
    ++commits_;
    propose({time, std::move(changes)}, [this, reply = message.reply](cluster::CommandResult result) {
      --commits_;
      reply(expect<CommitResult>(std::move(result)));
    });
  }

  // Over the bound a block waits here: the connection's flow limit is what stops the sender.
  void put_block(SessionPutBlock& message) {
    if (revoked_) return message.reply(revoked);
    waiting_blocks_.push_back(std::move(message));
    send_blocks();
  }

  void block_stored(const BlockStored& message) {
    block_bytes_ -= message.bytes;
    send_blocks();
  }

  void fetch_block(const SessionFetchBlock& message) {
    if (revoked_) return message.reply(revoked);
    const auto sealer = routes_->sealer();
    if (!sealer) return message.reply(sealers_starting);
    self_->send(sealer, FetchBlock{message.block.id, message.reply});
  }

  void revoke(const SessionRevoke& message) {
    if (revoked_) return message.reply(revoked);
    const auto client = message.client.value ? message.client : identity_.client;
    propose({now(), cluster::RevokeToken{identity_.account, client}},
            [this, client, reply = message.reply](cluster::CommandResult result) {
              const auto done = expect<cluster::Done>(std::move(result));
              if (!done) return reply(done.error());
              end_sessions({identity_.account, client, {}});
              reply(true);
            });
  }

  // One at a time: each costs the password pool two computations.
  void set_password(const SessionSetPassword& asked) {
    if (revoked_) return asked.reply(revoked);
    if (!changing_password_.expired())
      return asked.reply(Error{Errc::busy, "this session is changing the password already"});
    const auto changing = std::make_shared<int>(0);
    changing_password_ = changing;
    auto message = asked;
    message.reply = Reply<bool>([changing, reply = asked.reply](Result<bool> done) { reply(std::move(done)); });
    ask_shard(self_, *routes_, target_of(*routes_, slot_of(identity_.account)), {}, cluster::FindLogin{identity_.login},
              [this, message](cluster::QueryResult result, const cluster::Seen&) {
                auto found = expect<cluster::LoginFound>(std::move(result));
                if (!found) return message.reply(found.error());
                check_old_password(message, std::move(found->password_hash));
              });
  }

  void store_password(const StorePassword& message) {
    const cluster::SetPassword change{identity_.account, message.password_hash, identity_.client, message.checked_hash};
    propose({now(), change}, [this, reply = message.reply](cluster::CommandResult result) {
      const auto done = expect<cluster::Done>(std::move(result));
      if (!done) return reply(done.error());
      end_sessions({identity_.account, {}, identity_.client});
      reply(true);
    });
  }

  void watch(const SessionWatch& message) {
    if (revoked_) return message.reply(revoked);
    watches_.add(message);
  }

  Watches& watches() { return watches_; }

  void end() {
    revoked_ = true;
    watches_.end_all(revoked);
    for (const auto& block : waiting_blocks_) block.reply(revoked);
    waiting_blocks_.clear();
  }

 private:
  template <class Then>
  void propose(const cluster::Command& command, Then then) {
    propose_to_shard(self_, *routes_, target_of(*routes_, slot_of(identity_.account)), command,
                     [this, then](cluster::CommandResult result, const cluster::Seen& seen) mutable {
                       identity_.floor.raise(seen);
                       then(std::move(result));
                     });
  }

  void send_blocks() {
    while (!waiting_blocks_.empty() && (block_bytes_ == 0 || block_bytes_ + waiting_blocks_.front().plain.size() <=
                                                                 limits::max_session_block_bytes_in_flight)) {
      auto block = std::move(waiting_blocks_.front());
      waiting_blocks_.pop_front();
      const auto sealer = routes_->sealer();
      if (!sealer) {
        block.reply(sealers_starting);
        continue;
      }
      const auto bytes = block.plain.size();
      block_bytes_ += bytes;
      Reply<Receipt> stored([me = SessionActor{self_}, bytes, reply = block.reply](Result<Receipt> receipt) {
        reply(std::move(receipt));
        caf::anon_send(me, BlockStored{bytes});
      });
      self_->send(sealer, StoreBlock{identity_.account, block.id, std::move(block.plain), std::move(stored)});
    }
  }

  // Two Argon2 computations, one after the other, on the password pool.
  void check_old_password(const SessionSetPassword& message, std::string hash) {
    const auto passwords = routes_->password();
    if (!passwords) return message.reply(Error{Errc::unavailable, "password checks are starting"});
    Reply<std::string> hashed([me = SessionActor{self_}, hash, reply = message.reply](Result<std::string> made) {
      made ? caf::anon_send(me, StorePassword{std::move(*made), hash, reply}) : reply(made.error());
    });
    Reply<bool> checked([passwords, hashed, message](Result<bool> right) {
      if (!right) return message.reply(right.error());
      if (!*right) return message.reply(Error{Errc::wrong_credentials, "the old password is wrong"});
      caf::anon_send(passwords, HashPassword{message.new_password, hashed});
    });
    self_->send(passwords, CheckPassword{message.old_password, hash, std::move(checked)});
  }

  void end_sessions(const EndSessions& message) {
    if (const auto door = routes_->sign_in()) self_->send(door, message);
  }

  SessionActor::pointer self_;
  SessionIdentity identity_;
  std::shared_ptr<const storage::KeyRing> keys_;
  std::shared_ptr<Routes> routes_;
  Watches watches_;
  bool revoked_ = false;
  std::size_t commits_ = 0;
  std::weak_ptr<int> changing_password_;
  std::size_t block_bytes_ = 0;
  std::deque<SessionPutBlock> waiting_blocks_;
};

}  // namespace

SessionActor::behavior_type session(SessionActor::pointer self, SessionIdentity identity,
                                    std::shared_ptr<const storage::KeyRing> keys, std::shared_ptr<Routes> routes) {
  const auto door = identity.door;
  if (door) self->monitor(door);
  auto state = std::make_shared<Session>(self, std::move(identity), std::move(keys), std::move(routes));
  self->set_down_handler([self, state, door](const caf::down_msg& down) {
    if (door && down.source == door) return self->quit(caf::exit_reason::user_shutdown);
    state->watches().hub_down();
  });
  return {
      [state](const SessionQuery& message) { state->query(message); },
      [state](SessionCommit& message) { state->commit(message); },
      [state](SessionPutBlock& message) { state->put_block(message); },
      [state](const BlockStored& message) { state->block_stored(message); },
      [state](const SessionFetchBlock& message) { state->fetch_block(message); },
      [state](const SessionRevoke& message) { state->revoke(message); },
      [state](const SessionSetPassword& message) { state->set_password(message); },
      [state](const StorePassword& message) { state->store_password(message); },
      [state](const SessionWatch& message) { state->watch(message); },
      [state](const SessionUnwatch& message) { state->watches().remove(message.watch); },
      [state](const WatchAnswered& message) { state->watches().answered(message); },
      [state](const SessionRevoked&) { state->end(); },
      [state](const JournalGrew& message) { state->watches().grew(message); },
      [state](const TimerFired&) { state->watches().retry(); },
  };
}

}  // namespace cairn::actors
