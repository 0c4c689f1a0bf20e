// A cluster around one directory service: the directory's replica on this node as its real machine over rows in
// memory, and the other shards' groups as far as orders change them. Reports are the test's to send. Any thread.
#pragma once

#include <caf/typed_event_based_actor.hpp>

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "actors/interfaces.hpp"
#include "actors/peers.hpp"
#include "cluster/control.hpp"
#include "cluster/directory_machine.hpp"
#include "cluster/directory_rows.hpp"
#include "tests/actors/actor_fixture.hpp"
#include "tests/actors/fake_replica.hpp"
#include "tests/cluster/metadata_shard.hpp"

namespace cairn::actors::test {

/// The directory's rows, and the replica that leads them.
class FakeDirectory {
 public:
  Answer propose(const Bytes& bytes) {
    const std::lock_guard lock(mutex_);
    if (served_ != Served::done) return {{}, served_, 0, 0};
    const auto command = cluster::directory::decode_command(bytes).value();
    storage::WriteBatch batch;
    const auto applied = cluster::directory::DirectoryMachine(rows_).apply(command, batch).value();
    rows_.apply(batch);
    proposed_.add(command.body);
    return {cluster::directory::encode(applied.result), Served::done, 1, 1};
  }
  Answer ask(const Ask& message) {
    const std::lock_guard lock(mutex_);
    ++asked_;
    EXPECT_TRUE(message.linearizable);
    if (served_ != Served::done) return {{}, served_, 0, 0};
    const auto query = cluster::directory::decode_query(message.query).value();
    return {cluster::directory::encode(cluster::directory::DirectoryMachine(rows_).query(query)), Served::done, 1, 1};
  }
  cluster::directory::DirectoryState state() {
    const std::lock_guard lock(mutex_);
    return cluster::directory::read_state(rows_).value();
  }
  std::vector<std::string> broken() {
    const std::lock_guard lock(mutex_);
    return cluster::directory::check_directory(rows_);
  }
  /// The newest first.
  std::vector<cluster::directory::Event> events() {
    const std::lock_guard lock(mutex_);
    std::vector<cluster::directory::Event> out;
    EXPECT_TRUE(cluster::directory::scan_events_back(rows_, ~std::uint64_t{0}, [&](cluster::directory::Event event) {
                  out.push_back(std::move(event));
                  return true;
                }).ok());
    return out;
  }
  /// What the replica answers from now on instead of doing it.
  void serve(Served served) {
    const std::lock_guard lock(mutex_);
    served_ = served;
  }
  std::size_t asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }
  Events<cluster::directory::CommandBody>& proposed() { return proposed_; }

 private:
  std::mutex mutex_;
  cluster::MapRows rows_;
  Served served_ = Served::done;
  std::size_t asked_ = 0;
  Events<cluster::directory::CommandBody> proposed_;
};

/// Orders in the order in which they came, with the node that got them.
struct GivenOrder {
  std::string node;
  cluster::directory::Order order;
};
using GivenOrders = Events<GivenOrder>;

/// A replica of this node: of the directory if `directory` is there, else of a shard whose leader takes orders.
inline ReplicaActor::behavior_type fake_leader(ReplicaActor::pointer, cluster::directory::ShardId shard,
                                               std::shared_ptr<FakeDirectory> directory,
                                               std::shared_ptr<GivenOrders> orders, ReplicaStatus status) {
  return replica_with([directory](const Propose& message) { return directory->propose(message.command); },
                      [directory](const Ask& message) { return directory->ask(message); },
                      [shard, orders](const ChangeGroup& message) {
                        orders->add({"self", {shard, message.change, message.replica}});
                        message.reply(true);
                      },
                      [status](const GetReplica& message) { message.reply(status); });
}

/// Links that keep what is sent.
class OrderNetwork final : public NodeNetwork {
 public:
  explicit OrderNetwork(std::shared_ptr<GivenOrders> orders) : orders_(std::move(orders)) {}

  Result<void> send(const NodeName& to, Channel channel, Bytes frame) override {
    EXPECT_EQ(channel, Channel::control);
    const auto decoded = cluster::directory::decode_control_frame(frame);
    if (!decoded) return decoded.error();
    orders_->add({to, std::get<cluster::directory::Order>(*decoded)});
    return {};
  }

 private:
  std::shared_ptr<GivenOrders> orders_;
};

}  // namespace cairn::actors::test
