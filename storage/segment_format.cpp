#include "storage/segment_format.hpp"

#include <algorithm>
#include <array>

#include "protocol/codec.hpp"
#include "protocol/digest.hpp"

namespace cairn::storage::segment_format {
namespace {

constexpr BytesView header_magic = "CAIRNSEG";
constexpr BytesView seal_magic = "CAIRNEND";
constexpr std::uint32_t format_version = 1;
constexpr std::size_t header_bytes = 36;
constexpr std::size_t seal_bytes = 16;
constexpr std::size_t window_bytes = 1u << 20;

void put(char* at, std::uint64_t n, int bytes) {
  for (int i = bytes; i-- > 0; n >>= 8) at[i] = static_cast<char>(n);
}

std::uint32_t identity_checksum(const Identity& identity) {
  std::array<char, 20> bytes{};
  put(bytes.data(), identity.log, 8);
  put(bytes.data() + 8, identity.incarnation, 8);
  put(bytes.data() + 16, identity.segment, 4);
  return crc32c({bytes.data(), bytes.size()});
}

std::uint32_t record_header_checksum(const Identity& identity, std::uint32_t offset,
                                     BytesView fields) {
  std::array<char, 4> place{};
  put(place.data(), offset, 4);
  return crc32c(fields, crc32c({place.data(), place.size()}, identity_checksum(identity)));
}

std::uint32_t big_endian(BytesView bytes, std::size_t at) {
  std::uint32_t n = 0;
  for (std::size_t i = 0; i < 4; ++i) n = n << 8 | static_cast<unsigned char>(bytes[at + i]);
  return n;
}

}  // namespace

Bytes encode_header_page(const Identity& identity) {
  Writer out;
  out.raw(header_magic).u32(format_version).u32(identity.segment);
  out.u64(identity.log).u64(identity.incarnation);
  out.u32(crc32c(out.view()));
  auto page = out.take();
  page.resize(header_page_bytes);
  return page;
}

std::optional<Identity> decode_header_page(BytesView page) {
  if (page.size() < header_bytes) return std::nullopt;
  Reader in(page.substr(0, header_bytes));
  const auto magic = in.raw(header_magic.size());
  const auto version = in.u32();
  Identity identity;
  identity.segment = in.u32();
  identity.log = in.u64();
  identity.incarnation = in.u64();
  const auto checksum = in.u32();
  if (!in.finished() || magic != header_magic || version != format_version ||
      checksum != crc32c(page.substr(0, header_bytes - 4)))
    return std::nullopt;
  return identity;
}

Bytes encode_seal(const Identity& identity, std::uint32_t end) {
  Writer out;
  out.raw(seal_magic).u32(end);
  out.u32(crc32c(out.view(), identity_checksum(identity)));
  return out.take();
}

std::optional<std::uint32_t> decode_seal(const Identity& identity, BytesView page) {
  if (page.size() < seal_offset + seal_bytes) return std::nullopt;
  const auto seal = page.substr(seal_offset, seal_bytes);
  Reader in(seal);
  const auto magic = in.raw(seal_magic.size());
  const auto end = in.u32();
  const auto checksum = in.u32();
  if (magic != seal_magic ||
      checksum != crc32c(seal.substr(0, seal_bytes - 4), identity_checksum(identity)))
    return std::nullopt;
  return end;
}

Bytes encode_record_header(const Identity& identity, std::uint32_t offset,
                           const RecordHeader& header) {
  Bytes out(record_header_bytes, '\0');
  put(out.data() + 4, header.body_checksum, 4);
  put(out.data() + 8, header.length, 4);
  put(out.data() + 12, header.watermark, 4);
  out[16] = static_cast<char>(header.type);
  out[17] = static_cast<char>(header.kind);
  put(out.data(), record_header_checksum(identity, offset, BytesView(out).substr(4)), 4);
  return out;
}

std::optional<RecordHeader> decode_record_header(const Identity& identity, std::uint32_t offset,
                                                 BytesView bytes) {
  if (bytes.size() < record_header_bytes) return std::nullopt;
  // What is cheap to see comes first: most places that are looked at hold no header.
  const auto type = static_cast<std::uint8_t>(bytes[16]);
  if (type < 1 || type > 3 || bytes[18] != 0 || bytes[19] != 0) return std::nullopt;
  const auto fields = bytes.substr(4, record_header_bytes - 4);
  if (big_endian(bytes, 0) != record_header_checksum(identity, offset, fields)) return std::nullopt;
  RecordHeader header;
  header.type = static_cast<RecordType>(type);
  header.kind = static_cast<std::uint8_t>(bytes[17]);
  header.body_checksum = big_endian(bytes, 4);
  header.length = big_endian(bytes, 8);
  header.watermark = big_endian(bytes, 12);
  return header;
}

std::uint32_t next_position(std::uint32_t end) {
  const auto aligned = (end + 3) / 4 * 4;
  const auto left = sector_bytes - aligned % sector_bytes;
  return left < record_header_bytes ? aligned + left : aligned;
}

Result<BytesView> Window::view(std::uint64_t offset, std::size_t count) {
  if (offset >= limit_) return BytesView();
  count = static_cast<std::size_t>(std::min<std::uint64_t>(count, limit_ - offset));
  if (offset < start_ || offset + count > start_ + buffer_.size()) {
    const auto wanted = std::min<std::uint64_t>(std::max(count, window_bytes), limit_ - offset);
    auto bytes = file_.read(offset, static_cast<std::size_t>(wanted));
    if (!bytes.ok()) return bytes.error();
    buffer_ = std::move(bytes).value();
    start_ = offset;
  }
  return BytesView(buffer_).substr(static_cast<std::size_t>(offset - start_), count);
}

Result<Walk> walk_records(Window& window, const Identity& identity,
                          const std::function<Result<void>(const Record&)>& visit,
                          std::uint32_t from) {
  Walk walk;
  walk.stopped_at = from;
  while (true) {
    const auto at = walk.stopped_at;
    auto bytes = window.view(at, record_header_bytes);
    if (!bytes.ok()) return bytes.error();
    const auto header = decode_record_header(identity, at, *bytes);
    if (!header) return walk;
    if (header->type != RecordType::record) {
      walk.stop = header->type == RecordType::end_mark ? Stop::end_mark : Stop::cut_mark;
      return walk;
    }
    bytes = window.view(at + record_header_bytes, header->length);
    if (!bytes.ok()) return bytes.error();
    if (bytes->size() != header->length || crc32c(*bytes) != header->body_checksum) return walk;
    walk.stopped_at = next_position(at + record_header_bytes + header->length);
    if (visit) CAIRN_TRY(visit({{identity.segment, at}, header->kind, Bytes(*bytes)}));
  }
}

Result<std::uint32_t> walk_past_damage(Window& window, const Identity& identity, std::uint32_t from,
                                       std::uint32_t end, std::uint64_t max_bytes,
                                       const std::function<Result<void>(const Record&)>& visit) {
  auto at = from;
  while (at < end && at - from < max_bytes) {
    auto bytes = window.view(at, record_header_bytes);
    if (!bytes.ok()) return bytes.error();
    const auto header = decode_record_header(identity, at, *bytes);
    if (!header || header->type != RecordType::record) {
      at += 4;  // the least step from one place for a header to the next
      continue;
    }
    bytes = window.view(at + record_header_bytes, header->length);
    if (!bytes.ok()) return bytes.error();
    if (bytes->size() == header->length && crc32c(*bytes) == header->body_checksum)
      CAIRN_TRY(visit({{identity.segment, at}, header->kind, Bytes(*bytes)}));
    at = next_position(at + record_header_bytes + header->length);
  }
  return at;
}

Result<Remains> find_remains(Window& window, const Identity& identity, std::uint32_t from) {
  Remains remains;
  for (std::uint64_t at = from;;) {
    const auto bytes = window.view(at, window_bytes);
    if (!bytes.ok()) return bytes.error();
    if (bytes->size() < record_header_bytes) return remains;
    std::size_t i = 0;
    for (; i + record_header_bytes <= bytes->size(); i += 4) {
      const auto offset = static_cast<std::uint32_t>(at + i);
      const auto header = decode_record_header(identity, offset, bytes->substr(i));
      if (!header) continue;
      remains.end = offset + record_header_bytes;
      remains.max_watermark = std::max(remains.max_watermark, header->watermark);
    }
    at += i;
  }
}

}  // namespace cairn::storage::segment_format
