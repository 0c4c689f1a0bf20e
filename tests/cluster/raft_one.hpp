// One replica of three on a disk that stores at once, for tests of consensus that say which messages come and when.
#pragma once

#include "cluster/raft.hpp"

namespace cairn::cluster {

using namespace std::chrono_literals;
using storage::HardState;
using storage::LogEntry;

inline constexpr auto no_op = static_cast<std::uint8_t>(EntryKindInLog::no_op);
inline constexpr auto command = static_cast<std::uint8_t>(EntryKindInLog::command);
inline constexpr auto configuration_kind = static_cast<std::uint8_t>(EntryKindInLog::configuration);

inline Configuration voters(std::initializer_list<std::uint64_t> ids) {
  Configuration out;
  for (const auto id : ids) out = out.with_voter(ReplicaId{id});
  return out;
}

inline LogEntry entry(std::uint64_t index, std::uint64_t term, Bytes body = {}) { return {index, term, command, body}; }

/// Replica 1 of three, whose disk stores at once.
class One {
 public:
  explicit One(RaftOptions options = {}, HardState hard_state = {}, std::vector<LogEntry> log = {},
               Configuration founders = voters({1, 2, 3}))
      : raft_(ReplicaId{1}, options, recovered(hard_state, log, founders), now, 7) {}

  Raft* operator->() { return &raft_; }
  void hear(std::uint64_t from, std::uint64_t term, MessageBody body) {
    raft_.receive({ReplicaId{from}, ReplicaId{1}, term, std::move(body)}, now);
    settle();
  }
  void tick(Duration later) {
    now += later;
    raft_.tick(now);
    settle();
  }
  void settle() {
    for (;;) {
      auto ready = raft_.take_ready(now);
      if (ready.empty()) return;
      for (auto& message : ready.messages) sent.push_back(std::move(message));
      for (const auto& read : ready.reads) reads.push_back(read.read);
      failed_reads += ready.failed_reads.size();
      if (ready.snapshot_keep) keeps.push_back(std::move(*ready.snapshot_keep));
      if (ready.store) raft_.stored(ready.store->number, now);
    }
  }
  /// The messages of one kind that were sent since the last call, to anybody.
  template <class Body>
  std::vector<Body> take() {
    std::vector<Body> out;
    for (const auto& message : sent)
      if (const auto* body = std::get_if<Body>(&message.body)) out.push_back(*body);
    sent.clear();
    return out;
  }
  /// Is elected with the vote of 2.
  void win() {
    sent.clear();
    raft_.tick(now = std::max(now, raft_.deadline()));
    settle();
    hear(2, raft_.term() + 1, VoteAnswer{true, true});
    hear(2, raft_.term(), VoteAnswer{false, true});
    last_round_ = 0;
    (void)round();
    sent.clear();
  }
  /// Leads, and 2 has its log: the round that goes with it is confirmed.
  void settle_in_office() {
    win();
    acknowledge(2);
    (void)round();
    sent.clear();
  }
  void acknowledge(std::uint64_t from) {
    hear(from, raft_.term(), AppendAnswer{true, raft_.log().last_index(), 0, round()});
  }
  /// The newest round that was sent.
  std::uint64_t round() {
    for (const auto& message : sent) {
      if (const auto* beat = std::get_if<Heartbeat>(&message.body)) last_round_ = std::max(last_round_, beat->round);
      if (const auto* append = std::get_if<Append>(&message.body)) last_round_ = std::max(last_round_, append->round);
    }
    return last_round_;
  }

  Instant now{1'000'000};
  std::vector<Message> sent;
  std::vector<std::uint64_t> reads;
  std::size_t failed_reads = 0;
  std::vector<SnapshotKeep> keeps;

 private:
  static RaftRecovered recovered(HardState hard_state, const std::vector<LogEntry>& entries,
                                 const Configuration& founders) {
    RaftRecovered out{hard_state, {0, 0, founders}, RaftLog()};
    for (const auto& item : entries) out.log.restore(item, 0);
    return out;
  }
  Raft raft_;
  std::uint64_t last_round_ = 0;
};

inline RaftOptions with_leases() {
  RaftOptions options;
  options.lease_reads = true;
  options.clock_drift_ppm = 10'000;
  return options;
}

}  // namespace cairn::cluster
