// One function for each command: what directory_machine.cpp calls. Each reads and changes rows through a
// DirectoryChange; an Error of corrupt or io means that rows are bad and nothing may be committed, any other
// is the proposer's. One thread.
#pragma once

#include "cluster/directory_commands.hpp"
#include "cluster/directory_rows.hpp"
#include "cluster/row_transaction.hpp"

namespace cairn::cluster::directory {

/// The directory as one command changes it.
class DirectoryChange {
 public:
  DirectoryChange(RowTransaction& rows, Head head, Timestamp now) : rows_(rows), head_(head), now_(now) {}

  RowTransaction& rows() { return rows_; }
  const Head& head() const { return head_; }

  /// Begins the change: raises the epoch and adds the event. Once for each command that has an effect, before
  /// it puts anything.
  Epoch begin(const std::string& what, const std::string& why);
  void put(Node node);              ///< stamped with the epoch
  void put(Shard shard);            ///< stamped with the epoch
  void name_cluster(ClusterId cluster) { head_.cluster = cluster; }
  ShardId next_shard() { return ShardId{head_.next_shard++}; }
  ReplicaId next_replica() { return ReplicaId{head_.next_replica++}; }
  /// Writes the head, if anything began.
  void finish();

  /// The result of a command without effect.
  CommandResult unchanged() const { return Done{head_.epoch}; }

 private:
  RowTransaction& rows_;
  Head head_;
  Timestamp now_;
  bool begun_ = false;
};

/// True for errors that are a proposer's, not of rows.
bool is_refusal(Errc code);

/// A registered node: not_found, naming `field`.
Result<Node> find_node(storage::RowReader& rows, const NodeName& name, const char* field);
/// conflict unless `expected` is 0 or `changed`.
Result<void> check_expected(const std::string& what, Epoch changed, Epoch expected, const char* field = "expected");

using Outcome = Result<CommandResult>;

// directory_nodes.cpp
Outcome apply(const Bootstrap& command, DirectoryChange& change);
Outcome apply(const RegisterNode& command, DirectoryChange& change);
Outcome apply(const SetNodeState& command, DirectoryChange& change);

// directory_shards.cpp
Outcome apply(const MakeShard& command, DirectoryChange& change);
Outcome apply(const AssignSlots& command, DirectoryChange& change);
Outcome apply(const SetWanted& command, DirectoryChange& change);

// directory_replicas.cpp
/// A shard that has not changed since `expected`: not_found, conflict.
Result<Shard> find_shard(storage::RowReader& rows, ShardId id, Epoch expected, const char* field = "shard");
/// That a replica may be put on `node`: not_found, conflict.
Result<void> check_host(storage::RowReader& rows, const NodeName& node, const char* field);
Outcome apply(const AddReplica& command, DirectoryChange& change);
Outcome apply(const PromoteReplica& command, DirectoryChange& change);
Outcome apply(const RemoveReplica& command, DirectoryChange& change);
Outcome apply(const ForgetReplica& command, DirectoryChange& change);
Outcome apply(const LeaderChanged& command, DirectoryChange& change);

// directory_machine.cpp
Outcome apply(const SetSetting& command, DirectoryChange& change);
Outcome apply(const RecordEvent& command, DirectoryChange& change);

// directory_answers.cpp
QueryResult answer(const GetMap& query, storage::RowReader& rows);
QueryResult answer(const GetNodes& query, storage::RowReader& rows);
QueryResult answer(const GetNode& query, storage::RowReader& rows);
QueryResult answer(const GetShard& query, storage::RowReader& rows);
QueryResult answer(const GetEvents& query, storage::RowReader& rows);
QueryResult answer(const GetSettings& query, storage::RowReader& rows);
QueryResult answer(const GetState& query, storage::RowReader& rows);

}  // namespace cairn::cluster::directory
