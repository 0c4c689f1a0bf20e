#include "client/local_watch.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "client/local_scan.hpp"

namespace cairn::client {
namespace {

constexpr std::uint32_t events = IN_CREATE | IN_DELETE | IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_FROM |
                                 IN_MOVED_TO | IN_ATTRIB | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK;

/// Events of our own files are no changes of the user's.
bool counts(const inotify_event& event) {
  if ((event.mask & IN_Q_OVERFLOW) != 0) return true;
  if ((event.mask & IN_IGNORED) != 0) return false;
  if (event.len == 0) return true;
  const std::string_view name(event.name);
  return name != sync_folder && name.rfind(NewFile::temporary_prefix, 0) != 0;
}

}  // namespace

LocalWatch::LocalWatch(Fd inotify, Fd wakeup, std::string folder)
    : inotify_(std::move(inotify)), wakeup_(std::move(wakeup)), folder_(std::move(folder)) {}

Result<std::unique_ptr<LocalWatch>> LocalWatch::open(const std::string& folder) {
  Fd inotify(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!inotify) return errno_error("cannot watch for changes", folder);
  Fd wakeup(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!wakeup) return errno_error("cannot watch for changes", folder);
  std::unique_ptr<LocalWatch> made(new LocalWatch(std::move(inotify), std::move(wakeup), folder));
  made->watch(folder);
  return made;
}

bool LocalWatch::watch(const std::string& path) {
  const int number = ::inotify_add_watch(inotify_.get(), path.c_str(), events);
  // A folder that is gone by now needs none.
  if (number < 0 && errno != ENOENT && errno != ENOTDIR) complete_ = false;
  return number >= 0 && watched_.insert(number).second;
}

bool LocalWatch::add(const LocalTree& tree) {
  bool any = false;
  for (const auto& [path, node] : tree)
    if (node.kind == EntryKind::folder) any = watch(folder_ + "/" + path) || any;
  return any;
}

bool LocalWatch::wait(std::chrono::milliseconds timeout) {
  pollfd waiting[2] = {{inotify_.get(), POLLIN, 0}, {wakeup_.get(), POLLIN, 0}};
  ::poll(waiting, 2, static_cast<int>(timeout.count()));
  std::uint64_t count = 0;
  if ((waiting[1].revents & POLLIN) != 0 && ::read(wakeup_.get(), &count, sizeof count) < 0) return false;
  return drain();
}

bool LocalWatch::drain() {
  alignas(inotify_event) char buffer[16'384];
  bool any = false;
  for (;;) {
    const auto size = ::read(inotify_.get(), buffer, sizeof buffer);
    if (size <= 0) return any;
    for (ssize_t at = 0; at < size;) {
      const auto& event = *reinterpret_cast<const inotify_event*>(buffer + at);
      if ((event.mask & IN_IGNORED) != 0) watched_.erase(event.wd);
      any = counts(event) || any;
      at += static_cast<ssize_t>(sizeof event + event.len);
    }
  }
}

void LocalWatch::wake() {
  const std::uint64_t one = 1;
  if (::write(wakeup_.get(), &one, sizeof one) < 0) return;  // full: it is awake already
}

}  // namespace cairn::client
