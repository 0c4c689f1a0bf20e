// Queries about accounts and their tokens.
#include "cluster/answers.hpp"
#include "cluster/drive_view.hpp"
#include "protocol/digest.hpp"

namespace cairn::cluster {
namespace {

constexpr std::size_t secret_hash_bytes = 32;

}  // namespace

QueryResult answer(const FindLogin& query, storage::RowReader& rows) {
  const Error none{Errc::not_found, "there is no such login"};
  if (query.login.empty() || query.login.size() > limits::max_login_bytes) return none;
  const auto slot = slot_of_login(query.login);
  const auto ordinal = rows::read<rows::NumberRow>(rows, rows::login_key(slot, query.login));
  if (!ordinal.ok()) return ordinal.error();
  if (!*ordinal) return none;
  const auto account = make_account_id(slot, static_cast<std::uint32_t>((*ordinal)->number));
  const auto key = rows::AccountKeys(account).account();
  auto row = rows::read<rows::AccountRow>(rows, key);
  if (!row.ok()) return row.error();
  if (!*row) return rows::corrupt_row(key);
  return LoginFound{account, std::move((*row)->password_hash)};
}

QueryResult answer(const CheckToken& query, storage::RowReader& rows) {
  const Error unknown{Errc::unknown_token, "the token is not known"};
  if (query.secret_hash.size() != secret_hash_bytes) return unknown;
  const rows::AccountKeys keys(query.account);
  const auto client = rows::read<rows::NumberRow>(rows, keys.token_secret(query.secret_hash));
  if (!client.ok()) return client.error();
  if (!*client) return unknown;
  const ClientId id{(*client)->number};
  auto token = rows::read<rows::TokenRow>(rows, keys.token(id));
  if (!token.ok()) return token.error();
  if (!*token || !equal_constant_time((*token)->secret_hash, query.secret_hash))
    return rows::corrupt_row(keys.token(id));
  if ((*token)->revoked) return Error{Errc::revoked_token, "the token has been revoked"};
  auto account = rows::read<rows::AccountRow>(rows, keys.account());
  if (!account.ok()) return account.error();
  if (!*account) return rows::corrupt_row(keys.account());
  return TokenFound{id, std::move((*token)->device), std::move((*account)->login)};
}

QueryResult answer(const ListDevices& query, storage::RowReader& rows) {
  Devices out;
  std::optional<Error> bad;
  const auto range = rows::AccountKeys(query.account).all_of(rows::Kind::token);
  const auto scanned = rows.scan(range.from, range.to, [&](BytesView key, BytesView value) {
    rows::ParsedKey parsed;
    rows::TokenRow token;
    if (!rows::parse(key, parsed) || parsed.rest.size() != 8 || !decode(value, token)) {
      bad = rows::corrupt_row(key);
      return false;
    }
    out.devices.push_back(
        {ClientId{Reader(parsed.rest).u64()}, token.device, token.signed_in, token.revoked});
    return true;
  });
  if (!scanned.ok()) return scanned.error();
  if (bad) return *bad;
  return out;
}

QueryResult answer(const GetUsage& query, storage::RowReader& rows) {
  DriveView drive(rows, query.account);
  const auto row = drive.counters();
  if (!row.ok()) return row.error();
  return Usage{(*row)->used_bytes, (*row)->quota_bytes, (*row)->entries};
}

}  // namespace cairn::cluster
