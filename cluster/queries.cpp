#include "cluster/queries.hpp"

#include "cluster/model_codec.hpp"

namespace cairn::cluster {

static void put(Writer& out, const FindLogin& query) { put(out, query.login); }
static void get(Reader& in, FindLogin& query) { get(in, query.login); }
static void put(Writer& out, const CheckToken& query) {
  put(out, query.account);
  put(out, query.secret_hash);
}
static void get(Reader& in, CheckToken& query) {
  get(in, query.account);
  get(in, query.secret_hash);
}
static void put(Writer& out, const ListDevices& query) { put(out, query.account); }
static void get(Reader& in, ListDevices& query) { get(in, query.account); }
static void put(Writer& out, const Stat& query) {
  put(out, query.account);
  put(out, query.entry);
}
static void get(Reader& in, Stat& query) {
  get(in, query.account);
  get(in, query.entry);
}
static void put(Writer& out, const List& query) {
  put(out, query.account);
  put(out, query.folder);
  put(out, query.after);
  put(out, query.limit);
}
static void get(Reader& in, List& query) {
  get(in, query.account);
  get(in, query.folder);
  get(in, query.after);
  get(in, query.limit);
}
static void put(Writer& out, const ListTrash& query) {
  put(out, query.account);
  put(out, query.after);
  put(out, query.limit);
}
static void get(Reader& in, ListTrash& query) {
  get(in, query.account);
  get(in, query.after);
  get(in, query.limit);
}
static void put(Writer& out, const GetContent& query) {
  put(out, query.account);
  put(out, query.entry);
  put(out, query.version);
}
static void get(Reader& in, GetContent& query) {
  get(in, query.account);
  get(in, query.entry);
  get(in, query.version);
}
static void put(Writer& out, const ListVersions& query) {
  put(out, query.account);
  put(out, query.entry);
  put(out, query.before);
  put(out, query.limit);
}
static void get(Reader& in, ListVersions& query) {
  get(in, query.account);
  get(in, query.entry);
  get(in, query.before);
  get(in, query.limit);
}
static void put(Writer& out, const FindMissing& query) {
  put(out, query.account);
  put(out, query.blocks);
}
static void get(Reader& in, FindMissing& query) {
  get(in, query.account);
  get(in, query.blocks);
}
static void put(Writer& out, const ReadChanges& query) {
  put(out, query.account);
  put(out, query.after);
  put(out, query.limit);
}
static void get(Reader& in, ReadChanges& query) {
  get(in, query.account);
  get(in, query.after);
  get(in, query.limit);
}
static void put(Writer& out, const GetUsage& query) { put(out, query.account); }
static void get(Reader& in, GetUsage& query) { get(in, query.account); }
static void put(Writer& out, const ListReferences& query) {
  put(out, query.after);
  put(out, query.limit);
}
static void get(Reader& in, ListReferences& query) {
  get(in, query.after);
  get(in, query.limit);
}

static void put(Writer& out, const LoginFound& result) {
  put(out, result.account);
  put(out, result.password_hash);
}
static void get(Reader& in, LoginFound& result) {
  get(in, result.account);
  get(in, result.password_hash);
}
static void put(Writer& out, const TokenFound& result) {
  put(out, result.client);
  put(out, result.device);
  put(out, result.login);
}
static void get(Reader& in, TokenFound& result) {
  get(in, result.client);
  get(in, result.device);
  get(in, result.login);
}
static void put(Writer& out, const Devices& result) { put(out, result.devices); }
static void get(Reader& in, Devices& result) { get(in, result.devices); }
static void put(Writer& out, const ContentFound& result) {
  put(out, result.entry);
  put(out, result.version);
  put(out, result.content);
}
static void get(Reader& in, ContentFound& result) {
  get(in, result.entry);
  get(in, result.version);
  get(in, result.content);
}
static void put(Writer& out, const Versions& result) { put(out, result.versions); }
static void get(Reader& in, Versions& result) { get(in, result.versions); }
static void put(Writer& out, const Missing& result) { put(out, result.indexes); }
static void get(Reader& in, Missing& result) { get(in, result.indexes); }
static void put(Writer& out, const References& result) {
  put(out, result.blocks);
  put(out, result.next);
}
static void get(Reader& in, References& result) {
  get(in, result.blocks);
  get(in, result.next);
}

Bytes encode(const Query& query) { return put_whole(query); }
Result<Query> decode_query(BytesView bytes) { return get_whole<Query>(bytes, "query"); }

Bytes encode(const QueryResult& result) { return put_whole(result); }
Result<QueryResult> decode_query_result(BytesView bytes) {
  return get_whole<QueryResult>(bytes, "query result");
}

}  // namespace cairn::cluster
