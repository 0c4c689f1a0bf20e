// Several replicas of one shard in one process, on real folders, with a network that can be cut and agents and hubs
// that only remember what they are told.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>

#include "actors/replica.hpp"
#include "cluster/queries.hpp"
#include "tests/actors/actor_fixture.hpp"
#include "tests/actors/asker.hpp"
#include "tests/support/temp_dir.hpp"

namespace cairn::actors::test {

using cluster::ReplicaId;

/// Brings messages from replica to replica, unless told otherwise.
class TestNetwork final : public ReplicaNetwork {
 public:
  void send(cluster::directory::ShardId shard, const cluster::Message& message) override;
  void set(ReplicaId id, ReplicaActor actor);
  /// Nothing comes from or to `id` any more, until healed.
  void cut(ReplicaId id);
  void heal();
  /// Lets go of the messages that `drop` picks.
  void drop(std::function<bool(const cluster::Message&)> drop);
  /// Messages of a kind that were brought.
  std::size_t brought(std::size_t kind) const;

 private:
  mutable std::mutex mutex_;
  std::map<ReplicaId, ReplicaActor> replicas_;
  std::set<ReplicaId> cut_;
  std::function<bool(const cluster::Message&)> drop_;
  std::map<std::size_t, std::size_t> brought_;  // by index of the body
};

/// A disk whose room is what the test says.
class RoomyDisk final : public storage::Disk {
 public:
  explicit RoomyDisk(std::shared_ptr<storage::Disk> disk) : disk_(std::move(disk)) {}
  std::atomic<bool> full = false;

  Result<std::unique_ptr<storage::File>> open(const std::string& name, bool create) override {
    return disk_->open(name, create);
  }
  Result<void> rename(const std::string& from, const std::string& to) override { return disk_->rename(from, to); }
  Result<void> remove(const std::string& name) override { return disk_->remove(name); }
  Result<std::vector<std::string>> list() override { return disk_->list(); }
  Result<void> sync_names() override { return disk_->sync_names(); }
  Result<std::uint64_t> free_bytes() override { return full ? 0 : std::uint64_t{1} << 40; }

 private:
  std::shared_ptr<storage::Disk> disk_;
};

/// What a replica told its node.
struct Told {
  Events<ReplicaChanged> changes;
  Events<ReplicaWithdrew> withdrawals;
  Events<JournalGrew> growth;
  Events<ReplicaChanged> to_directory;  ///< what the directory service heard
};

class ReplicaGroupTest : public ActorTest {
 protected:
  ~ReplicaGroupTest() override;

  /// Options as each replica gets them; a test changes them before it starts any.
  ReplicaOptions options_;

  void found(std::initializer_list<std::uint64_t> ids);
  /// Opens and starts a replica; errors as open_replica().
  Result<void> start(std::uint64_t id, bool joins = false);
  /// Ends it as a crash of its actor would, and waits until its folder is free. `tell`: the others hear that its
  /// node is gone.
  void kill(std::uint64_t id, bool tell = true);
  void kill_all();
  ReplicaActor actor(std::uint64_t id) const { return running_.at(ReplicaId{id}).actor; }
  Routes& routes(std::uint64_t id) { return *running_.at(ReplicaId{id}).routes; }
  Told& told(std::uint64_t id) { return *running_.at(ReplicaId{id}).told; }
  RoomyDisk& disk(std::uint64_t id) { return *running_.at(ReplicaId{id}).disk; }
  std::string folder(std::uint64_t id) const { return directory_ / std::to_string(id); }
  /// Waits until one of the running replicas leads, with all before its office applied.
  std::uint64_t leader();
  std::uint64_t leader_but(std::uint64_t other);
  /// A running replica that is not `leader`.
  std::uint64_t follower(std::uint64_t leader) const;

  Answer send(std::uint64_t id, ShardRequest request);
  Answer propose(std::uint64_t id, const cluster::Command& command, std::uint16_t slot = whole_shard);
  Answer ask(std::uint64_t id, const cluster::Query& query, bool linearizable, std::uint64_t floor = 0);
  /// Makes an account, by whoever leads, through failovers. The index of its entry.
  std::uint64_t make_account(const std::string& login);
  bool has_account(std::uint64_t id, const std::string& login, bool linearizable, std::uint64_t floor = 0);
  /// Waits until the rows of `id` reflect the log up to `index`.
  bool reaches(std::uint64_t id, std::uint64_t index);
  ReplicaStatus status(std::uint64_t id);
  /// Waits until the status of `id` satisfies `wanted`, which the replica's own timers bring about.
  bool becomes(std::uint64_t id, const std::function<bool(const ReplicaStatus&)>& wanted);
  Result<bool> change(std::uint64_t id, GroupChange change, std::uint64_t replica);
  /// Repeats it while it must wait for an earlier change, or to be caught up.
  Result<bool> change_when_possible(GroupChange change, std::uint64_t replica);

  cairn::test::TempDir directory_;
  std::shared_ptr<TestNetwork> network_ = std::make_shared<TestNetwork>();

 private:
  struct Running {
    ReplicaActor actor;
    std::shared_ptr<Routes> routes;
    std::shared_ptr<Told> told;
    std::shared_ptr<RoomyDisk> disk;
    caf::actor agent;
    caf::actor hub;
    caf::actor directory;
  };
  std::uint64_t leader_if(const std::function<bool(std::uint64_t)>& counts);

  cluster::Configuration founders_;
  std::shared_ptr<Events<ReplicaId>> news_ = std::make_shared<Events<ReplicaId>>();  // who told its agent something
  std::map<ReplicaId, Running> running_;
  std::map<ReplicaId, std::shared_ptr<Lease>> leases_;
};

cluster::Command create_account(const std::string& login, std::size_t hash_bytes = 16);

}  // namespace cairn::actors::test
