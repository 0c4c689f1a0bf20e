#include "client/file_sender.hpp"

#include <sys/xattr.h>

#include <algorithm>

#include "protocol/digest.hpp"
#include "protocol/limits.hpp"

namespace cairn::client {
namespace {

/// Bounds what waits for the workers and the committer.
constexpr std::size_t max_files_in_flight = 4'096;
/// Tries at reading a file that is being changed.
constexpr int max_reads = 2;
constexpr std::size_t read_bytes = 1u << 20;

std::vector<std::string> extended_attributes(int fd) {
  char names[4'096];
  const auto size = ::flistxattr(fd, names, sizeof names);
  std::vector<std::string> out;
  for (std::string_view left(names, static_cast<std::size_t>(std::max<ssize_t>(size, 0))); !left.empty();) {
    const auto name = left.substr(0, left.find('\0'));
    left.remove_prefix(std::min(left.size(), name.size() + 1));
    if (name.rfind("security.", 0) != 0) out.emplace_back(name);  // those are the system's own labels
  }
  return out;
}

}  // namespace

FileSender::FileSender(Drive& drive, const LocalRoot& root, const SenderOptions& options)
    : root_(root), options_(options), blocks_(drive, options.window_bytes), committer_(drive) {
  for (unsigned i = 0; i < std::max(1u, options.threads); ++i) workers_.emplace_back([this] { work(); });
}

FileSender::~FileSender() {
  wait();
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    changed_.notify_all();
  }
  for (auto& worker : workers_) worker.join();
}

void FileSender::send(SendRequest request, Done done) {
  auto job = std::make_shared<Job>();
  job->request = std::move(request);
  job->done = std::move(done);
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return in_flight_ < max_files_in_flight; });
    ++in_flight_;
  }
  queue(std::move(job));
}

void FileSender::wait() {
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return in_flight_ == 0; });
  }
  committer_.wait();
}

void FileSender::stop() { stopped_ = true; }

void FileSender::queue(JobPtr job) {
  const std::lock_guard lock(mutex_);
  queue_.push_back(std::move(job));
  changed_.notify_all();
}

void FileSender::work() {
  for (;;) {
    JobPtr job;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return !queue_.empty() || ending_; });
      if (queue_.empty()) return;
      job = std::move(queue_.front());
      queue_.pop_front();
    }
    if (stopped_) finish(job, Error{Errc::cancelled, "the transfer was stopped"});
    else read(job);
  }
}

void FileSender::read(const JobPtr& job) {
  job->outstanding = 1;
  job->error.reset();
  job->content = {};
  job->receipts.clear();
  ++job->reads;
  const auto outcome = job->request.kind == EntryKind::symlink ? read_link(job) : read_file(job);
  if (!outcome.ok()) {
    const std::lock_guard lock(job->mutex);
    job->error = outcome.error();
  }
  settle(job);
}

Result<void> FileSender::read_link(const JobPtr& job) {
  const auto found = root_.stat(job->request.path);
  if (!found.ok()) return found.error();
  const auto target = root_.read_link(job->request.path);
  if (!target.ok()) return target.error();
  job->found = *found;
  job->content = content_of(*target);
  return {};
}

Result<void> FileSender::read_file(const JobPtr& job) {
  const auto& path = job->request.path;
  auto file = root_.open_file(path);
  if (!file.ok()) return file.error();
  struct stat after;
  if (::fstat(file->get(), &job->found) != 0) return errno_error("", path);
  if (!S_ISREG(job->found.st_mode))
    return Error{Errc::conflict, "it was a file and is something else now"};
  const auto size = static_cast<std::uint64_t>(job->found.st_size);
  if (size > options_.bounds.min) {
    CAIRN_TRY(read_blocks(job, file->get()));
  } else {
    Bytes bytes(static_cast<std::size_t>(size) + 1, '\0');
    const auto got = read_at(file->get(), bytes.data(), bytes.size(), 0, path);
    if (!got.ok()) return got.error();
    bytes.resize(*got);
    if (bytes.size() > limits::max_inline_bytes) add_block(job, bytes);
    else job->content = content_of(bytes);
  }
  if (::fstat(file->get(), &after) != 0) return errno_error("", path);
  if (!same_file(job->found, after) || job->content.size != size)
    return Error{Errc::conflict, "it was changed while it was read"};
  job->attributes = extended_attributes(file->get());
  return {};
}

