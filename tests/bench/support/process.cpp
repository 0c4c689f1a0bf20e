#include "tests/bench/support/process.hpp"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

#include "tests/bench/support/measure.hpp"

namespace cairn::bench {
namespace {

using namespace std::chrono_literals;

constexpr auto poll_interval = 10ms;
constexpr double server_start_seconds = 120;
constexpr double server_stop_seconds = 120;

// In the child: only calls that are safe after fork.
[[noreturn]] void become(char** command, const ProgramOptions& options, const passwd* user) {
  if (user && (setgroups(0, nullptr) != 0 || setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0)) _exit(126);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (!options.folder.empty() && chdir(options.folder.c_str()) != 0) _exit(126);
  const int nothing = open("/dev/null", O_RDONLY);
  dup2(nothing, 0);
  execvp(command[0], command);
  _exit(127);
}

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

Program::Program(const std::vector<std::string>& command, const ProgramOptions& options) {
  std::vector<char*> words;
  for (const auto& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  const auto* user = options.user.empty() ? nullptr : getpwnam(options.user.c_str());
  if (!options.user.empty() && !user) give_up("no user " + options.user);
  const auto* path = options.output.empty() ? "/dev/null" : options.output.c_str();
  const int output = ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (output < 0) give_up(std::string("cannot write ") + path);
  pid_ = ::fork();
  if (pid_ < 0) give_up("fork");
  if (pid_ == 0) {
    dup2(output, 1);
    dup2(output, 2);
    become(words.data(), options, user);
  }
  ::close(output);
}

Program::~Program() { stop(SIGKILL, 1); }

bool Program::running() {
  if (!ended_ && waitpid(pid_, &status_, WNOHANG) == pid_) ended_ = true;
  return !ended_;
}

int Program::wait(double seconds) {
  const auto deadline = seconds_now() + seconds;
  while (running() && seconds_now() < deadline) std::this_thread::sleep_for(poll_interval);
  return ended_ && WIFEXITED(status_) ? WEXITSTATUS(status_) : -1;
}

void Program::stop(int signal, double seconds) {
  if (!running()) return;
  ::kill(pid_, signal);
  wait(seconds);
  if (!running()) return;
  ::kill(pid_, SIGKILL);
  waitpid(pid_, &status_, 0);
  ended_ = true;
}

std::string content_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

double cpu_seconds(pid_t pid) {
  const auto stat = content_of("/proc/" + std::to_string(pid) + "/stat");
  std::istringstream fields(stat.substr(stat.rfind(')') + 1));
  // From the state on; user and system time are fields 14 and 15 of the whole line.
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

double own_cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double machine_busy_seconds() {
  std::istringstream line(content_of("/proc/stat"));
  std::string name;
  double user = 0, nice = 0, system = 0, idle = 0, io = 0, irq = 0, soft = 0, steal = 0;
  line >> name >> user >> nice >> system >> idle >> io >> irq >> soft >> steal;
  return (user + nice + system + irq + soft + steal) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

double resident_bytes(pid_t pid) {
  const auto status = content_of("/proc/" + std::to_string(pid) + "/status");
  const auto at = status.find("VmRSS:");
  if (at == status.npos) give_up("process " + std::to_string(pid) + " is gone");
  return std::strtod(status.c_str() + at + 6, nullptr) * 1024;
}

double settled_resident_bytes(pid_t pid) {
  const auto deadline = seconds_now() + 30;
  auto last = resident_bytes(pid);
  for (auto since = seconds_now(); seconds_now() - since < 1 && seconds_now() < deadline;) {
    std::this_thread::sleep_for(100ms);
    const auto now = resident_bytes(pid);
    if (std::abs(now - last) <= last / 1'000) continue;
    last = now;
    since = seconds_now();
  }
  return resident_bytes(pid);
}

unsigned cores() { return std::max(1u, std::thread::hardware_concurrency()); }

Server::Server(const std::string& cairnd, const std::string& data, const std::string& extra) {
  const auto config = data + ".toml";
  const auto log = data + ".log";
  std::ofstream(config) << "[node]\ndata = \"" << data << "\"\n[rpc]\nlisten = \"127.0.0.1:0\"\n" << extra;
  program_ =
      std::make_unique<Program>(std::vector<std::string>{cairnd, "--config", config}, ProgramOptions{log, "", ""});
  const std::string ready = "cairnd ready: rpc ";
  const auto deadline = seconds_now() + server_start_seconds;
  while (seconds_now() < deadline && program_->running()) {
    const auto said = content_of(log);
    const auto at = said.find(ready);
    const auto end = at == said.npos ? at : said.find('\n', at);
    if (end != said.npos) {
      address_ = said.substr(at + ready.size(), end - at - ready.size());
      return;
    }
    std::this_thread::sleep_for(poll_interval);
  }
  give_up(cairnd + " did not become ready:\n" + content_of(log));
}

Server::~Server() { stop(); }

void Server::stop() { program_->stop(SIGTERM, server_stop_seconds); }

}  // namespace cairn::bench
