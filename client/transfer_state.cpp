#include "client/transfer_state.hpp"

#include <algorithm>
#include <thread>

#include "protocol/names.hpp"

namespace cairn::client {
namespace {

constexpr auto progress_interval = 100ms;
constexpr auto rate_window = 3s;

}  // namespace

bool ends_transfer(Errc code) {
  switch (code) {
    case Errc::unknown_token:
    case Errc::revoked_token:
    case Errc::quota_exceeded:
    case Errc::disk_full:
    case Errc::busy:
    case Errc::timed_out:
    case Errc::unavailable:
    case Errc::wrong_slot:
    case Errc::protocol:
    case Errc::cancelled: return true;
    case Errc::invalid_argument:
    case Errc::invalid_name:
    case Errc::not_found:
    case Errc::already_exists:
    case Errc::not_a_folder:
    case Errc::not_a_file:
    case Errc::would_cycle:
    case Errc::conflict:
    case Errc::trashed:
    case Errc::wrong_credentials:
    case Errc::permission_denied:
    case Errc::block_mismatch:
    case Errc::block_missing:
    case Errc::bad_receipt:
    case Errc::size_mismatch:
    case Errc::too_large:
    case Errc::request_forgotten:
    case Errc::cursor_expired:
    case Errc::corrupt:
    case Errc::io:
    case Errc::bad_config:
    case Errc::internal: return false;
  }
  return false;
}

TransferState::TransferState(const TransferOptions& options) : options_(options) {}

void TransferState::stop(Error error) {
  const std::lock_guard lock(mutex_);
  if (!error_) error_ = std::move(error);
  stopped_ = true;
  woken_ = true;
  changed_.notify_all();
}

void TransferState::skip(std::string path, Errc code, std::string reason) {
  const std::lock_guard lock(mutex_);
  report_.skipped.push_back({std::move(path), code, std::move(reason)});
}

void TransferState::fail(std::string path, const Error& error) {
  const std::lock_guard lock(mutex_);
  report_.failed.push_back({std::move(path), error.code, error.message});
}

void TransferState::conflict(std::string path, std::string name) {
  const std::lock_guard lock(mutex_);
  report_.conflicts.push_back({std::move(path), Errc::conflict, std::move(name)});
}

void TransferState::found(std::uint64_t bytes) {
  ++files_found_;
  bytes_found_ += bytes;
}

void TransferState::done(std::uint64_t bytes) {
  ++files_done_;
  bytes_done_ += bytes;
}

void TransferState::wake() {
  const std::lock_guard lock(mutex_);
  woken_ = true;
  changed_.notify_all();
}

void TransferState::wait(const std::function<bool()>& finished) {
  while (!finished()) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, progress_interval, [&] { return woken_; });
      woken_ = false;
    }
    if (options_.cancel != nullptr && *options_.cancel && !stopped_)
      stop(Error{Errc::cancelled, "the transfer was cancelled"});
    tell_progress();
  }
}

void TransferState::tell_progress() {
  if (!options_.progress) return;
  const auto now = std::chrono::steady_clock::now();
  if (!samples_.empty() && now - samples_.back().first < progress_interval / 2) return;
  samples_.emplace_back(now, bytes_done_);
  while (now - samples_.front().first > rate_window && samples_.size() > 2) samples_.pop_front();
  const std::chrono::duration<double> span = now - samples_.front().first;
  Progress progress;
  progress.files_found = files_found_;
  progress.files_done = files_done_;
  progress.bytes_found = bytes_found_;
  progress.bytes_done = bytes_done_;
  progress.bytes_moved = bytes_moved;
  progress.walking = walking_;
  if (span.count() > 0)
    progress.bytes_per_s = static_cast<double>(samples_.back().second - samples_.front().second) / span.count();
  options_.progress(progress);
}

unsigned TransferState::threads() const {
  if (options_.threads != 0) return options_.threads;
  return std::clamp(std::thread::hardware_concurrency(), 1u, 4u);
}

Result<Report> TransferState::take() {
  const std::lock_guard lock(mutex_);
  if (error_) return *error_;
  samples_.clear();
  tell_progress();
  report_.bytes_moved = bytes_moved;
  report_.bytes = bytes_found_;
  report_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
  return std::move(report_);
}

}  // namespace cairn::client
