// A replicated state machine as its replica sees it: what the log says and what is asked are bytes, and rows
// are what it changes. Deterministic like the machine behind it. One thread.
#pragma once

#include <memory>
#include <optional>

#include "cluster/commands.hpp"
#include "cluster/directory_types.hpp"
#include "storage/table.hpp"

namespace cairn::cluster {

/// A command that was found to be whole. Only for the machine that decoded it.
class MachineCommand {
 public:
  virtual ~MachineCommand() = default;
  /// The slot that it is about; nothing if it is about none.
  virtual std::optional<Slot> slot() const = 0;
};

/// What applying one command came to.
struct Effect {
  Bytes result;       ///< encoded; what the proposer did wrong is inside
  AccountId changed;  ///< the account whose journal grew, and its new end; 0: none
  Cursor cursor;
};

class StateMachine {
 public:
  virtual ~StateMachine() = default;

  /// protocol if the bytes are not a whole command.
  virtual Result<std::unique_ptr<MachineCommand>> decode(BytesView command) const = 0;
  /// Adds the command's row changes to `batch`, which may hold those of earlier ones. Uses the command up.
  /// corrupt, io: rows could not be read, nothing was added, and the replica must stop.
  virtual Result<Effect> apply(MachineCommand& command, storage::WriteBatch& batch) = 0;
  /// The encoded answer, which may be an Error. corrupt, io: rows could not be read.
  virtual Result<Bytes> query(BytesView query) = 0;
  /// A command that the leader should propose now for work that is due; nothing if none is.
  virtual std::optional<Bytes> due(Timestamp now) = 0;
  /// True if the result of a command that was due says that more work waits.
  virtual bool more_due(BytesView result) const = 0;
  /// An Error as what the machine answers to a command, and to a query.
  virtual Bytes command_error(const Error& error) const = 0;
  virtual Bytes query_error(const Error& error) const = 0;
};

/// The machine of a shard: the directory's for directory_shard, metadata's for all others. `rows` outlives it;
/// `tick` is what its housekeeping goes by.
std::unique_ptr<StateMachine> make_state_machine(directory::ShardId shard, storage::RowReader& rows, const Tick& tick);

}  // namespace cairn::cluster
