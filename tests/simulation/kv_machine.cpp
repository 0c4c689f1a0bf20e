#include "tests/simulation/kv_machine.hpp"

#include "protocol/codec.hpp"

namespace cairn::simulation {
namespace {

using cluster::Fault;

Bytes row_key(char kind, std::uint64_t n) { return Writer().u8(static_cast<std::uint8_t>(kind)).u64(n).take(); }
Bytes number_row(std::uint64_t n) { return Writer().varint(n).take(); }

}  // namespace

Bytes encode(const Put& put) {
  return Writer().varint(put.client).varint(put.sequence).varint(put.key).varint(put.value).take();
}

std::optional<Put> decode_put(BytesView bytes) {
  Reader in(bytes);
  Put put;
  put.client = in.varint();
  put.sequence = in.varint();
  put.key = in.varint();
  put.value = in.varint();
  if (!in.finished()) return std::nullopt;
  return put;
}

std::uint64_t KvMachine::number(BytesView key, const storage::WriteBatch& batch) {
  if (const auto* changed = batch.find(key)) return changed->value() ? Reader(*changed->value()).varint() : 0;
  const auto row = rows_.get(key).value();
  return row ? Reader(*row).varint() : 0;
}

PutResult KvMachine::apply(const Put& put, storage::WriteBatch& batch) {
  const auto kept_key = row_key('r', put.client);
  Bytes kept;
  if (const auto* changed = batch.find(kept_key)) kept = changed->value().value_or(BytesView());
  else if (auto row = rows_.get(kept_key).value()) kept = *row;
  if (!kept.empty()) {
    Reader in(kept);
    const auto sequence = in.varint();
    const auto before = in.varint();
    if (sequence == put.sequence || faults_.has(Fault::result_by_client_only)) return {true, true, before};
    if (sequence > put.sequence) return {};
  }
  const auto key = row_key('k', put.key);
  const auto before = number(key, batch);
  const auto cursor = number("c", batch) + 1;
  batch.put(key, number_row(put.value));
  batch.put("c", number_row(cursor));
  batch.put(row_key('j', cursor), Writer().varint(put.key).varint(put.value).take());
  batch.put(kept_key, Writer().varint(put.sequence).varint(before).take());
  return {true, false, before};
}

std::uint64_t KvMachine::get(std::uint64_t key) { return number(row_key('k', key), {}); }
std::uint64_t KvMachine::last_cursor() { return number("c", {}); }

std::vector<JournalRow> KvMachine::journal_after(std::uint64_t cursor) {
  std::vector<JournalRow> out;
  (void)rows_.scan(row_key('j', cursor + 1), row_key('j', ~0ull), [&](BytesView key, BytesView value) {
    Reader k(key);
    k.u8();
    Reader v(value);
    out.push_back({k.u64(), 0, 0});
    out.back().key = v.varint();
    out.back().value = v.varint();
    return true;
  });
  return out;
}

bool is_result_row(BytesView key) { return !key.empty() && key[0] == 'r'; }

}  // namespace cairn::simulation
