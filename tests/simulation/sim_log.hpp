// The log of a simulated replica: the semantics of a ShardStore in memory, on a disk that a crash leaves
// with any number of the writes that were not synced, and where an entry can rot. One thread.
#pragma once

#include <deque>
#include <memory>
#include <set>
#include <variant>
#include <vector>

#include "storage/shard_store.hpp"
#include "tests/support/random.hpp"

namespace cairn::simulation {

/// What stays when the replica's process ends.
class SimLogDisk {
 public:
  struct Entries {
    std::vector<storage::LogEntry> list;
  };
  struct Compact {
    std::uint64_t index;
  };
  struct Reset {
    std::uint64_t index;
    std::uint64_t term;
  };
  using Operation = std::variant<storage::HardState, Entries, Compact, Reset>;

  struct State {
    storage::HardState hard_state;
    std::uint64_t compacted_index = 0;
    std::uint64_t compacted_term = 0;
    std::deque<storage::LogEntry> entries;
    std::uint64_t last_index() const { return compacted_index + entries.size(); }
    /// 0 if the entry is not there.
    std::uint64_t term_at(std::uint64_t index) const;
    void run(const Operation& operation);
  };

  void write(Operation operation);
  void sync();
  /// Power is lost: of the writes that were not synced a part from the front stays, the last of it torn.
  void crash(test::Random& random);
  /// Damages one synced entry. False if there is none.
  bool rot(test::Random& random);

  const State& current() const { return current_; }
  const State& durable() const { return durable_; }
  bool rotten(std::uint64_t index) const { return rotten_.contains(index); }

 private:
  void forget_rot();
  State durable_;
  State current_;
  std::vector<Operation> unsynced_;
  std::set<std::uint64_t> rotten_;
};

/// A ShardStore over the disk, as a started process opens it. `forgiving` is a planted fault: damaged
/// entries are read as empty ones.
std::unique_ptr<storage::ShardStore> open_sim_log(std::shared_ptr<SimLogDisk> disk,
                                                  storage::ShardStore::Recovered& found, bool forgiving);

}  // namespace cairn::simulation
