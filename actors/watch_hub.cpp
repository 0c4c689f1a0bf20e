// Why a watcher misses nothing and is told nothing twice, whatever fails between a commit and it:
//
// - A watch reads pages after its own cursor, which moves when a page was taken. So whatever is told to it is only
//   a reason to look; looking too often repeats nothing.
// - It has to look after each commit, at rows that have the commit. Growth that the leader's hub forwards says so,
//   with the log index to read at. Growth is lost when the leader dies before it is sent, when a frame is lost, and
//   while the leader's hub does not know of our interest.
// - The leader died: the next one announces itself when what was committed before is applied there, with an index
//   that is therefore not below any commit of its predecessors. All subscribers of the shard look there.
// - A frame was lost: its link broke, or its sender could not queue it. A broken link takes the interest with it; at
//   the new link a fresh interest is answered by the same announcement. A sender that could not queue remembers
//   that and announces again.
// - Our interest was not known (this hub or that one started, the lease ran out, a first subscriber came): it is
//   fresh, or new there, and answered by the announcement. What is committed after that is forwarded.
// - Nobody was interested in what the leader's node commits, so that its replicas did not tell: its hub asks them how
//   far they are before it relies on what they tell, and announces that.
// - No link to the leader's node, or to one that may be it: subscribers look at each interest_interval, through the
//   replicas that there are.
#include "actors/watch_hub.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <unordered_map>

#include "actors/clock.hpp"
#include "actors/log.hpp"
#include "actors/watch_frames.hpp"

namespace cairn::actors {
namespace {

using cluster::directory::ShardId;

enum class HubTimer : std::uint64_t { renew = 1, flush = 2 };

struct Subscriptions {
  std::unordered_map<std::uint64_t, std::set<caf::actor_addr>> by_account;
  std::unordered_map<caf::actor_addr, std::uint64_t> account_of;

  void add(std::uint64_t account, const caf::actor_addr& session) {
    by_account[account].insert(session);
    account_of[session] = account;
  }

  void remove(const caf::actor_addr& session) {
    const auto found = account_of.find(session);
    if (found == account_of.end()) return;
    const auto sessions = by_account.find(found->second);
    sessions->second.erase(session);
    if (sessions->second.empty()) by_account.erase(sessions);
    account_of.erase(found);
  }
};

class Hub {
 public:
  Hub(WatchHubActor::pointer self, std::size_t expected_sessions, std::string node, std::shared_ptr<Routes> routes,
      std::shared_ptr<NodeNetwork> network)
      : self_(self), node_(std::move(node)), routes_(std::move(routes)), network_(std::move(network)) {
    // Growing the tables later would pause everybody's changes.
    local_.by_account.reserve(expected_sessions);
    local_.account_of.reserve(expected_sessions);
    ask_replicas();
    tell_holders(true);
    set_timer();
  }

  // Of this node's own replicas.
  void grew(const JournalGrew& growth) {
    deliver(growth);
    if (!growth.leads) return;
    if (const auto led = led_.find(ShardId{growth.shard}); led != led_.end())
      led->second.index = std::max(led->second.index, growth.index);
    forward(growth);
  }

  void replica_changed(const ReplicaChanged& change) {
    if (change.role != cluster::Role::leader || !change.settled) {
      led_.erase(change.shard);
      return;
    }
    auto& led = led_[change.shard];
    const bool announced = led.term == change.term && led.replica == change.replica && change.index <= led.index;
    led = {change.shard, change.replica, change.term, std::max(led.index, change.index)};
    if (announced) return;
    for (auto& [peer, interested] : interested_) announce(peer, interested, led);
    poke(change.shard, change.index);
  }

  void received(const WatchReceived& message) {
    const auto frame = decode_watch_frame(message.frame);
    if (!frame) return log_warning("a frame of {} is dropped: {}", message.from, frame.error().message);
    std::visit([&](const auto& one) { received(message.from, one); }, *frame);
  }

  void link_changed(const LinkChanged& change) {
    told_.erase(change.node);
    interested_.erase(change.node);
    const auto holders = this->holders();
    if (!holders.contains(change.node)) return;
    if (change.up) return tell(change.node, true);
    const auto map = routes_->map();
    for (const auto& shard : map->slots().shards)
      if (holds(shard, change.node)) poke(shard.id, 0);
  }

