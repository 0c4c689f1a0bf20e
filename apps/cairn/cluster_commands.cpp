// `cairn cluster`: nodes of this machine, started, asked and stopped together.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <future>
#include <iostream>
#include <thread>

#include "apps/cairn/cluster_files.hpp"
#include "apps/cairn/cluster_view.hpp"
#include "apps/cairn/commands.hpp"
#include "apps/cairn/node_process.hpp"
#include "client/admin.hpp"
#include "protocol/names.hpp"

namespace cairn::apps {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr auto ask_bound = 10s;        // of one node's status, which takes it two seconds at most
constexpr auto poll_interval = 100ms;  // while nodes start
constexpr auto watch_interval = 2s;
constexpr auto kill_bound = 10s;  // for the system to end a killed process
constexpr std::size_t shown_events = 10;
constexpr std::size_t shown_log_lines = 10;

/// Keeps other `cairn cluster` commands out of a folder while it lives.
class FolderLock {
 public:
  static Result<FolderLock> take(const ClusterFolder& folder) {
    const int fd = open(folder.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return Error{Errc::io, "cannot open " + folder.path + ": " + std::strerror(errno)};
    FolderLock lock(fd);
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) return lock;
    return Error{Errc::conflict, "another cairn cluster command is at work in " + folder.path};
  }
  FolderLock(FolderLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FolderLock& operator=(FolderLock&&) = delete;
  ~FolderLock() {
    if (fd_ >= 0) close(fd_);
  }

 private:
  explicit FolderLock(int fd) : fd_(fd) {}
  int fd_;
};

struct Asked {
  std::string name;
  std::string socket;
};

NodeAnswer ask(const Asked& node) {
  auto admin = client::Admin::connect(node.socket, ask_bound);
  return {node.name, node.socket, admin ? (*admin)->status() : Result<AdminStatus>(admin.error())};
}

/// All at once: one that is slow costs no more than itself.
ClusterView look(const std::vector<Asked>& nodes) {
  std::vector<std::future<NodeAnswer>> asked;
  for (const auto& node : nodes) asked.push_back(std::async(std::launch::async, ask, node));
  std::vector<NodeAnswer> answers;
  for (auto& answer : asked) answers.push_back(answer.get());
  return make_view(answers);
}

std::vector<Asked> to_ask(const std::vector<ClusterNode>& nodes) {
  std::vector<Asked> out;
  for (const auto& node : nodes) out.push_back({node.name, node.socket});
  return out;
}

std::string program_of(const ClusterUp& command) {
  if (!command.cairnd.empty()) return fs::absolute(command.cairnd).string();
  std::error_code error;
  const auto beside = fs::read_symlink("/proc/self/exe", error).parent_path() / "cairnd";
  if (!error && access(beside.c_str(), X_OK) == 0) return beside.string();
  const auto* path = std::getenv("PATH");
  std::string_view folders = path ? path : "";
  while (!folders.empty()) {
    const auto end = std::min(folders.find(':'), folders.size());
    const auto found = fs::path(folders.substr(0, end)) / "cairnd";
    if (access(found.c_str(), X_OK) == 0) return fs::absolute(found).string();
    folders.remove_prefix(std::min(end + 1, folders.size()));
  }
  return beside.string();
}

void show(Context& context, const ClusterView& view) {
  for (const auto& line : describe(view, shown_events)) context.output.line(line);
  context.output.value(to_json(view));
}

/// One `cairn cluster up`.
class Starting {
 public:
  Starting(const ClusterUp& command, Context& context)
      : command_(command), context_(context), folder_(cluster_folder(command.data)) {}

  int run() {
    const auto configs = read_configs(command_.configs, folder_);
    for (const auto& error : configs.errors) context_.output.error(error);
    if (!configs.errors.empty()) return exit_code(configs.errors.front().code);
    nodes_ = configs.nodes;
    std::error_code error;
    fs::create_directories(fs::path(folder_.path).parent_path(), error);
    if (mkdir(folder_.path.c_str(), 0700) != 0 && errno != EEXIST)
      return failed(context_, {Errc::io, "cannot make " + folder_.path + ": " + std::strerror(errno)});
    const auto lock = FolderLock::take(folder_);
    if (!lock) return failed(context_, lock.error());
    if (const auto listed = list(); !listed) return failed(context_, listed.error());
    const auto made = make_certificates(nodes_);
    if (!made) return failed(context_, made.error());
    for (const auto& path : *made) context_.output.remark("made " + path);
    for (const auto& node : nodes_)
      if (const auto started = start(node); !started) return failed(context_, started.error());
    return wait();
  }

