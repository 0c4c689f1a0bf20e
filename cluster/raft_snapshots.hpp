// Both ends of a snapshot on its way, in checksummed chunks with few in flight (Raft §5.1, §5.2): what
// was read and not yet kept by the other side is in memory and can be sent again. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>

#include "cluster/raft_messages.hpp"

namespace cairn::cluster {

class SnapshotSend {
 public:
  SnapshotSend(std::uint64_t transfer, Instant now) : transfer_(transfer), moved_(now) {}

  std::uint64_t transfer() const { return transfer_; }
  /// The index that it brings, once its source is open.
  std::uint64_t index() const { return position_.index; }
  /// The offset to read next, if there is room for a chunk. It counts as being read from then on.
  std::optional<std::uint64_t> next_read(std::size_t max_chunks);
  /// What was read at the offset that next_read() gave. False if it is not that.
  bool read(const Position& position, std::uint64_t offset, Bytes bytes, bool last);
  /// The other side kept everything before `offset`. The last chunk stays until the transfer is closed.
  void kept(std::uint64_t offset, Instant now);
  /// The chunks to send now; all that are not kept if nothing moved for `patience`.
  std::vector<SnapshotChunk> take_chunks(Instant now, Duration patience);

 private:
  std::uint64_t transfer_;
  Position position_;
  std::uint64_t read_offset_ = 0;
  bool reading_ = false;
  bool ended_ = false;
  std::deque<SnapshotChunk> chunks_;   // read and not kept
  std::size_t sent_ = 0;               // of them, from the front
  Instant moved_;
};

/// What a follower is receiving.
struct SnapshotReceive {
  ReplicaId from;
  std::uint64_t term = 0;
  std::uint64_t transfer = 0;
  std::uint64_t local = 0;         ///< this replica's own number of the transfer
  Position position;
  std::uint64_t next_offset = 0;   ///< given to the caller up to here
  std::uint64_t kept_offset = 0;   ///< and kept by it up to here
  bool ended = false;              ///< the last chunk was given to the caller
  std::uint64_t round = 0;
  std::map<std::uint64_t, SnapshotChunk> early;   ///< that overtook the one at next_offset; as many as in flight
};

}  // namespace cairn::cluster
