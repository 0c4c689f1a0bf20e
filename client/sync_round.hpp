// Carries out one plan of a sync: local steps at once, those in the drive through a FileSender and a
// FileFetcher, removals when all else is done. What is done is noted in the state at once, so that a
// sync that dies goes on from there. Made and run by one thread; its callbacks come on others.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <vector>

#include "client/file_fetcher.hpp"
#include "client/file_sender.hpp"
#include "client/sync_parts.hpp"
#include "client/transfer_state.hpp"

namespace cairn::client {

class SyncRound {
 public:
  SyncRound(Sync::Parts& parts, const LocalScan& scan, SyncReport& report);

  /// An error is one that makes it useless to go on (connection, disk, state).
  Result<void> carry_out(const SyncPlan& plan);
  /// Something came in between: another round has to look again.
  bool again() const { return again_; }
  /// A move could not be made: the next round must do without.
  bool moves_failed() const { return moves_failed_; }

  // One for each kind of action.
  void operator()(const MoveRemote& action);
  void operator()(const MoveLocal& action);
  void operator()(const MoveBase& action);
  void operator()(const MakeRemoteFolder& action);
  void operator()(const MakeLocalFolder& action);
  void operator()(const Upload& action);
  void operator()(const Download& action);
  void operator()(const SetRemoteAttributes& action);
  void operator()(const SetLocalAttributes& action);
  void operator()(const RemoveRemote& action);
  void operator()(const RemoveLocal& action);
  void operator()(const Adopt& action);
  void operator()(const RenameConflicting& action);
  void operator()(const Forget& action);

 private:
  using Answer = Result<ChangeResult>;

  void step_through(const SyncPlan& plan);
  void wait_for_all();
  void finish_folders();
  void change(Change change, std::function<void(const Answer&)> done);
  void uploaded(const Upload& action, const Result<Sent>& outcome);
  void downloaded(const Download& action, const Result<Fetched>& outcome);
  void adopted(const Adopt& action, const Result<Fetched>& outcome);
  FetchRequest request_for(const SyncPath& path, const RemoteNode& from) const;
  /// Renames what is here under the path to a conflict name, and says so.
  void keep_beside(const SyncPath& path);
  std::string name_beside(const SyncPath& path) const;
  /// The base of a path whose local side is as it is now.
  void note_same(const SyncPath& path, const RemoteNode& remote);
  void note(const SyncPath& path, const LocalNode& local, const RemoteNode& remote);
  /// Runs `work` on the state, alone; its error ends the round.
  void on_state(const std::function<Result<void>(SyncState&)>& work);
  void failed(const SyncPath& path, const Error& error);
  template <class Change>
  void report(Change&& change) {
    const std::lock_guard lock(mutex_);
    change(report_);
  }
  std::string raw(const SyncPath& path) const { return scan_.path(path); }
  EntryRef folder_of(const SyncPath& path) const;

  Sync::Parts& parts_;
  const LocalScan& scan_;
  SyncReport& report_;
  TransferState state_;
  std::mutex mutex_;
  std::vector<std::pair<SyncPath, RemoteNode>> folders_;   ///< to get their attributes at the end
  std::atomic<bool> again_{false};
  std::atomic<bool> moves_failed_{false};
  FileFetcher fetcher_;
  FileSender sender_;                                      ///< last: their callbacks use the above
};

}  // namespace cairn::client