 private:
  /// Those that were started before and are not named now stay in the list.
  Result<void> list() {
    all_ = nodes_;
    if (const auto known = read_cluster(folder_))
      for (const auto& node : *known)
        if (std::ranges::find(nodes_, node.name, &ClusterNode::name) == nodes_.end()) all_.push_back(node);
    std::ranges::sort(all_, {}, &ClusterNode::name);
    return write_cluster(folder_, all_);
  }

  Result<void> start(const ClusterNode& node) {
    if (const auto running = NodeProcess::find(folder_.pid_file(node.name))) {
      context_.output.remark(node.name + " runs already, as process " + std::to_string(running->pid()));
      return {};
    }
    if (client::Admin::connect(node.socket, ask_bound)) {
      context_.output.remark(node.name + " runs already, though not started by this command");
      return {};
    }
    const auto pid = start_node(
        {program_of(command_), node.config, folder_.path, folder_.log_file(node.name), folder_.pid_file(node.name)});
    if (!pid) return pid.error();
    started_.push_back({node.name, *pid});
    context_.output.remark(node.name + " is process " + std::to_string(*pid) + ", logs to " +
                           folder_.log_file(node.name));
    return {};
  }

  int wait() {
    std::atomic<bool> interrupted = false;
    const Interrupts::Scope scope(context_.interrupts, [&] { interrupted = true; });
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(command_.wait_seconds);
    while (true) {
      for (const auto& [name, pid] : started_)
        if (waitpid(pid, nullptr, WNOHANG) == pid) return died(name);
      const auto view = look(to_ask(all_));
      if (view.serves) return serves(view);
      if (interrupted) {
        context_.output.warning("interrupted: the nodes that were started go on; cairn cluster down stops them");
        return exit_interrupted;
      }
      if (std::chrono::steady_clock::now() > until) return late(view);
      context_.output.progress(view.problems.empty() ? "waiting" : "waiting: " + printable(view.problems.front(), 200));
      std::this_thread::sleep_for(poll_interval);
    }
  }

  int died(const std::string& name) {
    unlink(folder_.pid_file(name).c_str());
    context_.output.error({Errc::unavailable, name + " ended at once; the end of " + folder_.log_file(name) + ":"});
    if (!context_.output.json()) std::cerr << tail_of(folder_.log_file(name), shown_log_lines) << std::flush;
    return exit_partial;
  }

  int late(const ClusterView& view) {
    show(context_, view);
    context_.output.error({Errc::timed_out, "the cluster does not serve after " +
                                                std::to_string(command_.wait_seconds) +
                                                " s; its nodes go on, and their logs are in " + folder_.path});
    return exit_partial;
  }

  int serves(const ClusterView& view) {
    show(context_, view);
    const auto data = command_.data == default_cluster_folder ? "" : " --data " + command_.data;
    context_.output.remark("");
    for (const auto& node : view.nodes)
      if (!node.rpc_address.empty()) {
        context_.output.remark("Sign in:  cairn --server " + node.rpc_address + " login YOU --create");
        break;
      }
    context_.output.remark("Look:     cairn cluster status" + data);
    context_.output.remark("Stop:     cairn cluster down" + data);
    return exit_ok;
  }

