#include "client/file_fetcher.hpp"

#include <algorithm>

#include "protocol/digest.hpp"
#include "protocol/limits.hpp"
#include "protocol/names.hpp"

namespace cairn::client {
namespace {

/// Bounds open files, unanswered manifests and what waits for the workers.
constexpr std::size_t max_files_in_flight = 128;
constexpr std::size_t read_bytes = 1u << 20;

/// Nothing else may be in a manifest: its blocks add up, and none is larger than a block can be.
Result<void> check(const Content& content, EntryKind kind) {
  std::uint64_t size = content.inline_bytes.size();
  for (const auto& block : content.blocks) {
    if (block.bytes == 0 || block.bytes > limits::max_block_bytes)
      return Error{Errc::protocol, "the server's manifest has a block of " + std::to_string(block.bytes) + " bytes"};
    size += block.bytes;
  }
  if (size != content.size) return Error{Errc::protocol, "the server's manifest does not add up"};
  if (kind == EntryKind::symlink && !content.blocks.empty())
    return Error{Errc::protocol, "the server's link has a target that is too long"};
  return {};
}

}  // namespace

Result<bool> has_content(int fd, const Content& content, const std::string& path) {
  struct stat found;
  if (::fstat(fd, &found) != 0) return errno_error("", path);
  if (!S_ISREG(found.st_mode) || static_cast<std::uint64_t>(found.st_size) != content.size) return false;
  Bytes buffer;
  const auto next = [&](std::uint64_t offset, std::size_t count) -> Result<bool> {
    buffer.resize(count);
    const auto got = read_at(fd, buffer.data(), count, offset, path);
    if (!got.ok()) return got.error();
    return *got == count;
  };
  if (content.blocks.empty()) {
    const auto got = next(0, content.inline_bytes.size());
    if (!got.ok()) return got.error();
    return *got && buffer == content.inline_bytes;
  }
  std::uint64_t offset = 0;
  for (const auto& block : content.blocks) {
    const auto got = next(offset, block.bytes);
    if (!got.ok()) return got.error();
    if (!*got || sha256(buffer) != block.id) return false;
    offset += block.bytes;
  }
  return true;
}

FileFetcher::FileFetcher(Drive& drive, const LocalRoot& root, const FetcherOptions& options)
    : drive_(drive), root_(root), options_(options) {
  for (unsigned i = 0; i < std::max(1u, options.threads); ++i) workers_.emplace_back([this] { work(); });
}

FileFetcher::~FileFetcher() {
  wait();
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    changed_.notify_all();
  }
  for (auto& worker : workers_) worker.join();
}

void FileFetcher::fetch(FetchRequest request, Done done) {
  auto job = std::make_shared<Job>();
  job->request = std::move(request);
  job->done = std::move(done);
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return in_flight_ < max_files_in_flight; });
    ++in_flight_;
  }
  ask(job);
}

void FileFetcher::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return in_flight_ == 0; });
}

void FileFetcher::stop() { stopped_ = true; }

void FileFetcher::enqueue(std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  work_.push_back(std::move(work));
  changed_.notify_all();
}

void FileFetcher::work() {
  for (;;) {
    std::function<void()> next;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return !work_.empty() || ending_; });
      if (work_.empty()) return;
      next = std::move(work_.front());
      work_.pop_front();
    }
    next();
  }
}

void FileFetcher::ask(const JobPtr& job) {
  if (job->request.kind == EntryKind::file && job->request.size == 0) {
    // Nothing to ask: an empty version has one content.
    enqueue([this, job] { manifest_came(job, ManifestResult{{}, job->request.version}); });
    return;
  }
  drive_.manifest(job->request.entry, job->request.version, [this, job](Result<ManifestResult> manifest) {
    enqueue([this, job, manifest = std::move(manifest)] { manifest_came(job, manifest); });
  });
}

