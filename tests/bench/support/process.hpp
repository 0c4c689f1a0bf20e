// Programs that a benchmark runs beside itself, and what the system says of them. Main thread only:
// a program ends with the thread that started it.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

namespace cairn::bench {

struct ProgramOptions {
  std::string output;       ///< file for what it says; not read back
  std::string user;         ///< run as this user; only root may choose
  std::string folder;       ///< to start in
};

/// A running program; ended (SIGKILL at last) with the object.
class Program {
 public:
  Program(const std::vector<std::string>& command, const ProgramOptions& options);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  pid_t pid() const { return pid_; }
  bool running();
  /// Waits for its end; its exit code, or -1 after `seconds` or a signal.
  int wait(double seconds);
  /// Sends `signal`, waits up to `seconds`, then kills it.
  void stop(int signal, double seconds);

 private:
  pid_t pid_ = -1;
  int status_ = 0;
  bool ended_ = false;
};

/// What a file holds; "" if it cannot be read.
std::string content_of(const std::string& path);

/// Processor time that process `pid` has used so far, in seconds.
double cpu_seconds(pid_t pid);
/// Of this process.
double own_cpu_seconds();
/// Processor time that the whole machine has spent busy, in seconds over all cores.
double machine_busy_seconds();
/// VmRSS of `pid`, in bytes.
double resident_bytes(pid_t pid);
/// VmRSS of `pid` once it has stayed the same (within 0.1 %) for a second, or after 30 s.
double settled_resident_bytes(pid_t pid);
unsigned cores();

/// cairnd with its defaults but a free port and the data folder given. Ready when constructed.
class Server {
 public:
  /// `extra` is TOML that follows.
  Server(const std::string& cairnd, const std::string& data, const std::string& extra = "");
  ~Server();

  const std::string& address() const { return address_; }
  pid_t pid() const { return program_->pid(); }
  void stop();

 private:
  std::unique_ptr<Program> program_;
  std::string address_;
};

}  // namespace cairn::bench
