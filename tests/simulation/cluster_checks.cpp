#include "tests/simulation/cluster_checks.hpp"

#include <algorithm>
#include <functional>

#include "cluster/directory_commands.hpp"

namespace cairn::simulation {
namespace {

std::string number(std::uint64_t n) { return std::to_string(n); }
std::string name(ShardId shard, ReplicaId id) {
  return "replica " + number(id.value) + " of shard " + number(shard.value);
}
std::size_t hash_of(BytesView bytes) { return std::hash<std::string_view>{}(bytes); }

}  // namespace

std::shared_ptr<SimLogDisk> ClusterChecks::log_of(ShardId shard, ReplicaId id) {
  auto& log = shards_[shard].logs[id];
  if (!log) {
    log = std::make_shared<SimLogDisk>();
    shards_[shard].raft.watch_disk(id, log);
  }
  return log;
}

void ClusterChecks::stepped(ShardId shard, const cluster::Raft& raft) {
  (void)log_of(shard, raft.self());
  for (const auto id : raft.configuration().voters) (void)log_of(shard, id);
  shards_[shard].raft.stepped(raft);
}

void ClusterChecks::made(ReplicaId id, std::uint64_t data) {
  const auto [at, fresh] = made_.try_emplace(id, data);
  if (!fresh)
    violated("replica " + number(id.value) + " is made a second time, on disk " + number(data) + " after disk " +
             number(at->second));
}

void ClusterChecks::started(ReplicaId id, std::uint64_t data) const {
  const auto found = made_.find(id);
  if (found == made_.end() || found->second != data)
    violated("replica " + number(id.value) + " starts on disk " + number(data) + ", where it was not made");
}

void ClusterChecks::founded(ShardId shard, const cluster::Configuration& founders) {
  shards_[shard].raft.set_founders(founders);
}

void ClusterChecks::applied(ShardId shard, ReplicaId id, const storage::LogEntry& entry,
                            const cluster::Effect* effect) {
  const Outcome outcome{entry.term, hash_of(entry.body) * 31 + entry.kind, effect ? hash_of(effect->result) : 0,
                        effect ? effect->cursor.value : 0};
  const auto [at, fresh] = shards_[shard].outcomes.try_emplace(entry.index, outcome);
  const auto& known = at->second;
  if (known.term != outcome.term || known.entry != outcome.entry)
    violated("State Machine Safety: " + name(shard, id) + " applies another entry " + number(entry.index));
  if (known.result != outcome.result || known.cursor != outcome.cursor)
    violated("entry " + number(entry.index) + " came to something else at " + name(shard, id));
  if (!fresh || !effect) return;
  if (shard != cluster::directory::directory_shard) return took_effect(entry, *effect);
  const auto result = cluster::directory::decode_command_result(effect->result);
  const auto* shard_made = result ? std::get_if<cluster::directory::ShardMade>(&*result) : nullptr;
  if (shard_made) founded(shard_made->shard, {shard_made->replicas, {}});
}

void ClusterChecks::took_effect(const storage::LogEntry& entry, const cluster::Effect& effect) {
  if (effect.changed.value == 0) return;
  const auto command = cluster::decode_command(entry.body);
  const auto* commit = command ? std::get_if<cluster::CommitChanges>(&command->body) : nullptr;
  if (!commit) return;
  const auto result = cluster::decode_command_result(effect.result);
  const auto* done = result ? std::get_if<CommitResult>(&*result) : nullptr;
  if (!done || done->results.size() != commit->changes.size())
    return violated("a commit grew a journal without a result");
  auto& journal = journals_[effect.changed];
  for (std::size_t i = 0; i < commit->changes.size(); ++i) {
    const auto* put = std::get_if<PutFile>(&commit->changes[i]);
    if (!put || done->results[i].error) continue;
    if (!effects_.try_emplace(put->content.inline_bytes, entry.index).second)
      violated("exactly once: " + put->content.inline_bytes + " took effect twice");
    journal.push_back(done->results[i].entry);
  }
  if (journal.size() != effect.cursor.value)
    violated("the journal of account " + number(effect.changed.value) + " has " + number(journal.size()) +
             " changes and ends at " + number(effect.cursor.value));
}

void ClusterChecks::acknowledged(const FileName& file, std::uint32_t version, const std::string& content) {
  if (!effects_.contains(content)) violated(content + " is acknowledged and took no effect");
  auto& versions = acknowledged_[file];
  versions.push_back(content);
  ++acknowledgements_;
  if (versions.size() != version)
    violated("exactly once: " + content + " is acknowledged as version " + number(version) + " of " + file.name +
             " after " + number(versions.size() - 1) + " acknowledged ones");
}

std::uint32_t ClusterChecks::acknowledged(const FileName& file) const {
  const auto found = acknowledged_.find(file);
  return found == acknowledged_.end() ? 0 : static_cast<std::uint32_t>(found->second.size());
}

void ClusterChecks::read(const FileName& file, std::uint32_t least, std::uint32_t version, const std::string& content,
                         const char* how) const {
  if (version < least)
    violated(std::string(how) + " answers version " + number(version) + " of " + file.name + " where " + number(least) +
             " was acknowledged before");
  const auto found = acknowledged_.find(file);
  if (found != acknowledged_.end() && version > 0 && version <= found->second.size() &&
      found->second[version - 1] != content)
    violated(std::string(how) + " answers " + content + " as version " + number(version) + " of " + file.name +
             ", which was " + found->second[version - 1]);
}

void ClusterChecks::reflects(std::uint64_t index, std::uint64_t floor) const {
  if (index < floor)
    violated("a session that has seen entry " + number(floor) + " is answered from entry " + number(index));
}

void ClusterChecks::watched(AccountId account, Cursor after, const ChangePage& page) {
  const auto found = journals_.find(account);
  const auto end = found == journals_.end() ? 0 : found->second.size();
  const auto who = "a watcher of account " + number(account.value) + " at " + number(after.value);
  if (page.cursor < after || page.cursor.value > end)
    violated(who + " is moved to " + number(page.cursor.value) + " of " + number(end));
  auto& taken = taken_[account];
  if (after != taken) violated(who + " had taken everything up to " + number(taken.value));
  if (!page.events.empty()) taken = page.cursor;
  std::map<EntryId, std::uint64_t> last;
  auto before = after;
  for (const auto& event : page.events) {
    if (event.cursor <= before || event.cursor > page.cursor)
      violated(who + " is given change " + number(event.cursor.value) + " out of order");
    before = event.cursor;
    last[event.entry] = event.cursor.value;
  }
  for (auto cursor = after.value + 1; cursor <= page.cursor.value; ++cursor) {
    const auto event = last.find(found->second[cursor - 1]);
    if (event == last.end() || event->second < cursor) violated(who + " is not given change " + number(cursor));
  }
}

std::uint64_t ClusterChecks::journal(AccountId account) const {
  const auto found = journals_.find(account);
  return found == journals_.end() ? 0 : found->second.size();
}

}  // namespace cairn::simulation
