// The rules of the directory: a deterministic state machine over a table of rows, in the shape of
// metadata_machine.hpp: the same commands in the same order give the same rows and the same results on every
// replica; no clock, no randomness, no disk but the RowReader that is handed in. One thread.
//
// Invariants (checked by check_directory):
//  - each change raises the epoch by one, stamps what it changed and adds one event, of which the last
//    limits::max_directory_events are kept;
//  - a slot is in one shard at most, and in the directory's own (the first that is made) is none;
//  - a shard has a replica, and no two on one node; only nodes that return with other data can leave it
//    without one that stays, and then it is lost;
//  - a replica is on a registered metadata node that is not removed, its id was never another's;
//  - what is refused changes nothing, the clock included.
#pragma once

#include <string>
#include <vector>

#include "cluster/directory_commands.hpp"
#include "storage/table.hpp"

namespace cairn::cluster::directory {

/// What applying one command came to.
struct Applied {
  CommandResult result;
  Epoch epoch;                      ///< the directory's after it
};

class DirectoryMachine {
 public:
  /// `rows` outlives the machine. The machine reads rows through it and through the batch it builds.
  explicit DirectoryMachine(storage::RowReader& rows) : rows_(rows) {}

  /// Applies `command` and adds its row changes to `batch`, which may hold those of earlier commands
  /// that `rows` does not show yet. An Error of the whole call (corrupt, io) means that rows could not be
  /// read: nothing was added and the replica must withdraw; what the proposer did wrong is inside Applied.
  Result<Applied> apply(const Command& command, storage::WriteBatch& batch);

  /// Answers from `rows` alone. Never fails otherwise than by the Error in the result.
  QueryResult query(const Query& query);

 private:
  storage::RowReader& rows_;
};

/// Walks all rows and names what breaks an invariant; empty if none does. For tests and `cairnd --check`.
std::vector<std::string> check_directory(storage::RowReader& rows);

}  // namespace cairn::cluster::directory
