#include "client/block_sender.hpp"

#include <algorithm>

#include "protocol/limits.hpp"

namespace cairn::client {
namespace {

/// Beyond the window, for blocks that wait to be asked about.
constexpr std::size_t max_unasked_bytes = 16u << 20;
/// Questions in flight: one waits for the server while the next is being collected.
constexpr std::size_t max_asking = 2;
constexpr std::size_t max_ids_asked = 1'024;
/// Remembered, so that equal files that come close together cost no question.
constexpr std::size_t max_done_remembered = 65'536;

}  // namespace

BlockSender::BlockSender(Drive& drive, std::size_t window_bytes)
    : drive_(drive),
      window_bytes_(std::clamp(window_bytes, limits::max_block_bytes, limits::max_session_block_bytes_in_flight)) {}

BlockSender::~BlockSender() { wait(); }

void BlockSender::offer(const BlockId& id, BytesView bytes, bool resend, Done done) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock,
                [&] { return held_bytes_ == 0 || held_bytes_ + bytes.size() <= window_bytes_ + max_unasked_bytes; });
  if (const auto held = held_.find(id); held != held_.end()) {
    held->second->waiting.push_back(std::move(done));
    return;
  }
  if (const auto known = done_.find(id); known != done_.end() && !resend) {
    const auto receipt = known->second;
    lock.unlock();
    return done(receipt);
  }
  auto block = std::make_shared<Block>(Block{id, std::make_shared<const Bytes>(bytes), {}});
  block->waiting.push_back(std::move(done));
  held_[id] = block;
  held_bytes_ += bytes.size();
  (resend ? to_send_ : to_ask_).push_back(std::move(block));
  lock.unlock();
  advance();
}

void BlockSender::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return held_.empty() && calls_ == 0; });
}

void BlockSender::advance() {
  std::vector<BlockPtr> ask;
  std::vector<BlockPtr> send;
  {
    const std::lock_guard lock(mutex_);
    if (!to_ask_.empty() && asking_ < max_asking) {
      const auto count = std::min(to_ask_.size(), max_ids_asked);
      ask.assign(to_ask_.begin(), to_ask_.begin() + static_cast<std::ptrdiff_t>(count));
      to_ask_.erase(to_ask_.begin(), to_ask_.begin() + static_cast<std::ptrdiff_t>(count));
      ++asking_;
      ++calls_;
    }
    while (!to_send_.empty() &&
           (sending_bytes_ == 0 || sending_bytes_ + to_send_.front()->bytes->size() <= window_bytes_)) {
      sending_bytes_ += to_send_.front()->bytes->size();
      send.push_back(std::move(to_send_.front()));
      to_send_.pop_front();
      ++calls_;
    }
  }
  if (!ask.empty()) {
    std::vector<BlockId> ids;
    for (const auto& block : ask) ids.push_back(block->id);
    drive_.missing_blocks(std::move(ids), [this, ask](auto missing) { answered(ask, std::move(missing)); });
  }
  for (const auto& block : send) {
    drive_.put_block(block->id, block->bytes, [this, block](Result<Receipt> receipt) {
      if (receipt.ok()) {
        bytes_sent_ += block->bytes->size();
        ++blocks_sent_;
      }
      {
        const std::lock_guard lock(mutex_);
        sending_bytes_ -= block->bytes->size();
      }
      if (receipt.ok()) finish(block, std::optional(std::move(*receipt)));
      else finish(block, receipt.error());
      advance();
      const std::lock_guard lock(mutex_);
      --calls_;
      changed_.notify_all();
    });
  }
}

void BlockSender::answered(const std::vector<BlockPtr>& asked, Result<std::vector<std::uint32_t>> missing) {
  std::vector<Finished> finished;
  {
    const std::lock_guard lock(mutex_);
    --asking_;
    std::size_t at = 0;
    for (std::uint32_t i = 0; i < asked.size(); ++i) {
      if (!missing.ok()) {
        finished.push_back({asked[i], missing.error()});
      } else if (at < missing->size() && (*missing)[at] == i) {
        ++at;
        to_send_.push_back(asked[i]);
      } else {
        ++blocks_known_;
        finished.push_back({asked[i], std::optional<Receipt>()});
      }
    }
  }
  for (auto& [block, outcome] : finished) finish(block, std::move(outcome));
  advance();
  const std::lock_guard lock(mutex_);
  --calls_;
  changed_.notify_all();
}

void BlockSender::finish(const BlockPtr& block, Result<std::optional<Receipt>> outcome) {
  std::vector<Done> waiting;
  {
    const std::lock_guard lock(mutex_);
    waiting = std::move(block->waiting);
    held_.erase(block->id);
    held_bytes_ -= block->bytes->size();
    if (outcome.ok()) {
      if (done_.size() >= max_done_remembered) done_.clear();
      done_[block->id] = *outcome;
    }
    changed_.notify_all();
  }
  for (const auto& done : waiting) done(outcome);
}

}  // namespace cairn::client
