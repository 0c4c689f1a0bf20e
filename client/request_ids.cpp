#include "client/request_ids.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <set>

#include "protocol/digest.hpp"

namespace cairn::client {
namespace {

constexpr std::size_t max_processes = 64;
/// So many sequences are made durable at a time; at most these are lost when the machine stops.
constexpr std::uint64_t sequences_reserved = 1'024;
constexpr std::uint64_t file_magic = 0x63616972'6e726571;  // "cairnreq"

Error io_error(const std::string& what) { return Error{Errc::io, what + ": " + std::strerror(errno)}; }

class FreshRequestIds final : public RequestIds {
 public:
  explicit FreshRequestIds(ClientId client) : client_(client) {}
  ClientId client() const override { return client_; }
  Result<RequestTicket> begin() override {
    const std::lock_guard lock(mutex_);
    const auto sequence = next_++;
    unanswered_.insert(sequence);
    return RequestTicket{sequence, *unanswered_.begin() - 1};
  }
  void end(std::uint64_t sequence) override {
    const std::lock_guard lock(mutex_);
    unanswered_.erase(sequence);
  }

 private:
  const ClientId client_;
  std::mutex mutex_;
  std::uint64_t next_ = 1;
  std::set<std::uint64_t> unanswered_;
};

/// The file, mapped by every process that uses it. Its header fits a sector, so that a machine that
/// stops leaves the old or the new one.
struct Shared {
  std::uint64_t magic;
  std::uint64_t client;
  std::atomic<std::uint64_t> next;          ///< right as long as the machine has not been started again
  std::atomic<std::uint64_t> durable_end;   ///< on disk before any sequence under it is given out
  std::array<char, 40> boot;                ///< of the machine that counted in `next`
  /// A process' oldest unanswered sequence, 0 for none; its slot is locked while it lives.
  std::array<std::atomic<std::uint64_t>, max_processes> oldest;
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && sizeof(Shared) < 4'096);

std::array<char, 40> boot_id() {
  std::array<char, 40> id{};
  const int file = ::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  if (file < 0) return id;
  if (::read(file, id.data(), id.size() - 1) < 0) id = {};
  ::close(file);
  return id;
}

class SharedRequestIds final : public RequestIds {
 public:
  SharedRequestIds(int file, std::string path, ClientId client)
      : file_(file), path_(std::move(path)), client_(client) {}
  ~SharedRequestIds() override {
    if (shared_ != nullptr) {
      if (slot_ < max_processes) shared_->oldest[slot_] = 0;
      ::munmap(shared_, sizeof(Shared));
    }
    ::close(file_);
  }

  ClientId client() const override { return client_; }

  Result<void> open() {
    const Locked locked(file_);
    if (!locked.held) return io_error("cannot lock " + path_);
    struct stat found;
    if (::fstat(file_, &found) != 0) return io_error(path_);
    const bool made = found.st_size == 0;
    if (made) {
      const Bytes zeros(4'096, '\0');
      if (::pwrite(file_, zeros.data(), zeros.size(), 0) != static_cast<ssize_t>(zeros.size()))
        return io_error("cannot write " + path_);
    }
    void* mapped = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, file_, 0);
    if (mapped == MAP_FAILED) return io_error("cannot map " + path_);
    shared_ = static_cast<Shared*>(mapped);
    if (shared_->magic == 0) {
      shared_->client = client_.value;
      shared_->next = shared_->durable_end = 1;
      shared_->magic = file_magic;
    }
    if (shared_->magic != file_magic || shared_->client != client_.value)
      return Error{Errc::corrupt, path_ + " does not hold the request numbers of this device"};
    if (const auto boot = boot_id(); boot != shared_->boot) {
      shared_->next = shared_->durable_end.load();
      shared_->boot = boot;
    }
    return take_slot();
  }

