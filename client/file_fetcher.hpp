// Fetches files and links of a drive into a local tree, many at a time: manifests and blocks are read
// ahead within a window, workers check every block against its SHA-256 and write it, and a file gets
// its name only when it is whole. Blocks that the file which is replaced has already are taken from
// there. fetch() belongs to one thread; each request gets exactly one callback, on a worker.
#pragma once

#include <sys/stat.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "client/chunker.hpp"
#include "client/drive.hpp"
#include "client/local_root.hpp"

namespace cairn::client {

/// What may be done about a file or link that has the path already.
enum class Existing {
  none,         ///< nothing is expected there: already_exists if there is something
  if_equal,     ///< its content must be the same: already_exists if not
  replace,      ///< it is replaced unless its content is the same
};

struct FetchRequest {
  std::string path;                       ///< in the local tree
  EntryRef entry;
  VersionNumber version;
  EntryKind kind = EntryKind::file;       ///< file or symlink
  std::uint64_t size = 0;                 ///< as listed; for the window only
  Attributes attributes;
  Existing existing = Existing::none;
  /// With `replace`: says of the file that was replaced whether it may go; if not, it is kept beside,
  /// under the name that keep_as() gives. Without, it may.
  std::function<bool(const struct stat&)> may_go;
  std::function<std::string()> keep_as;
};

struct Fetched {
  bool written = false;                   ///< false: the content was there, attributes were set
  std::uint64_t bytes_reused = 0;         ///< taken from the file that was replaced
  std::string kept_as;                    ///< the name of an unexpected file that was replaced
  struct stat found{};                    ///< of the file in its place
};

struct FetcherOptions {
  unsigned threads = 2;
  std::size_t window_bytes = 24u << 20;
  ChunkBounds bounds;                     ///< by which the replaced file was cut, most likely
};

/// True if the file has these bytes. Reads it all.
Result<bool> has_content(int fd, const Content& content, const std::string& path);

class FileFetcher {
 public:
  /// Errors: already_exists, block_mismatch (the server sent other bytes), those of the disk and of the
  /// drive, cancelled after stop().
  using Done = std::function<void(const Result<Fetched>&)>;

  FileFetcher(Drive& drive, const LocalRoot& root, const FetcherOptions& options);
  /// Waits for what is on its way.
  ~FileFetcher();

  /// Waits while too many files are on their way.
  void fetch(FetchRequest request, Done done);
  void wait();
  /// Files that are not whole yet end with cancelled.
  void stop();

  std::uint64_t bytes_received() const { return bytes_received_; }
  std::uint64_t blocks_received() const { return blocks_received_; }

 private:
  struct Place {
    std::uint64_t offset = 0;
    std::uint32_t bytes = 0;
  };
  struct Job {
    FetchRequest request;
    Done done;
    Content content;
    VersionNumber version;                ///< that the manifest is of
    std::optional<NewFile> file;
    std::optional<Fd> old;                ///< the file that will be replaced
    bool replaces = false;
    std::mutex mutex;
    std::size_t outstanding = 0;          ///< blocks to come, and one while they are being ordered
    std::optional<Error> error;
    Fetched outcome;
  };
  using JobPtr = std::shared_ptr<Job>;
  /// A block to be read, or that was read.
  struct Part {
    JobPtr job;
    std::uint64_t offset = 0;
    BlockRef block;
  };

  void enqueue(std::function<void()> work);
  void work();
  /// Orders what the window has room for.
  void advance();
  void ask(const JobPtr& job);
  void manifest_came(const JobPtr& job, Result<ManifestResult> manifest);
  Result<bool> look_at_existing(const JobPtr& job);
  Result<void> order_blocks(const JobPtr& job);
  std::unordered_map<BlockId, Place> blocks_of_old(const Job& job) const;
  bool reuse(const JobPtr& job, const Place& place, const BlockRef& block, std::uint64_t offset);
  void block_came(const Part& part, Result<ReadResult> read);
  void settle(const JobPtr& job, std::optional<Error> error);
  Result<void> put_in_place(const JobPtr& job);
  void finish(const JobPtr& job, const Result<Fetched>& outcome);

  Drive& drive_;
  const LocalRoot& root_;
  const FetcherOptions options_;
  std::atomic<bool> stopped_{false};
  std::atomic<std::uint64_t> bytes_received_{0};
  std::atomic<std::uint64_t> blocks_received_{0};

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> work_;  ///< bounded by the files in flight and the window
  std::deque<Part> to_read_;
  std::size_t reading_bytes_ = 0;
  std::size_t in_flight_ = 0;
  bool ending_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace cairn::client
