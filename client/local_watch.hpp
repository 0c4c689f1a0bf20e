// Tells that something below a local folder changed, by inotify. What changed is found out by a scan,
// so an overflow of the system's queue costs nothing. Where the system has no more watches to give, the
// folder has to be looked at now and then instead. One thread, but for wake().
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <unordered_set>

#include "client/local_root.hpp"
#include "client/sync_plan.hpp"

namespace cairn::client {

class LocalWatch {
 public:
  static Result<std::unique_ptr<LocalWatch>> open(const std::string& folder);

  /// Watches the folders of `tree`, too; true if some are new, so that changes in them may have been
  /// missed and another scan is due.
  bool add(const LocalTree& tree);
  /// Waits for a change (true) or wake() or the end of `timeout` (false), and takes all that is there.
  bool wait(std::chrono::milliseconds timeout);
  void wake();
  /// False if the system refused a watch.
  bool complete() const { return complete_; }

 private:
  LocalWatch(Fd inotify, Fd wakeup, std::string folder);
  bool watch(const std::string& path);
  /// Takes what inotify has; true if any of it counts.
  bool drain();

  Fd inotify_;
  Fd wakeup_;
  const std::string folder_;
  std::unordered_set<int> watched_;
  bool complete_ = true;
};

}  // namespace cairn::client
