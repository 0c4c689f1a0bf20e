// A benchmark's main: runs it in a child process with a folder of its own on a real disk, and whatever
// becomes of the child, ends every process that it started and removes the folder. Main thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace cairn::bench {

/// What a benchmark is given.
struct Setting {
  std::string folder;               ///< empty, on a disk (not in memory), removed afterwards
  std::string cairnd;               ///< the server's program, of the same build
  std::string etcd_client;          ///< where scripts/bench puts etcd's client if it can build it
  std::vector<std::string> arguments;

  /// The number after `flag`, or `otherwise`.
  double number(const std::string& flag, double otherwise) const;
  /// The word after `flag`; empty without it.
  std::string text(const std::string& flag) const;
  bool has(const std::string& flag) const;
};

/// The exit code: the child's, 1 if it was ended by force, 2 for a flag that is none of `flags`. The folder is made in
/// $CAIRN_BENCH_DIR, or /var/tmp, or where the program lies: the first that is on a disk. `bound_seconds` is the most
/// that the whole may take.
int run(int argc, char** argv, int bound_seconds, const std::vector<std::string>& flags,
        const std::function<void(const Setting&)>& benchmark);

}  // namespace cairn::bench