Result<void> FileSender::read_blocks(const JobPtr& job, int fd) {
  std::uint64_t offset = 0;
  Chunker chunker(
      [&](char* to, std::size_t count) -> Result<std::size_t> {
        auto got = read_at(fd, to, std::min(count, read_bytes), offset, job->request.path);
        if (got.ok()) offset += *got;
        return got;
      },
      options_.bounds);
  for (;;) {
    const auto block = chunker.next();
    if (!block.ok()) return block.error();
    if (block->empty()) return {};
    if (job->content.blocks.size() == limits::max_manifest_blocks)
      return Error{Errc::too_large,
                   "a file has at most " + std::to_string(limits::max_manifest_blocks) + " blocks"};
    if (stopped_) return Error{Errc::cancelled, "the transfer was stopped"};
    add_block(job, *block);
  }
}

void FileSender::add_block(const JobPtr& job, BytesView block) {
  const auto id = sha256(block);
  job->content.blocks.push_back({id, static_cast<std::uint32_t>(block.size())});
  job->content.size += block.size();
  {
    const std::lock_guard lock(job->mutex);
    ++job->outstanding;
  }
  blocks_.offer(id, block, job->resend, [this, job](const Result<std::optional<Receipt>>& outcome) {
    {
      const std::lock_guard lock(job->mutex);
      if (!outcome.ok()) job->error = outcome.error();
      else if (*outcome) job->receipts.push_back(**outcome);
    }
    settle(job);
  });
}

void FileSender::settle(const JobPtr& job) {
  {
    const std::lock_guard lock(job->mutex);
    if (--job->outstanding > 0) return;
  }
  if (!job->error) return commit(job);
  if (job->error->code == Errc::conflict && job->reads < max_reads) return queue(job);
  finish(job, *job->error);
}

void FileSender::commit(const JobPtr& job) {
  Committer::Item item;
  item.bytes = job->content.inline_bytes.size() + job->content.blocks.size() * sizeof(BlockRef);
  item.receipts = job->receipts;
  item.change = [job] {
    const auto& request = job->request;
    return Change(PutFile{request.folder(), request.name, request.kind, request.base, job->content,
                          attributes_of(job->found)});
  };
  item.done = [this, job](Result<ChangeResult> result) { committed(job, std::move(result)); };
  committer_.add(std::move(item));
}

void FileSender::committed(const JobPtr& job, Result<ChangeResult> result) {
  if (!result.ok()) {
    if (!try_again(job, result.error())) finish(job, result.error());
    return;
  }
  inline_bytes_ += job->content.inline_bytes.size();
  finish(job, Sent{std::move(*result), job->found, std::move(job->attributes)});
}

/// What a second try can mend: an answer about blocks that was out of date, or a result that was
/// forgotten (the same file again is `unchanged` if it took effect).
bool FileSender::try_again(const JobPtr& job, const Error& error) {
  if (job->resend || stopped_) return false;
  const bool forgotten = error.code == Errc::request_forgotten;
  if (!forgotten && error.code != Errc::block_missing && error.code != Errc::bad_receipt) return false;
  job->resend = true;
  if (forgotten) commit(job);
  else queue(job);
  return true;
}

void FileSender::finish(const JobPtr& job, const Result<Sent>& outcome) {
  job->done(outcome);
  const std::lock_guard lock(mutex_);
  --in_flight_;
  changed_.notify_all();
}

}  // namespace cairn::client
