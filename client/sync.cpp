#include "client/sync.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <thread>

#include "client/sync_parts.hpp"
#include "client/sync_round.hpp"
#include "protocol/names.hpp"

namespace cairn::client {
namespace {

/// Rounds of one run: moves, contents, what conflicts brought up; more only if things keep changing.
constexpr int max_rounds = 12;
/// Changes come in bursts: wait for this much quiet after one, but not for longer than the other.
constexpr auto quiet = 300ms;
constexpr auto longest_burst = 3s;
/// Between looks at the folder where the system gives no watch, and tries after a lost connection.
constexpr auto poll_interval = 10s;
constexpr auto retry_interval = 2s;

Result<Fd> lock_folder(const std::string& folder) {
  const auto own = folder + "/" + sync_folder;
  if (::mkdir(own.c_str(), 0700) != 0 && errno != EEXIST) return errno_error("cannot make", own);
  const auto path = own + "/lock";
  Fd lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) return errno_error("cannot open", path);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
    return Error{Errc::busy, "another sync works on " + printable(folder)};
  return lock;
}

/// The state belongs to one folder of one drive: what was synced with another would look deleted.
Result<void> check_identity(SyncState& state, const std::string& folder, const std::string& identity) {
  const auto known = state.get("identity");
  if (!known.ok()) return known.error();
  if (!*known) return state.set("identity", identity);
  if (**known == identity) return {};
  return Error{Errc::invalid_argument, printable(folder) + " was synced with another account or drive folder; remove " +
                                           printable(folder) + "/" + sync_folder + " to sync it with this one"};
}

/// A temporary name holds what a dead process was about to put in place, or what it had just replaced.
/// Only what is known to be the latter goes; the rest is for the user to look at.
void clean_up(const LocalRoot& root, const LocalScan& scanned, const BaseTree& base, SyncReport& report) {
  for (const auto& [path, node] : scanned.leftovers) {
    const bool replaced = std::any_of(base.begin(), base.end(), [&](const auto& known) {
      const auto& local = known.second.local;
      return local.inode == node.inode && local.size == node.size &&
             local.attributes.modified_nanos == node.attributes.modified_nanos;
    });
    if (!replaced || !root.remove(path, false).ok())
      report.skipped.push_back({path, Errc::invalid_name, "it was left by a sync that died"});
  }
}

}  // namespace

Result<std::unique_ptr<Sync>> Sync::open(Drive& drive, const AccountInfo& account, const std::string& folder,
                                         const std::string& remote, SyncOptions options) {
  auto root = LocalRoot::open(folder);
  if (!root.ok()) return root.error();
  auto lock = lock_folder(folder);
  if (!lock.ok()) return lock.error();
  auto state = SyncState::open(folder + "/" + sync_folder + "/state.db");
  if (!state.ok()) return state.error();
  const auto top = drive.folder(remote, true);
  if (!top.ok()) return top.error();
  const auto identity = account.login + "/" + std::to_string(account.id.value) + "/" + std::to_string(top->id.value);
  CAIRN_TRY(check_identity(**state, folder, identity));
  auto& memory = **state;
  std::unique_ptr<Parts> parts(new Parts{drive,
                                         folder,
                                         std::move(options),
                                         std::move(*root),
                                         std::move(*lock),
                                         std::move(*state),
                                         top->id,
                                         RemoteMirror(drive, memory, top->id),
                                         nullptr,
                                         {}});
  CAIRN_TRY(parts->mirror.load());
  parts->seen = parts->mirror.cursor().value;
  // Made here, so that stop() can wake it from the start.
  auto watch = LocalWatch::open(folder);
  if (!watch.ok()) return watch.error();
  parts->watch = std::move(*watch);
  return std::unique_ptr<Sync>(new Sync(std::move(parts)));
}

Sync::Sync(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Sync::~Sync() = default;

Result<SyncReport> Sync::run() {
  SyncReport report;
  PlanOptions planning;
  for (int round = 0; round < max_rounds; ++round) {
    if (parts_->cancelled()) return Error{Errc::cancelled, "the sync was stopped"};
    CAIRN_TRY(parts_->mirror.refresh());
    parts_->seen = parts_->mirror.cursor().value;
    auto local = scan(parts_->root);
    if (!local.ok()) return local.error();
    const auto base = parts_->state->base();
    if (!base.ok()) return base.error();
    parts_->last_scanned = local->tree;
    report.skipped = local->skipped;
    report.failed.clear();
    if (!parts_->options.dry_run) clean_up(parts_->root, *local, *base, report);
    const auto todo = plan(local->tree, parts_->mirror.tree(), *base, planning);
    if (parts_->options.dry_run) {
      for (const auto& action : todo.actions) report.planned.push_back(describe(action));
      return report;
    }
    if (todo.actions.empty()) break;
    SyncRound work(*parts_, *local, report);
    CAIRN_TRY(work.carry_out(todo));
    if (work.moves_failed()) planning.moves = false;
    if (!todo.again && !work.again()) break;
  }
  return report;
}

Result<void> Sync::follow(const std::function<void(const SyncReport&)>& done) {
  std::atomic<bool> remote_changed = false;
  std::atomic<bool> following = true;
  // Only wakes: what changed is read by run(), from the cursor that is kept.
  std::thread listening([&] {
    auto feed = parts_->drive.watch(Cursor{parts_->seen});
    while (following) {
      const auto page = feed->next(500ms);
      if (page.ok() && (!*page || (*page)->cursor.value <= parts_->seen)) continue;
      remote_changed = true;
      parts_->watch->wake();
      if (page.ok()) continue;
      if (page.error().code != Errc::cursor_expired) return;  // run() meets the same error, and tells it
      while (following && remote_changed) std::this_thread::sleep_for(50ms);
      feed = parts_->drive.watch(Cursor{parts_->seen});
    }
  });
  const auto one_round = [&]() -> Result<std::chrono::milliseconds> {
    remote_changed = false;
    const auto report = run();
    if (!report.ok() && (!is_retryable(report.error().code) || parts_->cancelled())) return report.error();
    if (!report.ok()) return std::chrono::milliseconds(retry_interval);
    if (!report->quiet()) done(*report);
    if (parts_->watch->add(parts_->last_scanned)) return 0ms;
    const bool look_again = !parts_->watch->complete() || !report->failed.empty();
    return look_again ? std::chrono::milliseconds(poll_interval) : std::chrono::milliseconds(1h);
  };
  Result<void> outcome;
  while (!parts_->cancelled()) {
    const auto wait = one_round();
    if (!wait.ok()) {
      if (!parts_->cancelled()) outcome = wait.error();
      break;
    }
    const auto deadline = std::chrono::steady_clock::now() + *wait;
    while (!parts_->cancelled() && !remote_changed && std::chrono::steady_clock::now() < deadline) {
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
      // Looks up now and then, as a cancel flag of the caller's wakes nobody.
      if (!parts_->watch->wait(std::min<std::chrono::milliseconds>(left, 500ms))) continue;
      const auto burst_end = std::chrono::steady_clock::now() + longest_burst;
      while (parts_->watch->wait(quiet) && std::chrono::steady_clock::now() < burst_end) {
      }
      break;
    }
  }
  following = false;
  listening.join();
  return outcome;
}

void Sync::stop() {
  parts_->stopping = true;
  parts_->watch->wake();
}

}  // namespace cairn::client
