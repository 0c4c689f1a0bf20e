#include "storage/shard_store.hpp"

#include <deque>

#include "protocol/codec.hpp"

namespace cairn::storage {
namespace {

// Kinds of records: disk_format.md, "Shard log".
constexpr std::uint8_t entry_kind = 1;
constexpr std::uint8_t hard_state_kind = 2;
constexpr std::uint8_t compacted_kind = 3;
constexpr std::uint8_t reset_kind = 4;

Error malformed(const char* what, RecordLocation location) {
  return {Errc::corrupt, std::string("a shard log's ") + what + " in segment " +
                             std::to_string(location.segment) + " at offset " +
                             std::to_string(location.offset) + " has a wrong form"};
}

Result<LogEntry> decode_entry(const Record& record) {
  Reader reader(record.body);
  LogEntry entry;
  entry.index = reader.varint();
  entry.term = reader.varint();
  entry.kind = reader.u8();
  const auto body = reader.rest();
  if (record.kind != entry_kind || !reader.finished()) return malformed("entry", record.location);
  entry.body = Bytes(body);
  return entry;
}

/// What the records mean, one after the other: where each kept entry is, and what precedes the
/// first.
class ShardIndex {
 public:
  Result<void> replay(const Record& record) {
    if (record.kind == entry_kind) return replay_entry(record);
    Reader reader(record.body);
    const auto first = reader.varint();
    const auto second = reader.varint();
    if (!reader.finished()) return malformed("record", record.location);
    switch (record.kind) {
      case hard_state_kind:
        hard_state = {first, second};
        return {};
      case compacted_kind:
        compact(first, second);
        return {};
      case reset_kind:
        reset(first, second);
        return {};
      default:
        return malformed("record", record.location);
    }
  }

  /// The entries must follow what was compacted without a gap.
  Result<void> check() const {
    if (entries.empty() || first_entry == compacted_index + 1) return {};
    return Error{Errc::corrupt, "a shard log has no entry " + std::to_string(compacted_index + 1)};
  }

  void append(std::uint64_t index, RecordLocation location) {
    if (entries.empty()) first_entry = index;
    entries.resize(index - first_entry);
    entries.push_back(location);
  }

  void compact(std::uint64_t index, std::uint64_t term) {
    compacted_index = index;
    compacted_term = term;
    while (!entries.empty() && first_entry <= index) {
      entries.pop_front();
      ++first_entry;
    }
  }

  void reset(std::uint64_t index, std::uint64_t term) {
    entries.clear();
    compacted_index = index;
    compacted_term = term;
  }

  std::uint64_t first() const { return compacted_index + 1; }
  std::uint64_t last() const {
    return entries.empty() ? compacted_index : first_entry + entries.size() - 1;
  }
  RecordLocation at(std::uint64_t index) const { return entries[index - first_entry]; }

  HardState hard_state;
  std::uint64_t compacted_index = 0;
  std::uint64_t compacted_term = 0;
  std::uint64_t first_entry = 1;  // index of entries.front(), if there is one
  std::deque<RecordLocation> entries;

 private:
  // The front of a log that was truncated is older than its compaction record, so until that record
  // comes the entries may begin anywhere.
  Result<void> replay_entry(const Record& record) {
    auto entry = decode_entry(record);
    if (!entry.ok()) return entry.error();
    if (!entries.empty() && entry->index > last() + 1)
      return malformed("entry order", record.location);
    if (!entries.empty() && entry->index < first_entry) entries.clear();
    append(entry->index, record.location);
    return {};
  }
};

class SegmentShardStore : public ShardStore {
 public:
  SegmentShardStore(std::unique_ptr<SegmentLog> log, ShardIndex index)
      : log_(std::move(log)), index_(std::move(index)) {}

  Result<void> append(const std::vector<LogEntry>& entries) override {
    if (entries.empty()) return {};
    auto expected = entries.front().index;
    if (expected < index_.first() || expected > index_.last() + 1)
      return Error{Errc::invalid_argument, "entry " + std::to_string(expected) +
                                               " does not follow " + std::to_string(index_.last())};
    for (const auto& entry : entries)
      if (entry.index != expected++)
        return Error{Errc::invalid_argument, "the entries' indexes have a gap"};
    // The records of what is replaced stay: an entry with an index that is taken removes the old
    // one and all after it when the log is read again. Cutting them off could take a vote with
    // them.
    std::vector<RecordLocation> locations;
    locations.reserve(entries.size());
    for (const auto& entry : entries) {
      const auto head = Writer().varint(entry.index).varint(entry.term).u8(entry.kind).take();
      const auto location = log_->append(entry_kind, {head, entry.body});
      if (!location.ok()) {
        if (!locations.empty()) CAIRN_TRY(log_->truncate_back(locations.front()));
        return location.error();
      }
      locations.push_back(*location);
    }
    for (std::size_t i = 0; i < entries.size(); ++i) index_.append(entries[i].index, locations[i]);
    return {};
  }

