// A small state machine over a table, in the shape of the metadata machine: registers, one kept result
// per client, a journal. Deterministic. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "cluster/raft_faults.hpp"
#include "cluster/raft_types.hpp"
#include "storage/table.hpp"

namespace cairn::simulation {

/// Sets a register; answers what it held.
struct Put {
  std::uint64_t client = 0;
  std::uint64_t sequence = 0;
  std::uint64_t key = 0;
  std::uint64_t value = 0;      ///< unique in a run, from 1
  friend bool operator==(const Put&, const Put&) = default;
};
Bytes encode(const Put& put);
std::optional<Put> decode_put(BytesView bytes);

struct PutResult {
  bool known = false;           ///< false: the sequence is older than the kept result
  bool repeated = false;        ///< the kept result: nothing was done now
  std::uint64_t before = 0;
};

struct JournalRow {
  std::uint64_t cursor = 0;
  std::uint64_t key = 0;
  std::uint64_t value = 0;
  friend bool operator==(const JournalRow&, const JournalRow&) = default;
};

class KvMachine {
 public:
  KvMachine(storage::RowReader& rows, cluster::Faults faults) : rows_(rows), faults_(faults) {}
  PutResult apply(const Put& put, storage::WriteBatch& batch);
  std::uint64_t get(std::uint64_t key);
  std::uint64_t last_cursor();
  std::vector<JournalRow> journal_after(std::uint64_t cursor);

 private:
  std::uint64_t number(BytesView key, const storage::WriteBatch& batch);
  storage::RowReader& rows_;
  cluster::Faults faults_;
};

/// The row that holds the position which the rows reflect.
inline constexpr const char* position_key = "p";

/// The kept results, which a planted fault leaves out of snapshots.
bool is_result_row(BytesView key);

}  // namespace cairn::simulation
