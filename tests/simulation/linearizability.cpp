#include "tests/simulation/linearizability.hpp"

#include <algorithm>
#include <set>
#include <string>

namespace cairn::simulation {
namespace {

class Search {
 public:
  explicit Search(std::vector<Operation> operations) : operations_(std::move(operations)) {
    std::ranges::sort(operations_, {}, &Operation::invoked);
    done_.assign(operations_.size(), '0');
  }

  bool run(std::uint64_t state) {
    // What is answered soonest must come before everything that was invoked after that.
    std::uint64_t soonest = ~0ull;
    bool left = false;
    for (std::size_t i = first_; i < operations_.size() && operations_[i].invoked <= soonest; ++i)
      if (done_[i] == '0') {
        soonest = std::min(soonest, operations_[i].answered);
        left |= operations_[i].answered != ~0ull;
      }
    if (!left) return true;
    const auto end = done_.find_last_of('1');
    const auto some = end == std::string::npos || end < first_ ? std::string() : done_.substr(first_, end - first_ + 1);
    if (!tried_.insert(std::to_string(first_) + ":" + some + ":" + std::to_string(state)).second)
      return false;
    for (std::size_t i = first_; i < operations_.size() && operations_[i].invoked <= soonest; ++i)
      if (done_[i] == '0' && take(i, state)) return true;
    return false;
  }

 private:
  bool take(std::size_t i, std::uint64_t state) {
    const auto& operation = operations_[i];
    if (operation.answered != ~0ull && operation.seen != state) return false;
    const auto first = first_;
    done_[i] = '1';
    while (first_ < done_.size() && done_[first_] == '1') ++first_;
    if (run(operation.write ? operation.value : state)) return true;
    done_[i] = '0';
    first_ = first;
    return false;
  }

  std::vector<Operation> operations_;
  std::string done_;
  std::size_t first_ = 0;
  std::set<std::string> tried_;
};

}  // namespace

bool linearizable(const std::vector<Operation>& history) {
  // A read that was never answered says nothing.
  std::vector<Operation> operations;
  for (const auto& operation : history)
    if (operation.write || operation.answered != ~0ull) operations.push_back(operation);
  return Search(std::move(operations)).run(0);
}

}  // namespace cairn::simulation
