#include "tests/simulation/sim_log.hpp"

#include <type_traits>

namespace cairn::simulation {

std::uint64_t SimLogDisk::State::term_at(std::uint64_t index) const {
  if (index == compacted_index) return compacted_term;
  if (index < compacted_index || index > last_index()) return 0;
  return entries[index - compacted_index - 1].term;
}

void SimLogDisk::State::run(const Operation& operation) {
  std::visit(
      [&](const auto& op) {
        using T = std::decay_t<decltype(op)>;
        if constexpr (std::is_same_v<T, storage::HardState>) {
          hard_state = op;
        } else if constexpr (std::is_same_v<T, Entries>) {
          for (const auto& entry : op.list) {
            entries.resize(entry.index - compacted_index - 1);
            entries.push_back(entry);
          }
        } else if constexpr (std::is_same_v<T, Compact>) {
          compacted_term = term_at(op.index);
          while (compacted_index < op.index) {
            entries.pop_front();
            ++compacted_index;
          }
        } else {
          entries.clear();
          compacted_index = op.index;
          compacted_term = op.term;
        }
      },
      operation);
}

void SimLogDisk::write(Operation operation) {
  current_.run(operation);
  unsynced_.push_back(std::move(operation));
}

void SimLogDisk::sync() {
  for (const auto& operation : unsynced_) durable_.run(operation);
  unsynced_.clear();
  forget_rot();
}

void SimLogDisk::crash(test::Random& random) {
  auto keep = random.below(unsynced_.size() + 1);
  for (std::size_t i = 0; i < keep; ++i) durable_.run(unsynced_[i]);
  if (keep < unsynced_.size()) {
    if (auto* entries = std::get_if<Entries>(&unsynced_[keep])) {
      entries->list.resize(random.below(entries->list.size() + 1));
      if (!entries->list.empty()) durable_.run(*entries);
    }
  }
  unsynced_.clear();
  current_ = durable_;
  forget_rot();
}

bool SimLogDisk::rot(test::Random& random) {
  if (durable_.entries.empty()) return false;
  rotten_.insert(durable_.compacted_index + 1 + random.below(durable_.entries.size()));
  return true;
}

void SimLogDisk::forget_rot() {
  std::erase_if(rotten_, [&](auto index) {
    return index <= durable_.compacted_index || index > durable_.last_index();
  });
}

namespace {

class SimLog : public storage::ShardStore {
 public:
  SimLog(std::shared_ptr<SimLogDisk> disk, bool forgiving) : disk_(std::move(disk)), forgiving_(forgiving) {}

  Result<void> append(const std::vector<storage::LogEntry>& entries) override {
    if (entries.empty()) return {};
    auto expected = entries.front().index;
    if (expected < first_index() || expected > last_index() + 1)
      return Error{Errc::invalid_argument, "the first entry does not follow"};
    for (const auto& entry : entries)
      if (entry.index != expected++) return Error{Errc::invalid_argument, "the entries have a gap"};
    disk_->write(SimLogDisk::Entries{entries});
    return {};
  }
  Result<void> set_hard_state(const storage::HardState& state) override {
    disk_->write(state);
    return {};
  }
  Result<void> sync() override {
    disk_->sync();
    return {};
  }
  Result<std::vector<storage::LogEntry>> read(std::uint64_t from, std::size_t max_count,
                                              std::size_t max_bytes) const override {
    if (from < first_index()) return Error{Errc::not_found, "the entry is compacted"};
    std::vector<storage::LogEntry> out;
    std::size_t bytes = 0;
    for (auto index = from; index <= last_index() && out.size() < max_count; ++index) {
      auto entry = disk_->current().entries[index - first_index()];
      if (disk_->rotten(index)) {
        if (!forgiving_) return Error{Errc::corrupt, "entry " + std::to_string(index) + " is damaged"};
        entry.kind = 1;
        entry.body = {};
      }
      bytes += entry.body.size();
      if (!out.empty() && bytes > max_bytes) break;
      out.push_back(std::move(entry));
    }
    return out;
  }
  Result<void> compact(std::uint64_t index) override {
    if (index < first_index()) return {};
    if (index > last_index()) return Error{Errc::invalid_argument, "the entry does not exist"};
    disk_->write(SimLogDisk::Compact{index});
    return {};
  }
  Result<void> reset(std::uint64_t index, std::uint64_t term) override {
    disk_->write(SimLogDisk::Reset{index, term});
    disk_->sync();
    return {};
  }
  std::uint64_t first_index() const override { return disk_->current().compacted_index + 1; }
  std::uint64_t last_index() const override { return disk_->current().last_index(); }
  std::uint64_t used_bytes() const override { return 0; }

 private:
  std::shared_ptr<SimLogDisk> disk_;
  bool forgiving_;
};

}  // namespace

std::unique_ptr<storage::ShardStore> open_sim_log(std::shared_ptr<SimLogDisk> disk,
                                                  storage::ShardStore::Recovered& found, bool forgiving) {
  const auto& state = disk->durable();
  found = {state.hard_state, state.compacted_index + 1, state.last_index(), state.compacted_term};
  return std::make_unique<SimLog>(std::move(disk), forgiving);
}

}  // namespace cairn::simulation
