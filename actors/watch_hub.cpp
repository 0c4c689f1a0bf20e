#include "actors/watch_hub.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <memory>
#include <set>
#include <unordered_map>

namespace cairn::actors {
namespace {

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

}  // namespace

WatchHubActor::behavior_type watch_hub(WatchHubActor::pointer self, std::size_t expected_sessions) {
  auto state = std::make_shared<Subscriptions>();
  // Growing the tables later would pause everybody's changes.
  state->by_account.reserve(expected_sessions);
  state->account_of.reserve(expected_sessions);
  self->set_down_handler([state](const caf::down_msg& down) { state->remove(down.source); });
  return {
      [self, state](const JournalGrew& message) {
        const auto found = state->by_account.find(message.account);
        if (found == state->by_account.end()) return;
        for (const auto& session : found->second)
          if (const auto alive = caf::actor_cast<SessionActor>(session)) self->send(alive, message);
      },
      [](const WatchReceived&) {},
      [](const LinkChanged&) {},
      [](const ReplicaChanged&) {},
      [](const MapChanged&) {},
      [](const TimerFired&) {},
      [self, state](const Subscribe& message) {
        const auto session = caf::actor_cast<caf::actor_addr>(self->current_sender());
        if (!state->account_of.contains(session)) self->monitor(session);
        state->add(message.account.value, session);
      },
      [self, state](const Unsubscribe&) {
        const auto session = caf::actor_cast<caf::actor_addr>(self->current_sender());
        self->demonitor(session);
        state->remove(session);
      },
  };
}

}  // namespace cairn::actors
