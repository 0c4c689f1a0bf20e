#include "tests/support/process.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>

namespace cairn::test {
namespace {

struct Pipe {
  int read_end = -1;
  int write_end = -1;
};

Pipe make_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) std::abort();
  return {ends[0], ends[1]};
}

/// A file that holds `input`, already removed from its folder.
int input_file(const std::string& input) {
  char path[] = "/tmp/cairn-input-XXXXXX";
  const int fd = mkostemp(path, O_CLOEXEC);
  if (fd < 0 || unlink(path) != 0) std::abort();
  if (write(fd, input.data(), input.size()) != static_cast<ssize_t>(input.size())) std::abort();
  lseek(fd, 0, SEEK_SET);
  return fd;
}

[[noreturn]] void become(const ProcessOptions& options, int in, int out, int err, pid_t parent) {
  // A test that is killed takes its children along.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  dup2(in, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  if (options.network >= 0 && setns(options.network, CLONE_NEWNET) != 0) _exit(127);
  if (!options.folder.empty() && chdir(options.folder.c_str()) != 0) _exit(127);
  for (const auto& [name, value] : options.environment) setenv(name.c_str(), value.c_str(), 1);
  std::vector<char*> arguments;
  for (const auto& argument : options.arguments) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  execv(arguments[0], arguments.data());
  _exit(127);
}

}  // namespace

Process::Process(const ProcessOptions& options) {
  const auto out = make_pipe();
  const auto err = make_pipe();
  const int in = input_file(options.input);
  int error_file = -1;
  if (!options.error_file.empty()) {
    error_file = open(options.error_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (error_file < 0) std::abort();
  }
  const auto parent = getpid();
  pid_ = fork();
  if (pid_ < 0) std::abort();
  if (pid_ == 0) become(options, in, out.write_end, error_file >= 0 ? error_file : err.write_end, parent);
  close(in);
  if (error_file >= 0) close(error_file);
  close(out.write_end);
  close(err.write_end);
  out_fd_ = out.read_end;
  err_fd_ = err.read_end;
  end_fd_ = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  if (end_fd_ < 0) std::abort();
}

Process::~Process() {
  if (!ended_) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  for (const int fd : {out_fd_, err_fd_, end_fd_})
    if (fd >= 0) close(fd);
}

void Process::read_some(std::chrono::milliseconds bound) {
  pollfd waiting[3] = {{out_fd_, POLLIN, 0}, {err_fd_, POLLIN, 0}, {ended_ ? -1 : end_fd_, POLLIN, 0}};
  if (poll(waiting, 3, static_cast<int>(bound.count())) <= 0) return;
  const auto take = [](const pollfd& from, int& fd, std::string& to) {
    if (!from.revents) return;
    std::array<char, 65'536> buffer;
    const auto count = read(fd, buffer.data(), buffer.size());
    if (count > 0) {
      to.append(buffer.data(), static_cast<std::size_t>(count));
      return;
    }
    close(fd);
    fd = -1;
  };
  take(waiting[0], out_fd_, out_);
  take(waiting[1], err_fd_, err_);
  if (waiting[2].revents) reap();
}

void Process::reap() {
  int status = 0;
  if (ended_ || waitpid(pid_, &status, 0) != pid_) return;
  ended_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

std::optional<int> Process::wait(std::chrono::milliseconds bound) {
  const auto until = std::chrono::steady_clock::now() + bound;
  // What it wrote is read to the end too, so that nothing of it is missed.
  while (!ended_ || out_fd_ >= 0 || err_fd_ >= 0) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    if (left <= 0ms) return {};
    read_some(left);
  }
  return ended_;
}

std::optional<std::string> Process::wait_for_line(const std::string& start, std::chrono::milliseconds bound) {
  const auto until = std::chrono::steady_clock::now() + bound;
  while (true) {
    for (std::size_t at = 0, end; (end = out_.find('\n', at)) != out_.npos; at = end + 1)
      if (out_.compare(at, start.size(), start) == 0) return out_.substr(at, end - at);
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    if (left <= 0ms || (ended_ && out_fd_ < 0)) return {};
    read_some(left);
  }
}

bool Process::running() {
  read_some(0ms);
  return !ended_;
}

void Process::signal(int number) {
  if (!ended_) kill(pid_, number);
}

Ran run_process(const ProcessOptions& options, std::chrono::milliseconds bound) {
  Process process(options);
  const auto code = process.wait(bound);
  EXPECT_TRUE(code) << options.arguments[0] << " did not end in time\n" << process.out() << process.err();
  return {code.value_or(-1), process.out(), process.err()};
}

}  // namespace cairn::test
