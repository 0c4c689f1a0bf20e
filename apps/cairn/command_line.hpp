// The command line: every command, option and example in one place. Reads arguments into a Command; does
// nothing by itself. One thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/cairn/commands.hpp"

namespace CLI {
class App;
}

namespace cairn::apps {

class CommandLine {
 public:
  CommandLine();
  ~CommandLine();

  /// What reading came to: a command, or text to show and an exit code (--help, --version, wrong use).
  struct Read {
    std::optional<Command> command;
    Globals globals;
    int exit = 0;
    std::string text;  ///< for standard output if `exit` is 0, otherwise for standard error
  };

  /// `arguments` without the program's name. Once an object.
  Read read(const std::vector<std::string>& arguments);

  const CLI::App& tree() const { return *app_; }

 private:
  void add_account_commands();
  void add_entry_commands();
  void add_past_commands();
  void add_transfer_commands();
  void add_other_commands();
  void add_admin_commands();
  void add_cluster_commands();

  /// A command that fills the struct it returns.
  template <class C>
  std::pair<CLI::App*, std::shared_ptr<C>> add(CLI::App& above, const std::string& name, const std::string& meaning,
                                               const std::string& examples = "");

  std::unique_ptr<CLI::App> app_;
  Read read_;
  std::uint64_t patience_seconds_;
};

}  // namespace cairn::apps
