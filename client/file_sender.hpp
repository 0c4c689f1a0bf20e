// Sends files and links of a local tree to a drive, many at a time: workers read, cut and hash, a
// BlockSender sends what the drive lacks, a Committer commits. A file that changes while it is read is
// read once more and then refused. send() belongs to one thread; the callbacks come on threads of the
// sender's, and each request gets exactly one.
#pragma once

#include <sys/stat.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "client/block_sender.hpp"
#include "client/chunker.hpp"
#include "client/committer.hpp"
#include "client/local_root.hpp"

namespace cairn::client {

struct SendRequest {
  std::string path;                       ///< in the local tree
  EntryKind kind = EntryKind::file;       ///< file or symlink
  std::function<EntryRef()> folder;       ///< asked when the file is committed
  std::string name;
  Base base;
};

struct Sent {
  ChangeResult result;
  struct stat found{};                    ///< of the file as it was stored
  std::vector<std::string> attributes;    ///< names of extended attributes, which are not kept
};

struct SenderOptions {
  unsigned threads = 2;
  std::size_t window_bytes = 24u << 20;
  ChunkBounds bounds;
};

class FileSender {
 public:
  /// Errors: conflict (it kept changing, or is no file any more), those of reading it and of the drive,
  /// cancelled after stop().
  using Done = std::function<void(const Result<Sent>&)>;

  FileSender(Drive& drive, const LocalRoot& root, const SenderOptions& options);
  /// Waits for what is on its way.
  ~FileSender();

  /// Waits while too many files are on their way.
  void send(SendRequest request, Done done);
  /// Waits until everything that was sent and committed is done.
  void wait();
  /// Files that are not committed yet end with cancelled.
  void stop();

  /// For the other changes of the same transfer.
  Committer& committer() { return committer_; }
  std::uint64_t bytes_sent() const { return blocks_.bytes_sent() + inline_bytes_; }
  const BlockSender& blocks() const { return blocks_; }

 private:
  struct Job {
    SendRequest request;
    Done done;
    struct stat found{};
    int reads = 0;                        ///< tries at reading it whole without a change meanwhile
    bool resend = false;                  ///< send blocks without asking: the answer was wrong before
    std::vector<std::string> attributes;

    std::mutex mutex;
    Content content;
    std::vector<Receipt> receipts;
    std::size_t outstanding = 0;          ///< blocks without an answer, and one while it is being read
    std::optional<Error> error;
  };
  using JobPtr = std::shared_ptr<Job>;

  void queue(JobPtr job);
  void work();
  void read(const JobPtr& job);
  Result<void> read_file(const JobPtr& job);
  Result<void> read_link(const JobPtr& job);
  Result<void> read_blocks(const JobPtr& job, int fd);
  void add_block(const JobPtr& job, BytesView block);
  /// One part of the job is done; the last one decides what follows.
  void settle(const JobPtr& job);
  void commit(const JobPtr& job);
  void committed(const JobPtr& job, Result<ChangeResult> result);
  bool try_again(const JobPtr& job, const Error& error);
  void finish(const JobPtr& job, const Result<Sent>& outcome);

  const LocalRoot& root_;
  const SenderOptions options_;
  std::atomic<bool> stopped_{false};
  std::atomic<std::uint64_t> inline_bytes_{0};

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<JobPtr> queue_;
  std::size_t in_flight_ = 0;
  bool ending_ = false;
  std::vector<std::thread> workers_;

  BlockSender blocks_;
  Committer committer_;                   ///< after what its callbacks use
};

}  // namespace cairn::client
