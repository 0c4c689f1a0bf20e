// Clients and watchers of the simulated group. A client has one operation at a time and tries it again,
// under the same number, until it is answered.
#include "tests/simulation/world.hpp"

namespace cairn::simulation {

void World::client_step(std::size_t which) {
  auto& client = clients_[which];
  if (quiet_clients_) return;
  ++client.operation;
  client.idle = false;
  client.invoked = static_cast<std::uint64_t>(now_.count());
  client.key = 1 + random_.below(keys_);
  client.floor = checks_.acknowledged_index();
  const auto kind = random_.below(100);
  client.kind = kind < client.put_percent && !writes_held_ ? Client::Kind::put
                : random_.percent(70)                      ? Client::Kind::read
                                                           : Client::Kind::local_read;
  if (client.kind == Client::Kind::put) client.put = {client.id, ++client.sequence, client.key, next_value_++};
  client_attempt(which);
}

void World::client_attempt(std::size_t which) {
  auto& client = clients_[which];
  const auto operation = client.operation;
  const auto attempt = ++client.attempt;
  const auto target = client.target;
  const auto hop = [this] { return Duration(luck_.delay_micros / 2 + random_.below(luck_.delay_micros)); };
  const auto answer = [this, which, operation, target, hop](const Result<std::uint64_t>& result) {
    if (chaos_ && random_.percent(luck_.loss)) return;
    after(hop(), [this, which, operation, target, result] { client_answered(which, operation, result, target); });
  };
  const auto copies = chaos_ && random_.percent(luck_.doubled) ? 2 : 1;
  for (int i = 0; i < copies && !(chaos_ && random_.percent(luck_.loss)); ++i)
    after(hop() * (i + 1), [this, client, target, answer] {
      auto* at = replica(target);
      if (!at || !at->up()) return answer(Error{Errc::unavailable, "nobody there"});
      switch (client.kind) {
        case Client::Kind::put: return at->put(client.put, answer);
        case Client::Kind::read: return at->read(client.key, client.floor, answer);
        case Client::Kind::local_read: return answer(at->local_read(client.key, client.session));
      }
    });
  const auto patience = Duration(12'000 + random_.below(60'000)) + 8 * Duration(luck_.delay_micros);
  after(patience, [this, which, operation, attempt] {
    auto& waiting = clients_[which];
    if (waiting.idle || waiting.operation != operation || waiting.attempt != attempt) return;
    waiting.target = any(ids());
    client_attempt(which);
  });
}

void World::client_answered(std::size_t which, std::uint64_t operation, const Result<std::uint64_t>& answer,
                            ReplicaId from) {
  auto& client = clients_[which];
  if (client.idle || client.operation != operation) return;
  if (answer.ok()) return client_finish(which, *answer);
  if (answer.error().code == Errc::request_forgotten)
    throw Violation("exactly once: a request that was not answered is forgotten");
  if (client.target != from) return;
  // Another replica, or the same again in a moment.
  const auto* at = replica(from);
  const auto hint = at && at->up() ? at->raft().leader() : cluster::no_replica;
  client.target = hint != cluster::no_replica && hint != from && random_.percent(70) ? hint : any(ids());
  const auto attempt = client.attempt;
  after(Duration(1'000 + random_.below(10'000)), [this, which, operation, attempt] {
    const auto& waiting = clients_[which];
    if (!waiting.idle && waiting.operation == operation && waiting.attempt == attempt) client_attempt(which);
  });
}

void World::client_finish(std::size_t which, std::uint64_t value) {
  auto& client = clients_[which];
  const auto answered = static_cast<std::uint64_t>(now_.count());
  if (client.kind == Client::Kind::put) {
    checks_.acknowledged(client.put, value);
    client.session = std::max(client.session, checks_.index_of(client.put));
    checks_.history(client.key, {client.invoked, answered, true, client.put.value, value});
  } else if (client.kind == Client::Kind::read) {
    checks_.history(client.key, {client.invoked, answered, false, 0, value});
  }
  client.idle = true;
  // Bursts and pauses, so that batches form and an idle group falls silent.
  const auto pause = writes_held_          ? random_.below(1'000)
                     : random_.percent(5)  ? random_.below(400'000)
                     : random_.percent(60) ? random_.below(2'000)
                                           : random_.below(20'000);
  after(Duration(pause), [this, which] { client_step(which); });
}

/// A burst of writes of clients that are gone before they are answered: no more than a slow network, on
/// which appends overtake each other, can bring to all before the end.
void World::flood(ReplicaId at) {
  for (auto i = random_.between(50, 200) / (luck_.delay_micros > 1'000 ? 5 : 1); i > 0; --i) {
    const Put put{1'000 + next_value_, 1, 99, next_value_};
    ++next_value_;
    after(Duration(random_.below(60'000)), [this, at, put] {
      if (auto* to = replica(at); to && to->up()) to->put(put, [](const Result<std::uint64_t>&) {});
    });
  }
}

void World::watcher_step(std::size_t which) {
  auto& watcher = watchers_[which];
  auto* at = replica(watcher.at);
  if (!at || !at->up() || random_.percent(5)) {
    watcher.at = any(ids());
    watcher.moved = true;
  } else {
    using cluster::Fault;
    if (watcher.moved && settings_.faults.has(Fault::watch_from_end)) watcher.cursor = at->last_cursor();
    auto rows = at->journal_after(watcher.cursor);
    if (watcher.moved && settings_.faults.has(Fault::watch_repeats) && watcher.cursor > 0)
      rows = at->journal_after(watcher.cursor - 1);
    watcher.moved = false;
    checks_.watched(watcher.seen, rows);
    if (!rows.empty()) watcher.cursor = watcher.seen = rows.back().cursor;
  }
  after(Duration(5'000 + random_.below(30'000)), [this, which] { watcher_step(which); });
}

}  // namespace cairn::simulation
