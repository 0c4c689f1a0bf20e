// One function for each query: what metadata_machine.cpp calls. Each reads through `rows` only. One
// thread.
#pragma once

#include "cluster/queries.hpp"
#include "storage/table.hpp"

namespace cairn::cluster {

// account_answers.cpp
QueryResult answer(const FindLogin& query, storage::RowReader& rows);
QueryResult answer(const CheckToken& query, storage::RowReader& rows);
QueryResult answer(const ListDevices& query, storage::RowReader& rows);
QueryResult answer(const GetUsage& query, storage::RowReader& rows);

// drive_answers.cpp
QueryResult answer(const Stat& query, storage::RowReader& rows);
QueryResult answer(const List& query, storage::RowReader& rows);
QueryResult answer(const ListTrash& query, storage::RowReader& rows);
QueryResult answer(const GetContent& query, storage::RowReader& rows);
QueryResult answer(const ListVersions& query, storage::RowReader& rows);

// block_answers.cpp
QueryResult answer(const FindMissing& query, storage::RowReader& rows);
QueryResult answer(const ListReferences& query, storage::RowReader& rows);

// journal_answers.cpp
QueryResult answer(const ReadChanges& query, storage::RowReader& rows);

/// How many to answer when a client asks for `limit`, of which 0 is as many as there may be.
std::size_t page_size(std::uint32_t limit);

}  // namespace cairn::cluster
