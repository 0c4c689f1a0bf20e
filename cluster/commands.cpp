#include "cluster/commands.hpp"

#include "cluster/model_codec.hpp"

namespace cairn::cluster {

static void put(Writer& out, const CreateAccount& body) {
  out.bytes(body.login).bytes(body.password_hash).varint(body.quota_bytes);
}
static void get(Reader& in, CreateAccount& body) {
  body.login = in.bytes();
  body.password_hash = in.bytes();
  body.quota_bytes = in.varint();
}

static void put(Writer& out, const IssueToken& body) {
  put(out, body.account);
  put(out, body.client);
  out.bytes(body.device).bytes(body.secret_hash);
}
static void get(Reader& in, IssueToken& body) {
  get(in, body.account);
  get(in, body.client);
  body.device = in.bytes();
  body.secret_hash = in.bytes();
}

static void put(Writer& out, const RevokeToken& body) {
  put(out, body.account);
  put(out, body.client);
}
static void get(Reader& in, RevokeToken& body) {
  get(in, body.account);
  get(in, body.client);
}

static void put(Writer& out, const SetPassword& body) {
  put(out, body.account);
  out.bytes(body.password_hash);
  put(out, body.keep);
  out.bytes(body.checked_hash);
}
static void get(Reader& in, SetPassword& body) {
  get(in, body.account);
  body.password_hash = in.bytes();
  get(in, body.keep);
  body.checked_hash = in.bytes();
}

static void put(Writer& out, const SetQuota& body) {
  put(out, body.account);
  out.varint(body.quota_bytes);
}
static void get(Reader& in, SetQuota& body) {
  get(in, body.account);
  body.quota_bytes = in.varint();
}

static void put(Writer& out, const CommitChanges& body) {
  put(out, body.account);
  put(out, body.request.client);
  out.varint(body.request.sequence).varint(body.acknowledged).bytes(body.device);
  put(out, body.changes);
  put(out, body.proven);
}
static void get(Reader& in, CommitChanges& body) {
  get(in, body.account);
  get(in, body.request.client);
  body.request.sequence = in.varint();
  body.acknowledged = in.varint();
  body.device = in.bytes();
  get(in, body.changes);
  get(in, body.proven);
}

static void put(Writer& out, const Tick& body) {
  out.svarint(body.trash_retention_millis).svarint(body.version_retention_millis);
}
static void get(Reader& in, Tick& body) {
  body.trash_retention_millis = in.svarint();
  body.version_retention_millis = in.svarint();
}

static void put(Writer& out, const Command& command) {
  put(out, command.now);
  put(out, command.body);
}
static void get(Reader& in, Command& command) {
  get(in, command.now);
  get(in, command.body);
}

static void put(Writer&, const Done&) {}
static void get(Reader&, Done&) {}
static void put(Writer& out, const AccountCreated& result) { put(out, result.account); }
static void get(Reader& in, AccountCreated& result) { get(in, result.account); }
static void put(Writer& out, const TickDone& result) { put(out, result.more); }
static void get(Reader& in, TickDone& result) { get(in, result.more); }

std::optional<Slot> slot_of(const Command& command) {
  if (const auto* create = std::get_if<CreateAccount>(&command.body)) return slot_of_login(create->login);
  return std::visit(
      [](const auto& body) -> std::optional<Slot> {
        if constexpr (requires { body.account; }) return slot_of(body.account);
        return std::nullopt;
      },
      command.body);
}

Bytes encode(const Command& command) { return put_whole(command); }
Result<Command> decode_command(BytesView bytes) { return get_whole<Command>(bytes, "command"); }

Bytes encode(const CommandResult& result) { return put_whole(result); }
Result<CommandResult> decode_command_result(BytesView bytes) {
  return get_whole<CommandResult>(bytes, "command result");
}

}  // namespace cairn::cluster
