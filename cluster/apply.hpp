// One function for each command: what metadata_machine.cpp calls. Each reads and changes rows
// through `rows` only; an Error that is_answer() is the client's, any other means that rows are bad
// and nothing may be committed. One thread.
#pragma once

#include "cluster/commands.hpp"
#include "cluster/metadata_machine.hpp"
#include "cluster/row_transaction.hpp"

namespace cairn::cluster {

// account_commands.cpp
Result<Applied> apply(const CreateAccount& command, Timestamp now, RowTransaction& rows);
Result<Applied> apply(const IssueToken& command, Timestamp now, RowTransaction& rows);
Result<Applied> apply(const RevokeToken& command, Timestamp now, RowTransaction& rows);
Result<Applied> apply(const SetPassword& command, Timestamp now, RowTransaction& rows);
Result<Applied> apply(const SetQuota& command, Timestamp now, RowTransaction& rows);

// commit.cpp
Result<Applied> apply(const CommitChanges& command, Timestamp now, RowTransaction& rows);

// tick.cpp
Result<Applied> apply(const Tick& command, Timestamp now, RowTransaction& rows);
/// True if a Tick has work.
Result<bool> tick_due(const Tick& tick, Timestamp now, storage::RowReader& rows);

}  // namespace cairn::cluster
