#include "tests/simulation/checks.hpp"

#include <algorithm>
#include <functional>

namespace cairn::simulation {
namespace {

using cluster::ReplicaId;
using cluster::Role;

std::string number(std::uint64_t n) { return std::to_string(n); }
std::string name(ReplicaId id) { return "replica " + number(id.value); }

[[noreturn]] void violated(const std::string& what) { throw Violation(what); }

std::size_t hash_of(const storage::LogEntry& entry) {
  return std::hash<BytesView>{}(entry.body) * 31 + entry.kind;
}

}  // namespace

void Checks::stepped(const cluster::Raft& raft) {
  auto& seen = seen_[raft.self()];
  const auto& log = raft.log();
  if (raft.role() == Role::leader) {
    const auto [leader, first] = leaders_.try_emplace(raft.term(), raft.self());
    if (leader->second != raft.self())
      violated("Election Safety: " + name(leader->second) + " and " + name(raft.self()) + " lead in term " +
               number(raft.term()));
    if (seen.role == Role::leader && seen.term == raft.term()) {
      // A group of one may drop what its full disk refused: nobody else has it.
      const bool alone = raft.configuration().voters.size() == 1 && raft.configuration().learners.empty();
      if ((log.last_index() < seen.last_index && !alone) ||
          (seen.last_index >= log.first_index() && log.last_index() >= seen.last_index &&
           log.term_at(seen.last_index) != seen.last_term))
        violated("Leader Append-Only: " + name(raft.self()) + " removed entries while it led");
    } else {
      elected(raft);
      // One that was held up may find its votes when others have led and committed in a later term.
      for (auto it = committed_.lower_bound(log.first_index() - 1); it != committed_.end(); ++it)
        if (it->first > 0 && committed_in_[it->first] < raft.term() && log.term_at(it->first) != it->second)
          violated("Leader Completeness: " + name(raft.self()) + " leads in term " + number(raft.term()) +
                   " without the committed entry " + number(it->first));
    }
  }
  if (log.last_index() >= log.first_index() && *log.term_at(log.first_index()) < *log.term_at(log.first_index() - 1))
    violated("Log Matching: " + name(raft.self()) + " keeps entries that its snapshot does not lead to");
  const auto known = leaders_.find(raft.term());
  if (raft.leader() != cluster::no_replica && (known == leaders_.end() || known->second != raft.leader()))
    violated("Raft §3.3: " + name(raft.self()) + " follows " + name(raft.leader()) + ", which does not lead in term " +
             number(raft.term()));
  if (raft.term() < seen.term) violated("a term went back at " + name(raft.self()));
  if (raft.commit() < seen.commit) violated("a commit index went back at " + name(raft.self()));
  if (raft.applied() > raft.commit() || raft.commit() > log.last_index())
    violated("applied, committed and last index are out of order at " + name(raft.self()));
  configurations(raft);
  if (raft.commit() > seen.commit) commits(raft, std::max(seen.commit, log.first_index() - 1));
  seen = {raft.role(), raft.term(), log.last_index(), log.last_term(), raft.commit()};
}

/// Two that are elected in one term take a rare chain of events; one without a majority of votes shows it.
void Checks::elected(const cluster::Raft& raft) {
  const auto& own = disks_.at(raft.self())->durable().hard_state;
  std::size_t votes = 0;
  for (const auto id : raft.configuration().voters)
    votes += id == raft.self() ? own.term == raft.term() && own.vote == id.value
                               : votes_.contains({raft.term(), raft.self(), id});
  if (votes < raft.configuration().majority())
    violated("Raft §3.4: " + name(raft.self()) + " leads in term " + number(raft.term()) + " with " + number(votes) +
             " votes");
}

void Checks::commits(const cluster::Raft& raft, std::uint64_t from) {
  const auto& log = raft.log();
  for (auto index = from + 1; index <= raft.commit(); ++index) {
    const auto term = *log.term_at(index);
    const auto [it, fresh] = committed_.try_emplace(index, term);
    if (fresh) committed_in_[index] = raft.term();
    if (it->second != term)
      violated("State Machine Safety: " + name(raft.self()) + " commits entry " + number(index) + " of term " +
               number(term) + ", which is committed with term " + number(it->second));
  }
  if (raft.role() != Role::leader) return;
  // What a breach of these rules leads to takes a rare chain of events, so they are checked as rules.
  if (log.term_at(raft.commit()) != raft.term())
    violated("Raft §3.6.2: " + name(raft.self()) + " commits entry " + number(raft.commit()) +
             " of an earlier term by counting");
  // An entry is committed when a majority has it on stable storage.
  const auto& voters = raft.configuration().voters;
  std::size_t copies = 0;
  for (const auto id : voters) {
    const auto& disk = disks_.at(id)->durable();
    copies += disk.compacted_index >= raft.commit() || disk.term_at(raft.commit()) == log.term_at(raft.commit());
  }
  if (copies <= voters.size() / 2)
    violated("an entry is committed without a durable majority: " + number(raft.commit()) + " has " +
             number(copies) + " copies of " + number(voters.size()));
}

void Checks::configurations(const cluster::Raft& raft) {
  const auto& log = raft.log();
  for (auto index = log.stored() + 1; index <= log.last_index(); ++index) {
    const auto* entry = log.find(index);
    if (!entry || entry->kind != static_cast<std::uint8_t>(cluster::EntryKindInLog::configuration)) continue;
    auto configuration = cluster::decode_configuration(entry->body).value();
    const bool fresh = configurations_.try_emplace({index, entry->term}, std::move(configuration)).second;
    const auto of_term = [&](const auto& c) { return c.second == entry->term; };
    if (fresh && std::none_of(committed_.begin(), committed_.end(), of_term))
      violated("Raft §4.1: " + name(raft.self()) +
               " changes the configuration before it committed an entry of its term");
  }
  // The last configuration in the log is in effect, and only one of them is not committed anywhere.
  const cluster::Configuration* expected = nullptr;
  int open = 0;
  for (auto it = configurations_.rbegin(); it != configurations_.rend(); ++it) {
    const auto [index, term] = it->first;
    const auto here = log.term_at(index);
    const auto known = committed_.find(index);
    const bool in_log = here ? *here == term
                             : index < log.first_index() && known != committed_.end() && known->second == term;
    if (!in_log) continue;
    if (!expected) expected = &it->second;
    open += index > committed();
  }
  if (open > 1) violated("Raft §4.1: " + name(raft.self()) + " has two uncommitted configurations");
  // A founder that is made after its group has begun waits to hear of it, as others do.
  const bool waits = raft.configuration().voters.empty();
  const bool joined = expected || (founders_.has_voter(raft.self()) && !waits);
  if (!expected) expected = &founders_;
  if (joined && !(*expected == raft.configuration()))
    violated("Raft §4.1: the configuration of " + name(raft.self()) + " is not the last one in its log");
}

void Checks::sending(const cluster::Raft& raft, const cluster::Message& message) {
  const auto& disk = disks_.at(raft.self())->durable();
  const auto promise = [&](bool kept, const char* what) {
    if (!kept) violated(name(raft.self()) + " promises " + what + " that is not durable: " + describe(message));
  };
  if (const auto* vote = std::get_if<cluster::VoteAnswer>(&message.body); vote && vote->granted && !vote->pre) {
    promise(disk.hard_state.term > message.term ||
                (disk.hard_state.term == message.term && disk.hard_state.vote == message.to.value), "a vote");
    votes_.insert({message.term, message.to, raft.self()});
  }
  if (const auto* append = std::get_if<cluster::AppendAnswer>(&message.body)) {
    promise(disk.hard_state.term >= message.term, "a term");
    if (append->accepted)
      promise(disk.compacted_index >= append->index || append->index < raft.log().first_index() ||
                  disk.term_at(append->index) == raft.log().term_at(append->index), "an entry");
  }
  if (std::holds_alternative<cluster::HeartbeatAnswer>(message.body))
    promise(disk.hard_state.term >= message.term, "a term");
}

void Checks::storing(const cluster::Raft& raft, const std::vector<storage::LogEntry>& entries) {
  for (const auto& entry : entries) {
    const auto before = raft.log().term_at(entry.index - 1);
    if (!before) continue;
    if (*before > entry.term)
      violated("Log Matching: terms go back at entry " + number(entry.index) + " of " + name(raft.self()));
    const Written written{*before, hash_of(entry)};
    const auto [it, fresh] = entries_.try_emplace({entry.index, entry.term}, written);
    if (it->second.hash != written.hash || it->second.before_term != written.before_term)
      violated("Log Matching: entry " + number(entry.index) + " of term " + number(entry.term) + " differs at " +
               name(raft.self()));
  }
}

void Checks::applied(ReplicaId id, const storage::LogEntry& entry, const PutResult* result, std::uint64_t cursor) {
  const Outcome outcome{entry.term, hash_of(entry), cursor, result ? result->before : 0};
  const auto [it, fresh] = applied_.try_emplace(entry.index, outcome);
  const auto& known = it->second;
  if (known.term != outcome.term || known.hash != outcome.hash)
    violated("State Machine Safety: " + name(id) + " applies another entry " + number(entry.index));
  if (known.cursor != outcome.cursor || known.before != outcome.before)
    violated("entry " + number(entry.index) + " came to something else at " + name(id));
  if (!fresh || !result || !result->known || result->repeated) return;
  const auto put = decode_put(entry.body).value();
  if (!effects_.try_emplace({put.client, put.sequence}, Effect{entry.index, result->before}).second)
    violated("exactly once: request " + number(put.client) + "/" + number(put.sequence) + " took effect twice");
  values_[put.key][entry.index] = put.value;
  journal_.push_back({cursor, put.key, put.value});
  if (journal_.size() != cursor) violated("the journal has a gap before " + number(cursor));
}

void Checks::installed(ReplicaId id, const cluster::Position& position, KvMachine& rows) {
  const auto it = applied_.find(position.index);
  if (it == applied_.end() || it->second.term != position.term)
    violated("State Machine Safety: " + name(id) + " installs a snapshot of what was not applied");
  for (const auto& [key, values] : values_)
    if (rows.get(key) != value_at(key, position.index))
      violated("the snapshot at " + name(id) + " holds another value of " + number(key));
  const auto last = rows.last_cursor();
  if (last != it->second.cursor) violated("the snapshot at " + name(id) + " ends at another cursor");
}

std::uint64_t Checks::value_at(std::uint64_t key, std::uint64_t index) const {
  const auto values = values_.find(key);
  if (values == values_.end()) return 0;
  const auto after = values->second.upper_bound(index);
  return after == values->second.begin() ? 0 : std::prev(after)->second;
}

std::uint64_t Checks::index_of(const Put& put) const {
  const auto it = effects_.find({put.client, put.sequence});
  return it == effects_.end() ? 0 : it->second.index;
}

void Checks::acknowledged(const Put& put, std::uint64_t before) {
  const auto it = effects_.find({put.client, put.sequence});
  const auto request = number(put.client) + "/" + number(put.sequence);
  if (it == effects_.end()) violated("request " + request + " is acknowledged and took no effect");
  if (it->second.before != before) violated("exactly once: request " + request + " is answered with another result");
  acknowledged_[{put.client, put.sequence}] = it->second.index;
  acknowledged_index_ = std::max(acknowledged_index_, it->second.index);
}

void Checks::read(std::uint64_t key, std::uint64_t value, std::uint64_t index, std::uint64_t floor) const {
  if (index < floor)
    violated("linearizable reads: a read is answered from entry " + number(index) + " though " + number(floor) +
             " was acknowledged before it came");
  if (value != value_at(key, index)) violated("a read answers a value that " + number(key) + " did not have");
}

void Checks::local_read(std::uint64_t key, std::uint64_t value, std::uint64_t index, std::uint64_t floor) const {
  if (index < floor) violated("a session does not see its own write " + number(floor) + " at entry " + number(index));
  if (value != value_at(key, index)) violated("a replica's read answers a value that " + number(key) + " did not have");
}

void Checks::watched(std::uint64_t cursor, const std::vector<JournalRow>& rows) const {
  for (const auto& row : rows) {
    if (row.cursor != ++cursor)
      violated("a watcher at " + number(cursor - 1) + " is given change " + number(row.cursor));
    if (cursor > journal_.size() || !(journal_[cursor - 1] == row))
      violated("a watcher is given a change " + number(cursor) + " that did not happen");
  }
}

void Checks::finish(KvMachine& rows) const {
  for (const auto& [request, index] : acknowledged_) {
    const auto effect = effects_.find(request);
    if (effect == effects_.end() || !applied_.contains(index)) violated("an acknowledged write is lost");
  }
  for (const auto& [key, values] : values_)
    if (rows.get(key) != values.rbegin()->second) violated("an acknowledged write of " + number(key) + " is lost");
  for (const auto& [key, operations] : histories_)
    if (!linearizable(operations)) violated("the history of register " + number(key) + " is not linearizable");
}

}  // namespace cairn::simulation
