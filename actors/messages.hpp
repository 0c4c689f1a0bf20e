// Every message between actors. They stay inside a node and may hold what cannot be serialised: between nodes
// travel the frames of peer_frames.hpp.
#pragma once

#include <caf/actor.hpp>
#include <caf/allowed_unsafe_message_type.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "actors/link.hpp"
#include "actors/reply.hpp"
#include "cluster/commands.hpp"
#include "cluster/control.hpp"
#include "cluster/observed.hpp"
#include "cluster/queries.hpp"
#include "cluster/raft.hpp"
#include "cluster/served.hpp"
#include "protocol/model.hpp"
#include "storage/block_store.hpp"
#include "storage/shard_store.hpp"
#include "storage/table.hpp"

namespace cairn::actors {

// To a shard.

/// Which shard a request is for: `shard`, or if that is 0 the one that owns `slot`. A replica refuses a slot
/// that its shard does not own; whole_shard is for requests about no slot.
struct Target { std::uint32_t shard = 0; std::uint16_t slot = 0; };
inline constexpr std::uint16_t whole_shard = 0xffff;

/// Put this encoded command into the shard's log. Answered when it is durable and applied. May be sent again
/// after `unknown` if it is a command that takes effect once.
struct Propose { Target target; Bytes command; };
/// Answer this encoded query. `linearizable`: by the leader, from all that was answered to anyone before.
/// Otherwise by any replica whose rows reflect the log up to `floor`.
struct Ask { Target target; Bytes query; bool linearizable = false; std::uint64_t floor = 0; };
using ShardRequest = std::variant<Propose, Ask>;

using cluster::Served;
/// `result` is the encoded CommandResult or QueryResult, if it was done; `index` the log entry that it reflects;
/// `leader` leads as far as is known (0: nobody), if not_leader.
struct Answer {
  Bytes result;
  Served served = Served::done;
  std::uint64_t index = 0;
  std::uint64_t leader = 0;
};
/// From a replica to the watch hub, and from hub to hub: an account's journal has a new end, from the log entry
/// `index` of `shard` on. `leads`: the replica leads its shard.
struct JournalGrew {
  std::uint64_t account = 0;
  std::uint64_t cursor = 0;
  std::uint32_t shard = 0;
  std::uint64_t index = 0;
  bool leads = false;
};

// To a replica, from its node.

/// Brings answers to the askers of one other node. Any thread.
class AnswerSink {
 public:
  virtual ~AnswerSink() = default;
  /// To its request of that number. It may wait for flush(), so that those that come meanwhile go with it.
  virtual void put(std::uint64_t number, Answer answer) = 0;
  virtual void flush() = 0;
};

/// Who waits on another node for the answer to one request. Without one it is told in the end that nothing is known.
class RemoteAsker {
 public:
  RemoteAsker(std::shared_ptr<AnswerSink> sink, std::uint64_t number) : sink_(std::move(sink)), number_(number) {}
  RemoteAsker(RemoteAsker&&) = default;
  RemoteAsker& operator=(RemoteAsker&& other) noexcept {
    std::swap(sink_, other.sink_);
    std::swap(number_, other.number_);
    return *this;
  }
  ~RemoteAsker() {
    if (sink_) put(Answer{{}, Served::unknown, 0, 0})->flush();
  }

  /// Once. The answer may wait until what is returned is flushed.
  std::shared_ptr<AnswerSink> put(Answer answer) {
    sink_->put(number_, std::move(answer));
    return std::exchange(sink_, nullptr);
  }

