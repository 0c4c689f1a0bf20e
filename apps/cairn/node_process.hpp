// A cairnd that runs in the background: started as a daemon, known by its pid file, stopped by a signal. A pid that
// was given to another process meanwhile is told from it by the time at which that started. Main thread.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>

#include "protocol/error.hpp"

namespace cairn::apps {

struct NodeStart {
  std::string program;   ///< path of cairnd
  std::string config;    ///< absolute
  std::string folder;    ///< to run in
  std::string log_file;  ///< gets both outputs, appended
  std::string pid_file;
};

/// Starts cairnd in a session of its own, so that it outlives this process and its terminal. Errors: not_found (no
/// such program), io.
Result<pid_t> start_node(const NodeStart& start);

/// A process that is still the one of a pid file, held so that the pid cannot become another's.
class NodeProcess {
 public:
  /// Nothing if there is no pid file, or its process has gone.
  static std::optional<NodeProcess> find(const std::string& pid_file);
  NodeProcess(NodeProcess&& other) noexcept;
  NodeProcess& operator=(NodeProcess&&) = delete;
  ~NodeProcess();

  pid_t pid() const { return pid_; }
  Result<void> signal(int number) const;
  /// True once it has ended, false after `bound`.
  bool wait(std::chrono::milliseconds bound) const;

 private:
  NodeProcess(pid_t pid, int fd) : pid_(pid), fd_(fd) {}
  pid_t pid_;
  int fd_;  ///< a pidfd
};

/// The last lines of a log.
std::string tail_of(const std::string& log_file, std::size_t lines);

}  // namespace cairn::apps
