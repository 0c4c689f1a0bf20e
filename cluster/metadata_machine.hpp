// The rules of metadata: a deterministic state machine over a table of rows. The same commands in the
// same order give the same rows and the same results on every replica; there is no clock, no randomness
// and no disk but the RowReader that is handed in. One thread.
//
// Invariants (checked by check_invariants, and after every step in simulation):
//  - every entry but the root has exactly one parent, a folder, and no entry is its own ancestor;
//  - an entry that is not in the trash has exactly one name row under its parent, and no two share one;
//  - used bytes of an account are the sum of the sizes of all its kept versions, and no commit raised
//    them above the quota;
//  - the block counts of a drive are the number of times that its kept versions name each block;
//  - journal cursors are dense from the first kept one to the account's last;
//  - a (client, sequence) has at most one kept result, and it is the one first answered.
//
// What protocol/model.hpp leaves open:
//  - a PutFile without a base on a taken name is a conflict like one with a stale base: both are kept.
//    What is there already, content and attributes alike, is `unchanged` whatever the base;
//  - an entry never changes its kind: a link over a file, or the reverse, is a conflict;
//  - a PutFile whose base has gone from the name, which is free, makes a new entry;
//  - Revert brings back the attributes of the version with its content;
//  - no entry is more than max_path_depth names below the root; what would be is too_large. Heights of
//    folders are upper bounds, so one that was once higher may be refused where it would just fit;
//  - whatever is below a trashed folder answers trashed, and not_found once that is purged;
//  - the trash lists the newest removal first; `after` is the `next` of a former page;
//  - a batch that is refused whole keeps no result: the same request may be sent again.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "cluster/commands.hpp"
#include "cluster/queries.hpp"
#include "storage/table.hpp"

namespace cairn::cluster {

/// What applying one command changed.
struct Applied {
  CommandResult result;
  /// The account whose journal grew, and its new end; account 0 if none did. One Tick grows the
  /// journal of one account at most.
  AccountId changed;
  Cursor cursor;
};

class MetadataMachine {
 public:
  /// `rows` outlives the machine. The machine reads rows through it and through the batch it builds.
  explicit MetadataMachine(storage::RowReader& rows) : rows_(rows) {}

  /// Applies `command` and adds its row changes to `batch`, which may hold those of earlier commands
  /// that `rows` does not show yet. An Error of the whole call (corrupt, io) means that rows could not be
  /// read: nothing was added and the replica must withdraw; what a client did wrong is inside Applied.
  Result<Applied> apply(const Command& command, storage::WriteBatch& batch);

  /// True if a Tick at `now` would find work: cheap, so that an idle shard's log does not grow.
  bool tick_due(Timestamp now, const Tick& tick);

  /// Answers from `rows` alone. Never fails otherwise than by the Error in the result.
  QueryResult query(const Query& query);

 private:
  storage::RowReader& rows_;
};

/// Walks all rows and names what breaks an invariant; empty if none does. For tests and `cairnd --check`.
std::vector<std::string> check_invariants(storage::RowReader& rows);

}  // namespace cairn::cluster
