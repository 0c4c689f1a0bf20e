// Sends the blocks that a drive lacks: asks in batches which those are, keeps a bounded number of bytes
// in flight, and sends no block twice. offer() and wait() are for the threads of a transfer; the
// callbacks come on the connection's thread or within offer().
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "client/drive.hpp"

namespace cairn::client {

class BlockSender {
 public:
  /// The block is in the drive or durable: its receipt if the drive needs one. Must not block.
  using Done = std::function<void(Result<std::optional<Receipt>>)>;

  BlockSender(Drive& drive, std::size_t window_bytes);
  /// Waits for what is in flight.
  ~BlockSender();

  /// Waits while too much is held. `resend`: without asking whether the drive has it.
  void offer(const BlockId& id, BytesView bytes, bool resend, Done done);
  /// Waits until every offered block is done.
  void wait();

  std::uint64_t bytes_sent() const { return bytes_sent_; }
  std::uint64_t blocks_sent() const { return blocks_sent_; }
  std::uint64_t blocks_known() const { return blocks_known_; }

 private:
  struct Block {
    BlockId id;
    std::shared_ptr<const Bytes> bytes;
    std::vector<Done> waiting;
  };
  using BlockPtr = std::shared_ptr<Block>;
  struct Finished {
    BlockPtr block;
    Result<std::optional<Receipt>> outcome;
  };

  /// Starts the calls that can be started; called without the lock.
  void advance();
  void answered(const std::vector<BlockPtr>& asked, Result<std::vector<std::uint32_t>> missing);
  void finish(const BlockPtr& block, Result<std::optional<Receipt>> outcome);

  Drive& drive_;
  const std::size_t window_bytes_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::unordered_map<BlockId, BlockPtr> held_;              ///< offered and not done
  std::unordered_map<BlockId, std::optional<Receipt>> done_;  ///< lately done
  std::deque<BlockPtr> to_ask_;
  std::deque<BlockPtr> to_send_;
  std::size_t held_bytes_ = 0;
  std::size_t sending_bytes_ = 0;
  std::size_t asking_ = 0;                                  ///< calls of missing_blocks
  std::size_t calls_ = 0;                                   ///< callbacks that are still to come
  std::atomic<std::uint64_t> bytes_sent_{0};
  std::atomic<std::uint64_t> blocks_sent_{0};
  std::atomic<std::uint64_t> blocks_known_{0};
};

}  // namespace cairn::client
