#include "cluster/directory_rows.hpp"

#include "cluster/directory_codec.hpp"

namespace cairn::cluster::directory {

static void put(Writer& out, const Head& head) {
  put(out, head.cluster);
  put(out, head.epoch);
  put(out, head.clock);
  out.varint(head.next_shard).varint(head.next_replica).varint(head.first_event).varint(head.next_event);
}
static void get(Reader& in, Head& head) {
  get(in, head.cluster);
  get(in, head.epoch);
  get(in, head.clock);
  get(in, head.next_shard);
  head.next_replica = in.varint();
  head.first_event = in.varint();
  head.next_event = in.varint();
}

namespace {

constexpr std::uint8_t directory_tag = 0xd0;
enum Kind : std::uint8_t { head_kind = 1, node_kind = 2, shard_kind = 3, setting_kind = 4, event_kind = 5 };

Writer key_of(Kind kind) {
  Writer key;
  key.u8(directory_tag).u8(kind);
  return key;
}

Bytes first_key(Kind kind) { return key_of(kind).take(); }
Bytes end_key(Kind kind) { return key_of(static_cast<Kind>(kind + 1)).take(); }

Error corrupt_row(const char* what) { return {Errc::corrupt, std::string("the row of ") + what + " is damaged"}; }

template <class Row>
bool decode(BytesView bytes, Row& row) {
  Reader in(bytes);
  get(in, row);
  return in.finished();
}

template <class Row>
Result<std::optional<Row>> read(storage::RowReader& rows, const Bytes& key, const char* what) {
  const auto bytes = rows.get(key);
  CAIRN_TRY(bytes);
  if (!*bytes) return std::optional<Row>();
  Row row;
  if (!decode(**bytes, row)) return corrupt_row(what);
  return std::optional<Row>(std::move(row));
}

/// Goes on with `visit` for each row that is sound; answers whether the scan may go on.
template <class Row>
std::function<bool(BytesView, BytesView)> visitor(const std::function<bool(Row)>& visit, bool& bad) {
  return [&](BytesView, BytesView value) {
    Row row;
    bad = !decode(value, row);
    return !bad && visit(std::move(row));
  };
}

template <class Row>
Result<void> scan(storage::RowReader& rows, const Bytes& from, Kind kind, const char* what,
                  const std::function<bool(Row)>& visit) {
  bool bad = false;
  CAIRN_TRY(rows.scan(from, end_key(kind), visitor(visit, bad)));
  if (bad) return corrupt_row(what);
  return {};
}

}  // namespace

Bytes head_key() { return first_key(head_kind); }
Bytes node_key(const NodeName& name) { return key_of(node_kind).raw(name.text()).take(); }
Bytes shard_key(ShardId id) { return key_of(shard_kind).u32(id.value).take(); }
Bytes setting_key(std::string_view name) { return key_of(setting_kind).raw(name).take(); }
Bytes event_key(std::uint64_t number) { return key_of(event_kind).u64(number).take(); }

Bytes encode_row(const Head& head) {
  Writer out;
  put(out, head);
  return out.take();
}
Bytes encode_row(const Node& node) { return put_whole(node); }
Bytes encode_row(const Shard& shard) { return put_whole(shard); }
Bytes encode_row(const Event& event) { return put_whole(event); }

Result<Head> read_head(storage::RowReader& rows) {
  const auto head = read<Head>(rows, head_key(), "the directory's head");
  CAIRN_TRY(head);
  return head->value_or(Head{});
}

Result<std::optional<Node>> read_node(storage::RowReader& rows, const NodeName& name) {
  return read<Node>(rows, node_key(name), "a node");
}

Result<std::optional<Shard>> read_shard(storage::RowReader& rows, ShardId id) {
  return read<Shard>(rows, shard_key(id), "a shard");
}

Result<void> scan_nodes(storage::RowReader& rows, const NodeName& after, const std::function<bool(Node)>& visit) {
  // No name follows another more closely than with a zero byte behind it.
  return scan(rows, node_key(after) + '\0', node_kind, "a node", visit);
}

Result<void> scan_shards(storage::RowReader& rows, const std::function<bool(Shard)>& visit) {
  return scan(rows, first_key(shard_kind), shard_kind, "a shard", visit);
}

Result<void> scan_events_back(storage::RowReader& rows, std::uint64_t before, const std::function<bool(Event)>& visit) {
  bool bad = false;
  CAIRN_TRY(rows.scan_back(first_key(event_kind), event_key(before), visitor(visit, bad)));
  if (bad) return corrupt_row("an event");
  return {};
}

Result<std::map<std::string, std::string>> read_settings(storage::RowReader& rows) {
  std::map<std::string, std::string> out;
  CAIRN_TRY(rows.scan(first_key(setting_kind), end_key(setting_kind), [&](BytesView key, BytesView value) {
    out.emplace(key.substr(2), value);
    return true;
  }));
  return out;
}

Result<DirectoryState> read_state(storage::RowReader& rows) {
  DirectoryState out;
  const auto head = read_head(rows);
  CAIRN_TRY(head);
  out.cluster = head->cluster;
  out.epoch = head->epoch;
  CAIRN_TRY(scan_nodes(rows, {}, [&](Node node) {
    out.nodes.insert_or_assign(node.name, std::move(node));
    return true;
  }));
  CAIRN_TRY(scan_shards(rows, [&](Shard shard) {
    out.shards.insert_or_assign(shard.id, std::move(shard));
    return true;
  }));
  const auto settings = read_settings(rows);
  CAIRN_TRY(settings);
  out.settings = *settings;
  return out;
}

}  // namespace cairn::cluster::directory
