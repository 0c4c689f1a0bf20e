#include "apps/cairn/node_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

namespace cairn::apps {
namespace {

constexpr std::size_t max_tail_bytes = 16'384;

struct ProcessState {
  char state = 0;
  std::uint64_t started = 0;  ///< in ticks since the machine's start
};

/// From /proc; nothing if there is no such process.
std::optional<ProcessState> state_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(file, line);
  // The program's name is in parentheses and may hold anything.
  const auto end = line.rfind(')');
  if (end == line.npos) return {};
  std::istringstream fields(line.substr(end + 1));
  ProcessState out;
  std::string skipped;
  fields >> out.state;
  for (int field = 4; field < 22; ++field) fields >> skipped;
  if (!(fields >> out.started)) return {};
  return out;
}

/// posix_spawn's settings, freed whatever happens.
struct SpawnSettings {
  SpawnSettings() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

Error failed_to(const std::string& what, int number) { return {Errc::io, what + ": " + std::strerror(number)}; }

}  // namespace

Result<pid_t> start_node(const NodeStart& start) {
  if (access(start.program.c_str(), X_OK) != 0)
    return Error{Errc::not_found, "cannot run " + start.program + ": " + std::strerror(errno)};
  SpawnSettings settings;
  auto* actions = &settings.actions;
  posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(actions, STDOUT_FILENO, start.log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(actions, STDOUT_FILENO, STDERR_FILENO);
  posix_spawn_file_actions_addchdir_np(actions, start.folder.c_str());
  // This process blocks signals for a thread of its own; the server shall have them as they are by default.
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&settings.attributes, &none);
  posix_spawnattr_setsigdefault(&settings.attributes, &all);
  posix_spawnattr_setflags(&settings.attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::string words[] = {start.program, "--config", start.config};
  char* arguments[] = {words[0].data(), words[1].data(), words[2].data(), nullptr};
  pid_t pid = 0;
  const int failed = posix_spawn(&pid, start.program.c_str(), actions, &settings.attributes, arguments, environ);
  if (failed) return failed_to("cannot start " + start.program, failed);
  const auto state = state_of(pid);
  const auto fresh = start.pid_file + ".new";
  std::ofstream file(fresh, std::ios::trunc);
  file << pid << ' ' << (state ? state->started : 0) << '\n';
  file.close();
  if (file && std::rename(fresh.c_str(), start.pid_file.c_str()) == 0) return pid;
  const int number = errno;
  // A node that nobody could stop by name shall not stay.
  kill(pid, SIGTERM);
  waitpid(pid, nullptr, 0);
  return failed_to("cannot write " + start.pid_file, number);
}

std::optional<NodeProcess> NodeProcess::find(const std::string& pid_file) {
  std::ifstream file(pid_file);
  pid_t pid = 0;
  std::uint64_t started = 0;
  if (!(file >> pid >> started) || pid <= 1) return {};
  const int fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (fd < 0) return {};
  NodeProcess process(pid, fd);
  const auto state = state_of(pid);
  if (!state || state->started != started || state->state == 'Z' || state->state == 'X') return {};
  return process;
}

NodeProcess::NodeProcess(NodeProcess&& other) noexcept : pid_(other.pid_), fd_(std::exchange(other.fd_, -1)) {}

NodeProcess::~NodeProcess() {
  if (fd_ >= 0) close(fd_);
}

Result<void> NodeProcess::signal(int number) const {
  if (syscall(SYS_pidfd_send_signal, fd_, number, nullptr, 0) == 0 || errno == ESRCH) return {};
  return failed_to("cannot signal process " + std::to_string(pid_), errno);
}

bool NodeProcess::wait(std::chrono::milliseconds bound) const {
  pollfd waiting{fd_, POLLIN, 0};
  return poll(&waiting, 1, static_cast<int>(bound.count())) > 0;
}

std::string tail_of(const std::string& log_file, std::size_t lines) {
  std::ifstream file(log_file, std::ios::binary | std::ios::ate);
  if (!file) return {};
  const auto size = static_cast<std::size_t>(file.tellg());
  const auto bytes = std::min(size, max_tail_bytes);
  std::string text(bytes, '\0');
  file.seekg(static_cast<std::streamoff>(size - bytes));
  file.read(text.data(), static_cast<std::streamsize>(bytes));
  auto at = text.size();
  // The end of the last line does not count.
  for (++lines; lines > 0 && at > 0; --lines) {
    const auto end = text.rfind('\n', at - 1);
    if (end == text.npos) return text;
    at = end;
  }
  return text.substr(at + (at < text.size() ? 1 : 0));
}

}  // namespace cairn::apps