void FileFetcher::manifest_came(const JobPtr& job, Result<ManifestResult> manifest) {
  job->outstanding = 1;
  if (stopped_) return settle(job, Error{Errc::cancelled, "the transfer was stopped"});
  if (!manifest.ok()) return settle(job, manifest.error());
  if (auto sound = check(manifest->content, job->request.kind); !sound.ok()) return settle(job, sound.error());
  job->content = std::move(manifest->content);
  job->version = manifest->version;
  const auto there = look_at_existing(job);
  if (!there.ok()) return settle(job, there.error());
  if (*there) return settle(job, std::nullopt);
  job->outcome.written = true;
  const auto ordered = order_blocks(job);
  settle(job, ordered.ok() ? std::nullopt : std::optional(ordered.error()));
}

/// True if the file is there with the right content, and only needs its attributes.
Result<bool> FileFetcher::look_at_existing(const JobPtr& job) {
  const auto& request = job->request;
  const auto found = root_.stat(request.path);
  if (!found.ok()) {
    if (found.error().code == Errc::not_found) return false;
    return found.error();
  }
  const Error taken{Errc::already_exists, printable(request.path) + " is there with other content"};
  if (request.existing == Existing::none) return taken;
  if (S_ISDIR(found->st_mode))
    return Error{Errc::already_exists, printable(request.path) + ": a folder is in the way"};
  if (request.kind == EntryKind::symlink && S_ISLNK(found->st_mode)) {
    const auto target = root_.read_link(request.path);
    if (target.ok() && *target == job->content.inline_bytes) return true;
  }
  if (request.kind == EntryKind::file && S_ISREG(found->st_mode)) {
    auto old = root_.open_file(request.path);
    if (old.ok()) {
      const auto equal = has_content(old->get(), job->content, request.path);
      if (equal.ok() && *equal) return true;
      job->old = std::move(*old);
    }
  }
  if (request.existing == Existing::if_equal) return taken;
  job->replaces = true;
  return false;
}

std::unordered_map<BlockId, FileFetcher::Place> FileFetcher::blocks_of_old(const Job& job) const {
  std::unordered_map<BlockId, Place> places;
  if (!job.old || job.content.blocks.empty()) return places;
  std::uint64_t offset = 0;
  Chunker chunker(
      [&](char* to, std::size_t count) {
        auto got = read_at(job.old->get(), to, std::min(count, read_bytes), offset, job.request.path);
        if (got.ok()) offset += *got;
        return got;
      },
      options_.bounds);
  for (std::uint64_t at = 0;;) {
    const auto block = chunker.next();
    if (!block.ok() || block->empty()) return places;  // an old file that cannot be read has nothing to reuse
    places[sha256(*block)] = {at, static_cast<std::uint32_t>(block->size())};
    at += block->size();
  }
}

bool FileFetcher::reuse(const JobPtr& job, const Place& place, const BlockRef& block, std::uint64_t offset) {
  Bytes bytes(place.bytes, '\0');
  const auto got = read_at(job->old->get(), bytes.data(), bytes.size(), place.offset, job->request.path);
  // Checked again: the old file may have changed since it was cut.
  if (!got.ok() || *got != bytes.size() || sha256(bytes) != block.id) return false;
  if (!write_at(job->file->fd(), bytes, offset, job->request.path).ok()) return false;
  job->outcome.bytes_reused += bytes.size();
  return true;
}

Result<void> FileFetcher::order_blocks(const JobPtr& job) {
  const auto& request = job->request;
  auto made = request.kind == EntryKind::symlink
                  ? NewFile::create_link(root_, request.path, job->content.inline_bytes)
                  : NewFile::create(root_, request.path);
  if (!made.ok()) return made.error();
  job->file.emplace(std::move(*made));
  if (request.kind == EntryKind::symlink) return {};
  if (job->content.blocks.empty())
    return write_at(job->file->fd(), job->content.inline_bytes, 0, request.path);
  const auto places = blocks_of_old(*job);
  std::vector<Part> parts;
  std::uint64_t offset = 0;
  for (const auto& block : job->content.blocks) {
    const auto place = places.find(block.id);
    const bool reused = place != places.end() && place->second.bytes == block.bytes &&
                        reuse(job, place->second, block, offset);
    if (!reused) parts.push_back({job, offset, block});
    offset += block.bytes;
  }
  job->outstanding += parts.size();
  {
    const std::lock_guard lock(mutex_);
    to_read_.insert(to_read_.end(), parts.begin(), parts.end());
  }
  advance();
  return {};
}

