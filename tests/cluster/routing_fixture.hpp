// What tests of routing share: three replicas, and a router on virtual time whose steps they carry out.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster/routing.hpp"

namespace cairn::cluster {

using namespace std::chrono_literals;
using directory::ShardId;

inline directory::NodeName name(const std::string& text) { return directory::NodeName::parse(text).value(); }

/// Shard 2 has replicas 1, 2 and 3 on nodes a, b and c, and every slot.
inline directory::SlotMap slots_of_three(std::uint64_t leader = 0, std::uint64_t term = 0) {
  directory::SlotMap map;
  map.epoch.value = 1;
  directory::Shard shard;
  shard.id = ShardId{2};
  shard.slots = {directory::all_slots};
  shard.replicas = {{ReplicaId{1}, name("a")}, {ReplicaId{2}, name("b")}, {ReplicaId{3}, name("c")}};
  shard.leader = ReplicaId{leader};
  shard.leader_term = term;
  map.shards = {shard};
  return map;
}

class RoutingTest : public testing::Test {
 protected:
  void map(directory::SlotMap slots) { routing_.set_map(std::make_shared<ClusterMap>(std::move(slots)), now_); }
  void leader(std::uint64_t replica, std::uint64_t term) {
    routing_.heard_leader(ShardId{2}, ReplicaId{replica}, term, now_);
  }
  std::uint64_t begin(bool by_leader, std::uint64_t floor = 0, std::uint16_t slot = 5) {
    return routing_.begin({{}, slot, by_leader, floor, 10}, now_).value();
  }
  std::uint64_t propose() { return begin(true); }
  std::uint64_t read(std::uint64_t floor = 0) { return begin(false, floor); }

  // What is to be sent now; who is given up goes to gave_up_.
  std::vector<SendAttempt> sends() {
    std::vector<SendAttempt> out;
    for (const auto& step : routing_.take_steps()) {
      if (const auto* send = std::get_if<SendAttempt>(&step)) {
        out.push_back(*send);
      } else {
        gave_up_.push_back(std::get<GiveUp>(step));
      }
    }
    return out;
  }
  // The one thing to send now.
  SendAttempt sent() {
    const auto all = sends();
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? SendAttempt{} : all[0];
  }
  std::optional<std::uint64_t> answer(const SendAttempt& to, Served served, std::uint64_t leader = 0,
                                      std::uint64_t index = 1) {
    return routing_.answered(to.attempt, to.node, served, ReplicaId{leader}, served == Served::done ? index : 0, now_);
  }
  // With an error that keeps who leads from beginning.
  std::optional<std::uint64_t> refuse(const SendAttempt& to) { return answer(to, Served::done, 0, 0); }
  // The one request that was given up.
  void gave_up(std::uint64_t request, Served why) {
    EXPECT_TRUE(sends().empty());
    ASSERT_EQ(gave_up_.size(), 1u);
    EXPECT_EQ(gave_up_[0].request, request);
    EXPECT_EQ(gave_up_[0].why, why);
    gave_up_.clear();
  }
  void pass(Duration time) {
    const auto end = now_ + time;
    while (routing_.deadline() <= end) {
      now_ = std::max(now_, routing_.deadline());
      routing_.tick(now_);
    }
    now_ = end;
    routing_.tick(now_);
  }
  void link(const std::string& node, bool up) { routing_.link_changed(node, up, now_); }
  // What is sent until something is to be relayed; all else is refused by who names `leader`.
  SendAttempt relayed(std::uint64_t leader) {
    for (const auto end = now_ + 2s; now_ < end; pass(1ms))
      for (const auto& send : sends()) {
        if (send.relay) return send;
        answer(send, Served::not_leader, leader);
      }
    ADD_FAILURE() << "nothing is relayed";
    return {};
  }

  Instant now_{1'000'000};
  Routing routing_{"x", 1'000};
  std::vector<GiveUp> gave_up_;
};

}  // namespace cairn::cluster
