// Clients of a cluster that commit, read and watch steadily through its front node, remember what was acknowledged to
// them, and afterwards hold the cluster to it. Threads of its own; its functions belong to one thread.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "client/drive.hpp"
#include "tests/processes/cluster.hpp"
#include "tests/support/acks.hpp"

namespace cairn::test {

struct LoadOptions {
  unsigned accounts = 2;
  unsigned writers = 2;                        ///< of each account
  unsigned readers = 1;                        ///< of each account
  std::chrono::milliseconds pause{4};          ///< of each writer and reader between its calls
  std::size_t bytes = 256;                     ///< of each new file
  std::chrono::milliseconds deadline{60'000};  ///< after which a call that nobody answers fails
  std::string prefix = "load";                 ///< of the accounts' names
};

class SteadyLoad {
 public:
  /// Makes the accounts and begins. Throws what went wrong.
  SteadyLoad(const ProcessCluster& cluster, LoadOptions options);
  /// Ends it, as stop().
  ~SteadyLoad();

  const Acks& writes() const { return writes_; }
  const Acks& reads() const { return reads_; }
  const Acks& reads_of(unsigned account) const;
  /// Waits until something was committed (read in each account) after `moment`; false after `bound`.
  bool writes_after(double moment, std::chrono::milliseconds bound = ProcessCluster::patience) const;
  bool reads_after(double moment, std::chrono::milliseconds bound = ProcessCluster::patience) const;

  /// Ends the calls; those on their way are waited for.
  void stop();
  /// After stop(): what is wrong, a line each, of this: every acknowledged commit is there, once, with its content;
  /// nothing else is but what was sent; and each watch was told every change once, in order.
  std::vector<std::string> wrong();

 private:
  struct Account;
  void write(Account& account, unsigned writer);
  void read(Account& account);
  void watch(Account& account);
  void check(Account& account, std::vector<std::string>& wrong) const;

  LoadOptions options_;
  Acks writes_, reads_;
  std::atomic<bool> stopping_ = false;
  bool stopped_ = false;
  std::vector<std::unique_ptr<Account>> accounts_;
};

}  // namespace cairn::test
