// What the two directions of a transfer share: its report, progress and end. Any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>

#include "client/transfer.hpp"

namespace cairn::client {

/// True for an error after which going on with the other files makes no sense.
bool ends_transfer(Errc code);

class TransferState {
 public:
  explicit TransferState(const TransferOptions& options);

  /// Keeps the first error that ends the transfer.
  void stop(Error error);
  bool stopped() const { return stopped_; }

  void skip(std::string path, Errc code, std::string reason);
  void fail(std::string path, const Error& error);
  void conflict(std::string path, std::string name);
  /// Calls `change` with the report, alone.
  template <class Change>
  void report(Change&& change) {
    const std::lock_guard lock(mutex_);
    change(report_);
  }

  /// A file or link was met, and one is done with.
  void found(std::uint64_t bytes);
  void done(std::uint64_t bytes);
  void walked() { walking_ = false; }
  std::atomic<std::uint64_t> bytes_moved{0};

  /// Waits until `finished` says so, telling progress and looking at `cancel` meanwhile. `finished` is
  /// asked again after each wake() and about ten times a second.
  void wait(const std::function<bool()>& finished);
  void wake();

  unsigned threads() const;
  /// The end: the report, or the error that stopped it.
  Result<Report> take();

 private:
  void tell_progress();

  const TransferOptions& options_;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;
  Report report_;
  std::optional<Error> error_;
  std::atomic<bool> stopped_{false};
  std::atomic<bool> walking_{true};
  std::atomic<std::uint64_t> files_found_{0};
  std::atomic<std::uint64_t> files_done_{0};
  std::atomic<std::uint64_t> bytes_found_{0};
  std::atomic<std::uint64_t> bytes_done_{0};
  std::deque<std::pair<std::chrono::steady_clock::time_point, std::uint64_t>> samples_;
};

}  // namespace cairn::client
