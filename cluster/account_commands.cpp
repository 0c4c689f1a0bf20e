// Commands about accounts and their tokens.
#include <algorithm>
#include <vector>

#include "cluster/apply.hpp"
#include "cluster/drive.hpp"
#include "protocol/names.hpp"

namespace cairn::cluster {
namespace {

constexpr std::size_t secret_hash_bytes = 32;
constexpr std::uint32_t root_mode = 0755;

Error no_account() { return Error{Errc::not_found, "there is no such account"}; }

struct FoundToken {
  ClientId client;
  rows::TokenRow row;
};

/// All tokens of an account: at most max_tokens_per_account.
Result<std::vector<FoundToken>> tokens_of(storage::RowReader& rows, const rows::AccountKeys& keys) {
  std::vector<FoundToken> tokens;
  std::optional<Error> bad;
  const auto range = keys.all_of(rows::Kind::token);
  CAIRN_TRY(rows.scan(range.from, range.to, [&](BytesView key, BytesView value) {
    rows::ParsedKey parsed;
    auto& token = tokens.emplace_back();
    if (!rows::parse(key, parsed) || parsed.rest.size() != 8 || !decode(value, token.row)) {
      bad = rows::corrupt_row(key);
      return false;
    }
    token.client.value = Reader(parsed.rest).u64();
    return true;
  }));
  if (bad) return *bad;
  return tokens;
}

void erase_token(RowTransaction& rows, const rows::AccountKeys& keys, const FoundToken& token) {
  rows.erase(keys.token(token.client));
  rows.erase(keys.token_secret(token.row.secret_hash));
}

/// The account's row; not_found.
Result<rows::AccountRow> account_row(storage::RowReader& rows, const rows::AccountKeys& keys) {
  auto row = rows::read<rows::AccountRow>(rows, keys.account());
  if (!row.ok()) return row.error();
  if (!*row) return no_account();
  return std::move(**row);
}

/// The login of a command is taken: by its own account, if it was applied before and is sent again. The hash holds a
/// random salt, so that nobody else's is the same. Once the password has changed that cannot be seen any more.
Result<Applied> made_before(const CreateAccount& command, Slot slot, BytesView login_row, RowTransaction& rows) {
  const Error taken{Errc::already_exists, "login \"" + printable(command.login) + "\" is taken"};
  rows::NumberRow ordinal;
  if (!decode(login_row, ordinal)) return rows::corrupt_row(rows::login_key(slot, command.login));
  const auto account = make_account_id(slot, static_cast<std::uint32_t>(ordinal.number));
  auto row = account_row(rows, rows::AccountKeys(account));
  if (!row.ok()) return row.error();
  if (row->password_hash != command.password_hash) return taken;
  return Applied{AccountCreated{account}, {}, {}};
}

}  // namespace

Result<Applied> apply(const CreateAccount& command, Timestamp now, RowTransaction& rows) {
  auto login = normalize_login(command.login);
  if (!login.ok()) return login.error();
  if (*login != command.login)
    return Error{Errc::invalid_argument, "login is not in its normal form"};
  const auto slot = slot_of_login(command.login);
  auto taken = rows.get(rows::login_key(slot, command.login));
  if (!taken.ok()) return taken.error();
  if (*taken) return made_before(command, slot, **taken, rows);
  auto counter = rows::read<rows::NumberRow>(rows, rows::counter_key(slot));
  if (!counter.ok()) return counter.error();
  const auto ordinal = counter->value_or(rows::NumberRow{}).number + 1;
  if (ordinal > 0xffffffff)
    return Error{Errc::too_large, "the slot holds as many accounts as it can"};

  const auto account = make_account_id(slot, static_cast<std::uint32_t>(ordinal));
  const rows::AccountKeys keys(account);
  const auto time = clamp(now);
  rows.put(rows::counter_key(slot), encode(rows::NumberRow{ordinal}));
  rows.put(rows::login_key(slot, command.login), encode(rows::NumberRow{ordinal}));
  rows.put(keys.account(), encode(rows::AccountRow{command.login, command.password_hash, time}));
  rows::DriveRow drive;
  drive.last_now = time;
  drive.quota_bytes = command.quota_bytes;
  rows.put(keys.drive(), encode(drive));
  rows::EntryRow root;
  root.attributes = {root_mode, time.millis * 1'000'000};
  root.committed_at = time;
  rows.put(keys.entry(root_entry), encode(root_entry, root));
  return Applied{AccountCreated{account}, {}, {}};
}

Result<Applied> apply(const IssueToken& command, Timestamp now, RowTransaction& rows) {
  if (command.client.value == 0) return Error{Errc::invalid_argument, "client id is 0"};
  if (command.secret_hash.size() != secret_hash_bytes)
    return Error{Errc::invalid_argument, "secret hash is not of 32 bytes"};
  if (command.device.size() > limits::max_device_bytes)
    return Error{Errc::too_large,
                 "device is over " + std::to_string(limits::max_device_bytes) + " bytes"};
  const rows::AccountKeys keys(command.account);
  auto account = account_row(rows, keys);
  if (!account.ok()) return account.error();
  auto holder = rows::read<rows::NumberRow>(rows, keys.token_secret(command.secret_hash));
  if (!holder.ok()) return holder.error();
  // Secrets are random: the same one of the same device is this command, sent again. If it was revoked meanwhile it
  // stays so.
  if (*holder && (*holder)->number == command.client.value) return Applied{Done{}, {}, {}};
  if (*holder) return Error{Errc::invalid_argument, "a token with this secret exists"};

  auto tokens = tokens_of(rows, keys);
  if (!tokens.ok()) return tokens.error();
  const auto same = std::find_if(tokens->begin(), tokens->end(), [&](const FoundToken& token) {
    return token.client == command.client;
  });
  if (same != tokens->end()) {
    erase_token(rows, keys, *same);
  } else if (tokens->size() >= limits::max_tokens_per_account) {
    erase_token(rows, keys,
                *std::min_element(tokens->begin(), tokens->end(), [](const auto& a, const auto& b) {
                  return std::tie(a.row.signed_in, a.client) < std::tie(b.row.signed_in, b.client);
                }));
  }
  rows.put(keys.token(command.client),
           encode(rows::TokenRow{command.secret_hash, command.device, clamp(now), false}));
  rows.put(keys.token_secret(command.secret_hash), encode(rows::NumberRow{command.client.value}));
  return Applied{Done{}, {}, {}};
}

Result<Applied> apply(const RevokeToken& command, Timestamp, RowTransaction& rows) {
  const rows::AccountKeys keys(command.account);
  auto token = rows::read<rows::TokenRow>(rows, keys.token(command.client));
  if (!token.ok()) return token.error();
  if (!*token) return Error{Errc::not_found, "this device has no token"};
  if ((*token)->revoked) return Applied{Done{}, {}, {}};
  (*token)->revoked = true;
  rows.put(keys.token(command.client), encode(**token));
  return Applied{Done{}, {}, {}};
}

Result<Applied> apply(const SetPassword& command, Timestamp, RowTransaction& rows) {
  const rows::AccountKeys keys(command.account);
  auto account = account_row(rows, keys);
  if (!account.ok()) return account.error();
  if (account->password_hash != command.checked_hash && account->password_hash != command.password_hash)
    return Error{Errc::conflict, "the password was changed meanwhile"};
  auto tokens = tokens_of(rows, keys);
  if (!tokens.ok()) return tokens.error();
  for (auto& token : *tokens) {
    if (token.client == command.keep || token.row.revoked) continue;
    token.row.revoked = true;
    rows.put(keys.token(token.client), encode(token.row));
  }
  account->password_hash = command.password_hash;
  rows.put(keys.account(), encode(*account));
  return Applied{Done{}, {}, {}};
}

Result<Applied> apply(const SetQuota& command, Timestamp, RowTransaction& rows) {
  const rows::AccountKeys keys(command.account);
  auto drive = rows::read<rows::DriveRow>(rows, keys.drive());
  if (!drive.ok()) return drive.error();
  if (!*drive) return no_account();
  (*drive)->quota_bytes = command.quota_bytes;
  rows.put(keys.drive(), encode(**drive));
  return Applied{Done{}, {}, {}};
}

}  // namespace cairn::cluster
