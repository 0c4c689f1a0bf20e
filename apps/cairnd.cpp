// The server's main: reads flags and configuration, starts a node, waits for a signal, stops it.
#include <CLI/CLI.hpp>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iostream>
#include <sstream>

#include "actors/log.hpp"
#include "actors/node.hpp"
#include "apps/memory.hpp"
#include "cluster/config.hpp"
#include "protocol/version.hpp"

namespace {

// Exit codes, as --help lists them.
enum Exit { ok = 0, bad_usage = 2, bad_config = 3, did_not_start = 4, gave_up = 70 };

constexpr const char* footer =
    "Once it is up it prints one line: cairnd ready: rpc ADDRESS, or link ADDRESS if it serves no clients.\n"
    "Without a configuration every role runs in this process, on loopback, with data in ./cairn-data.\n"
    "Every key is documented in configs/reference.toml (--print-config writes it).\n"
    "\n"
    "Exit codes: 0 stopped by a signal or asked only to print; 2 wrong flags; 3 wrong configuration;\n"
    "4 did not start (the message says why); 70 a part failed beyond its restarts, or a write to disk failed.";

struct Flags {
  std::string config;
  std::string data;
  std::string listen;
  bool check_config = false;
  bool print_config = false;
};

bool read_config(const Flags& flags, cairn::cluster::Config& config) {
  std::string text;
  if (!flags.config.empty()) {
    const std::ifstream file(flags.config);
    std::ostringstream all;
    all << file.rdbuf();
    if (!file) {
      std::cerr << "cairnd: cannot read " << flags.config << '\n';
      return false;
    }
    text = all.str();
  }
  const auto parsed = cairn::cluster::parse_config(text);
  for (const auto& error : parsed.errors) {
    std::cerr << flags.config;
    if (error.line) std::cerr << ':' << error.line;
    std::cerr << ": " << (error.key.empty() ? "" : error.key + ": ") << error.message << '\n';
  }
  config = parsed.config;
  if (!flags.data.empty()) config.node.data = flags.data;
  if (!flags.listen.empty()) config.rpc.listen = flags.listen;
  if (!parsed.errors.empty()) return false;
  // What the flags changed must fit the rest too.
  const auto errors = cairn::cluster::check_config(config);
  for (const auto& error : errors) std::cerr << "cairnd: " << error.key << ": " << error.message << '\n';
  return errors.empty();
}

// Blocked before any thread starts, so that they reach sigtimedwait() in main alone.
sigset_t block_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return set;
}

int run(const cairn::cluster::Config& config) {
  const auto signals = block_signals();
  cairn::actors::start_log(config.log, config.node.name);
  auto node = cairn::actors::Node::start(config);
  if (!node) {
    std::cerr << "cairnd: " << node.error().message << '\n';
    return node.error().code == cairn::Errc::bad_config ? bad_config : did_not_start;
  }
  const auto rpc = (*node)->rpc_address();
  std::cout << "cairnd ready: " << (rpc.empty() ? "link " + (*node)->link_address() : "rpc " + rpc) << std::endl;
  const timespec poll{0, 200'000'000};
  auto memory_returned = std::chrono::steady_clock::now();
  while (sigtimedwait(&signals, nullptr, &poll) < 0) {
    if ((*node)->failed()) {
      cairn::actors::log_error("a part of the node failed beyond its restarts; ending the process");
      cairn::actors::flush_log();
      std::_Exit(gave_up);
    }
    if (const auto now = std::chrono::steady_clock::now(); now - memory_returned > cairn::apps::memory_kept) {
      memory_returned = now;
      cairn::apps::return_free_memory();
    }
  }
  cairn::actors::log_info("stopping");
  (*node)->stop();
  return ok;
}

}  // namespace

int main(int argc, char** argv) {
  cairn::apps::set_up_memory();
  CLI::App app{"cairnd: the Cairn server", "cairnd"};
  Flags flags;
  app.add_option("-c,--config", flags.config, "Configuration file (TOML)")->type_name("FILE");
  app.add_option("--data", flags.data, "Data directory, in place of node.data")->type_name("DIR");
  app.add_option("--listen", flags.listen, "RPC address, in place of rpc.listen; port 0 takes a free one")
      ->type_name("HOST:PORT");
  app.add_flag("--check-config", flags.check_config, "Read the configuration, say what is wrong with it, and end");
  app.add_flag("--print-config", flags.print_config, "Print the reference configuration and end");
  app.set_version_flag("--version", "cairnd " + std::string(cairn::version));
  app.footer(footer);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? ok : bad_usage;
  }
  if (flags.print_config) {
    std::cout << cairn::cluster::reference_config();
    return ok;
  }
  cairn::cluster::Config config;
  if (!read_config(flags, config)) return bad_config;
  if (flags.check_config) {
    std::cout << (flags.config.empty() ? "the defaults" : flags.config) << ": good\n";
    return ok;
  }
  return run(config);
}
