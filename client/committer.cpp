#include "client/committer.hpp"

#include "protocol/limits.hpp"

namespace cairn::client {
namespace {

/// One commit: well under what a message and a batch of the log may hold.
constexpr std::size_t max_commit_bytes = 4u << 20;
constexpr std::size_t max_commit_receipts = 65'536;

/// What an item adds to a commit besides its content: names, references, numbers.
constexpr std::size_t item_overhead_bytes = 512;

}  // namespace

Committer::Committer(Drive& drive) : drive_(drive), thread_([this] { serve(); }) {}

Committer::~Committer() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void Committer::add(Item item) {
  const std::lock_guard lock(mutex_);
  waiting_.push_back(std::move(item));
  changed_.notify_all();
}

void Committer::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return waiting_.empty() && !committing_; });
}

std::vector<Committer::Item> Committer::next_batch() {
  std::unique_lock lock(mutex_);
  committing_ = false;
  changed_.notify_all();
  changed_.wait(lock, [&] { return ending_ || !waiting_.empty(); });
  std::vector<Item> batch;
  std::size_t bytes = 0;
  std::size_t receipts = 0;
  while (!waiting_.empty() && batch.size() < limits::max_changes_per_commit) {
    auto& item = waiting_.front();
    bytes += item.bytes + item_overhead_bytes;
    receipts += item.receipts.size();
    if (!batch.empty() && (bytes > max_commit_bytes || receipts > max_commit_receipts)) break;
    batch.push_back(std::move(item));
    waiting_.pop_front();
  }
  committing_ = !batch.empty();
  return batch;
}

void Committer::serve() {
  for (;;) {
    auto batch = next_batch();
    if (batch.empty()) return;
    std::vector<Change> changes;
    std::vector<Receipt> receipts;
    for (auto& item : batch) {
      changes.push_back(item.change());
      std::move(item.receipts.begin(), item.receipts.end(), std::back_inserter(receipts));
    }
    const auto result = drive_.commit(std::move(changes), std::move(receipts));
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (!result.ok()) batch[i].done(result.error());
      else if (result->results[i].error) batch[i].done(*result->results[i].error);
      else batch[i].done(result->results[i]);
    }
  }
}

}  // namespace cairn::client
