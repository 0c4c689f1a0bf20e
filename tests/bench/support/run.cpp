#include "tests/bench/support/run.hpp"

#include <linux/magic.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <filesystem>

#include "apps/memory.hpp"
#include "tests/bench/support/measure.hpp"

namespace cairn::bench {
namespace {

namespace fs = std::filesystem;

bool on_a_disk(const std::string& path) {
  struct statfs info {};
  if (::statfs(path.c_str(), &info) != 0 || ::access(path.c_str(), W_OK) != 0) return false;
  return info.f_type != TMPFS_MAGIC && info.f_type != RAMFS_MAGIC;
}

std::string make_folder(const std::string& program_folder) {
  const auto* chosen = std::getenv("CAIRN_BENCH_DIR");
  if (chosen && !on_a_disk(chosen)) give_up(std::string("CAIRN_BENCH_DIR is no writable folder on a disk: ") + chosen);
  for (const auto& parent : {std::string(chosen ? chosen : "/var/tmp"), program_folder}) {
    if (!on_a_disk(parent)) continue;
    auto path = parent + "/cairn-bench-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) continue;
    // A peer's server may run as another user.
    fs::permissions(path, fs::perms::others_exec | fs::perms::group_exec, fs::perm_options::add);
    return path;
  }
  give_up("found no folder on a disk; name one in CAIRN_BENCH_DIR");
}

void raise_open_files() {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

// Waits for the child's end or a signal to stop; the child's status is left to be collected.
bool ended_by_itself(pid_t child, const sigset_t& signals, int bound_seconds) {
  const auto deadline = seconds_now() + bound_seconds;
  for (;;) {
    const auto left = deadline - seconds_now();
    if (left <= 0) {
      std::fprintf(stderr, "benchmark ended: over its bound of %d s\n", bound_seconds);
      return false;
    }
    const timespec wait{static_cast<time_t>(left), 100'000'000};
    const auto signal = sigtimedwait(&signals, nullptr, &wait);
    if (signal > 0 && signal != SIGCHLD) return false;
    siginfo_t info{};
    if (waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == child)
      return true;
  }
}

}  // namespace

double Setting::number(const std::string& flag, double otherwise) const {
  const auto at = std::ranges::find(arguments, flag);
  if (at == arguments.end()) return otherwise;
  if (at + 1 == arguments.end()) give_up(flag + " needs a number");
  try {
    return std::stod(*(at + 1));
  } catch (const std::exception&) {
    give_up(flag + " needs a number, not " + *(at + 1));
  }
}

std::string Setting::text(const std::string& flag) const {
  const auto at = std::ranges::find(arguments, flag);
  if (at == arguments.end()) return {};
  if (at + 1 == arguments.end()) give_up(flag + " needs a word");
  return *(at + 1);
}

bool Setting::has(const std::string& flag) const { return std::ranges::find(arguments, flag) != arguments.end(); }

int run(int argc, char** argv, int bound_seconds, const std::vector<std::string>& flags,
        const std::function<void(const Setting&)>& benchmark) {
  apps::set_up_memory();
  const auto program_folder = fs::read_symlink("/proc/self/exe").parent_path();
  Setting setting;
  setting.arguments.assign(argv + 1, argv + argc);
  for (const auto& argument : setting.arguments) {
    if (!argument.starts_with("-") || std::ranges::find(flags, argument) != flags.end()) continue;
    std::fprintf(stderr, "usage: %s", argv[0]);
    for (const auto& flag : flags)
      std::fprintf(stderr, " [%s%s]", flag.c_str(), flag.starts_with("--no-") ? "" : " VALUE");
    std::fprintf(stderr, "\n");
    return 2;
  }
  setting.folder = make_folder(program_folder.string());
  setting.cairnd = (program_folder.parent_path() / "apps" / "cairnd").string();
  setting.etcd_client = (program_folder / "etcd_client").string();
  raise_open_files();

  sigset_t signals, before;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&signals, signal);
  sigprocmask(SIG_BLOCK, &signals, &before);
  const auto child = ::fork();
  if (child < 0) give_up("fork");
  if (child == 0) {
    ::setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigprocmask(SIG_SETMASK, &before, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    benchmark(setting);
    std::fflush(nullptr);
    std::exit(0);
  }
  ::setpgid(child, child);
  ended_by_itself(child, signals, bound_seconds);
  // Until the child is collected its number, which is its group's, belongs to nobody else.
  ::kill(-child, SIGKILL);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  std::error_code ignored;
  fs::remove_all(setting.folder, ignored);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

}  // namespace cairn::bench
