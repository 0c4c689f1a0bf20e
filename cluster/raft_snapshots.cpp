#include "cluster/raft_snapshots.hpp"

#include "protocol/digest.hpp"

namespace cairn::cluster {

std::optional<std::uint64_t> SnapshotSend::next_read(std::size_t max_chunks) {
  if (reading_ || ended_ || chunks_.size() >= max_chunks) return std::nullopt;
  reading_ = true;
  return read_offset_;
}

bool SnapshotSend::read(const Position& position, std::uint64_t offset, Bytes bytes, bool last) {
  if (!reading_ || offset != read_offset_) return false;
  if (offset > 0 && !(position == position_)) return false;
  reading_ = false;
  ended_ = last;
  position_ = position;
  read_offset_ += bytes.size();
  SnapshotChunk chunk{transfer_, position, offset, last, crc32c(bytes), 0, std::move(bytes)};
  chunks_.push_back(std::move(chunk));
  return true;
}

void SnapshotSend::kept(std::uint64_t offset, Instant now) {
  moved_ = now;
  while (!chunks_.empty() && !chunks_.front().last && chunks_.front().offset + chunks_.front().bytes.size() <= offset) {
    chunks_.pop_front();
    if (sent_ > 0) --sent_;
  }
}

std::vector<SnapshotChunk> SnapshotSend::take_chunks(Instant now, Duration patience) {
  if (sent_ > 0 && now - moved_ >= patience) sent_ = 0;
  std::vector<SnapshotChunk> out;
  if (sent_ < chunks_.size()) {
    if (sent_ == 0) moved_ = now;
    out.assign(chunks_.begin() + static_cast<std::ptrdiff_t>(sent_), chunks_.end());
    sent_ = chunks_.size();
  }
  return out;
}

}  // namespace cairn::cluster
