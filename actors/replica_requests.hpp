// Who waits for a replica's answer, and for what: proposals on their way through the log, reads that wait for a
// round of consensus or for rows. The replica's actor alone.
#pragma once

#include <caf/typed_response_promise.hpp>

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "actors/messages.hpp"
#include "cluster/raft_log.hpp"
#include "cluster/state_machine.hpp"

namespace cairn::actors {

/// Who asked: an actor of this node, or of another. To be answered once.
class Responder {
 public:
  using Promise = caf::typed_response_promise<Answer>;
  explicit Responder(Promise promise) : to_(std::move(promise)) {}
  explicit Responder(RemoteAsker asker) : to_(std::move(asker)) {}

  /// The answer may wait until what is returned, if anything, is flushed.
  std::shared_ptr<AnswerSink> put(Answer answer) {
    if (auto* asker = std::get_if<RemoteAsker>(&to_)) return asker->put(std::move(answer));
    std::get<Promise>(to_).deliver(std::move(answer));
    return nullptr;
  }

 private:
  std::variant<Promise, RemoteAsker> to_;
};

/// Answers that an actor gives in one turn, of which those to one node travel together.
class TurnsAnswers {
 public:
  TurnsAnswers() = default;
  TurnsAnswers(const TurnsAnswers&) = delete;
  TurnsAnswers& operator=(const TurnsAnswers&) = delete;
  ~TurnsAnswers() { flush(); }

  void put(Responder& to, Answer answer);
  /// Nothing was done, or nothing is known of what was.
  void put(Responder& to, Served served, cluster::ReplicaId leader = cluster::no_replica) {
    put(to, Answer{{}, served, 0, leader.value});
  }
  /// Before the turn ends.
  void flush();

 private:
  std::vector<std::shared_ptr<AnswerSink>> sinks_;
};

/// A proposal on its way: its place in the log and who waits for it.
struct WaitingProposal {
  std::uint64_t index;
  std::uint64_t term;
  std::unique_ptr<cluster::MachineCommand> command;
  Responder answer;
};

class WaitingProposals {
 public:
  bool empty() const { return waiting_.empty(); }
  /// Those that had its place or a later one have lost it: what is known of them is nothing.
  void add(WaitingProposal proposal);

  /// The proposal that became `entry`, which is committed; nothing if none did. Whose place another leader's
  /// entry took is told that nothing was done: it can never be committed.
  std::optional<WaitingProposal> take(const storage::LogEntry& entry, cluster::ReplicaId leader, TurnsAnswers& answers);
  /// Those from `index` on are answered so.
  void answer_from(std::uint64_t index, const Answer& answer);
  /// Entries up to `index` took effect without being applied here.
  void pass(std::uint64_t index);
  /// What is not in the log any more may yet be committed by others that have it.
  void give_up_lost(const cluster::RaftLog& log);
  void give_up_all();

 private:
  std::deque<WaitingProposal> waiting_;  // by index
};

class WaitingReads {
 public:
  struct Read {
    Bytes query;
    Responder answer;
  };

  void add_round(std::uint64_t number, Read read) { rounds_.emplace(number, std::move(read)); }
  /// The read that waited for a round.
  std::optional<Read> take_round(std::uint64_t number);

  bool full() const { return floors_.size() >= limits::max_proposals_in_flight; }
  bool any_floor() const { return !floors_.empty(); }
  void add_floor(std::uint64_t floor, std::chrono::milliseconds until, Read read) {
    floors_.emplace(floor, FloorRead{until, std::move(read)});
  }
  /// Those that rows which reflect `applied` may answer.
  std::vector<Read> take_floors(std::uint64_t applied);
  /// Those that waited too long are answered behind. The next that will; nothing if none waits.
  std::optional<std::chrono::milliseconds> expire(std::chrono::milliseconds now, cluster::ReplicaId leader);
  void give_up_all(Served served);

 private:
  struct FloorRead {
    std::chrono::milliseconds until;
    Read read;
  };
  std::map<std::uint64_t, Read> rounds_;            // by number
  std::multimap<std::uint64_t, FloorRead> floors_;  // by floor
};

}  // namespace cairn::actors
