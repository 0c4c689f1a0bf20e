#include "storage/row_stream.hpp"

#include "protocol/codec.hpp"

namespace cairn::storage {

Result<Bytes> RowStreamReader::row(BytesView key) {
  const auto stored = rows_->get(key);
  if (!stored) return stored.error();
  if (!*stored) return Error{Errc::not_found, "there is no such row"};
  const auto value = open_row(key, **stored);
  if (!value) return value.error();
  return Bytes(*value);
}

Result<RowStreamReader::Part> RowStreamReader::next(std::size_t max_bytes) {
  if (pending_.size() <= max_bytes && !ended_) CAIRN_TRY(fill(max_bytes + 1));
  Part part;
  part.last = ended_ && pending_.size() <= max_bytes;
  part.bytes = part.last ? std::exchange(pending_, {}) : pending_.substr(0, max_bytes);
  if (!part.last) pending_.erase(0, max_bytes);
  offset_ += part.bytes.size();
  return part;
}

// Until there are so many bytes, or all rows are read.
Result<void> RowStreamReader::fill(std::size_t bytes) {
  std::optional<Error> damage;
  bool more = false;
  CAIRN_TRY(rows_->scan(from_, {}, [&](BytesView key, BytesView stored) {
    if (pending_.size() >= bytes) {
      from_ = Bytes(key);
      more = true;
      return false;
    }
    if (const auto value = open_row(key, stored); !value) {
      damage = value.error();
      return false;
    }
    pending_ += Writer().bytes(key).bytes(stored).take();
    ++rows_read_;
    return true;
  }));
  if (damage) return *damage;
  if (more) return {};
  pending_ += Writer().bytes({}).varint(rows_read_).take();
  ended_ = true;
  return {};
}

Result<void> RowStreamWriter::take(BytesView bytes, WriteBatch& batch) {
  const auto malformed = [](const char* what) { return Error{Errc::protocol, std::string("a row stream ") + what}; };
  pending_ += bytes;
  BytesView rest = pending_;
  while (!rest.empty()) {
    if (finished_) return malformed("goes on after its end");
    Reader in(rest);
    const auto key = in.bytes();
    if (!in.failed() && key.empty()) {
      const auto count = in.varint();
      if (in.failed()) break;
      if (count != rows_) return malformed("lacks rows");
      finished_ = true;
    } else {
      const auto stored = in.bytes();
      if (in.failed()) break;
      if (key.front() == '\0' || key <= last_key_) return malformed("has its rows in a wrong order");
      const auto value = open_row(key, stored);
      if (!value) return value.error();
      batch.put(key, *value);
      last_key_ = Bytes(key);
      added_ += key.size() + value->size();
      ++rows_;
    }
    rest = rest.substr(rest.size() - in.remaining());
  }
  // Not whole yet, unless it can never be.
  if (rest.size() > max_streamed_row_bytes) return malformed("has a row that is too large");
  pending_.erase(0, pending_.size() - rest.size());
  return {};
}

}  // namespace cairn::storage
