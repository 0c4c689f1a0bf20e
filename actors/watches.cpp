#include "actors/watches.hpp"

#include <caf/typed_event_based_actor.hpp>

#include "actors/shard_calls.hpp"

namespace cairn::actors {
namespace {

constexpr std::uint32_t changes_per_page = 256;
constexpr std::chrono::milliseconds retry_interval{200};

}  // namespace

Watches::~Watches() {
  for (const auto& [number, watch] : watches_)
    watch.target->ended({Errc::unavailable, "the session of this watch has ended; watch again from the last cursor"});
}

void Watches::add(const SessionWatch& message) {
  if (watches_.size() >= limits::max_watches_per_session)
    return message.reply(
        Error{Errc::busy, "a session has at most " + std::to_string(limits::max_watches_per_session) + " watches"});
  const auto number = ++last_number_;
  watches_[number] = Watch{message.cursor, message.cursor, message.target, false, true};
  message.reply(number);
  // Subscribing first: what happens from now on is told, what happened before is read.
  if (!growth_wanted_) growth_wanted_ = routes_->want_growth();
  if (!subscribed_) subscribe();
  pump(number);
}

void Watches::remove(std::uint64_t watch) {
  watches_.erase(watch);
  if (!watches_.empty()) return;
  growth_wanted_.reset();
  if (!subscribed_) return;
  subscribed_ = false;
  if (const auto hub = routes_->watch_hub()) {
    self_->demonitor(hub.address());
    self_->send(hub, Unsubscribe{account_});
  }
}

void Watches::answered(const WatchAnswered& message) {
  const auto found = watches_.find(message.watch);
  if (found == watches_.end()) return;
  if (!message.taken)
    return end(message.watch, {Errc::cancelled, "the watcher refused a page, or took too long for it"});
  found->second.cursor = found->second.sent;
  found->second.busy = false;
  pump(message.watch);
}

void Watches::grew(const JournalGrew& message) {
  grown_.raise({true, cluster::directory::ShardId{message.shard}, message.index});
  for (auto& [number, watch] : watches_)
    if (Cursor{message.cursor} > watch.cursor) watch.stale = true;
  pump_all();
}

void Watches::hub_down() {
  subscribed_ = false;
  retry_soon();
}

void Watches::retry() {
  retrying_ = false;
  if (watches_.empty()) return;
  if (!subscribed_) subscribe();
  for (auto& [number, watch] : watches_) watch.stale = true;
  pump_all();
}

void Watches::end_all(const Error& why) {
  while (!watches_.empty()) end(watches_.begin()->first, why);
}

void Watches::subscribe() {
  const auto hub = routes_->watch_hub();
  if (hub) {
    self_->monitor(hub);
    self_->send(hub, Subscribe{account_});
    subscribed_ = true;
  } else {
    retry_soon();
  }
}

void Watches::retry_soon() {
  if (!std::exchange(retrying_, true)) self_->delayed_send(SessionActor{self_}, retry_interval, TimerFired{0});
}

void Watches::pump_all() {
  std::vector<std::uint64_t> numbers;
  for (const auto& [number, watch] : watches_) numbers.push_back(number);
  for (const auto number : numbers) pump(number);
}

void Watches::pump(std::uint64_t number) {
  const auto found = watches_.find(number);
  if (found == watches_.end() || found->second.busy || !found->second.stale) return;
  found->second.busy = true;
  found->second.stale = false;
  // A replica that has not got as far as what was told of must not answer that there is nothing.
  const auto target = target_of(*routes_, slot_of(account_));
  const cluster::directory::ShardId shard{target.shard};
  auto at = floor_.of(shard);
  if (!at.linearizable) at.floor = std::max(at.floor, grown_.of(shard).floor);
  ask_shard(self_, *routes_, target, at, cluster::ReadChanges{account_, found->second.cursor, changes_per_page},
            [this, number](cluster::QueryResult result, const cluster::Seen& seen) {
              floor_.raise(seen);
              page(number, expect<ChangePage>(std::move(result)));
            });
}

void Watches::page(std::uint64_t number, Result<ChangePage> page) {
  const auto found = watches_.find(number);
  if (found == watches_.end()) return;
  auto& watch = found->second;
  if (!page) {
    if (!is_retryable(page.error().code)) return end(number, page.error());
    watch.busy = false;
    watch.stale = true;
    return retry_soon();
  }
  if (page->events.empty()) {
    watch.busy = false;
    return pump(number);
  }
  watch.sent = page->cursor;
  watch.stale = watch.stale || page->more;
  Reply<bool> taken([me = SessionActor{self_}, number](const Result<bool>& answer) {
    caf::anon_send(me, WatchAnswered{number, answer.ok() && *answer});
  });
  watch.target->changed(std::move(*page), std::move(taken));
}

void Watches::end(std::uint64_t number, const Error& why) {
  const auto target = watches_.at(number).target;
  remove(number);
  target->ended(why);
}

}  // namespace cairn::actors
