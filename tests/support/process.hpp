// Child processes of a test: started with pipes, waited for with a bound, and never left behind, also if the
// test itself is killed. Main thread of the test.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace cairn::test {

using namespace std::chrono_literals;

struct ProcessOptions {
  std::vector<std::string> arguments;              ///< of which the first is the program's path
  std::map<std::string, std::string> environment;  ///< beside that of the test
  std::string input;                               ///< given on standard input
  std::string folder;                              ///< to run in; "" is that of the test
  std::string error_file{};                          ///< takes standard error, after what it holds; "" keeps it here
  int network = -1;                                ///< the network namespace to run in (Network::of())
};

/// A child whose output is kept until somebody asks for it.
class Process {
 public:
  explicit Process(const ProcessOptions& options);
  ~Process();  ///< SIGKILL if it still runs
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  /// Waits until the child has ended; its exit code, or minus the signal that ended it. Nothing after `bound`.
  std::optional<int> wait(std::chrono::milliseconds bound);
  /// The first line of standard output that starts with `start`; nothing after `bound` or at the end.
  std::optional<std::string> wait_for_line(const std::string& start, std::chrono::milliseconds bound);
  /// Reads what is there; false once it has ended.
  bool running();

  void signal(int number);
  pid_t pid() const { return pid_; }
  const std::string& out() const { return out_; }
  const std::string& err() const { return err_; }

 private:
  /// Takes in what the child wrote, waiting at most `bound` for something.
  void read_some(std::chrono::milliseconds bound);
  void reap();

  pid_t pid_ = -1;
  int out_fd_ = -1;
  int err_fd_ = -1;
  int end_fd_ = -1;  ///< readable when the child ends (pidfd)
  std::string out_;
  std::string err_;
  std::optional<int> ended_;
};

struct Ran {
  int code = -1;  ///< exit code, or minus a signal
  std::string out;
  std::string err;
};

/// Runs to the end; fails the test and answers code -1 after `bound`.
Ran run_process(const ProcessOptions& options, std::chrono::milliseconds bound = 60s);

}  // namespace cairn::test
