#include "storage/block_format.hpp"

#include "protocol/codec.hpp"
#include "storage/segment_format.hpp"

namespace cairn::storage::block_format {
namespace {

constexpr char key_prefix = 'b';
constexpr std::uint8_t damaged_flag = 1;
constexpr std::uint8_t quarantined_flag = 2;

Timestamp read_time(Reader& in) { return {static_cast<std::int64_t>(in.u64())}; }
std::uint64_t number_of(Timestamp time) { return static_cast<std::uint64_t>(time.millis); }

}  // namespace

Bytes encode_trailer(const BlockId& id, Timestamp touched) {
  Writer out;
  out.raw(id.view()).u64(number_of(touched));
  return out.take();
}

std::optional<BlockRecord> decode_record(const Record& record) {
  if (record.body.size() < trailer_bytes) return std::nullopt;
  const auto sealed_bytes = record.body.size() - trailer_bytes;
  BlockRecord block;
  switch (record.kind) {
    case static_cast<std::uint8_t>(RecordKind::put):
    case static_cast<std::uint8_t>(RecordKind::moved):
      break;
    case static_cast<std::uint8_t>(RecordKind::touch):
      if (sealed_bytes != 0) return std::nullopt;
      break;
    default:
      return std::nullopt;
  }
  block.kind = static_cast<RecordKind>(record.kind);
  block.sealed = BytesView(record.body).substr(0, sealed_bytes);
  Reader in(BytesView(record.body).substr(sealed_bytes));
  block.id = *BlockId::from_bytes(in.raw(32));
  block.touched = read_time(in);
  return block;
}

std::uint64_t footprint(RecordLocation location, std::uint32_t sealed_bytes) {
  using namespace segment_format;
  const auto body = static_cast<std::uint32_t>(trailer_bytes + sealed_bytes);
  return next_position(location.offset + record_header_bytes + body) - location.offset;
}

Bytes index_key(const BlockId& id) {
  Bytes key;
  key.reserve(1 + id.bytes.size());
  key.push_back(key_prefix);
  key += id.view();
  return key;
}

std::optional<BlockId> id_of_key(BytesView key) {
  if (key.empty() || key.front() != key_prefix) return std::nullopt;
  return BlockId::from_bytes(key.substr(1));
}

Bytes encode_row(const IndexRow& row) {
  Writer out;
  out.u8(static_cast<std::uint8_t>((row.damaged ? damaged_flag : 0) |
                                   (row.quarantined ? quarantined_flag : 0)));
  out.u32(row.location.segment).u32(row.location.offset).u32(row.sealed_bytes);
  out.u64(number_of(row.touched));
  if (row.quarantined) out.u64(number_of(*row.quarantined));
  return out.take();
}

std::optional<IndexRow> decode_row(BytesView value) {
  Reader in(value);
  IndexRow row;
  const auto flags = in.u8();
  row.location.segment = in.u32();
  row.location.offset = in.u32();
  row.sealed_bytes = in.u32();
  row.touched = read_time(in);
  if (flags & quarantined_flag) row.quarantined = read_time(in);
  row.damaged = flags & damaged_flag;
  if (!in.finished() || flags > (damaged_flag | quarantined_flag)) return std::nullopt;
  return row;
}

std::uint64_t position_of(RecordLocation location) {
  return std::uint64_t{location.segment} << 32 | location.offset;
}

RecordLocation location_of(std::uint64_t position) {
  return {static_cast<std::uint32_t>(position >> 32), static_cast<std::uint32_t>(position)};
}

}  // namespace cairn::storage::block_format