  Result<RequestTicket> begin() override {
    const std::lock_guard lock(mutex_);
    const Locked locked(file_);
    if (!locked.held) return io_error("cannot lock " + path_);
    if (shared_->next >= shared_->durable_end) {
      shared_->durable_end = shared_->next + sequences_reserved;
      if (::msync(shared_, sizeof(Shared), MS_SYNC) != 0) return io_error("cannot write " + path_);
    }
    const auto sequence = shared_->next++;
    unanswered_.insert(sequence);
    shared_->oldest[slot_] = *unanswered_.begin();
    return RequestTicket{sequence, oldest_of_all() - 1};
  }

  void end(std::uint64_t sequence) override {
    const std::lock_guard lock(mutex_);
    unanswered_.erase(sequence);
    shared_->oldest[slot_] = unanswered_.empty() ? 0 : *unanswered_.begin();
  }

 private:
  /// Holds other processes off while it lives.
  struct Locked {
    explicit Locked(int file) : file(file) {
      int result;
      do result = ::flock(file, LOCK_EX);
      while (result != 0 && errno == EINTR);
      held = result == 0;
    }
    ~Locked() {
      if (held) ::flock(file, LOCK_UN);
    }
    const int file;
    bool held;
  };

  static struct flock slot_lock(std::size_t slot) {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = static_cast<off_t>(sizeof(Shared) + slot);
    lock.l_len = 1;
    return lock;
  }

  Result<void> take_slot() {
    for (std::size_t slot = 0; slot < max_processes; ++slot) {
      auto lock = slot_lock(slot);
      if (::fcntl(file_, F_OFD_SETLK, &lock) != 0) {
        if (errno == EAGAIN || errno == EACCES) continue;
        return io_error("cannot lock " + path_);
      }
      shared_->oldest[slot] = 0;
      slot_ = slot;
      return {};
    }
    return Error{Errc::busy, path_ + " is used by 64 processes already"};
  }

  /// Over all processes that live: the system lets go of a slot's lock when its process ends.
  std::uint64_t oldest_of_all() {
    auto oldest = *unanswered_.begin();
    for (std::size_t slot = 0; slot < max_processes; ++slot) {
      const auto theirs = shared_->oldest[slot].load();
      if (slot == slot_ || theirs == 0 || theirs >= oldest) continue;
      auto lock = slot_lock(slot);
      if (::fcntl(file_, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_UNLCK)
        shared_->oldest[slot] = 0;
      else
        oldest = theirs;
    }
    return oldest;
  }

  const int file_;
  const std::string path_;
  const ClientId client_;
  Shared* shared_ = nullptr;
  std::size_t slot_ = max_processes;
  std::mutex mutex_;
  std::set<std::uint64_t> unanswered_;
};

Result<void> sync_folder(const std::string& folder) {
  const int opened = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (opened < 0) return io_error("cannot open " + folder);
  const int synced = ::fsync(opened);
  ::close(opened);
  if (synced != 0) return io_error("cannot sync " + folder);
  return {};
}

}  // namespace

ClientId random_client_id() {
  const auto bytes = random_bytes(sizeof(std::uint64_t));
  ClientId id;
  std::memcpy(&id.value, bytes.data(), sizeof id.value);
  if (id.value == 0) id.value = 1;  // 0 means "this session's own" in some calls
  return id;
}

std::unique_ptr<RequestIds> make_request_ids(ClientId client) {
  return std::make_unique<FreshRequestIds>(client);
}

Result<std::unique_ptr<RequestIds>> open_request_ids(const std::string& folder, ClientId client) {
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return io_error("cannot make " + folder);
  char name[32];
  std::snprintf(name, sizeof name, "/%016llx.requests", static_cast<unsigned long long>(client.value));
  const auto path = folder + name;
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return io_error("cannot open " + path);
  auto ids = std::make_unique<SharedRequestIds>(file, path, client);
  CAIRN_TRY(ids->open());
  // Without its folder's entry the file would be lost with the machine, and its numbers given out again.
  CAIRN_TRY(sync_folder(folder));
  return std::unique_ptr<RequestIds>(std::move(ids));
}

}  // namespace cairn::client