  void map_changed() {
    const auto holders = this->holders();
    std::erase_if(told_, [&](const auto& node) { return !holders.contains(node); });
    const auto map = routes_->map();
    std::erase_if(led_, [&](const auto& one) {
      const auto* shard = map->find(one.first);
      return shard && !holds(*shard, node_);
    });
    for (const auto& node : holders)
      if (!told_.contains(node)) tell(node, true);
  }

  void subscribe(AccountId account, const caf::actor_addr& session) {
    if (!local_.account_of.contains(session)) self_->monitor(session);
    local_.add(account.value, session);
    if (std::exchange(wants_growth_, true)) return;
    tell_holders(true);
  }

  void unsubscribe(const caf::actor_addr& session) { local_.remove(session); }

  void timer(const TimerFired& message) {
    if (message.generation == static_cast<std::uint64_t>(HubTimer::flush)) return flush();
    set_timer();
    wants_growth_ = !local_.by_account.empty();
    tell_holders(false);
    const auto now = steady_now();
    std::erase_if(interested_, [&](const auto& one) { return now >= one.second.until; });
    listen();
    for (auto& [peer, interested] : interested_)
      if (std::exchange(interested.missed, false)) announce_all(peer, interested);
    poke_out_of_sight();
  }

 private:
  struct Interested {
    std::chrono::milliseconds until{0};
    bool growth = false;
    bool missed = false;  // a frame could not be sent
  };

  // What this node wants of others.

  std::set<std::string> holders() const {
    std::set<std::string> nodes;
    const auto map = routes_->map();
    for (const auto& shard : map->slots().shards)
      for (const auto& replica : shard.replicas)
        if (replica.node.text() != node_) nodes.insert(replica.node.text());
    return nodes;
  }

  static bool holds(const cluster::directory::Shard& shard, const std::string& node) {
    return std::any_of(shard.replicas.begin(), shard.replicas.end(),
                       [&](const auto& replica) { return replica.node.text() == node; });
  }

  void tell_holders(bool fresh) {
    for (const auto& node : holders()) tell(node, fresh || !told_.contains(node));
  }

  void tell(const std::string& node, bool fresh) {
    const Interest interest{limits::interest_lease, wants_growth_, fresh};
    if (network_->send(node, Channel::watch, encode(interest))) {
      told_.insert(node);
    } else {
      told_.erase(node);
    }
  }

  void received(const std::string&, const Leads& leads) {
    if (const auto router = routes_->router()) self_->send(router, LeaderHeard{leads.shard, leads.replica, leads.term});
    poke(leads.shard, leads.index);
  }

  void received(const std::string&, const Growths& frame) {
    for (const auto& growth : frame.growths) deliver(growth);
  }

  void deliver(const JournalGrew& growth) {
    const auto found = local_.by_account.find(growth.account);
    if (found == local_.by_account.end()) return;
    for (const auto& session : found->second)
      if (const auto alive = caf::actor_cast<SessionActor>(session)) self_->send(alive, growth);
  }

  // Subscribers of the shard look for what is after their cursors, in rows of `index` at least.
  void poke(ShardId shard, std::uint64_t index) {
    const auto map = routes_->map();
    for (const auto& [account, sessions] : local_.by_account) {
      const auto* owner = map->shard_of(slot_of(AccountId{account}));
      if (owner && owner->id == shard)
        deliver({account, std::numeric_limits<std::uint64_t>::max(), shard.value, index, true});
    }
  }

  // Whose leader may be a node that this one does not hear.
  void poke_out_of_sight() {
    if (local_.by_account.empty()) return;
    const auto map = routes_->map();
    for (const auto& shard : map->slots().shards) {
      const bool all_in_sight = std::all_of(shard.replicas.begin(), shard.replicas.end(), [&](const auto& replica) {
        return replica.node.text() == node_ || told_.contains(replica.node.text());
      });
      if (!all_in_sight) poke(shard.id, 0);
    }
  }

  // What others want of this node.

  void received(const std::string& from, const Interest& interest) {
    const auto known = interested_.find(from);
    const bool is_new =
        known == interested_.end() || known->second.until <= steady_now() || (interest.growth && !known->second.growth);
    if (known == interested_.end() && interested_.size() >= limits::max_interested_nodes)
      return log_warning("{} is not told of changes: too many nodes are", from);
    auto& interested = interested_[from];
    interested.until = steady_now() + std::min<std::chrono::milliseconds>(interest.lease, limits::interest_lease);
    interested.growth = interest.growth;
    listen();
    if (is_new || interest.fresh) announce_all(from, interested);
  }