  Result<void> set_hard_state(const HardState& state) override {
    const auto written = write(hard_state_kind, state.term, state.vote);
    if (!written.ok()) return written.error();
    index_.hard_state = state;
    return {};
  }

  Result<void> sync() override { return log_->sync(); }

  Result<std::vector<LogEntry>> read(std::uint64_t from, std::size_t max_count,
                                     std::size_t max_bytes) const override {
    std::vector<LogEntry> out;
    if (from < index_.first())
      return Error{Errc::not_found, "entry " + std::to_string(from) + " is compacted"};
    std::size_t bytes = 0;
    for (auto index = from; index <= index_.last() && out.size() < max_count; ++index) {
      const auto record = log_->read(index_.at(index));
      if (!record.ok()) return record.error();
      auto entry = decode_entry(*record);
      if (!entry.ok()) return entry.error();
      if (entry->index != index) return malformed("entry", record->location);
      bytes += entry->body.size();
      if (!out.empty() && bytes > max_bytes) break;
      out.push_back(std::move(entry).value());
    }
    return out;
  }

  Result<void> compact(std::uint64_t index) override {
    if (index < index_.first()) return {};
    if (index > index_.last())
      return Error{Errc::invalid_argument,
                   "entry " + std::to_string(index) + " does not exist yet"};
    const auto entry = read(index, 1, 0);
    if (!entry.ok()) return entry.error();
    const auto term = entry->front().term;
    const auto mark = write(compacted_kind, index, term);
    if (!mark.ok()) return mark.error();
    const auto oldest = index < index_.last() ? index_.at(index + 1) : *mark;
    CAIRN_TRY(forget_before(oldest));
    index_.compact(index, term);
    return {};
  }

  Result<void> reset(std::uint64_t index, std::uint64_t term) override {
    const auto mark = write(reset_kind, index, term);
    if (!mark.ok()) return mark.error();
    if (auto state = set_hard_state(index_.hard_state); !state.ok()) {
      CAIRN_TRY(log_->truncate_back(*mark));
      return state;
    }
    index_.reset(index, term);
    CAIRN_TRY(log_->sync());
    return log_->truncate_front(*mark);
  }

  std::uint64_t first_index() const override { return index_.first(); }
  std::uint64_t last_index() const override { return index_.last(); }
  std::uint64_t used_bytes() const override { return log_->used_bytes(); }

 private:
  Result<RecordLocation> write(std::uint8_t kind, std::uint64_t first, std::uint64_t second) {
    const auto body = Writer().varint(first).varint(second).take();
    return log_->append(kind, {body});
  }

  // The term and vote are written anew behind what stays, and are durable there before anything
  // goes.
  Result<void> forget_before(RecordLocation oldest) {
    if (log_->segments().front().segment >= oldest.segment) return {};
    CAIRN_TRY(set_hard_state(index_.hard_state));
    CAIRN_TRY(log_->sync());
    return log_->truncate_front(oldest);
  }

  std::unique_ptr<SegmentLog> log_;
  ShardIndex index_;
};

}  // namespace

Result<std::unique_ptr<ShardStore>> ShardStore::open(std::shared_ptr<Disk> disk,
                                                     const SegmentLogOptions& options,
                                                     Recovered& found) {
  ShardIndex index;
  auto log = SegmentLog::open(std::move(disk), options,
                              [&](const Record& record) { return index.replay(record); });
  if (!log.ok()) return log.error();
  CAIRN_TRY(index.check());
  found.hard_state = index.hard_state;
  found.first_index = index.first();
  found.last_index = index.last();
  found.compacted_term = index.compacted_term;
  return std::unique_ptr<ShardStore>(
      std::make_unique<SegmentShardStore>(std::move(log).value(), std::move(index)));
}

}  // namespace cairn::storage
