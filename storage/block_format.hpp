// The bytes of block records and index rows (disk_format.md, "Block records and index"). Pure, any thread.
#pragma once

#include <cstdint>
#include <optional>

#include "protocol/ids.hpp"
#include "storage/segment_log.hpp"

namespace cairn::storage::block_format {

/// The tag of a record in the segment log.
enum class RecordKind : std::uint8_t {
  put = 1,    ///< a block was stored
  moved = 2,  ///< compaction copied a block: nobody asked for it, so a quarantine goes on
  touch = 3,  ///< a block that is there was put again
};

/// Id and touch time, behind the sealed bytes, so that cutting them off moves no bytes.
inline constexpr std::size_t trailer_bytes = 32 + 8;

struct BlockRecord {
  RecordKind kind = RecordKind::put;
  BlockId id;
  Timestamp touched;
  BytesView sealed;  ///< empty in a touch
};

Bytes encode_trailer(const BlockId& id, Timestamp touched);
/// Nothing if the record has another form. The view lives as long as the record.
std::optional<BlockRecord> decode_record(const Record& record);

/// Room that the record of a block with `sealed_bytes` takes in its segment, with what aligns the next.
std::uint64_t footprint(RecordLocation location, std::uint32_t sealed_bytes);

/// What the index knows of one block.
struct IndexRow {
  RecordLocation location;
  std::uint32_t sealed_bytes = 0;
  Timestamp touched;
  std::optional<Timestamp> quarantined;  ///< since when
  bool damaged = false;                  ///< its bytes were found rotten: the next put stores them anew
  friend bool operator==(const IndexRow&, const IndexRow&) = default;
};

/// 'b' and the id.
Bytes index_key(const BlockId& id);
std::optional<BlockId> id_of_key(BytesView key);
Bytes encode_row(const IndexRow& row);
std::optional<IndexRow> decode_row(BytesView value);

/// A location as a table's log position, and back. 0 is before every record.
std::uint64_t position_of(RecordLocation location);
RecordLocation location_of(std::uint64_t position);

}  // namespace cairn::storage::block_format
