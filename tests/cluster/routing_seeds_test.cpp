// Routing with bad luck of all kinds at once, by seeds.
#include <map>
#include <set>

#include "tests/cluster/routing_fixture.hpp"
#include "tests/support/random.hpp"

namespace cairn::cluster {
namespace {

// A cluster that answers late, or not at all, while its leader changes and links break. Whatever happens, each
// request ends once, and by its deadline; while a leader is reachable it ends soon.
class RoutingWorld {
 public:
  explicit RoutingWorld(std::uint64_t seed) : random_(seed) {
    routing_.set_map(std::make_shared<ClusterMap>(slots_of_three()), now_);
  }

  /// `but_the_leader`: in the end there is no link to it, only to others who have one.
  void run(bool but_the_leader) {
    for (int step = 0; step < 3'000; ++step) {
      act();
      now_ += Duration(random_.below(3'000));
      deliver();
      routing_.tick(now_);
      take();
    }
    heal(but_the_leader);
    const auto end = now_ + 2s;
    while (now_ < end && !started_.empty()) {
      now_ += 500us;
      deliver();
      routing_.tick(now_);
      take();
    }
    EXPECT_TRUE(started_.empty()) << started_.size() << " wait although everything works";
    EXPECT_EQ(routing_.requests(), 0u);
    EXPECT_EQ(routing_.bytes(), 0u);
    EXPECT_EQ(routing_.deadline(), never);
    EXPECT_LT(sends_, requests_ * 12);
  }

 private:
  struct InFlight {
    SendAttempt send;
    std::uint64_t link;  // the incarnation on which it went
  };

  void act() {
    const auto chance = random_.below(100);
    if (chance < 60) {
      const bool by_leader = random_.below(2) == 0;
      const bool relayed = by_leader && random_.one_in(4);
      const auto id = routing_.begin(
          {{}, static_cast<std::uint16_t>(random_.below(16'384)), by_leader, random_.below(index_ + 1), 1, relayed},
          now_);
      ASSERT_TRUE(id);
      if (relayed) relayed_.insert(*id);
      started_[*id] = now_;
      if (by_leader) by_leader_.insert(*id);
      ++requests_;
    } else if (chance < 63) {
      ++term_;
      leader_ = random_.below(4);
      if (leader_ && random_.below(2)) routing_.heard_leader(ShardId{2}, ReplicaId{leader_}, term_, now_);
    } else if (chance < 66) {
      auto& node = nodes_[random_.below(3)];
      node.frozen = !node.frozen;
    } else if (chance < 69) {
      const auto which = random_.below(3);
      set_link(which, !nodes_[which].up);
    }
    take();
  }

  void heal(bool but_the_leader) {
    healed_ = true;
    ++term_;
    leader_ = 1 + random_.below(3);
    for (std::size_t i = 0; i < 3; ++i) {
      nodes_[i].frozen = false;
      const bool up = !but_the_leader || i + 1 != leader_;
      if (nodes_[i].up != up) set_link(i, up);
    }
    take();
  }

  void set_link(std::size_t which, bool up) {
    auto& node = nodes_[which];
    node.up = up;
    ++node.link;
    routing_.link_changed(names_[which], up, now_);
    take();
  }

  void take() {
    for (auto steps = routing_.take_steps(); !steps.empty(); steps = routing_.take_steps()) {
      for (const auto& step : steps) {
        if (const auto* gave_up = std::get_if<GiveUp>(&step)) {
          const auto id = gave_up->request;
          if (!relayed_.contains(id) && !refused_.contains(id)) {
            EXPECT_GE(now_, started_.at(id) + limits::route_timeout);
          }
          if (gave_up->why != Served::unknown) {
            EXPECT_EQ(in_doubt_[id], 0u) << "it may take effect yet";
          }
          if (!sent_.contains(id)) {
            EXPECT_EQ(gave_up->why, Served::not_leader);
          }
          started_.erase(id);
          continue;
        }
        const auto& send = std::get<SendAttempt>(step);
        ++sends_;
        sent_.insert(send.request);
        EXPECT_FALSE(send.relay && relayed_.contains(send.request)) << "it is relayed once";
        const auto& node = nodes_[index_of(send.node)];
        if (!node.up) {
          routing_.not_sent(send.attempt, true, now_);
        } else {
          ++in_doubt_[send.request];
          in_flight_.emplace(now_ + Duration(100 + random_.below(5'000)), InFlight{send, node.link});
        }
      }
    }
  }

  void deliver() {
    while (!in_flight_.empty() && in_flight_.begin()->first <= now_) {
      const auto at = in_flight_.begin()->first;
      const auto flight = in_flight_.begin()->second;
      in_flight_.erase(in_flight_.begin());
      const auto which = index_of(flight.send.node);
      const auto& node = nodes_[which];
      if (node.link != flight.link) continue;  // lost with its link
      if (node.frozen) {
        in_flight_.emplace(at + 10ms, flight);
        continue;
      }
      reply(flight.send, which + 1);
      take();
    }
  }

  void reply(const SendAttempt& send, std::uint64_t replica) {
    ++index_;
    auto served = Served::done;
    if (by_leader_.contains(send.request) && (send.relay ? !leader_ : replica != leader_)) served = Served::not_leader;
    if (send.relay && random_.one_in(healed_ ? 20 : 4)) served = Served::busy;
    if (!healed_ && random_.one_in(20)) served = random_.one_in(2) ? Served::behind : Served::unknown;
    const bool refused = !healed_ && served == Served::done && by_leader_.contains(send.request) && random_.one_in(20);
    const bool nothing_done = refused || (served != Served::done && served != Served::unknown);
    if (nothing_done) --in_doubt_[send.request];
    if (refused) refused_.insert(send.request);
    const auto hint = healed_ || random_.below(3) ? leader_ : random_.below(4);
    const auto answered =
        routing_.answered(send.attempt, send.node, served, ReplicaId{hint}, nothing_done ? 0 : index_, now_);
    if (!answered) return;
    if (refused) {
      EXPECT_EQ(in_doubt_[send.request], 0u) << "it may take effect yet";
    }
    EXPECT_EQ(served, Served::done);
    EXPECT_EQ(*answered, send.request);
    EXPECT_EQ(started_.erase(*answered), 1u) << "answered twice";
  }

  std::size_t index_of(const std::string& node) const {
    return static_cast<std::size_t>(std::find(names_.begin(), names_.end(), node) - names_.begin());
  }

  struct Node {
    bool up = true;
    bool frozen = false;
    std::uint64_t link = 1;
  };

  ::cairn::test::Random random_;
  Instant now_{5'000'000};
  Routing routing_{"x", 77};
  const std::vector<std::string> names_{"a", "b", "c"};
  std::vector<Node> nodes_{3};
  bool healed_ = false;
  std::uint64_t leader_ = 1, term_ = 1, index_ = 0;
  std::size_t requests_ = 0, sends_ = 0;
  std::map<std::uint64_t, Instant> started_;
  std::set<std::uint64_t> by_leader_, relayed_, sent_;
  std::set<std::uint64_t> refused_;                // once or more, by an error of who leads
  std::map<std::uint64_t, std::size_t> in_doubt_;  // copies that may take effect, or did
  std::multimap<Instant, InFlight> in_flight_;
};

TEST(RoutingSeeds, EveryRequestEndsOnce) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RoutingWorld(seed).run(false);
    if (testing::Test::HasFailure()) return;
    RoutingWorld(seed).run(true);
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace cairn::cluster