void FileFetcher::advance() {
  std::vector<Part> parts;
  {
    const std::lock_guard lock(mutex_);
    while (!to_read_.empty() && (reading_bytes_ == 0 || reading_bytes_ + to_read_.front().block.bytes <=
                                                            options_.window_bytes)) {
      reading_bytes_ += to_read_.front().block.bytes;
      parts.push_back(std::move(to_read_.front()));
      to_read_.pop_front();
    }
  }
  for (const auto& part : parts) {
    if (stopped_) {
      enqueue([this, part] { block_came(part, Error{Errc::cancelled, "the transfer was stopped"}); });
      continue;
    }
    drive_.read(part.job->request.entry, part.job->version, part.offset, part.block.bytes,
                [this, part](Result<ReadResult> read) {
                  enqueue([this, part, read = std::make_shared<Result<ReadResult>>(std::move(read))] {
                    block_came(part, std::move(*read));
                  });
                });
  }
}

void FileFetcher::block_came(const Part& part, Result<ReadResult> read) {
  const auto& job = part.job;
  std::optional<Error> error;
  if (!read.ok()) {
    error = read.error();
  } else if (read->bytes.size() != part.block.bytes || sha256(read->bytes) != part.block.id) {
    error = Error{Errc::block_mismatch, "the server sent other bytes than those of block " + part.block.id.hex()};
  } else {
    bytes_received_ += read->bytes.size();
    ++blocks_received_;
    const auto written = write_at(job->file->fd(), read->bytes, part.offset, job->request.path);
    if (!written.ok()) error = written.error();
  }
  {
    const std::lock_guard lock(mutex_);
    reading_bytes_ -= part.block.bytes;
  }
  advance();
  settle(job, std::move(error));
}

void FileFetcher::settle(const JobPtr& job, std::optional<Error> error) {
  {
    const std::lock_guard lock(job->mutex);
    if (error && !job->error) job->error = std::move(error);
    if (--job->outstanding > 0) return;
  }
  if (job->error) return finish(job, *job->error);
  const auto placed = put_in_place(job);
  if (!placed.ok()) return finish(job, placed.error());
  finish(job, job->outcome);
}

Result<void> FileFetcher::put_in_place(const JobPtr& job) {
  const auto& request = job->request;
  auto& outcome = job->outcome;
  if (!outcome.written) {
    CAIRN_TRY(root_.set_attributes(request.path, request.kind, request.attributes));
  } else {
    CAIRN_TRY(job->file->set_attributes(request.attributes));
    if (job->content.blocks.empty()) bytes_received_ += job->content.inline_bytes.size();
    if (!job->replaces) {
      CAIRN_TRY(job->file->place());
    } else {
      const auto old = job->file->replace();
      if (!old.ok()) return old.error();
      if (request.may_go && !request.may_go(*old)) {
        outcome.kept_as = request.keep_as();
        CAIRN_TRY(job->file->keep_replaced_as(outcome.kept_as));
      }
    }
  }
  job->file.reset();
  const auto found = root_.stat(request.path);
  if (!found.ok()) return found.error();
  outcome.found = *found;
  return {};
}

void FileFetcher::finish(const JobPtr& job, const Result<Fetched>& outcome) {
  job->file.reset();
  job->old.reset();
  job->done(outcome);
  const std::lock_guard lock(mutex_);
  --in_flight_;
  changed_.notify_all();
}

}  // namespace cairn::client