 private:
  std::shared_ptr<AnswerSink> sink_;  // null: it was answered
  std::uint64_t number_;
};

/// Requests of another node, in its order.
struct RemoteRequest { ShardRequest request; RemoteAsker asker; };
struct RemoteRequests { std::shared_ptr<std::vector<RemoteRequest>> all; };
/// To the router: those that it is to bring to the leader for the router of another node, which has no link to it.
struct RelayRequests { std::shared_ptr<std::vector<RemoteRequest>> all; };
/// A message of another replica of the shard.
struct RaftReceived { cluster::Message message; };
/// The node of another replica cannot be reached any more.
struct PeerDown { cluster::ReplicaId replica; };
/// The slots that the shard owns now.
struct SetSlots { std::vector<cluster::directory::SlotRange> slots; };
/// Change the group, as its leader. true: the change was proposed (or leadership is being handed on), or is so
/// already. Errors as Raft::propose_configuration() and transfer(), unavailable: not the leader.
using cluster::directory::GroupChange;
struct ChangeGroup {
  GroupChange change = GroupChange::take_in;
  cluster::ReplicaId replica;
  Reply<bool> reply;
};
/// A replica as it is now.
struct ReplicaStatus {
  cluster::directory::ReplicaReport report;
  cluster::ReplicaId leader;
  std::uint64_t applied = 0;
  std::uint64_t committed = 0;
  std::uint64_t last_index = 0;
  std::uint64_t checkpointed = 0;
  std::uint64_t log_bytes = 0;
  std::string withdrawn_why;  ///< of one that withdrew
};
struct GetReplica { Reply<ReplicaStatus> reply; };
/// From a replica to its node's agent, router, watch hub and (that of the directory) directory service, whenever
/// one of these changes.
struct ReplicaChanged {
  cluster::directory::ShardId shard;
  cluster::ReplicaId replica;
  cluster::Role role = cluster::Role::follower;
  std::uint64_t term = 0;
  cluster::ReplicaId leader;
  bool settled = false;       ///< of a leader: what was committed before it is applied here
  std::uint64_t index = 0;    ///< applied
};
/// From a replica to its node's agent: it found rot in itself and takes no part any more. The last it says.
struct ReplicaWithdrew {
  cluster::directory::ShardId shard;
  cluster::ReplicaId replica;
  std::string why;
};

// Of the cluster, inside a node. What other nodes say comes from Peers as its frame.

/// A link is up, or no longer.
struct LinkChanged { std::string node; bool up = false; std::uint64_t incarnation = 0; };
/// Channel::answer: what requests of this node came to.
struct AnswersReceived {
  struct One { std::uint64_t number = 0; Answer answer; };
  std::string from;
  std::vector<One> all;
};
/// Channel::control (cluster/control.hpp).
struct ControlReceived { std::string from; Bytes frame; };
/// Channel::watch (watch_frames.hpp).
struct WatchReceived { std::string from; Bytes frame; };
/// To the agent: something about another node that an operator should see.
struct PeerWarned { std::string node; std::string sentence; };
/// To the agent: what one of its replicas looks like now.
struct ReplicaSeen { ReplicaStatus status; };
/// To the agent, from a part of its node: the state that it is in, which an operator should see. Said again while
/// it lasts, since the agent may have been started anew meanwhile.
struct NodeWarned { std::string part; std::string state; std::string why; };
/// To the agent: a replica did not start, and may be tried again.
struct ReplicaFailed { cluster::directory::ShardId shard; Error why; };
/// To the agent: nothing is left of a forgotten replica.
struct ReplicaDeleted { cluster::ReplicaId replica; };
/// From the watch hub to the router: a replica says that it leads its shard.
struct LeaderHeard { cluster::directory::ShardId shard; cluster::ReplicaId replica; std::uint64_t term = 0; };
/// The agent has set a newer map in the routes.
struct MapChanged {};
/// To the directory service, from a node that reports (its own, too).
struct ReportReceived { std::string from; cluster::directory::NodeReport report; };
/// To the directory service: what a node wants among the events. Answered to the node's agent by a NoteAnswer.
struct NoteReceived { std::string from; cluster::directory::Note note; };
/// What the directory's leader knows; only `leads` on a node where it is not.
struct DirectoryStatus {
  bool leads = false;
  cluster::Instant now{0};                  ///< of the clock of `observed`
  std::string waits;                        ///< what founding the cluster waits for; empty if for nothing
  cluster::directory::DirectoryState state;
  cluster::directory::Observed observed;
  std::uint64_t looks = 0;                  ///< at the directory, since it leads
  std::vector<std::string> decisions;       ///< of the last look, with their reasons
};
struct GetDirectory { Reply<DirectoryStatus> reply; };
/// What the node's agent knows of the node and its part in the cluster.
struct NodeStatus {
  std::string name;
  std::uint64_t incarnation = 0;
  std::string link_address;                 ///< empty: no links
  bool registered = false;
  cluster::directory::Epoch epoch;          ///< of its map
  std::vector<LinkStatus> links;
  std::vector<ReplicaStatus> replicas;      ///< that it holds; withdrawn ones have only their report
};
struct GetNodeStatus { Reply<NodeStatus> reply; };

// Inside a replica: to its store, checkpointer and snapshots, and back.

/// To the store: make the step durable, answer Stored.
struct StoreEntries { cluster::StoreStep step; };
/// `error`: nothing of the step was kept (disk_full). Any other failure ends the process instead.
struct Stored { std::uint64_t step = 0; std::shared_ptr<const Error> error; std::uint64_t log_bytes = 0; };
/// To the checkpointer: write a frozen overlay, whose rows reflect the log up to `index`.
struct WriteCheckpoint { std::shared_ptr<storage::Checkpoint> checkpoint; std::uint64_t index = 0; };
struct CheckpointWritten {
  std::shared_ptr<const Error> error;
  std::uint64_t index = 0;
  std::shared_ptr<storage::Checkpoint> checkpoint;
};
/// To the checkpointer: let go of these rows. Freeing them takes long, so it is not the replica's to do.
struct FreeCheckpoint { std::shared_ptr<storage::Checkpoint> checkpoint; };
/// To the store: forget the log up to `index`, and answer with the same once that is done.
struct CompactLog { std::uint64_t index = 0; };
struct LogCompacted { std::uint64_t index = 0; };
/// To the store: entries that a follower lacks; empty if they are forgotten.
struct FetchEntries { cluster::EntryFetch fetch; };
struct EntriesFetched { cluster::ReplicaId peer; std::vector<storage::LogEntry> entries; };
/// To the store: the rows of a snapshot of `index` and `term` are in place, forget the whole log.
struct ResetLog { std::uint64_t transfer = 0; std::uint64_t index = 0; std::uint64_t term = 0; };
struct LogReset { std::uint64_t transfer = 0; };
/// To the store: mark the replica's folder, so that it never starts again.
struct MarkWithdrawn { std::string why; };
struct WithdrawalMarked {};
/// From any part of a replica: stored bytes fail their checks.
struct RotFound { std::string why; };

/// To the snapshots: the next part for a follower. `rows` comes with offset 0.
struct ReadSnapshot { cluster::SnapshotRead read; std::shared_ptr<storage::StoreSnapshot> rows; };
struct SnapshotPart {
  cluster::ReplicaId peer;
  std::uint64_t transfer = 0;
  cluster::Position position;
  std::uint64_t offset = 0;
  Bytes bytes;
  bool last = false;
};
struct SnapshotFailed { cluster::ReplicaId peer; std::uint64_t transfer = 0; };
struct CloseSnapshot { std::uint64_t transfer = 0; };
/// To the snapshots: keep a received part. After the last the rows are in the place of the old ones.
struct KeepSnapshot { cluster::SnapshotKeep part; };
struct SnapshotKept { std::uint64_t transfer = 0; std::uint64_t next_offset = 0; };
struct SnapshotRefused { std::uint64_t transfer = 0; };
struct SnapshotInPlace {
  std::uint64_t transfer = 0;
  cluster::Position position;
  std::shared_ptr<storage::Table> table;
};
/// The replica to itself: consensus has something to do by now. Only the one that was set last counts.
struct RaftTimer { std::uint64_t number = 0; };
/// A replica or a router to itself: it has taken in all that had come before this.
struct StepDue {};
/// A timer of the actor that sends it to itself.
struct TimerFired { std::uint64_t generation = 0; };

// Blocks.

/// To a sealer: check that `plain` hashes to `id`, seal it, store it durably, sign a receipt.
struct StoreBlock { AccountId account; BlockId id; Bytes plain; Reply<Receipt> reply; };
/// To a sealer: the plain bytes of a block.
struct FetchBlock { BlockId id; Reply<Bytes> reply; };
/// Back to a sealer: these sealed bytes are what was asked for.
struct OpenBlock { BlockId id; Bytes sealed; Reply<Bytes> reply; };
/// To the block writer: store sealed bytes; answered when durable.
struct PutSealed { BlockId id; Bytes sealed; Reply<bool> reply; };
/// To the block writer: where the block is, so that it can be read beside writes.
struct FoundSealed { std::shared_ptr<const storage::BlockStore> store; storage::RecordLocation location; };
struct FindSealed { BlockId id; Reply<FoundSealed> reply; };
/// Back to a sealer: read and open the block there.
struct ReadBlock { BlockId id; FoundSealed found; Reply<Bytes> reply; };
/// To the block writer: the sealed bytes. The way that always tells: a block that moved is found, one
/// that is damaged is marked so.
struct GetSealed { BlockId id; Reply<Bytes> reply; };
/// The block writer to itself: make durable what was put since.
struct FlushBlocks {};
/// To the block writer: sweep with these marks, then compact what is worth it.
struct SweepBlocks {
  std::shared_ptr<const std::vector<std::uint64_t>> marks;  ///< sorted first eight bytes of referenced ids
  Timestamp marked_at;
  Reply<storage::SweepReport> reply;
};
/// The block writer to itself: go on with the sweep.
struct SweepStep {};
struct GetBlockStats { Reply<storage::BlockStoreStats> reply; };
/// To the collector: mark and sweep now.
struct CollectNow { Reply<storage::SweepReport> reply; };

// Sign-in. Passwords are in these messages only, and are never logged.

struct HashPassword { std::string password; Reply<std::string> reply; };
/// Answers whether `password` belongs to `hash` ("" belongs to none, and takes as long).
struct CheckPassword { std::string password; std::string hash; Reply<bool> reply; };
struct SignUpRequest { std::string login; std::string password; Reply<bool> reply; };
struct SignInRequest {
  std::string login;
  std::string password;
  std::string device;
  ClientId client;
  std::string address;  ///< of the peer, for rate limits
  Reply<struct SignedIn> reply;
};
/// The door to itself: the password is hashed, make the account.
struct MakeAccount { std::string login; std::string password_hash; Reply<bool> reply; };
/// The door to itself: the password is right, issue a token and open a session.
struct OpenSession {
  AccountId account;
  std::string login;
  std::string device;
  ClientId client;
  std::string rate_key;
  Reply<struct SignedIn> reply;
};
struct ResumeRequest { std::string token; Reply<struct SignedIn> reply; };
/// Sessions of an account whose client id is `only` (0: all but `except`) end: their tokens are revoked.
struct EndSessions { AccountId account; ClientId only; ClientId except; };

// Sessions.

struct SessionQuery { cluster::Query query; Reply<cluster::QueryResult> reply; };
struct SessionCommit { Commit commit; Reply<CommitResult> reply; };
struct SessionPutBlock { BlockId id; Bytes plain; Reply<Receipt> reply; };
/// The session to itself: a block of so many bytes has left.
struct BlockStored { std::size_t bytes = 0; };
/// The session to itself: the old password was right, this is the new one's hash.
struct StorePassword { std::string password_hash; std::string checked_hash; Reply<bool> reply; };
/// The caller shows by a manifest that the session may read the block.
struct SessionFetchBlock { BlockRef block; Reply<Bytes> reply; };
struct SessionRevoke { ClientId client; Reply<bool> reply; };
struct SessionSetPassword { std::string old_password; std::string new_password; Reply<bool> reply; };

/// Where a watch delivers: `changed` is called with one page at a time and answers through the reply;
/// `ended` once, last.
struct WatchTarget {
  std::function<void(ChangePage, Reply<bool>)> changed;
  std::function<void(Error)> ended;
};
struct SessionWatch { Cursor cursor; std::shared_ptr<WatchTarget> target; Reply<std::uint64_t> reply; };
struct SessionUnwatch { std::uint64_t watch = 0; };
/// A watch's page was taken, or was not.
struct WatchAnswered { std::uint64_t watch = 0; bool taken = false; };
/// The token of this session was revoked.
struct SessionRevoked {};

// Watch hub.

struct Subscribe { AccountId account; };    ///< the sender gets JournalGrew of this account until it is down
struct Unsubscribe { AccountId account; };

// Supervision.

/// One child as the operator sees it.
struct ChildStatus {
  std::string name;
  bool running = false;
  std::uint32_t restarts = 0;
  std::string last_crash;
};
struct GetChildren { Reply<std::vector<ChildStatus>> reply; };
/// How to start a child of a supervisor.
struct ChildSpec {
  std::string name;
  /// Starts the child and tells the routes. May block (opening files), may fail: that counts as a crash.
  /// cancelled: there is nothing to start any more, and the child is forgotten.
  std::function<Result<caf::actor>()> start;
  /// A child that ends without an error has done its work, and is forgotten.
  bool may_end = false;
};
/// Another child, at the end of the table. Nothing happens if there is one of this name.
struct AddChild { ChildSpec child; };
/// Stops a child and forgets it, then calls `then` on the supervisor's thread, which may block.
struct RemoveChild { std::string name; std::function<void()> then; };
struct RestartChild { std::string name; };
struct StartChild { std::string name; };
struct StopAll {};

}  // namespace cairn::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::Propose)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::Ask)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::Answer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::JournalGrew)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::RemoteRequests)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::RelayRequests)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::RaftReceived)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::PeerDown)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::SetSlots)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::ChangeGroup)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::GetReplica)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::ReplicaChanged)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::ReplicaWithdrew)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::LinkChanged)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::AnswersReceived)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::ControlReceived)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::WatchReceived)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::PeerWarned)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::NodeWarned)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::ReplicaSeen)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::ReplicaFailed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::ReplicaDeleted)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::NoteReceived)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::LeaderHeard)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::MapChanged)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::ReportReceived)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::GetDirectory)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::GetNodeStatus)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::StoreEntries)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::Stored)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::WriteCheckpoint)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::CheckpointWritten)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::FreeCheckpoint)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::CompactLog)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::LogCompacted)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::FetchEntries)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::EntriesFetched)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::ResetLog)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::LogReset)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::MarkWithdrawn)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::WithdrawalMarked)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::RotFound)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::ReadSnapshot)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::SnapshotPart)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::SnapshotFailed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::CloseSnapshot)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::KeepSnapshot)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::SnapshotKept)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::SnapshotRefused)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::SnapshotInPlace)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::RaftTimer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::StepDue)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::TimerFired)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::StoreBlock)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::FetchBlock)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::OpenBlock)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::PutSealed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::FindSealed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::ReadBlock)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::SweepStep)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::GetSealed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::FlushBlocks)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::SweepBlocks)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::GetBlockStats)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::CollectNow)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::HashPassword)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::CheckPassword)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::SignUpRequest)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::SignInRequest)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::MakeAccount)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::OpenSession)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::ResumeRequest)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::EndSessions)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::SessionQuery)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::SessionCommit)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::SessionPutBlock)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::BlockStored)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::StorePassword)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::SessionFetchBlock)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::SessionRevoke)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::SessionSetPassword)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::SessionWatch)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::SessionUnwatch)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::WatchAnswered)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::SessionRevoked)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::Subscribe)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::Unsubscribe)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::GetChildren)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::AddChild)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::RemoveChild)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::RestartChild)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::StartChild)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::StopAll)
