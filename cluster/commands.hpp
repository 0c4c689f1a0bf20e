// What a shard's log says: every change of metadata is one Command, applied by the metadata machine on
// each replica with the same outcome. What the log must not decide (time, verified receipts, password
// hashes, random secrets) is put in by the proposer. A command that is proposed again, because nobody knows what
// came of it, takes effect once or leaves what it left the first time. Encoded forms are part of the log: append
// only (disk_format.md, "Commands"). Plain values, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "protocol/model.hpp"

namespace cairn::cluster {

/// Makes an account in the slot of its login, with an empty drive. already_exists if the login is taken; with the
/// very same password hash (its salt is random) it is this command again, and answered as before.
struct CreateAccount {
  std::string login;            ///< normalised
  std::string password_hash;    ///< Argon2id, libsodium's text form
  std::uint64_t quota_bytes = 0;
};

/// Adds a token for a device; one of the same client id is replaced. Over max_tokens_per_account the
/// oldest goes. Again with the same secret it changes nothing, even if the token was revoked meanwhile.
struct IssueToken {
  AccountId account;
  ClientId client;
  std::string device;
  Bytes secret_hash;            ///< SHA-256 of the token's secret, 32 bytes
};

/// Revokes the token of a device; not_found if it has none. A revoked token's row stays, so that the command can be
/// sent again.
struct RevokeToken {
  AccountId account;
  ClientId client;
};

/// Replaces the password and revokes every token but that of `keep`. conflict if the password is by now neither
/// the one that was checked nor the new one: the command was overtaken.
struct SetPassword {
  AccountId account;
  std::string password_hash;
  ClientId keep;
  std::string checked_hash;     ///< of the password that the change was allowed by
};

struct SetQuota {
  AccountId account;
  std::uint64_t quota_bytes = 0;
};

/// A batch of changes of one drive. `proven` are blocks (with their plain sizes) for which the proposer
/// has checked a receipt; a manifest may name these and what the drive holds.
struct CommitChanges {
  AccountId account;
  RequestId request;
  std::uint64_t acknowledged = 0;
  std::string device;
  std::vector<Change> changes;
  std::vector<BlockRef> proven;
};

/// Works off what is due: purged trees, trash past its retention, versions past theirs; at most
/// limits::max_purge_per_tick rows of work.
struct Tick {
  std::int64_t trash_retention_millis = 0;
  std::int64_t version_retention_millis = 0;
};

/// The order is part of the log: append only.
using CommandBody =
    std::variant<CreateAccount, IssueToken, RevokeToken, SetPassword, SetQuota, CommitChanges, Tick>;

struct Command {
  Timestamp now;                ///< the proposer's clock; the machine never lets time go back
  CommandBody body;
};

/// The account whose slot a command belongs to; nothing for those of the whole shard (Tick), and for
/// CreateAccount the slot of the login.
std::optional<Slot> slot_of(const Command& command);

Bytes encode(const Command& command);
/// protocol if the bytes are not a whole command.
Result<Command> decode_command(BytesView bytes);

/// What a command came to.
struct AccountCreated { AccountId account; };
struct Done {};                 ///< nothing more to say
struct TickDone { bool more = false; };
using CommandResult = std::variant<Error, Done, AccountCreated, CommitResult, TickDone>;

Bytes encode(const CommandResult& result);
Result<CommandResult> decode_command_result(BytesView bytes);

}  // namespace cairn::cluster
