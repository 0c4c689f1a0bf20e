// What replicas of one group say to each other. The sender's and receiver's link adds the group, and may
// put messages of many groups into one frame: a heartbeat is a dozen bytes. Plain values, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "cluster/raft_types.hpp"
#include "storage/shard_store.hpp"

namespace cairn::cluster {

/// Asks for a vote (Raft §3.4), or with `pre` whether there would be one: then the message's term is the
/// one that the sender would campaign in (Raft §9.6).
struct VoteRequest {
  bool pre = false;
  bool transfer = false;         ///< the leader asked for this campaign (Raft §3.10)
  std::uint64_t last_index = 0;
  std::uint64_t last_term = 0;
  friend bool operator==(const VoteRequest&, const VoteRequest&) = default;
};

/// A granted pre-vote has the term that was asked about, every other answer the sender's own.
struct VoteAnswer {
  bool pre = false;
  bool granted = false;
  friend bool operator==(const VoteAnswer&, const VoteAnswer&) = default;
};

/// Entries after `prev_index`, which has `prev_term` (Raft §3.5).
struct Append {
  std::uint64_t prev_index = 0;
  std::uint64_t prev_term = 0;
  std::uint64_t commit = 0;
  std::uint64_t round = 0;       ///< the leader's last round of asking whether it still leads
  std::vector<storage::LogEntry> entries;
  friend bool operator==(const Append&, const Append&) = default;
};

struct AppendAnswer {
  bool accepted = false;
  std::uint64_t index = 0;       ///< accepted: durable up to here; else the prev_index that did not match
  std::uint64_t hint = 0;        ///< not accepted: where the next try may begin
  std::uint64_t round = 0;
  friend bool operator==(const AppendAnswer&, const AppendAnswer&) = default;
};

struct Heartbeat {
  std::uint64_t commit = 0;      ///< at most what the receiver is known to have
  std::uint64_t round = 0;       ///< 0: no answer wanted
  bool quiesce = false;          ///< nothing will come until there is something to say
  friend bool operator==(const Heartbeat&, const Heartbeat&) = default;
};

struct HeartbeatAnswer {
  std::uint64_t round = 0;
  friend bool operator==(const HeartbeatAnswer&, const HeartbeatAnswer&) = default;
};

/// A part of a snapshot (Raft §5.1). `crc` is the CRC-32C of the bytes, and the first of them is
/// `offset` in the whole.
struct SnapshotChunk {
  std::uint64_t transfer = 0;    ///< the leader's number of this transfer, in its term
  Position position;
  std::uint64_t offset = 0;
  bool last = false;
  std::uint32_t crc = 0;
  std::uint64_t round = 0;
  Bytes bytes;
  friend bool operator==(const SnapshotChunk&, const SnapshotChunk&) = default;
};

struct SnapshotAnswer {
  std::uint64_t transfer = 0;
  std::uint64_t next_offset = 0; ///< everything before is kept
  bool refused = false;          ///< the transfer must begin anew
  std::uint64_t round = 0;
  friend bool operator==(const SnapshotAnswer&, const SnapshotAnswer&) = default;
};

/// Campaign at once (TimeoutNow, Raft §3.10).
struct TransferNow {
  friend bool operator==(const TransferNow&, const TransferNow&) = default;
};

/// The order is part of the protocol between nodes: append only.
using MessageBody = std::variant<VoteRequest, VoteAnswer, Append, AppendAnswer, Heartbeat, HeartbeatAnswer,
                                 SnapshotChunk, SnapshotAnswer, TransferNow>;

struct Message {
  ReplicaId from;
  ReplicaId to;
  std::uint64_t term = 0;
  MessageBody body;
  friend bool operator==(const Message&, const Message&) = default;
};

/// Append only (golden test).
Bytes encode(const Message& message);
/// protocol if the bytes are not a whole message in its one form.
Result<Message> decode_message(BytesView bytes);

/// One line for a trace, without the entries' bodies.
std::string describe(const Message& message);

}  // namespace cairn::cluster
