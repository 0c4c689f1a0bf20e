// Every actor of a node and what it may be told, in one place. An actor is three things: its interface
// here, its state (data and plain methods), and its behaviour (handlers of a few lines that call the
// state). Answers go by CAF's responses between actors that may live on different nodes, and by the
// Reply in the message where the asker is this node's RPC bridge.
#pragma once

#include <caf/fwd.hpp>
#include <caf/replies_to.hpp>
#include <caf/typed_actor.hpp>

#include "actors/messages.hpp"

namespace cairn::actors {

/// Whoever brings requests to a shard: the router, or the replica itself in a cluster of one node.
using ShardActor = caf::typed_actor<
    caf::replies_to<Propose>::with<Answer>,   // errors inside the answer: busy, disk_full, …
    caf::replies_to<Ask>::with<Answer>>;

/// Finds the replica for each request, on this node or another, and stays with it while leaders and nodes
/// change. It answers `done`, or `unknown` at the deadline, or at once `busy`, or `not_here` if the slot is another
/// shard's than the one that is named. (router.cpp)
using RouterActor = ShardActor::extend<
    caf::reacts_to<AnswersReceived>,
    caf::reacts_to<RelayRequests>,
    caf::reacts_to<LinkChanged>,
    caf::reacts_to<ReplicaChanged>,
    caf::reacts_to<LeaderHeard>,
    caf::reacts_to<MapChanged>,
    caf::reacts_to<StepDue>,
    caf::reacts_to<TimerFired>>;

/// Steps one replica's consensus and state machine, and never waits for the disk. Owns its ShardStoreActor,
/// CheckpointerActor and SnapshotActor, with which it lives and dies. (replica.cpp)
using ReplicaActor = ShardActor::extend<
    caf::reacts_to<RemoteRequests>,
    caf::reacts_to<RaftReceived>,
    caf::reacts_to<PeerDown>,
    caf::reacts_to<SetSlots>,
    caf::reacts_to<ChangeGroup>,
    caf::reacts_to<GetReplica>,
    caf::reacts_to<Stored>,
    caf::reacts_to<LogCompacted>,
    caf::reacts_to<CheckpointWritten>,
    caf::reacts_to<EntriesFetched>,
    caf::reacts_to<LogReset>,
    caf::reacts_to<WithdrawalMarked>,
    caf::reacts_to<RotFound>,
    caf::reacts_to<SnapshotPart>,
    caf::reacts_to<SnapshotFailed>,
    caf::reacts_to<SnapshotKept>,
    caf::reacts_to<SnapshotRefused>,
    caf::reacts_to<SnapshotInPlace>,
    caf::reacts_to<RaftTimer>,
    caf::reacts_to<StepDue>,
    caf::reacts_to<TimerFired>>;

/// This node's part in the cluster: registers it, keeps its map, holds its replicas as the directory says, and
/// reports them. (agent.cpp)
using AgentActor = caf::typed_actor<
    caf::reacts_to<ControlReceived>,
    caf::reacts_to<LinkChanged>,
    caf::reacts_to<ReplicaChanged>,
    caf::reacts_to<ReplicaWithdrew>,
    caf::reacts_to<ReplicaSeen>,
    caf::reacts_to<ReplicaFailed>,
    caf::reacts_to<ReplicaDeleted>,
    caf::reacts_to<PeerWarned>,
    caf::reacts_to<NodeWarned>,
    caf::reacts_to<GetNodeStatus>,
    caf::reacts_to<TimerFired>>;

/// What the directory's leader does beside its state machine: founds the cluster, hears reports, reconciles.
/// Idle while another node's replica leads. (directory_service.cpp)
using DirectoryActor = caf::typed_actor<
    caf::reacts_to<ReplicaChanged>,
    caf::reacts_to<ReportReceived>,
    caf::reacts_to<NoteReceived>,
    caf::reacts_to<GetDirectory>,
    caf::reacts_to<TimerFired>>;

/// Owns a replica's log on disk. Detached. A failed write or sync ends the process. (replica_store.cpp)
using ShardStoreActor = caf::typed_actor<
    caf::reacts_to<StoreEntries>,
    caf::reacts_to<CompactLog>,
    caf::reacts_to<FetchEntries>,
    caf::reacts_to<ResetLog>,
    caf::reacts_to<MarkWithdrawn>>;

/// Reads a replica's rows for others that lack them, and keeps those that it lacks itself. Detached.
/// (replica_snapshots.cpp)
using SnapshotActor = caf::typed_actor<
    caf::reacts_to<ReadSnapshot>,
    caf::reacts_to<CloseSnapshot>,
    caf::reacts_to<KeepSnapshot>,
    caf::reacts_to<TimerFired>>;

/// Writes a replica's checkpoints, so that they run beside the log. Detached. (replica_store.cpp)
using CheckpointerActor = caf::typed_actor<
    caf::reacts_to<WriteCheckpoint>,
    caf::reacts_to<FreeCheckpoint>>;

/// Owns the node's block store: groups what is put into one sync. Detached. (block_writer.cpp)
using BlockWriterActor = caf::typed_actor<
    caf::reacts_to<PutSealed>,
    caf::reacts_to<GetSealed>,
    caf::reacts_to<FindSealed>,
    caf::reacts_to<FlushBlocks>,
    caf::reacts_to<SweepBlocks>,
    caf::reacts_to<SweepStep>,
    caf::reacts_to<GetBlockStats>,
    caf::reacts_to<TimerFired>>;

/// Hashes, compresses, seals and opens blocks. Several, detached: this is where bytes cost CPU.
/// (sealer.cpp)
using SealerActor = caf::typed_actor<
    caf::reacts_to<StoreBlock>,
    caf::reacts_to<FetchBlock>,
    caf::reacts_to<ReadBlock>,
    caf::reacts_to<OpenBlock>>;

/// Finds garbage: gathers what shards reference, then has the block writer sweep. (collector.cpp)
using CollectorActor = caf::typed_actor<
    caf::reacts_to<CollectNow>,
    caf::reacts_to<TimerFired>>;

/// Argon2id. A few, detached, each with a bounded queue before it. (sign_in.cpp)
using PasswordActor = caf::typed_actor<
    caf::reacts_to<HashPassword>,
    caf::reacts_to<CheckPassword>>;

/// The door: makes accounts, signs devices in, opens and ends sessions. (sign_in.cpp)
using SignInActor = caf::typed_actor<
    caf::reacts_to<SignUpRequest>,
    caf::reacts_to<MakeAccount>,
    caf::reacts_to<SignInRequest>,
    caf::reacts_to<OpenSession>,
    caf::reacts_to<ResumeRequest>,
    caf::reacts_to<EndSessions>>;

/// One signed-in device: checks rights, bounds what is in flight, routes. (session.cpp)
using SessionActor = caf::typed_actor<
    caf::reacts_to<SessionQuery>,
    caf::reacts_to<SessionCommit>,
    caf::reacts_to<SessionPutBlock>,
    caf::reacts_to<BlockStored>,
    caf::reacts_to<SessionFetchBlock>,
    caf::reacts_to<SessionRevoke>,
    caf::reacts_to<SessionSetPassword>,
    caf::reacts_to<StorePassword>,
    caf::reacts_to<SessionWatch>,
    caf::reacts_to<SessionUnwatch>,
    caf::reacts_to<WatchAnswered>,
    caf::reacts_to<SessionRevoked>,
    caf::reacts_to<JournalGrew>,
    caf::reacts_to<TimerFired>>;

/// Tells sessions, and the hubs of other nodes that asked, that drives changed. (watch_hub.cpp)
using WatchHubActor = caf::typed_actor<
    caf::reacts_to<JournalGrew>,
    caf::reacts_to<WatchReceived>,
    caf::reacts_to<LinkChanged>,
    caf::reacts_to<ReplicaChanged>,
    caf::reacts_to<MapChanged>,
    caf::reacts_to<TimerFired>,
    caf::reacts_to<Subscribe>,
    caf::reacts_to<Unsubscribe>>;

/// Starts its children in order, restarts them one for one, stops them in reverse. (supervisor.cpp)
using SupervisorActor = caf::typed_actor<
    caf::reacts_to<GetChildren>,
    caf::reacts_to<RestartChild>,
    caf::reacts_to<AddChild>,
    caf::reacts_to<RemoveChild>,
    caf::reacts_to<StartChild>,
    caf::reacts_to<StopAll>>;

/// What a sign-in gives: the opened session.
struct SignedIn {
  std::string token;              ///< empty when resumed
  AccountId account;
  std::string login;
  SessionActor session;
};

}  // namespace cairn::actors
