// Every message between actors. Those in the type id block may cross nodes: their order is their number,
// so append only. The others stay inside a node and may hold what cannot be serialised.
#pragma once

#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/meta/type_name.hpp>
#include <caf/type_id.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/reply.hpp"
#include "cluster/commands.hpp"
#include "cluster/queries.hpp"
#include "cluster/raft.hpp"
#include "protocol/model.hpp"
#include "storage/block_store.hpp"
#include "storage/shard_store.hpp"
#include "storage/table.hpp"

namespace cairn::actors {

// Between nodes.

/// To a shard's leader: put this encoded cluster::Command into the log. Answered when it is durable and
/// applied.
struct Propose { Bytes command; };
/// To a replica: answer this encoded cluster::Query.
struct Ask { Bytes query; };
/// The encoded CommandResult or QueryResult.
struct Answer { Bytes result; };
/// From a replica to the watch hub: an account's journal has a new end.
struct JournalGrew { std::uint64_t account = 0; std::uint64_t cursor = 0; };

template <class Inspector>
auto inspect(Inspector& f, Propose& x) { return f(caf::meta::type_name("Propose"), x.command); }
template <class Inspector>
auto inspect(Inspector& f, Ask& x) { return f(caf::meta::type_name("Ask"), x.query); }
template <class Inspector>
auto inspect(Inspector& f, Answer& x) { return f(caf::meta::type_name("Answer"), x.result); }
template <class Inspector>
auto inspect(Inspector& f, JournalGrew& x) { return f(caf::meta::type_name("JournalGrew"), x.account, x.cursor); }

// Inside a shard: replica to store and back.

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
/// The replica to itself: consensus has something to do by now. Only the one that was set last counts.
struct RaftTimer { std::uint64_t number = 0; };
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
struct StorePassword { std::string password_hash; Reply<bool> reply; };
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
struct RestartChild { std::string name; };
struct StartChild { std::string name; };
struct StopAll {};

}  // namespace cairn::actors

CAF_BEGIN_TYPE_ID_BLOCK(cairn, caf::first_custom_type_id)
CAF_ADD_TYPE_ID(cairn, (cairn::actors::Propose))
CAF_ADD_TYPE_ID(cairn, (cairn::actors::Ask))
CAF_ADD_TYPE_ID(cairn, (cairn::actors::Answer))
CAF_ADD_TYPE_ID(cairn, (cairn::actors::JournalGrew))
CAF_END_TYPE_ID_BLOCK(cairn)

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::StoreEntries)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::Stored)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::WriteCheckpoint)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::CheckpointWritten)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::FreeCheckpoint)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::CompactLog)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::LogCompacted)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::RaftTimer)
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
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::RestartChild)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::StartChild)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(cairn::actors::StopAll)
