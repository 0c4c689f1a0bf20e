// Two-way sync of a local folder and a folder of a drive. State is kept in `<folder>/.cairn/state.db`,
// which itself is not synced. A sync that dies at any point is run again and goes on from what both
// sides then are. One Sync a folder at a time (a lock holds others off); run() and follow() belong to
// one thread, stop() may be called from any.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/sync_plan.hpp"
#include "client/transfer.hpp"

namespace cairn::client {

struct SyncOptions {
  std::string device = "device";      ///< in the names of conflicts
  bool dry_run = false;               ///< plan and report, change nothing
  TransferOptions transfer;
  /// Each action as it is begun, as describe() says it; on the thread of run().
  std::function<void(const std::string&)> action;
};

struct SyncReport {
  std::uint64_t uploaded = 0;         ///< files and links
  std::uint64_t downloaded = 0;
  std::uint64_t moved = 0;
  std::uint64_t removed = 0;
  std::uint64_t folders_made = 0;
  std::uint64_t bytes_sent = 0;       ///< content that went over the wire
  std::uint64_t bytes_received = 0;
  std::uint64_t bytes_reused = 0;     ///< of downloaded files, taken from what was there before
  std::vector<std::string> planned;   ///< dry run: what would be done
  std::vector<Note> conflicts;        ///< `reason` is the name that the local one got
  std::vector<Note> skipped;
  std::vector<Note> failed;           ///< tried again at the next run
  bool quiet() const {                ///< there was nothing to do
    return uploaded + downloaded + moved + removed + folders_made == 0 && conflicts.empty() && failed.empty();
  }
};

class Sync {
 public:
  /// `folder` exists; `remote` is made if it does not. Errors: busy (another sync has the folder),
  /// invalid_argument (the folder's state is of another account or drive folder), io, corrupt.
  static Result<std::unique_ptr<Sync>> open(Drive& drive, const AccountInfo& account,
                                            const std::string& folder, const std::string& remote,
                                            SyncOptions options);
  ~Sync();

  /// Makes both sides the same, as far as they were when it began.
  Result<SyncReport> run();

  /// Runs, and again whenever either side changes, until stop(); `done` is called after each run that
  /// did something.
  Result<void> follow(const std::function<void(const SyncReport&)>& done);
  void stop();

  struct Parts;

 private:
  explicit Sync(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace cairn::client
