// Turns single changes into commits: as many as fit into one, one commit at a time, in the order in
// which they were added, so that a folder is made before what goes into it. add() may be called by any
// thread and never waits; the callbacks come on the committer's own thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "client/drive.hpp"

namespace cairn::client {

class Committer {
 public:
  /// The change's own result, or the error of the commit that it was part of.
  using Done = std::function<void(Result<ChangeResult>)>;

  struct Item {
    /// Called when the commit is put together, when all items before are done or in the same commit.
    std::function<Change()> change;
    std::size_t bytes = 0;              ///< about, of its content
    std::vector<Receipt> receipts;
    Done done;
  };

  explicit Committer(Drive& drive);
  /// Waits for what was added.
  ~Committer();

  void add(Item item);
  /// Waits until everything that was added is done.
  void wait();

 private:
  void serve();
  std::vector<Item> next_batch();

  Drive& drive_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Item> waiting_;
  bool committing_ = false;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace cairn::client
