// What must hold in every run of a whole cluster: Raft's properties in each shard, that all replicas make the same
// of each entry, and Cairn's promises to clients and watchers. It sees all nodes at once. One thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cluster/directory_types.hpp"
#include "cluster/state_machine.hpp"
#include "protocol/model.hpp"
#include "tests/simulation/checks.hpp"

namespace cairn::simulation {

using cluster::ReplicaId;
using cluster::directory::ShardId;

/// A file that one client writes, one version after the other.
struct FileName {
  AccountId account;
  std::string name;
  friend auto operator<=>(const FileName&, const FileName&) = default;
};

class ClusterChecks {
 public:
  /// Of the shard's consensus.
  Checks& raft(ShardId shard) { return shards_[shard].raft; }
  /// Before the replica steps: those that it counts have a disk to be looked at.
  void stepped(ShardId shard, const cluster::Raft& raft);
  /// What is durable in the replica's log, as it was told to its process.
  std::shared_ptr<SimLogDisk> log_of(ShardId shard, ReplicaId id);
  void process_ended(ShardId shard, ReplicaId id) { shards_[shard].raft.forget_process(id); }

  /// A replica is made on the disk `data`: there only, and once.
  void made(ReplicaId id, std::uint64_t data);
  void started(ReplicaId id, std::uint64_t data) const;
  void founded(ShardId shard, const cluster::Configuration& founders);

  /// A replica applies an entry; `effect` is what came of a command.
  void applied(ShardId shard, ReplicaId id, const storage::LogEntry& entry, const cluster::Effect* effect);

  /// A version of the file was acknowledged to its writer.
  void acknowledged(const FileName& file, std::uint32_t version, const std::string& content);
  /// The newest version that was acknowledged; 0 before the first.
  std::uint32_t acknowledged(const FileName& file) const;
  /// A read that must show `least` at least is answered with this version (0: there is none).
  void read(const FileName& file, std::uint32_t least, std::uint32_t version, const std::string& content,
            const char* how) const;
  /// An answer reflects `index` of the shard's log and must reflect `floor`.
  void reflects(std::uint64_t index, std::uint64_t floor) const;
  /// The account's watcher, which asked for what is after `after`, is given this page.
  void watched(AccountId account, Cursor after, const ChangePage& page);
  /// Replicas that were ever made.
  std::size_t made() const { return made_.size(); }

  /// The journal's end.
  std::uint64_t journal(AccountId account) const;
  const std::map<FileName, std::vector<std::string>>& files() const { return acknowledged_; }
  std::size_t acknowledgements() const { return acknowledgements_; }

 private:
  struct Outcome {
    std::uint64_t term;
    std::size_t entry;
    std::size_t result;
    std::uint64_t cursor;
  };
  struct Shard {
    Checks raft;
    std::map<ReplicaId, std::shared_ptr<SimLogDisk>> logs;
    std::map<std::uint64_t, Outcome> outcomes;  // by index
  };
  void took_effect(const storage::LogEntry& entry, const cluster::Effect& effect);

  std::map<ShardId, Shard> shards_;
  std::map<ReplicaId, std::uint64_t> made_;       // on which disk
  std::map<std::string, std::uint64_t> effects_;  // of each content: its entry's index
  std::map<AccountId, std::vector<EntryId>> journals_;
  std::map<AccountId, Cursor> taken_;                            // by its watcher
  std::map<FileName, std::vector<std::string>> acknowledged_;  // contents, from version 1
  std::size_t acknowledgements_ = 0;
};

[[noreturn]] inline void violated(const std::string& what) { throw Violation(what); }

}  // namespace cairn::simulation
