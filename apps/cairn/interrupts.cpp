#include "apps/cairn/interrupts.hpp"

#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <string_view>
#include <utility>

#include "apps/cairn/exit_codes.hpp"

namespace cairn::apps {
namespace {

sigset_t handled_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGHUP);
  // For the destructor alone.
  sigaddset(&set, SIGUSR1);
  return set;
}

}  // namespace

Interrupts::Interrupts() {
  // Every thread that is started from now on inherits this.
  const auto set = handled_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  thread_ = std::thread([this] { run(); });
}

Interrupts::~Interrupts() {
  pthread_kill(thread_.native_handle(), SIGUSR1);
  thread_.join();
}

void Interrupts::run() {
  const auto set = handled_signals();
  while (true) {
    int signal = 0;
    if (sigwait(&set, &signal) != 0) continue;
    if (signal == SIGUSR1) return;
    const std::lock_guard lock(mutex_);
    if (stop_ && !seen_.exchange(true)) {
      stop_();
      continue;
    }
    if (last_act_) last_act_();
    constexpr std::string_view word = "cairn: interrupted\n";
    if (write(STDERR_FILENO, word.data(), word.size()) < 0) _exit(exit_interrupted);
    _exit(exit_interrupted);
  }
}

void Interrupts::set_last_act(std::function<void()> act) {
  const std::lock_guard lock(mutex_);
  last_act_ = std::move(act);
}

Interrupts::Scope::Scope(Interrupts& interrupts, std::function<void()> stop) : interrupts_(interrupts) {
  const std::lock_guard lock(interrupts_.mutex_);
  former_ = std::exchange(interrupts_.stop_, std::move(stop));
}

Interrupts::Scope::~Scope() {
  const std::lock_guard lock(interrupts_.mutex_);
  interrupts_.stop_ = std::move(former_);
}

}  // namespace cairn::apps
