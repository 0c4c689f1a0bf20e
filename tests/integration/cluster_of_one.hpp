// A server and its users, as real processes: cairnd with quick settings on a free port, and cairn with homes
// of their own. Main thread of the test.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/support/process.hpp"
#include "tests/support/temp_dir.hpp"

namespace cairn::test {

class Server {
 public:
  /// `settings` are lines of TOML behind the quick ones, with keys in full ("blocks.sealers = 1").
  explicit Server(std::string settings = "", const std::string& parent_folder = "");

  /// Starts it and waits until it is ready; again on the port that it had. Fails the test if it does not.
  void start();
  /// SIGKILL: what a power cut leaves, except that the disk keeps what it was told.
  void kill();
  /// SIGTERM; its exit code, or -1 if it did not end in time.
  int stop();
  bool running() { return process_ && process_->running(); }

  const std::string& address() const { return address_; }
  const std::string& folder() const { return folder_.path(); }
  /// What it logged since its last start.
  const std::string& log() const { return process_->err(); }

 private:
  TempDir folder_;
  std::string settings_;
  std::string address_ = "127.0.0.1:0";
  std::unique_ptr<Process> process_;
};

/// A person at a machine of their own: a home in which `cairn` remembers the sign-in.
class User {
 public:
  explicit User(Server& server, std::string login = "ada") : server_(server), login_(std::move(login)) {}

  /// Makes the account if it is not there.
  void sign_in();
  /// `cairn ARGUMENTS`.
  Ran cairn(const std::vector<std::string>& arguments, std::chrono::milliseconds bound = 60s,
            const std::string& input = "");
  /// As above; fails the test unless it ends with 0. Standard output.
  std::string ok(const std::vector<std::string>& arguments, std::chrono::milliseconds bound = 60s);
  /// The same without waiting for its end.
  std::unique_ptr<Process> begin(const std::vector<std::string>& arguments);

  std::string home() const { return home_.path(); }
  static constexpr const char* password = "correct horse";

 private:
  ProcessOptions options(const std::vector<std::string>& arguments) const;

  Server& server_;
  std::string login_;
  TempDir home_;
};

std::string cairnd_path();
std::string cairn_path();

}  // namespace cairn::test