  const ClusterUp& command_;
  Context& context_;
  ClusterFolder folder_;
  std::vector<ClusterNode> nodes_;  // those of this command
  std::vector<ClusterNode> all_;    // with those of earlier ones
  std::vector<std::pair<std::string, pid_t>> started_;
};

bool is_inside(const std::string& path, const ClusterFolder& folder) {
  return path.starts_with(folder.path + "/") && path.find("/../") == path.npos;
}

/// Only what `up` and its nodes made: the folder may hold other things, and is left then.
Result<void> delete_cluster(Context& context, const ClusterFolder& folder, const std::vector<ClusterNode>& nodes) {
  std::error_code error;
  std::error_code ignored;
  for (const auto& node : nodes) {
    for (const auto& path : {node.data, node.certificate, node.key, node.authority}) {
      if (path.empty()) continue;
      if (!is_inside(path, folder)) {
        context.output.warning("left: " + path + ", which is outside of " + folder.path);
        continue;
      }
      fs::remove_all(path, error);
      if (error) return Error{Errc::io, "cannot delete " + path + ": " + error.message()};
      if (path == node.authority) fs::remove(fs::path(path).parent_path() / "ca.key", ignored);
      // The folder of certificates, once it is empty.
      if (path != node.data) fs::remove(fs::path(path).parent_path(), ignored);
    }
    fs::remove(folder.pid_file(node.name), ignored);
    fs::remove(folder.log_file(node.name), ignored);
  }
  fs::remove(folder.list(), error);
  if (error) return Error{Errc::io, "cannot delete " + folder.list() + ": " + error.message()};
  fs::remove(folder.path, ignored);
  return {};
}

bool agrees(const ClusterFolder& folder) {
  std::cerr << "Delete all files, accounts and keys of the cluster in " << folder.path << "? [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

/// Whether all ended; each that did not is named.
bool stop_all(Context& context, const ClusterDown& command, const ClusterFolder& folder,
              const std::vector<ClusterNode>& nodes) {
  std::vector<std::pair<std::string, NodeProcess>> running;
  for (const auto& node : nodes)
    if (auto process = NodeProcess::find(folder.pid_file(node.name))) {
      if (const auto told = process->signal(SIGTERM); !told) context.output.error(told.error());
      running.emplace_back(node.name, std::move(*process));
    } else {
      context.output.remark(node.name + " does not run");
    }
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(command.wait_seconds);
  bool all = true;
  for (const auto& [name, process] : running) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    bool ended = process.wait(std::max(left, 0ms));
    if (!ended && command.force) {
      (void)process.signal(SIGKILL);
      ended = process.wait(kill_bound);
      if (ended) context.output.warning(name + " did not stop in time, and was killed");
    }
    all = all && ended;
    if (!ended) {
      context.output.error({Errc::timed_out, name + " (process " + std::to_string(process.pid()) +
                                                 ") has not stopped; --force would kill it"});
      continue;
    }
    unlink(folder.pid_file(name).c_str());
    context.output.remark(name + " stopped");
    context.output.value({{"node", name}, {"stopped", true}});
  }
  return all;
}

}  // namespace

int run(const ClusterUp& command, Context& context) { return Starting(command, context).run(); }

int run(const ClusterDown& command, Context& context) {
  const auto folder = cluster_folder(command.data);
  const auto nodes = read_cluster(folder);
  if (!nodes) return failed(context, nodes.error());
  const auto lock = FolderLock::take(folder);
  if (!lock) return failed(context, lock.error());
  if (command.remove && !command.yes && !isatty(STDIN_FILENO))
    return failed(context, {Errc::invalid_argument, "--delete asks first, and there is nobody to ask: give --yes"});
  if (!stop_all(context, command, folder, *nodes)) return exit_partial;
  if (!command.remove) return exit_ok;
  if (!command.yes && !agrees(folder)) {
    context.output.remark("nothing was deleted");
    return exit_ok;
  }
  const auto deleted = delete_cluster(context, folder, *nodes);
  return deleted ? exit_ok : failed(context, deleted.error());
}

int run(const ClusterStatus& command, Context& context) {
  std::vector<Asked> nodes;
  for (const auto& socket : command.sockets) nodes.push_back({"", fs::absolute(socket).string()});
  if (nodes.empty()) {
    const auto known = read_cluster(cluster_folder(command.data));
    if (!known) return failed(context, known.error());
    nodes = to_ask(*known);
  }
  std::atomic<bool> interrupted = false;
  std::optional<Interrupts::Scope> scope;
  if (command.watch) scope.emplace(context.interrupts, [&] { interrupted = true; });
  const bool clears = command.watch && !context.output.json() && isatty(STDOUT_FILENO);
  while (true) {
    const auto view = look(nodes);
    if (clears) (void)context.output.raw("\x1b[H\x1b[2J\x1b[3J");
    show(context, view);
    if (clears) std::fflush(stdout);
    const auto until = std::chrono::steady_clock::now() + watch_interval;
    while (command.watch && !interrupted && std::chrono::steady_clock::now() < until)
      std::this_thread::sleep_for(poll_interval);
    if (command.watch && !interrupted) continue;
    if (view.answered == 0) return exit_unreachable;
    return view.problems.empty() ? exit_ok : exit_partial;
  }
}

}  // namespace cairn::apps