  bool growth_is_forwarded() const {
    return std::any_of(interested_.begin(), interested_.end(), [](const auto& one) { return one.second.growth; });
  }

  // Has this node's replicas tell of growth while other nodes want it. How far they are is not known when that begins.
  void listen() {
    const bool wanted = growth_is_forwarded();
    if (wanted == (growth_wanted_ != nullptr)) return;
    growth_wanted_ = wanted ? routes_->want_growth() : nullptr;
    if (wanted) ask_replicas();
  }

  void announce_all(const std::string& to, Interested& interested) {
    for (const auto& [shard, led] : led_) announce(to, interested, led);
  }

  void announce(const std::string& to, Interested& interested, const Leads& led) {
    if (!network_->send(to, Channel::watch, encode(WatchFrame(led)))) interested.missed = true;
  }

  // What a batch of the log has grown comes in a row and leaves together.
  void forward(const JournalGrew& growth) {
    if (!growth_is_forwarded()) return;
    auto& last = outgoing_[growth.account];
    if (growth.index >= last.index) last = growth;
    if (outgoing_.size() >= limits::max_growths_per_frame) return flush();
    if (!std::exchange(flushing_, true))
      self_->send(WatchHubActor{self_}, TimerFired{static_cast<std::uint64_t>(HubTimer::flush)});
  }

  void flush() {
    flushing_ = false;
    if (outgoing_.empty()) return;
    Growths frame;
    for (const auto& [account, growth] : outgoing_) frame.growths.push_back(growth);
    outgoing_.clear();
    const auto bytes = encode(WatchFrame(std::move(frame)));
    for (auto& [peer, interested] : interested_)
      if (interested.growth && !network_->send(peer, Channel::watch, bytes)) interested.missed = true;
  }

  // A hub that starts has not heard what its node's replicas said before.
  void ask_replicas() {
    for (const auto& [shard, replica] : routes_->replicas()) {
      Reply<ReplicaStatus> told([me = caf::actor_cast<caf::actor_addr>(self_)](const Result<ReplicaStatus>& status) {
        const auto hub = caf::actor_cast<WatchHubActor>(me);
        if (!status || !hub) return;
        const auto& report = status->report;
        caf::anon_send(hub, ReplicaChanged{report.shard, report.replica, report.role, report.term, status->leader,
                                           report.settled, status->applied});
      });
      self_->send(replica, GetReplica{std::move(told)});
    }
  }

  void set_timer() {
    self_->delayed_send(WatchHubActor{self_}, limits::interest_interval,
                        TimerFired{static_cast<std::uint64_t>(HubTimer::renew)});
  }

  WatchHubActor::pointer self_;
  std::string node_;
  std::shared_ptr<Routes> routes_;
  std::shared_ptr<NodeNetwork> network_;
  Subscriptions local_;
  bool wants_growth_ = false;
  std::set<std::string> told_;  // nodes that know of our interest, if their link held
  std::map<std::string, Interested> interested_;
  std::map<ShardId, Leads> led_;  // by this node's replicas, settled
  std::shared_ptr<const void> growth_wanted_;
  std::map<std::uint64_t, JournalGrew> outgoing_;
  bool flushing_ = false;
};

}  // namespace

WatchHubActor::behavior_type watch_hub(WatchHubActor::pointer self, std::size_t expected_sessions, std::string node,
                                       std::shared_ptr<Routes> routes, std::shared_ptr<NodeNetwork> network) {
  auto state = std::make_shared<Hub>(self, expected_sessions, std::move(node), std::move(routes), std::move(network));
  self->set_down_handler([state](const caf::down_msg& down) { state->unsubscribe(down.source); });
  return {
      [state](const JournalGrew& message) { state->grew(message); },
      [state](const WatchReceived& message) { state->received(message); },
      [state](const LinkChanged& message) { state->link_changed(message); },
      [state](const ReplicaChanged& message) { state->replica_changed(message); },
      [state](const MapChanged&) { state->map_changed(); },
      [state](const TimerFired& message) { state->timer(message); },
      [self, state](const Subscribe& message) {
        state->subscribe(message.account, caf::actor_cast<caf::actor_addr>(self->current_sender()));
      },
      [self, state](const Unsubscribe&) {
        const auto session = caf::actor_cast<caf::actor_addr>(self->current_sender());
        self->demonitor(session);
        state->unsubscribe(session);
      },
  };
}

}  // namespace cairn::actors
