#include "tests/integration/cluster_of_one.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <sstream>

namespace cairn::test {
namespace {

// Password hashes that cost nothing, small files that are quickly made, and room on a full disk.
constexpr const char* quick_settings = R"(
accounts.password_operations = 1
accounts.password_memory = "64KiB"
metadata.reserve = "0B"
blocks.segment = "16MiB"
blocks.reserve = "0B"
)";

constexpr auto ready_bound = 60s;

/// The quick settings but for those that `settings` give.
std::string with_quick_settings(const std::string& settings) {
  std::string out;
  std::istringstream quick(quick_settings);
  for (std::string line; std::getline(quick, line);)
    if (settings.find(line.substr(0, line.find('='))) == settings.npos) out += line + "\n";
  return out + settings + "\n";
}

}  // namespace

std::string cairnd_path() { return CAIRN_BINARY_DIR "/apps/cairnd"; }
std::string cairn_path() { return CAIRN_BINARY_DIR "/apps/cairn"; }

Server::Server(std::string settings, const std::string& parent_folder)
    : folder_(parent_folder), settings_(std::move(settings)) {
  start();
}

void Server::start() {
  std::ofstream(folder_ / "cairnd.toml") << with_quick_settings(settings_) << "node.data = \"" << folder_ / "data"
                                         << "\"\nrpc.listen = \"" << address_ << "\"\n";
  process_ = std::make_unique<Process>(
      ProcessOptions{{cairnd_path(), "--config", folder_ / "cairnd.toml"}, {}, "", folder_.path()});
  const std::string start = "cairnd ready: rpc ";
  const auto line = process_->wait_for_line(start, ready_bound);
  ASSERT_TRUE(line) << "cairnd is not ready\n" << process_->out() << process_->err();
  address_ = line->substr(start.size());
}

void Server::kill() {
  process_->signal(SIGKILL);
  ASSERT_TRUE(process_->wait(30s)) << "a killed server still runs";
}

int Server::stop() {
  process_->signal(SIGTERM);
  return process_->wait(30s).value_or(-1);
}

void User::sign_in() {
  const auto ran = cairn({"login", login_, "--create", "--server", server_.address(), "--password-stdin"}, 60s,
                         std::string(password) + "\n");
  ASSERT_EQ(ran.code, 0) << ran.err << server_.log();
}

ProcessOptions User::options(const std::vector<std::string>& arguments) const {
  ProcessOptions options;
  options.arguments = {cairn_path()};
  options.arguments.insert(options.arguments.end(), arguments.begin(), arguments.end());
  options.environment = {{"XDG_CONFIG_HOME", home_.path()}, {"TZ", "UTC"}};
  return options;
}

Ran User::cairn(const std::vector<std::string>& arguments, std::chrono::milliseconds bound, const std::string& input) {
  auto with_input = options(arguments);
  with_input.input = input;
  return run_process(with_input, bound);
}

std::string User::ok(const std::vector<std::string>& arguments, std::chrono::milliseconds bound) {
  const auto ran = cairn(arguments, bound);
  EXPECT_EQ(ran.code, 0) << "cairn " << testing::PrintToString(arguments) << "\n" << ran.out << ran.err;
  return ran.out;
}

std::unique_ptr<Process> User::begin(const std::vector<std::string>& arguments) {
  return std::make_unique<Process>(options(arguments));
}

}  // namespace cairn::test
